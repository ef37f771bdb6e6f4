/** Similarities between images, and between images and their prompts: CLIP-T, CLIP-I and DINO (paragraph 0124). */

import type { BootstrapInterval, BootstrapOptions, Groups } from './bootstrap.ts';
import { bootstrapIntervals } from './bootstrap.ts';
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

/** By name of the similarity, those of every prompt's images; one that was not taken is absent. */
export type Similarities = Readonly<Record<string, Groups>>;

/** A similarity over prompts, with the interval of its mean. */
export interface MeanSimilarity extends Summary {
  /** Interval of the mean, from images resampled within prompts. */
  readonly interval: Interval;
  /** Images over all prompts. */
  readonly images: number;
}

/** Similarities of one set of images, with the intervals of their means. */
export interface SimilaritySummary {
  /** By name of the column. */
  readonly means: Readonly<Record<string, MeanSimilarity>>;
  /** By name, the change of the columns that were asked for in pairs. */
  readonly changes: Readonly<Record<string, BootstrapInterval>>;
}

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

/**
 * Means over prompts of each prompt's mean, their standard deviations over prompts, and intervals from images resampled
 * within prompts. All columns are resampled together, so that a change between images in pairs, which come from the same
 * noise, varies as little as the pairs do.
 * @param columns by name, values of every prompt's images; all of one form, no prompt empty
 * @param pairs by name, the columns whose difference is wanted: [before, after]
 * @throws where columns aren't of one form
 */
export function summarizeSimilarities(
  columns: Similarities,
  pairs: Readonly<Record<string, readonly [string, string]>>,
  bootstrap: BootstrapOptions,
): SimilaritySummary {
  const names = Object.keys(columns);
  if (names.length === 0) return { means: {}, changes: {} };
  const sizes = (name: string) => columns[name]!.map(({ length }) => length).join(', ');
  const first = names[0]!;
  for (const name of names) {
    if (sizes(name) !== sizes(first)) {
      throw new Error(`Similarities: ${name}: expected ${sizes(first)} images, received ${sizes(name)}`);
    }
  }
  const tables = names.map((name) => columns[name]!);
  const indices = columns[first]!.map((group) => group.map((_, image) => image));
  const changes = Object.entries(pairs).map(
    ([, [before, after]]) => [names.indexOf(before), names.indexOf(after)] as const,
  );
  const statistics = (sample: Groups) => {
    const means = tables.map((table) => {
      let sum = 0;
      sample.forEach((images, prompt) => {
        const values = table[prompt]!;
        let total = 0;
        for (const image of images) total += values[image]!;
        sum += total / images.length;
      });
      return sum / sample.length;
    });
    return [...means, ...changes.map(([before, after]) => means[after]! - means[before]!)];
  };
  const intervals = bootstrapIntervals(indices, statistics, bootstrap);
  const images = indices.reduce((sum, group) => sum + group.length, 0);
  return {
    means: Object.fromEntries(
      names.map((name, column) => {
        const { low, high } = intervals[column]!;
        return [name, { ...summarize(tables[column]!.map(mean)), interval: { low, high }, images }];
      }),
    ),
    changes: Object.fromEntries(
      Object.keys(pairs).map((name, change) => [name, intervals[names.length + change]!]),
    ),
  };
}
