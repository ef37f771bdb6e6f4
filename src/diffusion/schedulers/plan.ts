/** A sampler as plain numbers: which timesteps it evaluates and how each update weighs latents, outputs and noise. */
import type { LinearForm } from './linear_form.ts';
import { combine, latentsAt, outputAt } from './linear_form.ts';
import type { NoiseSchedule } from './noise_schedule.ts';
import type { Prediction } from './prediction.ts';

/** One evaluation of the denoiser, m_i = denoiser(inputScale z_i, timestep), and the update that follows it. */
export interface PlanStep {
  /** The timestep as fed to the denoiser; Euler's may lie between integers. */
  readonly timestep: number;
  /** The factor on the latents before they enter the denoiser (diffusers' scale_model_input). */
  readonly inputScale: number;
  /** abar at the noise level of z_i, which need not be the timestep's when that was rounded. */
  readonly alphaBar: number;
  /** z_{i+1} without the injected noise, as a form of z_0..z_i and m_0..m_i (i counts evaluations here). */
  readonly update: LinearForm;
  /** The weight of fresh standard normal noise in z_{i+1}; 0 where the update is deterministic. */
  readonly noise: number;
}

/** Everything a sampler does, computed up front in float64. Frozen. */
export interface SamplerPlan {
  /** The number of steps asked for; `steps` has as many entries (PNDM: one more, it evaluates its second step twice). */
  readonly requestedSteps: number;
  readonly prediction: Prediction;
  /** z before the first evaluation = initialScale * standard normal noise (diffusers' init_noise_sigma). */
  readonly initialScale: number;
  readonly steps: readonly PlanStep[];
  /** The forward process that the denoiser was trained with. */
  readonly schedule: NoiseSchedule;
}

/** Freezes a plan after checking that every number in it is finite; `name` says what is wrong in the error. */
export function freezePlan(name: string, plan: SamplerPlan): SamplerPlan {
  for (const [i, step] of plan.steps.entries()) {
    const weights = [...step.update.latents, ...step.update.outputs].map((term) => term.weight);
    const numbers = [step.timestep, step.inputScale, step.alphaBar, step.noise, ...weights];
    if (!numbers.every(Number.isFinite)) {
      throw new Error(`${name}, step ${i}: expected finite coefficients, received ${numbers.join(', ')}`);
    }
    Object.freeze(step.update.latents);
    Object.freeze(step.update.outputs);
    Object.freeze(step.update);
    Object.freeze(step);
  }
  Object.freeze(plan.steps);
  return Object.freeze(plan);
}

/** The latents before the first evaluation: standard normal `noise` times the plan's initial scale. */
export function initialLatents(plan: SamplerPlan, noise: Float32Array): Float32Array {
  return scaled(noise, plan.initialScale);
}

/** What evaluation `index` feeds to the denoiser: its latents times the step's input scale. A new array. */
export function denoiserInput(plan: SamplerPlan, index: number, latents: Float32Array): Float32Array {
  return scaled(latents, plan.steps[index]!.inputScale);
}

function scaled(values: Float32Array, factor: number): Float32Array {
  return factor === 1 ? values.slice() : values.map((value) => value * factor);
}

/** Latents or model outputs by evaluation; entries that the plan no longer needs may be missing. */
export type History = readonly (Float32Array | undefined)[];

/**
 * The latents after evaluation `index`: the step's update of `latents` (z_0..z_index, the sampler's own scale) and
 * `outputs` (raw model outputs m_0..m_index) plus its weight times `noise`. Sums in float64, rounds once to float32.
 * Throws when an entry that the update needs is missing or has another length, or noise is needed and missing.
 */
