/** Low-rank updates and differences merged into weights: W' = W + (alpha / rank) * up * down, one tensor at a time. */

import type { LoraLayer } from './lora_adapter.ts';

/**
 * A weight with a layer's update added, products summed in double precision and rounded once.
 * @param weight row-major [out, in] of a linear layer or [out, in, height, width] of a convolution
 * @throws Error when the update is of another shape than the weight
 */
export function mergeLoraLayer(
  weight: Float32Array,
  shape: readonly number[],
  layer: LoraLayer,
): Float32Array {
  const { down, up, rank, alpha } = layer;
  const outputs = shape[0] ?? 0;
  const inputs = outputs === 0 ? 0 : weight.length / outputs;
  if (up.shape[0] !== outputs || down.data.length !== rank * inputs || up.data.length !== outputs * rank) {
    throw new Error(
      `expected an update of [${shape.join(', ')}], received down [${down.shape.join(', ')}] and up [${up.shape.join(', ')}]`,
    );
  }
  const scale = alpha / rank;
  const merged = new Float32Array(weight.length);
  const row = new Float64Array(inputs);
  for (let output = 0; output < outputs; output++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = scale * up.data[output * rank + r]!;
      const start = r * inputs;
      for (let i = 0; i < inputs; i++) row[i]! += factor * down.data[start + i]!;
    }
    const start = output * inputs;
    for (let i = 0; i < inputs; i++) merged[start + i] = weight[start + i]! + row[i]!;
  }
  return merged;
}
