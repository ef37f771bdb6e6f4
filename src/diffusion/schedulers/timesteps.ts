/** Which timesteps a sampler visits: even spacings as diffusers defines them, and the spacing of Karras et al. */
import type { NoiseSchedule } from './noise_schedule.ts';

/** How the visited timesteps spread over training's (table 2 of Lin et al. 2023, "Common diffusion noise schedules"). */
export type TimestepSpacing = 'linspace' | 'leading' | 'trailing';

/** What an even spacing depends on. */
export interface SpacingSettings {
  readonly spacing: TimestepSpacing;
  readonly steps: number;
  readonly trainTimesteps: number;
  /** Added to every timestep of the leading spacing (1 in Stable Diffusion). */
  readonly stepsOffset: number;
}

/** Rounds to the nearest integer, halves to the even one (IEEE 754 and numpy; `Math.round` rounds halves up). */
export function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** `count` evenly spaced numbers from start to stop, both included; only start when count is 1. */
export function linspace(start: number, stop: number, count: number): number[] {
  if (count === 1) return [start];
  const step = (stop - start) / (count - 1);
  return Array.from({ length: count }, (_, i) => (i === count - 1 ? stop : start + i * step));
}

/**
 * The timesteps of DDPM, DDIM, PNDM and Euler, from noisiest to cleanest: exactly `steps` of them. `linspace` may lie
 * between integers (Euler uses it as it is, the others round). Throws when a timestep would lie outside training's.
 */
export function spacedTimesteps(settings: SpacingSettings): number[] {
  const { spacing, steps, trainTimesteps, stepsOffset } = settings;
  if (spacing === 'linspace') return linspace(0, trainTimesteps - 1, steps).reverse();
  if (spacing === 'trailing') return trailingTimesteps(steps, trainTimesteps);
  const ratio = Math.floor(trainTimesteps / steps);
  return checkRange(
    Array.from({ length: steps }, (_, i) => (steps - 1 - i) * ratio + stepsOffset),
    settings,
  );
}

/**
 * The timesteps of DPM-Solver++, whose grid has one more point, the end: linspace visits the first `steps` of
 * steps + 1 even points from T-1 to 0. From noisiest to cleanest, distinct integers, exactly `steps` of them. Throws when a
 * timestep would lie outside training's, or leading's steps would have no length.
 */
export function solverTimesteps(settings: SpacingSettings): number[] {
  const { spacing, steps, trainTimesteps, stepsOffset } = settings;
  if (spacing === 'trailing') return trailingTimesteps(steps, trainTimesteps);
  if (spacing === 'linspace') {
    const grid = linspace(0, trainTimesteps - 1, steps + 1).map(roundHalfToEven);
    // T points at a distance of (T-1)/T: rounding to even puts two of them on the one in the middle.
    return distinctTimesteps(grid.reverse().slice(0, steps), trainTimesteps);
  }
  const ratio = Math.floor(trainTimesteps / (steps + 1));
  if (ratio === 0) {
    throw new Error(
      `steps: expected at most ${trainTimesteps - 1} with leading spacing, whose grid has one more point, received ${steps}`,
    );
  }
  return checkRange(
    Array.from({ length: steps }, (_, i) => (steps - i) * ratio + stepsOffset),
    settings,
  );
}

/**
 * Moves equal timesteps apart as little as possible, towards more noise and where there is no room towards less. diffusers
 * drops them, which makes fewer steps than asked for.
 * @param descending at most `trainTimesteps` integers in 0..trainTimesteps-1
 */
export function distinctTimesteps(descending: readonly number[], trainTimesteps: number): number[] {
  const spread = [...descending];
  for (let i = spread.length - 2; i >= 0; i--) spread[i] = Math.max(spread[i]!, spread[i + 1]! + 1);
  for (let i = 0; i < spread.length; i++) {
    spread[i] = Math.min(spread[i]!, (i === 0 ? trainTimesteps : spread[i - 1]!) - 1);
  }
  return spread;
}

function trailingTimesteps(steps: number, trainTimesteps: number): number[] {
  const ratio = trainTimesteps / steps;
  return Array.from({ length: steps }, (_, i) => roundHalfToEven(trainTimesteps - i * ratio) - 1);
}

function checkRange(timesteps: number[], settings: SpacingSettings): number[] {
  const last = settings.trainTimesteps - 1;
  if (timesteps[0]! > last || timesteps.at(-1)! < 0) {
    throw new Error(
      `steps ${settings.steps} with ${settings.spacing} spacing and stepsOffset ${settings.stepsOffset}: ` +
        `expected timesteps in 0..${last}, received ${timesteps[0]} to ${timesteps.at(-1)}`,
    );
  }
  return timesteps;
}

const RHO = 7;

/** `steps` sigmas from sigmaMax down to sigmaMin, even in sigma^(1/7) (Karras et al. 2022, eq. 5); sigmaMax when one. */
export function karrasSigmas(sigmaMin: number, sigmaMax: number, steps: number): number[] {
  const high = sigmaMax ** (1 / RHO);
  const low = sigmaMin ** (1 / RHO);
  return linspace(0, 1, steps).map((ramp) =>
    ramp === 0 ? sigmaMax : ramp === 1 ? sigmaMin : (high + ramp * (low - high)) ** RHO,
  );
}

/** The timestep, possibly between integers, at which the schedule has this sigma (linear in log sigma, clamped). */
export function sigmaToTimestep(schedule: NoiseSchedule, sigma: number): number {
  const { sigmas } = schedule;
  const last = sigmas.length - 1;
  if (sigma <= sigmas[0]!) return 0;
  if (sigma >= sigmas[last]!) return last;
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sigmas[middle]! <= sigma) low = middle;
    else high = middle;
  }
  const lowLog = Math.log(sigmas[low]!);
  return low + (Math.log(sigma) - lowLog) / (Math.log(sigmas[high]!) - lowLog);
}
