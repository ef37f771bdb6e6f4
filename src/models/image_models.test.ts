/** The small image networks: shapes, gradients, and that each learns a task that can be checked by eye. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Tensors, Value } from '../graph/index.ts';
import {
  constant,
  elementCount,
  gradient,
  input,
  logSoftmax,
  mul,
  neg,
  oneHot,
  Runtime,
  reduceMean,
  reduceSum,
  scalar,
} from '../graph/index.ts';
import type { DetectorTensors } from './face_decode.ts';
import { decodeFaces, intersectionOverUnion, suppress } from './face_decode.ts';
import { faceDetector, parseFaceDetectorConfig } from './face_detector.ts';
import type { FaceAnnotation } from './face_detector_loss.ts';
import {
  faceDetectorLoss,
  faceTargetShapes,
  faceTargets,
  focalLoss,
  generalizedIou,
} from './face_detector_loss.ts';
import { cosFaceLogits, faceEmbedder, parseFaceEmbedderConfig } from './face_embedder.ts';
import { imageClassifier, parseImageClassifierConfig } from './image_classifier.ts';
import { trainableParameters } from './parameters.ts';
import { largestDifference } from './parity/comparison.ts';

let runtime: Runtime;
beforeAll(() => {
  runtime = new Runtime({ threads: 1 });
});
afterAll(() => runtime.close());

/** Uniform numbers in -1..1 from a linear congruential generator. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

function filled(count: number, next: () => number): Float32Array {
  return Float32Array.from({ length: count }, next);
}

function initialValues(values: ReadonlyMap<string, Value>, seed: number): Record<string, Float32Array> {
  const next = generator(seed);
  const initial: Record<string, Float32Array> = {};
  for (const [name, { shape }] of values) {
    const spread = Math.sqrt(3 / elementCount(shape.slice(1)));
    if (shape.length > 1) initial[name] = filled(elementCount(shape), () => spread * next());
    else initial[name] = new Float32Array(shape[0]!).fill(name.endsWith('weight') ? 1 : 0);
  }
  return initial;
}

/** Adam (Kingma & Ba 2015) for a few steps on one batch; returns the losses. */
async function learn(
  loss: Value,
  values: ReadonlyMap<string, Value>,
  parameters: Record<string, Float32Array>,
  feeds: Tensors,
  steps: number,
  rate: number,
): Promise<number[]> {
  const names = [...values.keys()];
  const gradients = gradient([loss], [scalar(1)], [...values.values()]);
  const executable = await runtime.compile({
    loss,
    ...Object.fromEntries(names.map((name, i) => [`d ${name}`, gradients[i]!])),
  });
  const moments = names.map((name) => [0, 1].map(() => new Float32Array(parameters[name]!.length)));
  const losses: number[] = [];
  for (let step = 1; step <= steps; step++) {
    const results = await executable.run({ ...feeds, ...parameters });
    losses.push(Number(results.loss![0]));
    names.forEach((name, i) => {
      const [first, second] = moments[i]! as [Float32Array, Float32Array];
      const slope = results[`d ${name}`] as Float32Array;
      for (let k = 0; k < slope.length; k++) {
        first[k] = 0.9 * first[k]! + 0.1 * slope[k]!;
        second[k] = 0.99 * second[k]! + 0.01 * slope[k]! ** 2;
        const [mean, square] = [first[k]! / (1 - 0.9 ** step), second[k]! / (1 - 0.99 ** step)];
        parameters[name]![k]! -= (rate * mean) / (Math.sqrt(square) + 1e-8);
      }
    });
  }
  await executable.release();
  return losses;
}

/** -mean log softmax(scores)[label]. */
function crossEntropy(scores: Value, labels: Value): Value {
  const picked = mul(logSoftmax(scores), oneHot(labels, scores.shape[1]!));
  return neg(reduceMean(reduceSum(picked, { axes: [1] })));
}

const small = { image_size: 20, channels: [8, 16], blocks: [1, 2], groups: 4, stem_stride: 1 } as const;

