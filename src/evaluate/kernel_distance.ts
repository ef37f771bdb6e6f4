/**
 * KID: the squared maximum mean discrepancy between two sets of image features under the cubic polynomial kernel, by
 * unbiased estimators (Binkowski et al., "Demystifying MMD GANs", 2018; Gretton et al., "A kernel two-sample test", 2012).
 */

import { DEFAULT_LEVEL, requireLevel } from './intervals.ts';
import { normalQuantile } from './special_functions.ts';

/** A distance with its interval. It is unbiased, so that it lies below zero about as often as above for equal sets. */
export interface KernelDistance {
  /** The estimate. */
  readonly estimate: number;
  /** Its standard error by the jackknife. */
  readonly standardError: number;
  /** Ends of the interval, by the normal approximation. */
  readonly low: number;
  /** Upper end. */
  readonly high: number;
  /** Confidence level of the interval. */
  readonly level: number;
  /** Images of the first and of the second set. */
  readonly images: readonly [number, number];
  /** Length of the features. */
  readonly dimension: number;
}

/** Options of both estimators. */
export interface KernelDistanceOptions {
  /** Confidence level; .95 when left out. */
  readonly level?: number;
  /**
   * Numbers of consecutive images that were drawn together, prompt by prompt: the jackknife then varies images within
   * prompts. One group when left out, or where a prompt has a single image.
   */
  readonly groups?: readonly number[];
}

/** k(x, y) = (x . y / d + 1)^3 for rows of length d. */
function kernel(x: Float32Array, row: number, y: Float32Array, other: number, dimension: number): number {
  let product = 0;
  const a = row * dimension;
  const b = other * dimension;
  for (let i = 0; i < dimension; i++) product += x[a + i]! * y[b + i]!;
  const base = product / dimension + 1;
  return base * base * base;
}

/** Sums of the kernel of each row with all other rows of its set [N]. */
function sumsWithin(x: Float32Array, dimension: number): Float64Array {
  const rows = x.length / dimension;
  const sums = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    for (let j = i + 1; j < rows; j++) {
      const value = kernel(x, i, x, j, dimension);
      sums[i]! += value;
      sums[j]! += value;
    }
  }
  return sums;
}

function total(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function countRows(features: Float32Array, dimension: number, name: string): number {
  const rows = features.length / dimension;
  if (!Number.isInteger(rows) || rows < 3) {
    throw new Error(`KID: expected at least three rows of ${dimension} features ${name}, received ${rows}`);
  }
  return rows;
}

/** Jackknife variance of an estimate from its leave-one-out values, group by group. */
function jackknifeVariance(values: Float64Array, groups: readonly number[] | undefined): number {
  const sizes = groups === undefined || groups.some((size) => size < 2) ? [values.length] : groups;
  const images = sizes.reduce((sum, size) => sum + size, 0);
  if (images !== values.length) {
    throw new Error(`KID: expected groups of ${values.length} images in all, received ${images}`);
  }
  let first = 0;
  let variance = 0;
  for (const size of sizes) {
    const group = values.subarray(first, first + size);
    const mean = total(group) / size;
    variance += ((size - 1) / size) * group.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    first += size;
  }
  return variance;
}

function withInterval(
  estimate: number,
  variance: number,
  images: readonly [number, number],
  dimension: number,
  level: number,
): KernelDistance {
  const standardError = Math.sqrt(variance);
  const reach = normalQuantile((1 + level) / 2) * standardError;
  return { estimate, standardError, low: estimate - reach, high: estimate + reach, level, images, dimension };
}

/**
 * Distance between two independent sets:
 * sum_{i != j} k(x_i, x_j) / (m (m - 1)) + sum_{i != j} k(y_i, y_j) / (n (n - 1)) - 2 sum_{i, j} k(x_i, y_j) / (m n).
 * @param first features [m, dimension], in the order of `options.groups`
 * @param second features [n, dimension]
 * @throws where a set has fewer than three rows
 */
export function kernelDistance(
  first: Float32Array,
  second: Float32Array,
  dimension: number,
  options: KernelDistanceOptions = {},
): KernelDistance {
  const { level = DEFAULT_LEVEL, groups } = options;
  requireLevel(level);
  const m = countRows(first, dimension, 'in the first set');
  const n = countRows(second, dimension, 'in the second set');
  const within = sumsWithin(first, dimension);
  const others = sumsWithin(second, dimension);
  const across = new Float64Array(m);
  const back = new Float64Array(n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const value = kernel(first, i, second, j, dimension);
      across[i]! += value;
      back[j]! += value;
    }
  }
  const [a, b, c] = [total(within), total(others), total(across)];
  const estimate = a / (m * (m - 1)) + b / (n * (n - 1)) - (2 * c) / (m * n);
  const withoutFirst = within.map(
    (sum, i) =>
      (a - 2 * sum) / ((m - 1) * (m - 2)) + b / (n * (n - 1)) - (2 * (c - across[i]!)) / ((m - 1) * n),
  );
  const withoutSecond = others.map(
    (sum, j) =>
      a / (m * (m - 1)) + (b - 2 * sum) / ((n - 1) * (n - 2)) - (2 * (c - back[j]!)) / (m * (n - 1)),
  );
  const variance = jackknifeVariance(withoutFirst, groups) + jackknifeVariance(withoutSecond, undefined);
  return withInterval(estimate, variance, [m, n], dimension, level);
}

/**
 * Distance between two sets whose images come in pairs, such as two models' images from the same noise:
 * sum_{i != j} (k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i)) / (m (m - 1)).
 * The pairs' own terms k(x_i, y_i) are left out: partners resemble each other, and with them the estimate would be too small.
 * @param first features [m, dimension], in the order of `options.groups`
 * @param second features of their partners [m, dimension]
 * @throws where the sets aren't of one size, or have fewer than three rows
 */
export function pairedKernelDistance(
  first: Float32Array,
  second: Float32Array,
  dimension: number,
  options: KernelDistanceOptions = {},
): KernelDistance {
  const { level = DEFAULT_LEVEL, groups } = options;
  requireLevel(level);
  const m = countRows(first, dimension, 'in the first set');
  if (countRows(second, dimension, 'in the second set') !== m) {
    throw new Error(`KID: expected ${m} partners, received ${second.length / dimension}`);
  }
  const sums = sumsWithin(first, dimension);
  sumsWithin(second, dimension).forEach((sum, i) => {
    sums[i]! += sum;
  });
  for (let i = 0; i < m; i++) {
    for (let j = i + 1; j < m; j++) {
      const value = kernel(first, i, second, j, dimension) + kernel(first, j, second, i, dimension);
      sums[i]! -= value;
      sums[j]! -= value;
    }
  }
  const all = total(sums);
  const without = sums.map((sum) => (all - 2 * sum) / ((m - 1) * (m - 2)));
  const variance = jackknifeVariance(without, groups);
  return withInterval(all / (m * (m - 1)), variance, [m, m], dimension, level);
}
