/** Bootstrap intervals of a statistic of grouped observations: images within prompts. */

import type { Interval } from './intervals.ts';
import { DEFAULT_LEVEL, requireLevel } from './intervals.ts';
import { normalCumulative, normalQuantile } from './special_functions.ts';

/** Number of resamples where none is given. */
export const DEFAULT_RESAMPLES = 2000;

/** Observations of every group: class of every image of every prompt. */
export type Groups = readonly (readonly number[])[];

/**
 * How the interval follows from the resamples:
 * - `centred`: percentiles, shifted so that the resamples' mean falls on the estimate. Resampling adds sampling noise a
 *   second time, which moves an absolute difference such as the bias upwards; near a fair model plain percentiles then
 *   miss the estimate altogether. This one is an interval for the measure's expectation at the same number of images,
 *   which is what the noise floor is compared with.
 * - `percentile`: percentiles of the resamples.
 * - `bca`: bias-corrected and accelerated (Efron 1987), acceleration for several samples as in Davison and Hinkley
 *   (1997), section 5.3. Good for smooth statistics such as shares.
 */
export type BootstrapMethod = 'centred' | 'percentile' | 'bca';

/** Options of {@link bootstrapInterval}. */
export interface BootstrapOptions {
  /** Uniform numbers in [0, 1). */
  readonly random: () => number;
  /** 'centred' when left out. */
  readonly method?: BootstrapMethod;
  /** Number of resamples; {@link DEFAULT_RESAMPLES} when left out. */
  readonly resamples?: number;
  /** Confidence level; .95 when left out. */
  readonly level?: number;
  /** Draws groups with replacement too, for an interval over prompts that weren't measured; not with `bca`. */
  readonly resampleGroups?: boolean;
}

/** A bootstrap interval and what it was made from. */
export interface BootstrapInterval extends Interval {
  /** The statistic of the observations themselves. */
  readonly estimate: number;
  /** Standard deviation of the statistic over the resamples. */
  readonly standardError: number;
}

/**
 * Confidence interval of a statistic: draws each group's observations with replacement within the group.
 * @param groups observations of every group, none empty
 * @param statistic computes the measure from groups of the same form; must return a finite number
 * @throws where a group is empty, an option is out of range or the statistic isn't finite
 */
export function bootstrapInterval(
  groups: Groups,
  statistic: (groups: Groups) => number,
  options: BootstrapOptions,
): BootstrapInterval {
  return bootstrapIntervals(groups, (sample) => [statistic(sample)], options)[0]!;
}

/**
 * Intervals of several statistics from the same resamples, as {@link bootstrapInterval} gives for one.
 * @param statistics computes all measures from groups of the same form, always as many
 * @returns one interval for each measure
 */
export function bootstrapIntervals(
  groups: Groups,
  statistics: (groups: Groups) => readonly number[],
  options: BootstrapOptions,
): BootstrapInterval[] {
  const { random, method = 'centred', resamples = DEFAULT_RESAMPLES, level = DEFAULT_LEVEL } = options;
  requireLevel(level);
  const empty = groups.findIndex((group) => group.length === 0);
  if (groups.length === 0 || empty >= 0) {
    throw new Error(`Bootstrap: expected observations in every group, received none in group ${empty}`);
  }
  if (!Number.isInteger(resamples) || resamples < 2) {
    throw new Error(`Bootstrap: expected a whole number of resamples from 2, received ${resamples}`);
  }
  if (method === 'bca' && options.resampleGroups) {
    throw new Error("Bootstrap: 'bca' can't resample groups; expected 'centred' or 'percentile'");
  }
  const measure = (sample: Groups) => {
    const values = statistics(sample);
    const fault = values.find((value) => !Number.isFinite(value));
    if (fault !== undefined) throw new Error(`Bootstrap: the statistic of a resample is ${fault}`);
    return values;
  };
  const estimates = measure(groups);
  const drawn = estimates.map(() => new Float64Array(resamples));
  // One sample is filled again and again: statistics look at it and keep nothing.
  const sample = groups.map((group) => group.slice());
  for (let resample = 0; resample < resamples; resample++) {
    groups.forEach((group, g) => {
      const chosen = options.resampleGroups ? groups[Math.floor(random() * groups.length)]! : group;
      fillSample(sample[g]!, chosen, random);
    });
    measure(sample).forEach((value, k) => {
      drawn[k]![resample] = value;
    });
  }
  return estimates.map((estimate, k) => {
    const skew = () => acceleration(groups, (sample) => measure(sample)[k]!);
    return intervalOf(estimate, drawn[k]!.sort(), method, level, skew);
  });
}

/** Draws a group's observations with replacement into `sample`. */
function fillSample(sample: number[], group: readonly number[], random: () => number): void {
  const size = group.length;
  if (sample.length !== size) sample.length = size;
  for (let i = 0; i < size; i++) sample[i] = group[Math.floor(random() * size)]!;
}

/** The interval that follows from sorted resamples. */
function intervalOf(
  estimate: number,
  values: Float64Array,
  method: BootstrapMethod,
  level: number,
  skew: () => number,
): BootstrapInterval {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  const levels =
    method === 'bca' ? correctedLevels(values, estimate, skew(), level) : [(1 - level) / 2, (1 + level) / 2];
  const shift = method === 'centred' ? estimate - mean : 0;
  return {
    estimate,
    standardError: Math.sqrt(variance),
    low: quantile(values, levels[0]!) + shift,
    high: quantile(values, levels[1]!) + shift,
  };
}

/** Quantile of sorted values by linear interpolation between order statistics. */
function quantile(sorted: Float64Array, probability: number): number {
  const position = probability * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
}

/** Percentile levels of the BCa interval from the median bias and the acceleration. */
function correctedLevels(
  sorted: Float64Array,
  estimate: number,
  skew: number,
  level: number,
): [number, number] {
  const below = sorted.reduce((sum, value) => sum + (value < estimate ? 1 : value === estimate ? 0.5 : 0), 0);
  // Half a resample keeps the correction finite where the estimate lies beyond all resamples.
  const share = Math.min(sorted.length - 0.5, Math.max(0.5, below)) / sorted.length;
  const bias = normalQuantile(share);
  const at = (z: number) => normalCumulative(bias + (bias + z) / (1 - skew * (bias + z)));
  const z = normalQuantile((1 + level) / 2);
  return [at(-z), at(z)];
}

/** Acceleration from leave-one-out influences, each group scaled by its own size. */
function acceleration(groups: Groups, measure: (groups: Groups) => number): number {
  let cubes = 0;
  let squares = 0;
  groups.forEach((group, index) => {
    if (group.length < 2) return;
    const without = group.map((_, left) =>
      measure(groups.map((other, i) => (i === index ? other.filter((_, item) => item !== left) : other))),
    );
    const mean = without.reduce((sum, value) => sum + value, 0) / group.length;
    for (const value of without) {
      const influence = ((group.length - 1) * (mean - value)) / group.length;
      cubes += influence ** 3;
      squares += influence ** 2;
    }
  });
  return squares === 0 ? 0 : cubes / (6 * squares ** 1.5);
}