describe.each([
  { ...small, type: 'resnet', activation: 'silu', rate: 0.01 },
  { ...small, type: 'mobile', activation: 'hard_swish', rate: 0.01 },
  // So narrow that every group of a norm must hold all channels: at the end there is one pixel.
  { type: 'mobilenet_v3_large', image_size: 20, width_multiplier: 0.125, groups: 1, rate: 0.003 },
])('a $type classifier', ({ rate, ...architecture }) => {
  const config = parseImageClassifierConfig({ ...architecture, features: 12, heads: { shade: 2, side: 3 } });

  test('gives features and one score a class, each image on its own', async () => {
    const { parameters, values } = trainableParameters();
    const run = async (images: Float32Array, count: number, known?: Record<string, Float32Array>) => {
      const model = imageClassifier(config, parameters, input('image', [count, 3, 20, 20]));
      const executable = await runtime.compile({ features: model.features, ...model.logits });
      return executable.run({ image: images, ...known });
    };
    imageClassifier(config, parameters, input('image', [1, 3, 20, 20]));
    const known = initialValues(values, 1);
    const images = filled(2 * 3 * 400, generator(2));
    const both = await run(images, 2, known);
    expect([both.features!.length, both.shade!.length, both.side!.length]).toEqual([24, 4, 6]);
    const second = await run(images.slice(1200), 1, known);
    expect(largestDifference(second.side!, both.side!.slice(3))).toBeLessThan(1e-4);
    expect(largestDifference(second.side!, both.side!.slice(0, 3))).toBeGreaterThan(1e-3);
  });

  test('has the image gradient that differences show', async () => {
    const { parameters, values } = trainableParameters();
    const image = input('image', [1, 3, 20, 20]);
    const { logits } = imageClassifier(config, parameters, image);
    const cotangent = constant([1, -2, 0.5], [1, 3]);
    const [slope] = gradient([logits.side!], [cotangent], [image]);
    const value = reduceSum(mul(logits.side!, cotangent));
    const executable = await runtime.compile({ slope: slope!, value });
    const known = initialValues(new Map([...values].filter(([name]) => !name.startsWith('heads.shade'))), 3);
    const [pixels, direction] = [filled(1200, generator(4)), filled(1200, generator(5))];
    const at = async (h: number) => {
      const moved = pixels.map((pixel, i) => pixel + h * direction[i]!);
      return executable.run({ image: moved, ...known });
    };
    const exact = ((await at(0)).slope as Float32Array).reduce((sum, g, i) => sum + g * direction[i]!, 0);
    const h = 2e-3;
    const [above, below] = [(await at(h)).value![0], (await at(-h)).value![0]];
    const difference = (Number(above) - Number(below)) / (2 * h);
    expect(Math.abs(exact)).toBeGreaterThan(1e-3);
    expect(Math.abs(difference - exact)).toBeLessThan(0.02 * Math.abs(exact) + 2e-3);
  });

  test('learns which side of an image is bright', async () => {
    const { parameters, values } = trainableParameters();
    const count = 9;
    const { logits } = imageClassifier(config, parameters, input('image', [count, 3, 20, 20]));
    const loss = crossEntropy(logits.side!, input('labels', [count], 'int64'));
    const next = generator(6);
    const labels = BigInt64Array.from({ length: count }, (_, i) => BigInt(i % 3));
    const image = Float32Array.from({ length: count * 1200 }, (_, i) => {
      const third = Math.min(2, Math.floor((i % 20) / 7));
      return 0.5 * next() + (third === Number(labels[Math.floor(i / 1200)]) ? 0.5 : -0.5);
    });
    const used = new Map([...values].filter(([name]) => !name.startsWith('heads.shade')));
    const losses = await learn(loss, used, initialValues(used, 7), { image, labels }, 25, rate);
    expect(losses[0]).toBeGreaterThan(0.6);
    expect(losses.at(-1)).toBeLessThan(0.1);
  });
});

