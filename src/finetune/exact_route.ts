/** The exact gradient through a sampler: its linear updates walked backwards, one denoiser product for each evaluation. */

import type { SamplerPlan } from '../diffusion/schedulers/plan.ts';

/**
 * The product of evaluation `index`: takes dL/dm_index (its raw output's cotangent) and returns the gradient of what
 * entered the denoiser, of the same length. Whatever else the product is for (conditions, weights) is its caller's.
 */
export type EvaluationProduct = (index: number, cotangent: Float32Array) => Promise<Float32Array>;

/**
 * Reverse mode through z_{i+1} = sum_j A_ij z_j + sum_j B_ij m_j + noise with m_i = denoiser(inputScale_i z_i): the adjoint of
 * z_{i+1} is handed to the terms of its update, then dL/dm_i, complete by then, goes through the denoiser and comes back
 * into the adjoint of z_i. Only adjoints that an earlier step still adds to are kept, however many steps there are. Holds
 * for both predictions and for every sampler, stochastic ones with their noise as a constant.
 * @param finalCotangent dL/dz after the last update
 * @param product called once for each evaluation that has an influence, last one first
 */
export async function walkBackwards(
  plan: SamplerPlan,
  finalCotangent: Float32Array,
  product: EvaluationProduct,
): Promise<void> {
  const latents = new Map<number, Float64Array>([[plan.steps.length, Float64Array.from(finalCotangent)]]);
  const outputs = new Map<number, Float64Array>();
  for (let i = plan.steps.length - 1; i >= 0; i--) {
    const { update, inputScale } = plan.steps[i]!;
    const arriving = latents.get(i + 1);
    latents.delete(i + 1);
    if (arriving !== undefined) {
      for (const { index, weight } of update.latents) addTo(latents, index, weight, arriving);
      for (const { index, weight } of update.outputs) addTo(outputs, index, weight, arriving);
    }
    const cotangent = outputs.get(i);
    outputs.delete(i);
    if (cotangent === undefined) continue;
    addTo(latents, i, inputScale, await product(i, Float32Array.from(cotangent)));
  }
}

function addTo(
  adjoints: Map<number, Float64Array>,
  index: number,
  weight: number,
  values: ArrayLike<number>,
): void {
  let sum = adjoints.get(index);
  if (sum === undefined) {
    sum = new Float64Array(values.length);
    adjoints.set(index, sum);
  }
  for (let k = 0; k < sum.length; k++) sum[k]! += weight * values[k]!;
}
