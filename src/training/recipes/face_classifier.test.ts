/** Classifiers trained on photographs: on a tiny folder in FairFace's layout, to files that give the same answers. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { attributeFigures } from '../../faces/classifier_figures.ts';
import { imageBatch } from '../../faces/image_batch.ts';
import { loadAttributeClassifier } from '../../faces/index.ts';
import { Runtime } from '../../graph/index.ts';
import { runTraining } from '../recipe.ts';
import type { FaceClassifierReport } from './face_classifier.ts';
import { faceClassifierRecipeSchema, prepareFaceClassifier } from './face_classifier.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'evenhand-face-classifier-'));
const at = (name: string) => path.join(folder, name);
let runtime: Runtime;

/** Ages tell by brightness, genders by colour. */
const COLORS: Readonly<Record<string, string>> = {
  'Female,20-29': '#804040',
  'Male,20-29': '#404080',
  'Female,60-69': '#ffa0a0',
  'Male,60-69': '#a0a0ff',
};

beforeAll(async () => {
  runtime = new Runtime({ threads: 1 });
  const rows: string[] = [];
  for (const [key, background] of Object.entries(COLORS)) {
    const [gender, age] = key.split(',');
    const name = `${rows.length}.png`;
    await sharp({ create: { width: 20, height: 16, channels: 3, background } })
      .png()
      .toFile(at(name));
    rows.push(`${name},${age},${gender},White,False`);
  }
  const table = `file,age,gender,race,service_test\n${rows.join('\n')}\n`;
  writeFileSync(at('train.csv'), table);
  writeFileSync(at('validation.csv'), table);
});
afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});

const SMALL = { type: 'resnet', image_size: 8, channels: [8], blocks: [1], groups: 4, stem_stride: 1 };

const recipe = (choices: object = {}) =>
  faceClassifierRecipeSchema.parse({
    seed: 1,
    steps: 60,
    batchSize: 4,
    learningRate: 0.02,
    warmupSteps: 2,
    averageDecay: 0.5,
    data: { layout: 'fairface', train: at('train.csv'), validation: at('validation.csv') },
    classes: {
      gender: { classes: { female: ['Female'], male: ['Male'] } },
      age: { classes: { young: ['20-29'], old: ['60-69'] } },
    },
    architecture: SMALL,
    ...choices,
  });

test.each([
  { name: 'resnet', config: () => recipe() },
  {
    name: 'mobilenet_v3_large',
    config: () =>
      recipe({
        steps: 40,
        learningRate: 0.003,
        architecture: { type: 'mobilenet_v3_large', image_size: 16, width_multiplier: 0.125, groups: 1 },
      }),
  },
])('$name learns, reports, and gives the same answers as a folder and as an ONNX file', async (given) => {
  const output = at(given.name);
  const config = given.config();
  await runTraining(
    runtime,
    prepareFaceClassifier(config, output, runtime),
    config,
    at(`run ${given.name}`),
    () => {},
  );
  const report = JSON.parse(readFileSync(path.join(output, 'report.json'), 'utf8')) as FaceClassifierReport;
  expect(report.faces).toBe(4);
  for (const name of ['gender', 'age']) {
    const { accuracy, confusion, reliability } = report.attributes[name]!;
    expect(accuracy).toBe(1);
    expect(confusion).toEqual([
      [2, 0],
      [0, 2],
    ]);
    expect(reliability.reduce((sum, { count }) => sum + count, 0)).toBe(4);
  }
  const planes = new Float32Array(3 * 16 * 16).map((_, i) => (i < 256 ? 0.9 : 0.3));
  const images = imageBatch(planes, 1, 16, 16);
  const answers: number[][] = [];
  for (const model of [output, path.join(output, 'model.yaml')]) {
    const classifier = loadAttributeClassifier(runtime, model);
    const { attributes, probabilities } = await classifier.classify(images, [[4, 4, 12, 12]]);
    expect(attributes.map(({ name }) => name)).toEqual(['gender', 'age']);
    answers.push(probabilities.flatMap((rows) => [...rows]));
    await classifier.release();
  }
  answers[0]!.forEach((value, i) => {
    expect(answers[1]![i]).toBeCloseTo(value, 5);
  });
});

test('a damaged photograph is named with its row', async () => {
  writeFileSync(at('damaged.png'), 'no image');
  writeFileSync(at('damaged.csv'), 'file,age,gender,race,service_test\ndamaged.png,20-29,Male,White,True\n');
  const config = { ...recipe(), data: { ...recipe().data, train: at('damaged.csv') } } as ReturnType<
    typeof recipe
  >;
  const { task } = prepareFaceClassifier(config, at('none'), runtime);
  await expect(task.batch(0, new Map())).rejects.toThrow(/damaged\.csv:2: .*damaged\.png: expected an image/);
});

test('calibration compares confidence with accuracy, bin by bin', () => {
  // Confidences .9 (right), .9 (wrong), .6 (right): gaps |1 - 1.8| and |1 - .6| over 3.
  const probabilities = Float32Array.of(0.9, 0.1, 0.9, 0.1, 0.4, 0.6);
  const figures = attributeFigures(['a', 'b'], probabilities, [0, 1, 1]);
  expect(figures.accuracy).toBeCloseTo(2 / 3, 9);
  expect(figures.calibrationError).toBeCloseTo((0.8 + 0.4) / 3, 6);
  expect(figures.confusion).toEqual([
    [1, 0],
    [1, 1],
  ]);
  const [sixth] = figures.reliability.filter(({ count }) => count === 1);
  expect(sixth).toMatchObject({ from: 0.6, accuracy: 1 });
  expect(() => attributeFigures(['a', 'b'], probabilities, [0])).toThrow(
    'expected 1 rows of 2 probabilities',
  );
});
