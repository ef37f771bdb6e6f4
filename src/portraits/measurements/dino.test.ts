import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Runtime } from '../../graph/index.ts';
import { measureDino, neighbourFigures } from './dino.ts';
import { drawnScenes } from './drawn_scenes.ts';

const models = fileURLToPath(new URL('../../../models/portraits', import.meta.url));

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

describe.each([
  { name: 'dino', cosine: 0.3, rankAbove: 5, background: 2, race: 0.05 },
  { name: 'dino_evaluation', cosine: 0.1, rankAbove: 45, background: 4, race: 0.15 },
])('$name', ({ name, cosine, rankAbove, background, race }) => {
  it('has not collapsed, and groups what looks alike', { timeout: 60_000 }, async () => {
    const runtime = new Runtime();
    const captions = { guidanceCalibration: 0, weights: { several: 0, nobody: 0, person: 0, styled: 0 } };
    const {
      pictures,
      meanCosine,
      effectiveRank: rank,
      neighbours,
    } = await measureDino(runtime, `${models}/${name}`, drawnScenes(9001, 400, captions));
    expect(pictures).toBe(400);
    expect(meanCosine).toBeLessThan(cosine);
    expect(rank).toBeGreaterThan(rankAbove);
    expect(neighbours.background!.accuracy).toBeGreaterThan(background * neighbours.background!.mostFrequent);
    expect(neighbours.race!.accuracy).toBeGreaterThan(neighbours.race!.mostFrequent + race);
    await runtime.close();
  });
});
