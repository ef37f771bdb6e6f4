/** Confidence intervals of shares and of the difference of two shares. */

import { betaQuantile, normalQuantile } from './special_functions.ts';

/** A confidence interval. */
export interface Interval {
  /** Lower end. */
  readonly low: number;
  /** Upper end. */
  readonly high: number;
}

/** Confidence level where none is given. */
export const DEFAULT_LEVEL = 0.95;

/** An interval cut to the range that its quantity can have: a shifted bootstrap may reach beyond. */
export function withinRange<Kind extends Interval>(interval: Kind, low: number, high: number): Kind {
  const limit = (end: number) => Math.min(high, Math.max(low, end));
  return { ...interval, low: limit(interval.low), high: limit(interval.high) };
}

function requireCounts(successes: number, trials: number, level: number): void {
  if (!Number.isInteger(trials) || trials < 1) {
    throw new Error(`Interval: expected a whole number of trials from 1, received ${trials}`);
  }
  if (!Number.isInteger(successes) || successes < 0 || successes > trials) {
    throw new Error(`Interval: expected 0 to ${trials} successes, received ${successes}`);
  }
  requireLevel(level);
}

/** Checks that a confidence level lies between 0 and 1. */
export function requireLevel(level: number): void {
  if (!(level > 0 && level < 1)) {
    throw new Error(`Interval: expected a level between 0 and 1, received ${level}`);
  }
}

/** Wilson's score interval of a share (Wilson 1927), without continuity correction. */
export function wilsonInterval(successes: number, trials: number, level = DEFAULT_LEVEL): Interval {
  requireCounts(successes, trials, level);
  const z = normalQuantile((1 + level) / 2);
  const share = successes / trials;
  const centre = share + (z * z) / (2 * trials);
  const half = z * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials));
  const scale = 1 + (z * z) / trials;
  return {
    low: successes === 0 ? 0 : (centre - half) / scale,
    high: successes === trials ? 1 : (centre + half) / scale,
  };
}

/** The exact interval of a share (Clopper and Pearson 1934): never covers less than its level. */
export function clopperPearsonInterval(successes: number, trials: number, level = DEFAULT_LEVEL): Interval {
  requireCounts(successes, trials, level);
  const tail = (1 - level) / 2;
  return {
    low: successes === 0 ? 0 : betaQuantile(tail, successes, trials - successes + 1),
    high: successes === trials ? 1 : betaQuantile(1 - tail, successes + 1, trials - successes),
  };
}

/** Interval of the first share minus the second, of independent samples: Newcombe's hybrid of score intervals (1998). */
export function newcombeDifference(
  first: { readonly successes: number; readonly trials: number },
  second: { readonly successes: number; readonly trials: number },
  level = DEFAULT_LEVEL,
): Interval {
  const a = wilsonInterval(first.successes, first.trials, level);
  const b = wilsonInterval(second.successes, second.trials, level);
  const p = first.successes / first.trials;
  const q = second.successes / second.trials;
  return {
    low: p - q - Math.hypot(p - a.low, b.high - q),
    high: p - q + Math.hypot(a.high - p, q - b.low),
  };
}
