/** Euler and Euler ancestral in sigma space, z = z_0 + sigma noise (Karras et al. 2022, algorithm 2; k-diffusion). */
import { combine, type LinearForm, latentsAt } from './linear_form.ts';
import { interpolate, type NoiseSchedule } from './noise_schedule.ts';
import type { PlanStep } from './plan.ts';
import { predictedNoise } from './prediction.ts';
import type { SchedulerConfig } from './scheduler_config.ts';
import { karrasSigmas, sigmaToTimestep, spacedTimesteps } from './timesteps.ts';

/** The timesteps and sigmas of an Euler sampler, one of each per evaluation, noisiest first. */
export interface SigmaGrid {
  readonly timesteps: readonly number[];
  readonly sigmas: readonly number[];
  /** The sigma after the last step. */
  readonly finalSigma: number;
  /** What standard normal noise is multiplied by at the start: sigma, or sqrt(sigma^2 + 1) with leading spacing. */
  readonly initialScale: number;
}

/** The grid of `steps` evaluations: sigmas at the spaced timesteps, or Karras' between the first and last of them. */
export function eulerGrid(config: SchedulerConfig, schedule: NoiseSchedule, steps: number): SigmaGrid {
  let timesteps = spacedTimesteps({ ...config, steps });
  let sigmas = timesteps.map((timestep) => interpolate(schedule.sigmas, timestep));
  if (config.useKarrasSigmas) {
    sigmas = karrasSigmas(sigmas.at(-1)!, sigmas[0]!, steps);
    timesteps = sigmas.map((sigma) => sigmaToTimestep(schedule, sigma));
  }
  return {
    timesteps,
    sigmas,
    finalSigma: config.final === 'zero' ? 0 : schedule.sigmas[0]!,
    initialScale: config.spacing === 'leading' ? Math.hypot(sigmas[0]!, 1) : sigmas[0]!,
  };
}

/** Euler: along the predicted noise from sigma to the next sigma. */
export function eulerSteps(config: SchedulerConfig, grid: SigmaGrid): PlanStep[] {
  return sigmaSteps(config, grid, (_, next) => ({ down: next, up: 0 }));
}

/**
 * Euler ancestral: down to a sigma below the next one, then up again with fresh noise, so that the variance is the
 * same: up^2 = next^2 (sigma^2 - next^2) / sigma^2, down^2 = next^2 - up^2.
 */
export function eulerAncestralSteps(config: SchedulerConfig, grid: SigmaGrid): PlanStep[] {
  return sigmaSteps(config, grid, (sigma, next) => ({
    down: next ** 2 / sigma,
    up: next * Math.sqrt(Math.max(1 - (next / sigma) ** 2, 0)),
  }));
}

/** One step per sigma. After the last, the latents are brought to unit variance (a factor of 1 when sigma is 0). */
function sigmaSteps(
  config: SchedulerConfig,
  grid: SigmaGrid,
  split: (sigma: number, next: number) => { down: number; up: number },
): PlanStep[] {
  return grid.sigmas.map((sigma, index) => {
    const isLast = index === grid.sigmas.length - 1;
    const next = isLast ? grid.finalSigma : grid.sigmas[index + 1]!;
    const { down, up } = split(sigma, next);
    const alphaBar = 1 / (1 + sigma ** 2);
    const inputScale = Math.sqrt(alphaBar);
    const noise: LinearForm = predictedNoise(config.prediction, { index, alphaBar, inputScale });
    const scale = isLast ? 1 / Math.hypot(next, 1) : 1;
    return {
      timestep: grid.timesteps[index]!,
      inputScale,
      alphaBar,
      update: combine([scale, latentsAt(index)], [scale * (down - sigma), noise]),
      noise: scale * up,
    };
  });
}
