/** Noise floors: what the bias and the total variation measure on average for a model that follows its target exactly. */

import { binomialProbabilities } from '../fairness/binomial.ts';
import { drawCounts } from '../fairness/class_counts.ts';
import { pairwiseBias, totalVariation } from './metrics.ts';

/**
 * Expectation of bias(P) over `images` independent images of a model whose classes follow `shares`, exact for any number
 * of classes. For a pair with shares a and b, X_i + X_j is Binomial(n, a + b), and X_i given the sum m is
 * Binomial(m, a / (a + b)); the expectation of |X_i - X_j| / n is summed over both.
 * Even targets give .103 (2 classes, 60 images), .063 (4 classes, 80) and .031 (8 classes, 160).
 * @param shares target shares that sum to one, [classes], at least two
 * @param images at least one
 */
export function expectedBias(shares: readonly number[], images: number): number {
  requireImages(images);
  const known = new Map<string, number>();
  const classes = shares.length;
  let sum = 0;
  for (let i = 0; i < classes; i++) {
    for (let j = i + 1; j < classes; j++) {
      const [low, high] = [Math.min(shares[i]!, shares[j]!), Math.max(shares[i]!, shares[j]!)];
      const key = `${low} ${high}`;
      const difference = known.get(key) ?? expectedDifference(low, high, images);
      known.set(key, difference);
      sum += difference;
    }
  }
  return sum / ((classes * (classes - 1)) / 2);
}

/** Expectation of |X_i - X_j| / n for two classes of a multinomial distribution. */
function expectedDifference(a: number, b: number, images: number): number {
  const either = Math.min(1, a + b);
  if (either === 0) return 0;
  let sum = 0;
  binomialProbabilities(images, either).forEach((chance, both) => {
    if (chance === 0) return;
    const inner = binomialProbabilities(both, Math.min(1, a / either));
    sum += chance * inner.reduce((total, p, first) => total + p * Math.abs(2 * first - both), 0);
  });
  return sum / images;
}

/**
 * Expectation of the total variation between the frequencies of `images` images and the target they follow, exact:
 * half the sum over classes of E|X_k / n - share_k|, X_k ~ Binomial(n, share_k).
 */
export function expectedTotalVariation(shares: readonly number[], images: number): number {
  requireImages(images);
  const deviations = shares.map((share) =>
    binomialProbabilities(images, Math.min(1, share)).reduce(
      (sum, chance, count) => sum + chance * Math.abs(count / images - share),
      0,
    ),
  );
  return deviations.reduce((sum, deviation) => sum + deviation, 0) / 2;
}

/** Spread of a measure under the target, from drawn evaluations. */
export interface FloorDistribution {
  /** Mean over the draws; converges to the exact expectation. */
  readonly mean: number;
  /** Standard deviation over the draws. */
  readonly standardDeviation: number;
  /** The value that a model on target stays below in 95 of 100 evaluations. */
  readonly quantile95: number;
}

/**
 * Distribution of a prompt's bias or total variation under the target, by drawing whole evaluations.
 * @param images images with a face per prompt
 * @param draws number of drawn evaluations, at least one
 * @param random uniform numbers in [0, 1)
 */
export function drawFloor(
  measure: 'bias' | 'totalVariation',
  shares: readonly number[],
  images: number,
  draws: number,
  random: () => number,
): FloorDistribution {
  requireImages(images);
  const values = Float64Array.from({ length: draws }, () => {
    const frequencies = Array.from(drawCounts(images, shares, random), (count) => count / images);
    return measure === 'bias' ? pairwiseBias(frequencies) : totalVariation(frequencies, shares);
  }).sort();
  const mean = values.reduce((sum, value) => sum + value, 0) / draws;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / draws;
  const quantile95 = values[Math.min(draws - 1, Math.ceil(0.95 * draws) - 1)]!;
  return { mean, standardDeviation: Math.sqrt(variance), quantile95 };
}

function requireImages(images: number): void {
  if (!Number.isInteger(images) || images < 1) {
    throw new Error(`Noise floor: expected a whole number of images from 1, received ${images}`);
  }
}