describe('a face embedder', () => {
  const config = parseFaceEmbedderConfig({ ...small, type: 'resnet', embedding: 16 });

  test('learns unit vectors that tell persons apart with a margin', async () => {
    const { parameters, values } = trainableParameters();
    const count = 8;
    const embeddings = faceEmbedder(config, parameters, input('faces', [count, 3, 20, 20]));
    const persons = parameters.tensor('persons', [4, 16]);
    const labels = input('labels', [count], 'int64');
    const loss = crossEntropy(cosFaceLogits(embeddings, persons, labels, { margin: 0.2, scale: 8 }), labels);
    const next = generator(8);
    const looks = Array.from({ length: 4 }, () => filled(1200, next));
    const faces = Float32Array.from(
      { length: count * 1200 },
      (_, i) => looks[Math.floor(i / 1200) % 4]![i % 1200]! + 0.3 * next(),
    );
    const feeds = { faces, labels: BigInt64Array.from({ length: count }, (_, i) => BigInt(i % 4)) };
    const known = initialValues(values, 9);
    const losses = await learn(loss, values, known, feeds, 30, 0.01);
    expect(losses.at(-1)).toBeLessThan(0.3 * losses[0]!);
    const executable = await runtime.compile({ embeddings });
    const { persons: _, ...rest } = known;
    const result = (await executable.run({ faces, ...rest })).embeddings as Float32Array;
    const cosine = (a: number, b: number) => {
      let sum = 0;
      for (let k = 0; k < 16; k++) sum += result[a * 16 + k]! * result[b * 16 + k]!;
      return sum;
    };
    for (let i = 0; i < count; i++) expect(cosine(i, i)).toBeCloseTo(1, 5);
    for (let i = 0; i < 4; i++) expect(cosine(i, i + 4)).toBeGreaterThan(cosine(i, (i + 1) % 4) + 0.3);
  });

  test('takes the margin off the right cosine only', async () => {
    const unit = constant([1, 0, 0, 1], [2, 2]);
    const persons = constant([2, 0, 3, 4], [2, 2]);
    const labels = constant([0, 0], [2], 'int64');
    const executable = await runtime.compile({
      y: cosFaceLogits(unit, persons, labels, { margin: 0.25, scale: 10 }),
    });
    expect(largestDifference((await executable.run({})).y!, [7.5, 6, -2.5, 8])).toBeLessThan(1e-5);
  });
});

describe('a face detector', () => {
  const config = parseFaceDetectorConfig({
    type: 'resnet',
    image_size: 32,
    channels: [8, 16, 16],
    blocks: [1, 1, 1],
    groups: 4,
    stem_stride: 2,
    stride: 4,
    width: 16,
  });
  const points = (x: number, y: number, size: number) =>
    [-1, -1, 1, -1, 0, 0, -1, 1, 1, 1].map((offset, i) => (i % 2 === 0 ? x : y) + (offset * size) / 4);
  const face = (x: number, y: number, size: number): FaceAnnotation => ({
    box: [x - size / 2, y - size / 2, x + size / 2, y + size / 2],
    landmarks: points(x, y, size),
  });
  const scenes = [[face(9, 10, 12)], [face(20, 18, 18)], [], [face(8, 8, 10), face(24, 22, 11)]];

  test('decodes its targets to the faces that they were made from', () => {
    const targets = faceTargets(config, scenes);
    const outputs: DetectorTensors = {
      logits: (targets['faces.positive'] as Float32Array).map((positive) => (positive > 0 ? 9 : -9)),
      distances: targets['faces.distances'] as Float32Array,
      landmarks: targets['faces.landmarks'] as Float32Array,
    };
    const found = decodeFaces(config, outputs, { threshold: 0.5, iou: 0.4 });
    expect(found.map((faces) => faces.length)).toEqual([1, 1, 0, 2]);
    found.forEach((faces, i) => {
      for (const { box, landmarks } of faces) {
        const match = scenes[i]!.find((each) => intersectionOverUnion(each.box, box) > 0.999);
        expect(match).toBeDefined();
        expect(largestDifference(landmarks.flat(), match!.landmarks!)).toBeLessThan(1e-4);
      }
    });
  });

  test('has a positive cell for a face smaller than a cell, and leaves unknown landmarks out', () => {
    const tiny: FaceAnnotation = { box: [16.5, 16.5, 17, 17], landmarks: null };
    const targets = faceTargets(config, [[tiny]]);
    const sum = (name: string) => (targets[name] as Float32Array).reduce((total, value) => total + value, 0);
    expect(sum('faces.positive')).toBe(1);
    expect(sum('faces.landmarksKnown')).toBe(0);
  });

  test.each([
    ['an empty box', { box: [5, 5, 5, 9], landmarks: null }, /image 0: expected a box .*\[5,5,5,9\]/],
    [
      'missing landmarks',
      { box: [1, 1, 5, 9], landmarks: [1, 2] },
      /expected 10 landmark coordinates, received 2/,
    ],
  ] as [string, FaceAnnotation, RegExp][])('refuses %s', (_, annotation, message) => {
    expect(() => faceTargets(config, [[annotation]])).toThrow(message);
  });

  test('finds the faces that it was trained on', async () => {
    const { parameters, values } = trainableParameters();
    const outputs = faceDetector(config, parameters, input('image', [4, 3, 32, 32]));
    const targetInputs = Object.fromEntries(
      Object.entries(faceTargetShapes(config, 4)).map(([name, shape]) => [name, input(name, shape)]),
    );
    const { loss } = faceDetectorLoss(config, outputs, targetInputs);
    const next = generator(10);
    const image = new Float32Array(4 * 3 * 1024).map(() => 0.2 * next() - 0.5);
    scenes.forEach((faces, n) => {
      for (const { box } of faces) {
        for (let y = Math.round(box[1]); y < box[3]; y++) {
          for (let x = Math.round(box[0]); x < box[2]; x++) {
            for (let c = 0; c < 3; c++) image[((n * 3 + c) * 32 + y) * 32 + x] = 0.7 + 0.1 * next();
          }
        }
      }
    });
    const known = initialValues(values, 11);
    const losses = await learn(loss, values, known, { image, ...faceTargets(config, scenes) }, 80, 0.01);
    expect(losses.at(-1)).toBeLessThan(0.2 * losses[0]!);
    const executable = await runtime.compile({ ...outputs });
    const results = (await executable.run({ image, ...known })) as unknown as DetectorTensors;
    const found = decodeFaces(config, results, { threshold: 0.4, iou: 0.4 });
    expect(found.map((faces) => faces.length)).toEqual([1, 1, 0, 2]);
    found.forEach((faces, n) => {
      for (const { box } of faces) {
        expect(Math.max(...scenes[n]!.map((each) => intersectionOverUnion(each.box, box)))).toBeGreaterThan(
          0.7,
        );
      }
    });
  });

  test('has the losses of the papers', async () => {
    const boxes = (...sides: number[]) => constant(sides, [1, sides.length / 4, 4]);
    // Equal boxes; a box inside one of four times its area; boxes that only touch, in a hull of 4 of which they cover 3.
    const executable = await runtime.compile({
      iou: generalizedIou(
        boxes(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0),
        boxes(1, 1, 1, 1, 2, 2, 2, 2, 1, 0, 1, 1),
      ),
      focal: focalLoss(constant([0, 2, -3], [3]), constant([1, 0, 1], [3])),
    });
    const { iou, focal } = await executable.run({});
    expect(largestDifference(iou!, [1, 0.25, -0.25])).toBeLessThan(1e-5);
    const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
    const expected = [
      0.25 * 0.25 * Math.log(2),
      0.75 * sigmoid(2) ** 2 * -Math.log(1 - sigmoid(2)),
      0.25 * (1 - sigmoid(-3)) ** 2 * -Math.log(sigmoid(-3)),
    ];
    expect(largestDifference(focal!, expected)).toBeLessThan(1e-5);
  });

  test('drops boxes that overlap a better one', () => {
    const at = (x: number, score: number) => ({ box: [x, 0, x + 10, 10] as const, score, landmarks: [] });
    const kept = suppress([at(0, 0.6), at(2, 0.9), at(9, 0.7), at(30, 0.5)], 0.4);
    expect(kept.map(({ score }) => score)).toEqual([0.9, 0.7, 0.5]);
  });
});

