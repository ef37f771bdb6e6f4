import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createFaceEmbeddings, loadFaceEmbedder } from '../../faces/embedding.ts';
import { Runtime } from '../../graph/index.ts';
import { drawnScenes } from './drawn_scenes.ts';
import { measureEmbedder, verificationFigures } from './embedder.ts';

const models = fileURLToPath(new URL('../../../models/portraits', import.meta.url));

describe('figures of verification', () => {
  it('are perfect for cosines that a threshold separates', () => {
    const figures = verificationFigures([0.9, 0.7], [0.1, 0.3]);
    expect(figures.accuracy).toBe(1);
    expect(figures.area).toBe(1);
    expect(figures.threshold).toBe(0.7);
    expect(figures.sameCosine).toBeCloseTo(0.8, 12);
    expect(figures.otherCosine).toBeCloseTo(0.2, 12);
  });

  it('are those of chance for equal cosines, and count the pairs in the right order', () => {
    const equal = verificationFigures([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]);
    expect([equal.accuracy, equal.area]).toEqual([0.5, 0.5]);
    // Same over other: .8 beats both, .2 beats none of .5 and .6: 2 of 4.
    const mixed = verificationFigures([0.8, 0.2], [0.5, 0.6]);
    expect([mixed.accuracy, mixed.area]).toEqual([0.75, 0.5]);
  });
});

describe.each(['face_embedder', 'face_embedder_evaluation'])('%s', (name) => {
  it('tells unseen persons apart, in other clothes and poses', { timeout: 60_000 }, async () => {
    const runtime = new Runtime();
    const captions = { guidanceCalibration: 0, weights: { several: 0, nobody: 0 } };
    const sequence = { seed: 9001, captions };
    const embeddings = createFaceEmbeddings(runtime, loadFaceEmbedder(`${models}/${name}`), 25);
    const data = drawnScenes(sequence.seed, 200, captions);
    const { anyone, sameGroup } = await measureEmbedder(embeddings, data, sequence, 200);
    expect(anyone.pairs).toBe(400);
    expect(anyone.accuracy).toBeGreaterThan(0.95);
    expect(sameGroup.accuracy).toBeGreaterThan(0.8);
    expect(anyone.sameCosine).toBeGreaterThan(anyone.otherCosine + 0.4);
    await runtime.close();
  });
});
