/** Similarities between images, and between images and their prompts: CLIP-T, CLIP-I and DINO (paragraph 0124). */

import type { BootstrapInterval, BootstrapOptions, Groups } from './bootstrap.ts';
import { bootstrapInterval } from './bootstrap.ts';
import type { Interval } from './intervals.ts';
import type { Summary } from './metrics.ts';
import { summarize } from './metrics.ts';

/**
 * Cosines between the rows of two sets of vectors, row by row.
 * @param first [N, dimension], of any length but zero
 * @param second the same, or a single row [1, dimension] that all rows are compared with
 * @returns [N], -1..1
 * @throws where the two have different numbers of rows, or a vector has no length
 */
export function cosines(first: Float32Array, second: Float32Array, dimension: number): Float64Array {
  const rows = first.length / dimension;
  const others = second.length / dimension;
  if (!Number.isInteger(rows) || (others !== rows && others !== 1)) {
    throw new Error(
      `Cosines: expected rows of ${dimension} numbers, as many in both sets, received ${first.length} and ${second.length} numbers`,
    );
  }
  return Float64Array.from({ length: rows }, (_, row) => {
    const at = others === 1 ? 0 : row * dimension;
    let [product, left, right] = [0, 0, 0];
    for (let i = 0; i < dimension; i++) {
      const a = first[row * dimension + i]!;
      const b = second[at + i]!;
      product += a * b;
      left += a * a;
      right += b * b;
    }
    const lengths = Math.sqrt(left) * Math.sqrt(right);
    if (!(lengths > 0))
      throw new Error(`Cosines: row ${row}: expected vectors of some length, received none`);
    return Math.max(-1, Math.min(1, product / lengths));
  });
}

/** A similarity over prompts, with the interval of its mean. */
export interface MeanSimilarity extends Summary {
  /** Interval of the mean, from images resampled within prompts. */
  readonly interval: Interval;
  /** Images over all prompts. */
  readonly images: number;
}

/** The mean over prompts of each prompt's mean. */
function meanOfMeans(groups: Groups): number {
  return groups.reduce((sum, group) => sum + mean(group), 0) / groups.length;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Mean over prompts, standard deviation over prompts, and the interval of the mean.
 * @param groups values of every prompt's images, none empty
 */
export function meanSimilarity(groups: Groups, bootstrap: BootstrapOptions): MeanSimilarity {
  const { low, high } = bootstrapInterval(groups, meanOfMeans, bootstrap);
  const images = groups.reduce((sum, group) => sum + group.length, 0);
  return { ...summarize(groups.map(mean)), interval: { low, high }, images };
}

/**
 * Change of a similarity between images in pairs, which come from the same noise: pairs are resampled together.
 * @param before values of every prompt's images
 * @param after values of their partners, of the same form
 * @throws where the two aren't of the same form
 */
export function similarityChange(
  before: Groups,
  after: Groups,
  bootstrap: BootstrapOptions,
): BootstrapInterval {
  const sizes = (groups: Groups) => groups.map(({ length }) => length).join(', ');
  if (sizes(before) !== sizes(after)) {
    throw new Error(`Similarity: expected pairs, received ${sizes(before)} and ${sizes(after)} images`);
  }
  const differences = after.map((group, p) => group.map((value, i) => value - before[p]![i]!));
  return bootstrapInterval(differences, meanOfMeans, bootstrap);
}
