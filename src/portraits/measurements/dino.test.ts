import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Runtime } from '../../graph/index.ts';
import { effectiveRank, measureDino, neighbourFigures } from './dino.ts';
import { drawnScenes } from './drawn_scenes.ts';

const models = fileURLToPath(new URL('../../../models/portraits', import.meta.url));

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

describe('neighbours', () => {
  it('vote for the most frequent class', () => {
    const known = Array.from({ length: 24 }, (_, i) => Float64Array.from(i < 12 ? [1, 0] : [0, 1]));
    const names = known.map((_, i) => (i < 12 ? 'left' : 'right'));
    const queries = [
      Float64Array.from([0.9, 0.1]),
      Float64Array.from([0.1, 0.9]),
      Float64Array.from([0.2, 0.8]),
    ];
    const figures = neighbourFigures(known, names, queries, ['left', 'right', 'left']);
    expect(figures).toEqual({ classes: 2, accuracy: 2 / 3, mostFrequent: 2 / 3 });
  });
});

describe('dino', () => {
  it('has not collapsed, and groups what looks alike', { timeout: 60_000 }, async () => {
    const runtime = new Runtime();
    const captions = { guidanceCalibration: 0, weights: { several: 0, nobody: 0, person: 0, styled: 0 } };
    const {
      pictures,
      meanCosine,
      effectiveRank: rank,
      neighbours,
    } = await measureDino(runtime, models, drawnScenes(9001, 400, captions));
    expect(pictures).toBe(400);
    expect(meanCosine).toBeLessThan(0.8);
    expect(rank).toBeGreaterThan(5);
    expect(neighbours.background!.accuracy).toBeGreaterThan(2 * neighbours.background!.mostFrequent);
    expect(neighbours.race!.accuracy).toBeGreaterThan(neighbours.race!.mostFrequent + 0.05);
    await runtime.close();
  });
});
