/** How strongly an adapter counts: its low-rank updates times a number, in the compiled graphs of the adapter itself. */

import type { LoraAdapter, LoraLayer } from '../weights/lora_adapter.ts';
import type { Adapter } from './adapter.ts';

/** What an adapter may hold; low-rank updates alone can be scaled. */
export type AdapterKind = 'lora' | 'softTokens' | 'weights';

/** What the kinds are called. */
export const KIND_NAMES: Readonly<Record<AdapterKind, string>> = Object.freeze({
  lora: 'low-rank updates',
  softTokens: 'soft tokens',
  weights: 'whole weights',
});

/** Largest scale, up or down, that is taken from outside; a larger one is mistyped. */
export const LARGEST_ADAPTER_SCALE = 4;

/** What an adapter holds. */
export function adapterKinds({ lora, softTokens, weights }: Adapter): AdapterKind[] {
  return [
    ...(lora === null ? [] : ['lora' as const]),
    ...(softTokens === null ? [] : ['softTokens' as const]),
    ...(weights ? ['weights' as const] : []),
  ];
}

/** Why adapters that hold these cannot have a scale; `null` where they can. */
export function scaleFault(kinds: readonly AdapterKind[], scale: number): string | null {
  if (!Number.isFinite(scale)) return `expected a finite number, received ${scale}`;
  const fixed = kinds.filter((kind) => kind !== 'lora').map((kind) => KIND_NAMES[kind]);
  if (scale === 1 || fixed.length === 0) return null;
  return (
    `expected 1 for an adapter of ${fixed.join(' and ')}, received ${scale}; ` +
    `${KIND_NAMES.lora} alone can be scaled`
  );
}

/**
 * The adapter with its low-rank updates times `scale`: W' = W + scale * (alpha / rank) * up * down, as `set_adapters` of diffusers
 * and `<lora:name:scale>` of AUTOMATIC1111 have it. `up` holds the factor, so that the layout stays, and with it the
 * compiled graph. 0 leaves the updates out, which gives the model's own images to the bit; less than 0 is the opposite update.
 * @returns the same adapter for a scale of 1
 * @throws Error when the scale is not finite, or is not 1 and the adapter has soft tokens or whole weights
 */
export function scaledAdapter(adapter: Adapter, scale: number): Adapter {
  const fault = scaleFault(adapterKinds(adapter), scale);
  if (fault !== null) throw new Error(`adapter scale: ${fault}`);
  const { lora } = adapter;
  if (scale === 1 || lora === null) return adapter;
  return Object.freeze({ ...adapter, lora: scale === 0 ? null : scaledLora(lora, scale) });
}

function scaledLora(lora: LoraAdapter, scale: number): LoraAdapter {
  const scaled = (layers: ReadonlyMap<string, LoraLayer>) =>
    new Map([...layers].map(([path, layer]) => [path, scaledLayer(layer, scale)]));
  return { ...lora, textEncoder: scaled(lora.textEncoder), unet: scaled(lora.unet) };
}

function scaledLayer(layer: LoraLayer, scale: number): LoraLayer {
  const { shape, data } = layer.up;
  return Object.freeze({ ...layer, up: { shape, data: data.map((value) => value * scale) } });
}
