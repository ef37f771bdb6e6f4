/** The coefficients C_i of adjusted direct finetuning, and the weight with which dL/dz_0 reaches each evaluation. */
import { interpolate } from '../diffusion/schedulers/noise_schedule.ts';
import { asEpsilonPlan, outputWeights, type SamplerPlan } from '../diffusion/schedulers/plan.ts';

/**
 * How the gradient of each evaluation is scaled where latents enter the denoiser as constants (Shen et al. 2024, section 4.2):
 * - `adjusted`: 1 / |b_i| of the sampler that is really used, so that every timestep weighs the same;
 * - `reference`: sqrt(abar_t) sqrt(1 - abar_t) / beta_t, one over the weight in eq. 9, which is DDPM's (the authors' code);
 * - `literal`: sqrt(alpha_t) sqrt(1 - abar_t) / beta_t, Algorithm A.1 as printed;
 * - `uncoupled`: 1, the latents detached and nothing else.
 * The first three are divided by their geometric mean.
 */
export type DetachedMode = 'adjusted' | 'reference' | 'literal' | 'uncoupled';

/** The names of the modes in which latents enter the denoiser as constants. */
export const detachedModes: readonly DetachedMode[] = Object.freeze([
  'adjusted',
  'reference',
  'literal',
  'uncoupled',
]);

/** A {@link DetachedMode}, or `unadjusted`: the exact gradient, through the denoiser's latents of every step as well. */
export type GradientMode = DetachedMode | 'unadjusted';

/** The names of the gradient modes. */
export const gradientModes: readonly GradientMode[] = Object.freeze([...detachedModes, 'unadjusted']);

/** One number per evaluation of a plan, noisiest first. */
export interface CotangentWeights {
  /** C_i, the factor on the gradient that arrives at the predicted noise eps_i. */
  readonly coefficients: Float64Array;
  /** b_i, the weight of eps_i in z_0 = a z_T + sum b_i eps_i. */
  readonly outputWeights: Float64Array;
  /** The cotangent of the denoiser's raw output m_i (after guidance) is product[i] * dL/dz_0. */
  readonly product: Float64Array;
}

/** Weights this much below the largest are rounding errors of a step that goes nowhere. */
const NEGLIGIBLE = 1e-12;

/**
 * C_i, b_i and their product for a plan (eqs. 9 and 10). The equations are about the predicted noise: for a denoiser
 * that predicts v, eps = sqrt(abar) v + sqrt(1 - abar) z with z detached there as well, b_i is that of eps_i, and the
 * product has one more factor sqrt(abar). Thus wrapping a v-predictor as a noise predictor changes no gradient. In the
 * `adjusted` mode, an evaluation without influence (b_i = 0) has C_i = 0 and does not count in the mean.
 */
export function cotangentWeights(plan: SamplerPlan, mode: DetachedMode): CotangentWeights {
  const weights = outputWeights(asEpsilonPlan(plan));
  const coefficients = normalise(unnormalised(plan, weights, mode));
  const product = weights.map((weight, i) => {
    const conversion = plan.prediction === 'epsilon' ? 1 : Math.sqrt(plan.steps[i]!.alphaBar);
    return coefficients[i]! * weight * conversion;
  });
  return { coefficients, outputWeights: weights, product };
}

function unnormalised(plan: SamplerPlan, weights: Float64Array, mode: DetachedMode): Float64Array {
  const { betas, alphasCumulative } = plan.schedule;
  const largest = weights.reduce((max, weight) => Math.max(max, Math.abs(weight)), 0);
  return weights.map((weight, i) => {
    const { timestep } = plan.steps[i]!;
    const beta = interpolate(betas, timestep);
    const alphaBar = interpolate(alphasCumulative, timestep);
    switch (mode) {
      case 'adjusted':
        return Math.abs(weight) > NEGLIGIBLE * largest ? 1 / Math.abs(weight) : 0;
      case 'reference':
        return (Math.sqrt(alphaBar) * Math.sqrt(1 - alphaBar)) / beta;
      case 'literal':
        return (Math.sqrt(1 - beta) * Math.sqrt(1 - alphaBar)) / beta;
      case 'uncoupled':
        return 1;
      default:
        throw new Error(`gradient mode: expected one of ${detachedModes.join(', ')}, received ${mode}`);
    }
  });
}

/** Divides by the geometric mean of the numbers that aren't 0. */
function normalise(values: Float64Array): Float64Array {
  const counted = values.filter((value) => value !== 0);
  const mean = Math.exp(counted.reduce((sum, value) => sum + Math.log(value), 0) / counted.length);
  return values.map((value) => value / mean);
}
