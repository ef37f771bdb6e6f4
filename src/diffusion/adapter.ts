/** An adapter on a text-to-image model: low-rank updates and soft tokens, as graph inputs with their values. */

import type { Tensors, Value } from '../graph/index.ts';
import { input } from '../graph/index.ts';
import type { LinearShape, LoraFactors, Parameters } from '../models/index.ts';
import { withLora } from '../models/index.ts';
import type { LoraAdapter, LoraLayer, LoraPart } from '../weights/lora_file.ts';
import { LORA_PARTS } from '../weights/lora_file.ts';

/** Learned token embeddings that stand in front of every prompt, after the start token. */
export interface SoftTokens {
  readonly count: number;
  /** Width of the text encoder. */
  readonly width: number;
  /** count * width elements, row-major. */
  readonly data: Float32Array;
}

/** What an adapter changes. Either part may be missing. */
export interface Adapter {
  readonly lora: LoraAdapter | null;
  readonly softTokens: SoftTokens | null;
}

/** The adapter that changes nothing. */
export const NO_ADAPTER: Adapter = Object.freeze({ lora: null, softTokens: null });

/** Rank and scale (alpha/rank) of one adapted layer. */
export interface LayerLayout {
  readonly rank: number;
  readonly scale: number;
}

/** What of an adapter shapes the graph; two adapters of one layout run in the same compiled graph. */
export interface AdapterLayout {
  readonly textEncoder: ReadonlyMap<string, LayerLayout>;
  readonly unet: ReadonlyMap<string, LayerLayout>;
  /** Number of soft tokens; 0 for none. */
  readonly softTokens: number;
}

/** The layout of {@link NO_ADAPTER}. */
export const NO_ADAPTER_LAYOUT: AdapterLayout = Object.freeze({
  textEncoder: new Map(),
  unet: new Map(),
  softTokens: 0,
});

/** The layout of an adapter. */
export function adapterLayout({ lora, softTokens }: Adapter): AdapterLayout {
  const part = (layers: ReadonlyMap<string, LoraLayer> | undefined) =>
    new Map(
      [...(layers ?? [])].map(([path, { rank, alpha }]) => [path, { rank, scale: alpha / rank }] as const),
    );
  return {
    textEncoder: part(lora?.textEncoder),
    unet: part(lora?.unet),
    softTokens: softTokens?.count ?? 0,
  };
}

/** Name of the graph input that holds the soft tokens. */
export const SOFT_TOKENS_INPUT = 'soft_tokens';

/** Name of the graph input that holds one factor of a layer's update. */
export function factorInput(part: LoraPart, modulePath: string, factor: 'down' | 'up'): string {
  return `${part}.${modulePath}.lora_${factor}`;
}

/** The values of an adapter's graph inputs, by name. */
export function adapterFeeds({ lora, softTokens }: Adapter): Record<string, Float32Array> {
  const feeds: Record<string, Float32Array> = {};
  if (softTokens !== null) feeds[SOFT_TOKENS_INPUT] = softTokens.data;
  for (const part of LORA_PARTS) {
    for (const [path, { down, up }] of lora?.[part] ?? []) {
      feeds[factorInput(part, path, 'down')] = down.data;
      feeds[factorInput(part, path, 'up')] = up.data;
    }
  }
  return feeds;
}

/** Those of `feeds` that belong to one part of the model; soft tokens belong to the text encoder. */
export function feedsOfPart(feeds: Tensors, part: LoraPart): Record<string, Float32Array> {
  const belongs = (name: string) =>
    name.startsWith(`${part}.`) || (part === 'textEncoder' && name === SOFT_TOKENS_INPUT);
  return Object.fromEntries(Object.entries(feeds).filter(([name]) => belongs(name))) as Record<
    string,
    Float32Array
  >;
}

/** Parameters with an adapter's updates, and the graph inputs that hold its factors. */
export interface AdaptedParameters {
  readonly parameters: Parameters;
  /** Inputs by name, filled while the model is built. */
  readonly inputs: Map<string, Value>;
}

/**
 * Puts the low-rank updates of one part of a model on its parameters; the factors become graph inputs.
 * Unknown module paths are found by {@link assertAllAdapted} once the model is built.
 */
export function adaptParameters(
  base: Parameters,
  part: LoraPart,
  layers: ReadonlyMap<string, LayerLayout>,
): AdaptedParameters {
  const inputs = new Map<string, Value>();
  if (layers.size === 0) return { parameters: base, inputs };
  const known = new Map<string, LoraFactors>();
  const factors = (path: string, { inputs: width, outputs }: LinearShape): LoraFactors | null => {
    const layer = layers.get(path);
    if (layer === undefined) return null;
    const existing = known.get(path);
    if (existing) return existing;
    const down = input(factorInput(part, path, 'down'), [layer.rank, width]);
    const up = input(factorInput(part, path, 'up'), [outputs, layer.rank]);
    inputs.set(factorInput(part, path, 'down'), down);
    inputs.set(factorInput(part, path, 'up'), up);
    const result = { down, up, scale: layer.scale };
    known.set(path, result);
    return result;
  };
  return { parameters: withLora(base, factors), inputs };
}

/**
 * Checks that building the model used every layer of the adapter.
 * @throws Error listing module paths that the model does not have
 */
export function assertAllAdapted(
  adapted: AdaptedParameters,
  part: LoraPart,
  layers: ReadonlyMap<string, LayerLayout>,
): void {
  const missing = [...layers.keys()].filter((path) => !adapted.inputs.has(factorInput(part, path, 'down')));
  if (missing.length > 0) {
    throw new Error(`adapter: expected linear layers of the ${part}, received unknown ${missing.join(', ')}`);
  }
}
