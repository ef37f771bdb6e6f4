import { describe, expect, it } from 'vitest';
import { effectiveRank, meanCosine, unitRows } from './feature_rows.ts';

describe('effective rank', () => {
  it('counts equally strong directions', () => {
    const rows = [0, 1, 2].flatMap((axis) =>
      [1, -1].map((sign) => Float64Array.from({ length: 5 }, (_, i) => (i === axis ? sign : 0.5))),
    );
    const centred = rows.map((row, r) => row.map((value, i) => (i === Math.floor(r / 2) ? value : 0)));
    expect(effectiveRank(centred)).toBeCloseTo(3, 9);
  });

  it('sees through rotations, and is 1 on a line', () => {
    const line = [-2, -1, 0, 1, 2].map((t) => Float64Array.from([3 * t + 1, -4 * t, 12 * t]));
    expect(effectiveRank(line)).toBeCloseTo(1, 6);
  });
});

describe('rows of features', () => {
  it('are divided by their lengths, and compared with each other alone', () => {
    const rows = unitRows(Float32Array.of(3, 4, 0, 2, -5, 0), 2);
    expect(rows.map((row) => [...row])).toEqual([
      [0.6, 0.8],
      [0, 1],
      [-1, 0],
    ]);
    // Cosines of the three pairs: .8, -.6, 0.
    expect(meanCosine(rows)).toBeCloseTo(0.2 / 3, 12);
  });
});
