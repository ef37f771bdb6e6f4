/** Judging differences from golden numbers. */

import { describe, expect, test } from 'vitest';
import { describeCase, largestDifference, passes, worstOf } from './comparison.ts';

const result = (...pairs: [number, number][]) => ({
  name: 'case',
  comparisons: pairs.map(([error, tolerance], i) => ({ tensor: `t${i}`, error, tolerance })),
});

describe('comparison', () => {
  test.each([
    ['equal', [1, 2], [1, 2], 0],
    ['apart', [1, 2.5], [1.25, 2], 0.5],
    ['not a number', [1, Number.NaN], [1, 2], Number.POSITIVE_INFINITY],
    ['not a number before a difference', [Number.NaN, 5], [1, 2], Number.POSITIVE_INFINITY],
    ['of another length', [1], [1, 2], Number.POSITIVE_INFINITY],
  ])('%s', (_, got, expected, difference) => {
    expect(largestDifference(got, expected)).toBe(difference);
  });

  test('the tensor with the largest error over its tolerance decides', () => {
    const good = result([0.5, 1], [3, 10]);
    expect(worstOf(good)?.tensor).toBe('t0');
    expect(passes(good)).toBe(true);
    const bad = result([0.5, 1], [3, 2]);
    expect(passes(bad)).toBe(false);
    expect(describeCase(bad)).toMatch(/^FAIL {2}1\.500 {2}case: t1 3\.00 of 2\.0 \(2 tensors\)$/);
  });

  test('tolerance 0 demands equality, and a case without comparisons fails', () => {
    expect(passes(result([0, 0]))).toBe(true);
    expect(passes(result([1e-12, 0]))).toBe(false);
    expect(passes(result())).toBe(false);
  });
});
