/** Which sampling steps receive the gradient in an iteration, and with what factor. */

import { permutation } from '../diffusion/noise.ts';
import type { SamplerPlan } from '../diffusion/schedulers/plan.ts';
import type { DetachedMode, GradientMode } from './gradient_coefficients.ts';
import { cotangentWeights } from './gradient_coefficients.ts';

/** One evaluation of the plan that takes part, with the factor of dL/dz_0 that is its output's cotangent. */
export interface TimestepChoice {
  /** Position in the plan. */
  readonly index: number;
  /** C_i b_i, times (all/chosen) where only some take part. */
  readonly factor: number;
}

/** How the gradient reaches the evaluations: each by itself with a factor, or backwards through all of them. */
export type GradientRoute =
  | { readonly kind: 'detached'; readonly timesteps: readonly TimestepChoice[] }
  | { readonly kind: 'exact' };

/** Names the random subset of an iteration. */
export interface TimestepDraw {
  readonly seed: number;
  readonly iteration: number;
}

/**
 * Factors C_i b_i of every evaluation, or of a random subset of `count` whose factors are scaled by all/count so that the
 * gradient's expectation over subsets is the full gradient.
 * @param count how many evaluations take part; all when left out or larger
 * @param draw seed and iteration of the subset
 */
export function chooseTimesteps(
  plan: SamplerPlan,
  mode: DetachedMode,
  count: number | undefined,
  draw: TimestepDraw,
): TimestepChoice[] {
  const { product } = cotangentWeights(plan, mode);
  const all = product.length;
  const indices =
    count === undefined || count >= all
      ? Array.from({ length: all }, (_, i) => i)
      : [
          ...permutation({ seed: draw.seed, index: draw.iteration, stream: 'timestep subset' }, all).slice(
            0,
            count,
          ),
        ].sort((a, b) => a - b);
  return indices.map((index) => ({ index, factor: product[index]! * (all / indices.length) }));
}

/**
 * The route of a gradient mode.
 * @throws Error when a subset of timesteps is asked of the exact gradient, which has to walk through all of them
 */
export function chooseRoute(
  plan: SamplerPlan,
  mode: GradientMode,
  count: number | undefined,
  draw: TimestepDraw,
): GradientRoute {
  if (mode !== 'unadjusted') {
    return { kind: 'detached', timesteps: chooseTimesteps(plan, mode, count, draw) };
  }
  if (count !== undefined) {
    throw new Error(
      `gradient.timesteps: expected none in the mode unadjusted, whose gradient walks through every step, received ${count}`,
    );
  }
  return { kind: 'exact' };
}
