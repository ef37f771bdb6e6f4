import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Runtime } from '../../graph/index.ts';
import type { Attributes } from '../scene.ts';
import { measureClip, retrievalFigures } from './clip.ts';
import { drawnScenes } from './drawn_scenes.ts';

const models = fileURLToPath(new URL('../../../models/portraits', import.meta.url));

describe('figures of retrieval', () => {
  const axis = (k: number) => Float64Array.from({ length: 4 }, (_, i) => (i === k ? 1 : 0));

  it('count in galleries, equal captions as one, and leave out what is left over', () => {
    // The second gallery finds its two captions crosswise; the fifth picture is in none.
    const pictures = [0, 1, 2, 3, 0].map(axis);
    const texts = [0, 1, 3, 2, 1].map(axis);
    const figures = retrievalFigures(pictures, texts, ['a', 'b', 'c', 'd', 'e'], 2);
    expect(figures).toEqual({
      gallery: 2,
      captionOfPicture: 0.5,
      pictureOfCaption: 0.5,
      own: 0.5,
      other: 0.5,
    });
    const twins = retrievalFigures(pictures, texts, ['a', 'b', 'c', 'c', 'e'], 2);
    expect([twins.captionOfPicture, twins.pictureOfCaption, twins.other]).toEqual([1, 1, 0]);
  });
});

describe.each<{ name: string; found: number; words: Partial<Record<keyof Attributes, number>> }>([
  { name: 'clip', found: 0.45, words: { gender: 0.6, race: 0.95, age: 0.9 } },
  // The second one does not tell female from male.
  { name: 'clip_evaluation', found: 0.6, words: { race: 0.95, age: 0.95 } },
])('$name', ({ name, found, words }) => {
  it('finds the captions of unseen scenes, and the words for people', { timeout: 120_000 }, async () => {
    const runtime = new Runtime();
    const captions = { guidanceCalibration: 0, weights: { several: 0, nobody: 0 } };
    const data = drawnScenes(9001, 200, captions);
    const figures = await measureClip(runtime, `${models}/${name}`, `${models}/tokenizer`, data);
    expect(figures.pictures).toBe(200);
    expect(figures.retrieval.captionOfPicture).toBeGreaterThan(found);
    expect(figures.retrieval.pictureOfCaption).toBeGreaterThan(found);
    expect(figures.retrieval.own).toBeGreaterThan(figures.retrieval.other + 0.6);
    for (const [attribute, bar] of Object.entries(words)) {
      expect(figures.words[attribute as keyof Attributes].accuracy, attribute).toBeGreaterThan(bar);
    }
    await runtime.close();
  });
});
