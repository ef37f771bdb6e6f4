import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAttributeClassifier } from '../../faces/attributes.ts';
import { attributeFigures } from '../../faces/classifier_figures.ts';
import { Runtime } from '../../graph/index.ts';
import { AGES, GENDERS, RACES } from '../scene.ts';
import { softFaults } from './changes.ts';
import { measureClassifier } from './classifier.ts';
import { drawnScenes } from './drawn_scenes.ts';

const models = fileURLToPath(new URL('../../../models/portraits', import.meta.url));

describe('figures of an attribute', () => {
  it('count confusions and compare confidence with accuracy', () => {
    const probabilities = Float32Array.from([0.875, 0.125, 0.75, 0.25, 0.375, 0.625, 0.25, 0.75]);
    const figures = attributeFigures(['a', 'b'], probabilities, [0, 1, 1, 1]);
    expect(figures.confusion).toEqual([
      [1, 0],
      [1, 2],
    ]);
    expect(figures.accuracy).toBe(0.75);
    expect(figures.confidence).toBe(0.75);
    // Bins .6, .7 and .8 hold 1, 2 and 1 faces: |1 - .625| + |1 - 1.5| + |1 - .875|, over 4.
    expect(figures.calibrationError).toBe(0.25);
  });
});

describe.each(['classifier', 'classifier_evaluation'])('%s', (name) => {
  let runtime: Runtime;
  beforeAll(() => {
    runtime = new Runtime();
  });
  afterAll(() => runtime.close());

  it('knows gender, race and age on scenes that no training has seen', { timeout: 60_000 }, async () => {
    const captions = { guidanceCalibration: 0, weights: { several: 0, nobody: 0 } };
    const data = drawnScenes(9001, 300, captions);
    const classifier = loadAttributeClassifier(runtime, `${models}/${name}`, { batchSize: 25 });
    const names = classifier.attributes.map((attribute) => [attribute.name, attribute.classes]);
    expect(names).toEqual([
      ['gender', GENDERS],
      ['race', RACES],
      ['age', AGES],
    ]);
    const clean = await measureClassifier(classifier, data);
    const faulty = await measureClassifier(classifier, data, { change: softFaults(data.size, 0.5, 0.1) });
    expect(clean.faces).toBe(300);
    for (const { gender, race, age } of [clean, faulty].map(({ attributes }) => attributes)) {
      expect(gender!.accuracy).toBeGreaterThan(0.98);
      expect(race!.accuracy).toBeGreaterThan(0.97);
      expect(age!.accuracy).toBeGreaterThan(0.97);
    }
    // Labels are smoothed by up to .05, so that a sure classifier says about .975 and its calibration error is near that gap.
    expect(clean.attributes.gender!.calibrationError).toBeLessThan(0.06);
    expect(clean.attributes.race!.calibrationError).toBeLessThan(0.08);
    await classifier.release();
  });
});
