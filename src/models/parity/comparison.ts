/** Comparing computed with golden tensors: the largest difference over its tolerance, case by case. */

import type { Runtime, TensorData } from '../../graph/index.ts';
import type { FixtureFolder } from './fixture.ts';

/** How far one tensor is from its golden values. */
export interface Comparison {
  readonly tensor: string;
  /** Largest absolute difference; infinity when sizes differ or a value is not a number. */
  readonly error: number;
  readonly tolerance: number;
}

/** Outcome of one case. */
export interface CaseResult {
  readonly name: string;
  readonly comparisons: readonly Comparison[];
}

/** What a checker works with. */
export interface ParityContext {
  readonly fixtures: FixtureFolder;
  readonly runtime: Runtime;
}

/** Something that checks golden numbers of one kind. */
export interface Checker {
  /** Folder of the fixtures that it covers, for example `vae`. */
  readonly folder: string;
  /** Checks every case; the results come in the order of the cases. */
  check(context: ParityContext): AsyncIterable<CaseResult>;
}

/** Largest absolute difference of two tensors' elements; infinity when lengths differ or an element is not a number. */
export function largestDifference(
  got: ArrayLike<number | bigint>,
  expected: ArrayLike<number | bigint>,
): number {
  if (got.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < got.length; i++) {
    const difference = Math.abs(Number(got[i]) - Number(expected[i]));
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return largest;
}

/** Compares one tensor with its golden values. */
export function compareTensor(
  tensor: string,
  got: TensorData,
  expected: TensorData,
  tolerance: number,
): Comparison {
  return { tensor, error: largestDifference(got, expected), tolerance };
}

/** Error over tolerance: at most 1 passes. A tolerance of 0 demands equality. */
export function ratioOf({ error, tolerance }: Comparison): number {
  return error === 0 ? 0 : error / tolerance;
}

/** The comparison with the largest error over tolerance, or null when there is none. */
export function worstOf(result: CaseResult): Comparison | null {
  let worst: Comparison | null = null;
  for (const comparison of result.comparisons) {
    if (worst === null || ratioOf(comparison) > ratioOf(worst)) worst = comparison;
  }
  return worst;
}

/** Whether the case compared something and every tensor is within its tolerance. */
export function passes(result: CaseResult): boolean {
  const worst = worstOf(result);
  return worst !== null && ratioOf(worst) <= 1;
}

/** One line for a case: worst error over tolerance, the tensor it belongs to, and how many tensors were compared. */
export function describeCase(result: CaseResult): string {
  const worst = worstOf(result);
  if (worst === null) return `FAIL  ${result.name}: nothing was compared`;
  const verdict = passes(result) ? 'ok  ' : 'FAIL';
  const figures = `${worst.error.toPrecision(3)} of ${worst.tolerance.toPrecision(2)}`;
  const ratio = ratioOf(worst).toFixed(3);
  return `${verdict}  ${ratio}  ${result.name}: ${worst.tensor} ${figures} (${result.comparisons.length} tensors)`;
}