describe('configurations', () => {
  test.each([
    ['blocks', { blocks: [1] }, /image classifier configuration: blocks: expected 2 entries, received 1/],
    ['channels', { channels: [8, 18] }, /channels: expected multiples of 4 \(groups\), received 18/],
    ['heads', { heads: { gender: 1 } }, /heads.gender: .*received 1/],
  ])('a classifier refuses wrong %s', (_, change, message) => {
    const json = { ...small, type: 'resnet', heads: { gender: 2 }, ...change };
    expect(() => parseImageClassifierConfig(json)).toThrow(message);
  });

  test.each([
    [{ stem_stride: 2, stride: 8 }, /stride: expected one of the stages' 2,4, received 8/],
    [{ image_size: 30, stem_stride: 2, stride: 4 }, /image_size: expected a multiple of 4, received 30/],
    [{ width: 10, stem_stride: 2, stride: 4 }, /width: expected a multiple of 4, received 10/],
  ])('a detector refuses %j', (change, message) => {
    expect(() => parseFaceDetectorConfig({ ...small, type: 'resnet', ...change })).toThrow(message);
  });

  test('images of another size are refused', () => {
    const config = parseFaceEmbedderConfig({ ...small, type: 'mobile' });
    const build = () => faceEmbedder(config, trainableParameters().parameters, input('x', [1, 3, 16, 20]));
    expect(build).toThrow(
      /expected images \[N, 3,20,20\], received \[1,3,16,20\]|expected images \[N, 3, 20, 20\]/,
    );
  });
});
