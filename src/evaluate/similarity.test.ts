import { describe, expect, it } from 'vitest';
import { createGenerator } from '../diffusion/noise.ts';
import { cosines, summarizeSimilarities } from './similarity.ts';

const bootstrap = () => ({
  random: createGenerator({ seed: 4, stream: 'similarity' }).uniform,
  resamples: 500,
});

describe('cosines', () => {
  it.each([
    [
      [3, 4, 1, 0],
      [6, 8, 0, 2],
      [1, 0],
    ],
    [
      [3, 4, 1, 0],
      [-3, -4, 1, 1],
      [-1, Math.SQRT1_2],
    ],
    [
      [3, 4, 1, 0],
      [2, 0],
      [0.6, 1],
    ],
  ])('of %j and %j are %j', (first, second, expected) => {
    const found = cosines(Float32Array.from(first), Float32Array.from(second), 2);
    for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, 7);
  });

  it('refuses sets of different sizes, and vectors without length', () => {
    const at = (...values: number[]) => Float32Array.from(values);
    expect(() => cosines(at(1, 2, 3, 4), at(1, 2, 3, 4, 5, 6), 2)).toThrow(/as many in both sets/);
    expect(() => cosines(at(1, 2, 3), at(1, 2), 2)).toThrow(/rows of 2 numbers/);
    expect(() => cosines(at(1, 2, 0, 0), at(1, 1), 2)).toThrow(/row 1: expected vectors of some length/);
  });
});

describe('summarizeSimilarities', () => {
  it('gives the mean and deviation over prompts of their means', () => {
    const columns = { x: [[0.2, 0.4], [0.6], [0.9, 0.9, 0.9, 0.9]] };
    const { means, changes } = summarizeSimilarities(columns, {}, bootstrap());
    const { x } = means;
    expect(x!.mean).toBeCloseTo(0.6, 12);
    expect(x!.standardDeviation).toBeCloseTo(0.3, 12);
    expect(x).toMatchObject({ count: 3, images: 7 });
    // Only the first prompt's mean varies: .2, .3 or .4, which moves the mean by .1 / 3 either way.
    expect(x!.interval.low).toBeCloseTo(0.6 - 0.1 / 3, 2);
    expect(x!.interval.high).toBeCloseTo(0.6 + 0.1 / 3, 2);
    expect(changes).toEqual({});
    expect(summarizeSimilarities({}, {}, bootstrap())).toEqual({ means: {}, changes: {} });
  });

  it('compares in pairs: a constant difference has no spread, however much the images vary', () => {
    const before = [
      [0.1, 0.9, 0.4],
      [0.3, 0.8],
    ];
    const after = before.map((group) => group.map((value) => value + 0.05));
    const pairs = { x: ['before', 'after'] as const };
    const { means, changes } = summarizeSimilarities({ before, after }, pairs, bootstrap());
    for (const value of [changes.x!.estimate, changes.x!.low, changes.x!.high]) {
      expect(value).toBeCloseTo(0.05, 12);
    }
    expect(means.before!.interval.high - means.before!.interval.low).toBeGreaterThan(0.2);
    const other = { before, after: [[0.1, 0.9, 0.4], [0.3]] };
    expect(() => summarizeSimilarities(other, pairs, bootstrap())).toThrow(
      /after: expected 3, 2 images, received 3, 1/,
    );
  });
});
