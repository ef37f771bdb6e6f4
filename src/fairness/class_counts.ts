/** Class counts of a set of targets: all of them with their multinomial weights, drawn ones, and the most even ones. */

import { logFactorials } from './binomial.ts';

/** Fractional parts closer than this count as equal when left-over images are given out. */
const FRACTION_TIE = 1e-9;

/** Number of ways to choose `chosen` of `total`, in float64 (exact below 2^53). */
export function combinations(total: number, chosen: number): number {
  let ways = 1;
  for (let k = 1; k <= Math.min(chosen, total - chosen); k++) ways = (ways * (total - k + 1)) / k;
  return Math.round(ways);
}

/** Number of vectors of `classes` non-negative counts that sum to `total`. */
export function numberOfCountVectors(total: number, classes: number): number {
  return combinations(total + classes - 1, classes - 1);
}

/**
 * Visits every vector of counts that sums to `total`, each differing from the one before by a single unit that moves
 * from one class to another.
 * @param visit receives the vector, [classes]; it is overwritten by the next visit
 */
export function visitCountVectors(total: number, classes: number, visit: (counts: Int32Array) => void): void {
  const counts = new Int32Array(classes);
  const walk = (left: number, k: number, ascending: boolean) => {
    if (k === classes - 1) {
      counts[k] = left;
      visit(counts);
      return;
    }
    for (let step = 0; step <= left; step++) {
      counts[k] = ascending ? step : left - step;
      // Alternating directions join the ends of neighbouring sub-sequences; the count's parity fixes the direction, so
      // that a sub-sequence read backwards is the same sequence reversed.
      walk(left - counts[k]!, k + 1, counts[k]! % 2 === 0 ? ascending : !ascending);
    }
  };
  walk(total, 0, true);
}

/** Multinomial probability of a vector of counts under `shares`, by a table made once for all vectors of `total`. */
export function multinomialWeights(
  total: number,
  shares: ArrayLike<number>,
): (counts: ArrayLike<number>) => number {
  const logs = logFactorials(total);
  const logShares = Array.from(shares, Math.log);
  return (counts) => {
    let log = logs[total]!;
    for (let k = 0; k < logShares.length; k++) {
      const count = counts[k]!;
      if (count > 0) log += count * logShares[k]! - logs[count]!;
    }
    return Math.exp(log);
  };
}

/** Counts of `total` independent draws from `shares` (which sum to one); `random` gives uniform numbers in [0, 1). */
export function drawCounts(total: number, shares: ArrayLike<number>, random: () => number): Int32Array {
  const counts = new Int32Array(shares.length);
  for (let draw = 0; draw < total; draw++) {
    let left = random();
    let k = 0;
    while (k < shares.length - 1 && left >= shares[k]!) left -= shares[k++]!;
    counts[k]!++;
  }
  return counts;
}

/**
 * The sets of `total` targets closest to `shares`: every class gets the whole part of total * share, and the images left
 * over go to the largest fractional parts. Where fractional parts tie there are several such sets, all equally good.
 * @returns `certain` counts [classes], the `tied` classes, and how many (`extra`) of the tied get one more
 */
export function evenCounts(
  total: number,
  shares: ArrayLike<number>,
): { readonly certain: Int32Array; readonly tied: readonly number[]; readonly extra: number } {
  const exact = Array.from(shares, (share) => total * share);
  const certain = Int32Array.from(exact, (count) => Math.floor(count + FRACTION_TIE));
  const left = total - certain.reduce((sum, count) => sum + count, 0);
  if (left === 0) return { certain, tied: [], extra: 0 };
  const fraction = exact.map((count, k) => count - certain[k]!);
  const order = fraction.map((_, k) => k).sort((a, b) => fraction[b]! - fraction[a]!);
  const last = fraction[order[left - 1]!]!;
  const above = order.filter((k) => fraction[k]! > last + FRACTION_TIE);
  const tied = order.filter((k) => Math.abs(fraction[k]! - last) <= FRACTION_TIE).sort((a, b) => a - b);
  for (const k of above) certain[k]!++;
  const extra = left - above.length;
  if (extra < tied.length) return { certain, tied, extra };
  for (const k of tied) certain[k]!++;
  return { certain, tied: [], extra: 0 };
}

/**
 * Shares of the classes in the sets of {@link evenCounts}, averaged where several are equally good: those of the target where its
 * shares divide the images, and otherwise the nearest to them that so many images can have.
 * @returns [classes], adding up to 1
 */
export function evenShares(total: number, shares: ArrayLike<number>): Float64Array {
  const { certain, tied, extra } = evenCounts(total, shares);
  const counts = Float64Array.from(certain);
  for (const k of tied) counts[k]! += extra / tied.length;
  return counts.map((count) => count / total);
}

/** Visits every subset of `size` of the `items`, in lexicographic order; the array is overwritten by the next visit. */
export function visitSubsets(
  items: readonly number[],
  size: number,
  visit: (subset: readonly number[]) => void,
): void {
  const subset = new Array<number>(size);
  const choose = (filled: number, from: number) => {
    if (filled === size) {
      visit(subset);
      return;
    }
    for (let i = from; i <= items.length - (size - filled); i++) {
      subset[filled] = items[i]!;
      choose(filled + 1, i + 1);
    }
  };
  choose(0, 0);
}
