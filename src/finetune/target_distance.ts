/** How far counted classes are from a target: the mean distance over prompts, its interval, and what pure chance gives. */

import type { Generator } from '../diffusion/noise.ts';
import { totalVariation } from '../fairness/bias.ts';
import { binomialProbabilities } from '../fairness/binomial.ts';

/** Mean over prompts of the total variation distance to the target's shares. */
export interface TargetDistance {
  readonly estimate: number;
  /** Ends of the interval. */
  readonly low: number;
  readonly high: number;
  /** The estimate to expect of a model that follows the target exactly, for so many prompts and images. */
  readonly floor: number;
}

/** Images of one prompt in each class, and the shares that they are to have. */
export interface CountedPrompt {
  readonly counts: readonly number[];
  readonly shares: readonly number[];
}

/** How the interval is taken. */
export interface DistanceOptions {
  readonly random: Pick<Generator, 'uniform'>;
  /** Confidence level in 0..1; .95 when left out. */
  readonly level?: number;
  /** Bootstrap samples; 1000 when left out. */
  readonly resamples?: number;
}

/**
 * Distance of class counts to the target, prompt by prompt, each to its own. The interval is that of the bootstrap over images within prompts,
 * moved so that its centre is the estimate, for the resampled distance is larger on average (Davison and Hinkley 1997, 2.2).
 * @param prompts counts of each class and the target's shares; prompts without any image that counts are left out
 * @returns NaN everywhere when no prompt counts
 */
export function targetDistance(
  prompts: readonly CountedPrompt[],
  { random, level = 0.95, resamples = 1000 }: DistanceOptions,
): TargetDistance {
  const counted = prompts
    .map(({ counts, shares }) => ({ counts, shares, images: counts.reduce((sum, count) => sum + count, 0) }))
    .filter(({ images }) => images > 0);
  if (counted.length === 0) return { estimate: NaN, low: NaN, high: NaN, floor: NaN };
  const distance = (counts: readonly number[], images: number, shares: readonly number[]) =>
    totalVariation(
      counts.map((count) => count / images),
      shares,
    );
  const meanOf = (value: (prompt: (typeof counted)[number]) => number) =>
    counted.reduce((sum, prompt) => sum + value(prompt), 0) / counted.length;
  const estimate = meanOf(({ counts, images, shares }) => distance(counts, images, shares));
  const resampled = Float64Array.from({ length: resamples }, () =>
    meanOf(({ counts, images, shares }) =>
      distance(
        drawCounts(
          counts.map((count) => count / images),
          images,
          random,
        ),
        images,
        shares,
      ),
    ),
  ).sort();
  const average = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const shift = estimate - average(resampled);
  const at = (probability: number) => resampled[Math.round(probability * (resamples - 1))]! + shift;
  return {
    estimate,
    low: Math.max(0, at((1 - level) / 2)),
    high: Math.min(1, at((1 + level) / 2)),
    floor: meanOf(({ images, shares }) => expectedDistance(shares, images)),
  };
}

/** Mean of the distance of `images` draws from the target itself: half the sum over classes of E|X/n - p|, X binomial. */
function expectedDistance(shares: readonly number[], images: number): number {
  return shares.reduce((sum, share) => {
    const probabilities = binomialProbabilities(images, share);
    const deviation = probabilities.reduce((part, each, k) => part + each * Math.abs(k / images - share), 0);
    return sum + deviation / 2;
  }, 0);
}

/** Counts of `images` draws from `shares`. */
function drawCounts(shares: readonly number[], images: number, random: Pick<Generator, 'uniform'>): number[] {
  const counts = new Array<number>(shares.length).fill(0);
  for (let i = 0; i < images; i++) {
    let rest = random.uniform();
    let drawn = 0;
    while (drawn < shares.length - 1 && rest >= shares[drawn]!) rest -= shares[drawn++]!;
    counts[drawn]!++;
  }
  return counts;
}
