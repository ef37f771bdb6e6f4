/** Dropout of low-rank updates: whole input features of the down factors are left out for one iteration. */

import type { Adapter } from '../diffusion/adapter.ts';
import { factorInput } from '../diffusion/adapter.ts';
import { uniforms } from '../diffusion/noise.ts';
import type { LoraPart } from '../weights/lora_file.ts';
import { LORA_PARTS } from '../weights/lora_file.ts';
import { trainedTensors, withTensors } from './trained_part.ts';

/** An adapter with features left out, and the chain rule back to the whole one. */
export interface DroppedAdapter {
  /** Down factors with the dropped features' columns 0 and the others times 1/(1 - rate). */
  readonly adapter: Adapter;
  /** Turns gradients of the dropped adapter's tensors into those of the whole one's, in place. */
  restore(gradients: ReadonlyMap<string, Float32Array>): void;
}

/**
 * Leaves each input feature of each update out with probability `rate`: x (down diag(m))^T with m_j in {0, 1/(1 - rate)}, as
 * LoRA Dropout (Lin et al. 2024) does for columns. One mask holds for all steps and images of an iteration, so that the
 * images are samples of one model and the differentiated pass repeats exactly what was sampled. Masks follow from seed,
 * iteration and layer alone.
 * @param rate 0 up to but not 1
 */
export function dropFeatures(
  adapter: Adapter,
  rate: number,
  draw: { readonly seed: number; readonly iteration: number },
): DroppedAdapter {
  if (rate === 0 || adapter.lora === null) return { adapter, restore: () => {} };
  const masks = new Map<string, Float64Array>();
  for (const part of LORA_PARTS) {
    for (const [path, { down }] of adapter.lora[part]) {
      masks.set(factorInput(part, path, 'down'), maskOf(part, path, down.shape[1]!, rate, draw));
    }
  }
  const multiply = (values: Float32Array, mask: Float64Array) => {
    for (let i = 0; i < values.length; i++) values[i]! *= mask[i % mask.length]!;
  };
  const tensors = trainedTensors(adapter);
  const dropped = new Map<string, Float32Array>();
  for (const [name, mask] of masks) {
    const values = tensors.get(name)!.slice();
    multiply(values, mask);
    dropped.set(name, values);
  }
  return {
    adapter: withTensors(adapter, dropped),
    restore(gradients) {
      for (const [name, mask] of masks) {
        const values = gradients.get(name);
        if (values !== undefined) multiply(values, mask);
      }
    },
  };
}

function maskOf(
  part: LoraPart,
  path: string,
  features: number,
  rate: number,
  { seed, iteration }: { readonly seed: number; readonly iteration: number },
): Float64Array {
  const address = { seed, index: iteration, stream: `dropout ${part} ${path}` };
  return uniforms(address, features).map((value) => (value < rate ? 0 : 1 / (1 - rate)));
}