export function stepLatents(
  plan: SamplerPlan,
  index: number,
  latents: History,
  outputs: History,
  noise?: Float32Array,
): Float32Array {
  const step = plan.steps[index];
  if (!step) throw new Error(`step: expected an integer in 0..${plan.steps.length - 1}, received ${index}`);
  const current = latents[index];
  if (!current) throw new Error(`latents[${index}]: expected the latents that were denoised, received none`);
  const sum = new Float64Array(current.length);
  const add = (name: string, weight: number, values: Float32Array | undefined) => {
    if (values?.length !== sum.length) {
      throw new Error(
        `${name}, step ${index}: expected ${sum.length} values, received ${values?.length ?? 'none'}`,
      );
    }
    for (let i = 0; i < sum.length; i++) sum[i]! += weight * values[i]!;
  };
  for (const term of step.update.latents) add(`latents[${term.index}]`, term.weight, latents[term.index]);
  for (const term of step.update.outputs) add(`outputs[${term.index}]`, term.weight, outputs[term.index]);
  if (step.noise !== 0) add('noise', step.noise, noise);
  return Float32Array.from(sum);
}

/** The oldest evaluation whose latents or output step `index` or a later one still needs; older ones may be dropped. */
export function oldestNeeded(plan: SamplerPlan, index: number): number {
  let oldest = index;
  for (const { update } of plan.steps.slice(index)) {
    for (const term of [...update.latents, ...update.outputs]) oldest = Math.min(oldest, term.index);
  }
  return oldest;
}

/** The final latents as one weighted sum: z = initial noise_T + sum outputs[i] m_i + sum noise[i] n_i. */
export interface FinalWeights {
  /** The weight of the standard normal noise that sampling starts from (the initial scale included). */
  readonly initial: number;
  /** b_i, the weight of the raw output of evaluation i. */
  readonly outputs: Float64Array;
  /** The weight of the noise that step i injects. */
  readonly noise: Float64Array;
}

/** Unrolls a plan from its end: the adjoint of each z_i is passed back through the updates, never the denoiser. */
export function finalWeights(plan: SamplerPlan): FinalWeights {
  const count = plan.steps.length;
  const adjoint = new Float64Array(count + 1);
  const outputs = new Float64Array(count);
  const noise = new Float64Array(count);
  adjoint[count] = 1;
  for (let i = count - 1; i >= 0; i--) {
    const { update, noise: noiseWeight } = plan.steps[i]!;
    const arriving = adjoint[i + 1]!;
    for (const { index, weight } of update.latents) adjoint[index]! += weight * arriving;
    for (const { index, weight } of update.outputs) outputs[index]! += weight * arriving;
    noise[i] = noiseWeight * arriving;
  }
  return { initial: adjoint[0]! * plan.initialScale, outputs, noise };
}

/**
 * b_i of z_final = a noise_T + sum b_i m_i: the exact weight of every raw model output in the final latents. The
 * latents are constants where they enter the denoiser but not in the sampler's own updates.
 */
export function outputWeights(plan: SamplerPlan): Float64Array {
  return finalWeights(plan).outputs;
}

/**
 * The same sampler for a denoiser that predicts the noise: every v_j = (eps_j - sqrt(1 - abar) z_j) / sqrt(abar) is
 * written out in the updates. A plan for epsilon prediction is returned as it is.
 */
export function asEpsilonPlan(plan: SamplerPlan): SamplerPlan {
  if (plan.prediction === 'epsilon') return plan;
  const velocities = plan.steps.map(({ alphaBar, inputScale }, index) =>
    combine(
      [1 / Math.sqrt(alphaBar), outputAt(index)],
      [-Math.sqrt((1 - alphaBar) / alphaBar) * inputScale, latentsAt(index)],
    ),
  );
  const steps = plan.steps.map((step) => ({
    ...step,
    update: combine(
      [1, { latents: step.update.latents, outputs: [] }],
      ...step.update.outputs.map(({ index, weight }) => [weight, velocities[index]!] as const),
    ),
  }));
  return freezePlan('epsilon form', { ...plan, prediction: 'epsilon', steps });
}
