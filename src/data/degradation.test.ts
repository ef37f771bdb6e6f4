import { describe, expect, it } from 'vitest';
import { createGenerator } from '../diffusion/noise.ts';
import { addNoise, degradeImage, lowerResolution } from './degradation.ts';

const SIDE = 12;
const LENGTH = 3 * SIDE * SIDE;

function checkerboard(): Float32Array {
  return Float32Array.from({ length: 2 * LENGTH }, (_, i) =>
    (i + Math.floor(i / SIDE)) % 2 === 0 ? 0.8 : -0.8,
  );
}

function meanSquare(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value * value, 0) / values.length;
}

describe('degradation', () => {
  it.each([3, 5, 11])('keeps constant images and the neighbours in the batch at resolution %d', (lower) => {
    const batch = new Float32Array(2 * LENGTH).fill(0.25);
    batch.fill(-1, LENGTH);
    lowerResolution(batch, 0, SIDE, lower);
    for (const value of batch.subarray(0, LENGTH)) expect(value).toBeCloseTo(0.25, 6);
    expect(batch.subarray(LENGTH).every((value) => value === -1)).toBe(true);
  });

  it('removes what half the resolution cannot show', () => {
    const batch = checkerboard();
    lowerResolution(batch, 1, SIDE, SIDE / 2);
    expect(meanSquare(batch.subarray(LENGTH))).toBeLessThan(0.02);
    expect(meanSquare(batch.subarray(0, LENGTH))).toBeCloseTo(0.64, 5);
  });

  it('adds noise of the deviation asked for, within -1..1', () => {
    const batch = new Float32Array(LENGTH);
    addNoise(batch, 0, SIDE, 0.2, createGenerator({ seed: 3 }));
    expect(Math.sqrt(meanSquare(batch))).toBeGreaterThan(0.17);
    expect(Math.sqrt(meanSquare(batch))).toBeLessThan(0.23);
    addNoise(batch, 0, SIDE, 5, createGenerator({ seed: 4 }));
    expect(batch.every((value) => Math.abs(value) <= 1)).toBe(true);
  });

  it('repeats itself for equal generators and leaves images alone at probability 0', () => {
    const run = (probability: number) => {
      const batch = checkerboard();
      const ranges = { probability, resolution: 0.5, noise: 0.2 };
      degradeImage(batch, 0, SIDE, ranges, createGenerator({ seed: 7, index: 2 }));
      return batch;
    };
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(checkerboard());
    expect(run(0)).toEqual(checkerboard());
  });
});
