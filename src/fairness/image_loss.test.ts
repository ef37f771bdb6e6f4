/** The whole loss on small random models: gradients against finite differences, masks, batches and parts of batches. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gaussianNoise } from '../diffusion/noise.ts';
import { writeFaceBank } from '../faces/bank.ts';
import type { Face } from '../faces/box.ts';
import type { FaceDetector } from '../faces/detection.ts';
import type { ImageBatch } from '../faces/image_batch.ts';
import { imageBatch, selectImages } from '../faces/image_batch.ts';
import { CLASSES, smoothImages, writeCompanion } from '../faces/testing/companions.ts';
import { Runtime } from '../graph/index.ts';
import type { ImageLossOptions, LossModels } from './image_loss.ts';
import { createImageLoss } from './image_loss.ts';
import { loadJudges } from './judges.ts';
import { joinObservations } from './observation.ts';
import { weightMap } from './region_weights.ts';
import { sliceAssignment } from './target_assignment.ts';
import { createTarget, uniformTarget } from './target_distribution.ts';

const [HEIGHT, WIDTH] = [22, 20];
const directory = mkdtempSync(join(tmpdir(), 'evenhand-loss-'));
const GENDER = { name: 'gender', classes: CLASSES.gender };
const RACE = { name: 'race', classes: CLASSES.race };

const OPTIONS: ImageLossOptions = {
  threshold: 0.55,
  lambda1: 2,
  lambdaFace: 0.7,
  ratios: { gender: { ratio2: 0.2, ratio3: 0.2 }, race: { ratio2: 0.6, ratio3: 0.3 } },
  batchSize: 3,
};

let runtime: Runtime;
let judges: LossModels;

beforeAll(() => {
  runtime = new Runtime({ threads: 1 });
  for (const name of ['face_detector', 'classifier', 'face_embedder', 'clip', 'dino'])
    writeCompanion(directory, name);
  const preprocessor = {
    size: 16,
    resample: 2,
    image_mean: [0.48, 0.45, 0.4],
    image_std: [0.26, 0.26, 0.27],
  };
  writeFileSync(join(directory, 'clip', 'preprocessor_config.json'), JSON.stringify(preprocessor));
  const embeddings = gaussianNoise({ seed: 8 }, 20 * 10);
  writeFaceBank(join(directory, 'face_bank.safetensors'), { embeddings, dimension: 10 });
  judges = loadJudges(runtime, directory);
});
afterAll(async () => {
  await runtime.close();
  rmSync(directory, { recursive: true });
});

const batchOf = (count: number, seed: number) =>
  imageBatch(smoothImages(count, HEIGHT, WIDTH, seed), count, HEIGHT, WIDTH);

/** A face whose box has this left upper corner and side, with landmarks as in a face that looks straight ahead. */
function faceAt(left: number, top: number, side: number): Face {
  const places = [
    [0.3, 0.4],
    [0.7, 0.42],
    [0.5, 0.6],
    [0.35, 0.8],
    [0.66, 0.78],
  ] as const;
  return {
    box: [left, top, left + side, top + side],
    score: 0.9,
    landmarks: places.map(([x, y]) => [left + x * side, top + y * side] as const),
  };
}

/** A detector that knows the faces of each image by its first element. */
function detectorOf(known: readonly (readonly [ImageBatch, readonly (readonly Face[])[]])[]): FaceDetector {
  const faces = new Map<number, Face[]>();
  for (const [{ data }, each] of known) {
    each.forEach((found, image) => {
      faces.set(data[image * 3 * HEIGHT * WIDTH]!, [...found]);
    });
  }
  return {
    detect: async ({ data, count }) =>
      Array.from({ length: count }, (_, image) => faces.get(data[image * 3 * HEIGHT * WIDTH]!)!),
    release: async () => {},
  };
}

const images = batchOf(5, 1);
const originals = batchOf(5, 2);
const FACES = [
  [faceAt(4, 5, 11)],
  [],
  [faceAt(2, 2, 5), faceAt(6, 6, 12)],
  [faceAt(-3, 4, 10)],
  [faceAt(8, 9, 9)],
];
const ORIGINAL_FACES = [[faceAt(5, 5, 10)], [faceAt(3, 3, 9)], [faceAt(6, 5, 11)], [], [faceAt(2, 9, 10)]];
const detector = detectorOf([
  [images, FACES],
  [originals, ORIGINAL_FACES],
]);

const lossOf = (options: Partial<ImageLossOptions> = {}, models: Partial<LossModels> = {}) =>
  createImageLoss(runtime, { ...judges, detector, ...models }, { ...OPTIONS, ...options });

const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

describe('gradients', () => {
  test.each<[string, Partial<ImageLossOptions>, Partial<LossModels>]>([
    ['of the alignment loss', { lambdaFace: 0 }, { encoders: [] }],
    ['of the face realism loss', { threshold: 1, lambdaFace: 1 }, { encoders: [] }],
    ['of the image semantics loss', { threshold: 1, lambdaFace: 0 }, {}],
    ['of all together', {}, {}],
    ['of all together, towards the own faces', { faceTarget: 'own', ownConfidence: 0 }, {}],
  ])('%s equal finite differences of the total', async (_, options, models) => {
    // With ratios of 1 every pixel weighs the same, so that the total is the function whose gradient is taken.
    const even = { gender: { ratio2: 1, ratio3: 1 }, race: { ratio2: 1, ratio3: 1 } };
    const loss = lossOf({ ...options, ratios: even }, models);
    const target = uniformTarget([GENDER, RACE]);
    const found = await loss.evaluate({ images, originals, target });
    const total = async (offset: number, direction: Float32Array) => {
      const moved = images.data.map((value, i) => value + offset * direction[i]!);
      const { observation, originals: described, assignment } = found;
      return (await loss.differentiate({ ...images, data: moved }, observation, described, assignment)).total;
    };
    for (let seed = 0; seed < 4; seed++) {
      // The direction is smooth or noisy: low and high frequencies of the gradient both count.
      const direction =
        seed % 2 === 0
          ? gaussianNoise({ seed: 20 + seed }, images.data.length)
          : smoothImages(5, HEIGHT, WIDTH, 20 + seed);
      const step = 2e-2;
      const [near, far] = [await total(step, direction), await total(-step, direction)];
      const [near2, far2] = [await total(step / 2, direction), await total(-step / 2, direction)];
      const quotient = (4 * ((near2 - far2) / step) - (near - far) / (2 * step)) / 3;
      const expected = dot(found.gradient, direction);
      const scale = Math.sqrt(
        (dot(found.gradient, found.gradient) * dot(direction, direction)) / images.data.length,
      );
      expect(Math.abs(quotient - expected)).toBeLessThan(2e-3 * scale + 2e-4 * Math.abs(expected));
    }
    expect(dot(found.gradient, found.gradient)).toBeGreaterThan(1e-8);
    await loss.release();
  });

  test('of the parts add up, the image semantics part scaled pixel by pixel', async () => {
    const loss = lossOf({ separateGradients: true });
    const found = await loss.evaluate({ images, originals, target: uniformTarget([GENDER]) });
    const { align, face, image } = found.separate;
    const area = HEIGHT * WIDTH;
    const maps = found.assignment.images.map(({ weights }) => weightMap(weights, WIDTH, HEIGHT));
    const different = new Set(maps.flatMap((map) => [...map]));
    expect(different.size).toBeGreaterThan(2);
    let error = 0;
    found.gradient.forEach((value, i) => {
      const weight = maps[Math.floor(i / (3 * area))]![i % area]!;
      error = Math.max(error, Math.abs(value - (align![i]! + face![i]! + weight * image![i]!)));
    });
    expect(error).toBeLessThan(1e-6);
    expect(image!.some((value) => value !== 0)).toBe(true);
    // Only the face's surroundings take part in L_align: the second image shows no face.
    expect(align!.subarray(3 * area, 6 * area).every((value) => value === 0)).toBe(true);
    expect(face!.subarray(3 * area, 6 * area).every((value) => value === 0)).toBe(true);
    await loss.release();
    const plain = lossOf();
    const again = await plain.evaluate({ images, originals, target: uniformTarget([GENDER]) });
    expect(again.separate).toEqual({});
    again.gradient.forEach((value, i) => {
      error = Math.max(error, Math.abs(value - found.gradient[i]!));
    });
    expect(error).toBeLessThan(1e-6);
    await plain.release();
  });
});

describe('a batch', () => {
  const target = uniformTarget([GENDER, RACE]);

  test('sums its images as eqs. 6 to 8 say', async () => {
    const loss = lossOf();
    const found = await loss.evaluate({ images, originals, target });
    const { assignment, perImage, parts } = found;
    expect(assignment).toMatchObject({ faces: 4, count: 5, method: 'enumeration' });
    expect(found.observation.selections[2]).toMatchObject({ face: FACES[2]![1], severalFaces: true });
    expect(found.observation.selections[1]).toMatchObject({ face: null, noFace: true });
    let align = 0;
    for (const [axis, name] of (['gender', 'race'] as const).entries()) {
      const width = CLASSES[name].length;
      assignment.images.forEach(({ targets }, i) => {
        const { class: wanted, confident } = targets[name]!;
        const entropy = perImage.crossEntropies[name]![i]!;
        if (wanted === null) {
          expect(entropy).toBeNaN();
          return;
        }
        const probability = found.observation.probabilities[axis]![i * width + wanted]!;
        expect(entropy).toBeCloseTo(-Math.log(probability), 4);
        if (confident) align += entropy / 4;
      });
    }
    expect(align).toBeGreaterThan(0);
    expect(parts.align).toBeCloseTo(align, 5);
    expect(parts.alignByAttribute.gender! + parts.alignByAttribute.race!).toBeCloseTo(align, 5);
    expect(parts.alignByAttribute.age).toBe(0);
    expect(perImage.crossEntropies.age!.every(Number.isNaN)).toBe(true);
    const faces = [0, 2, 3, 4].map((i) => perImage.faceDistances[i]!);
    expect(perImage.faceDistances[1]).toBeNaN();
    expect(parts.face).toBeCloseTo(faces.reduce((sum, distance) => sum + distance, 0) / 4, 5);
    expect([...perImage.nearestFaces].map((nearest) => nearest >= 0)).toEqual([
      true,
      false,
      true,
      true,
      true,
    ]);
    const { clip, dino } = perImage.distances;
    const sums = Array.from(clip!, (distance, i) => distance + dino![i]!);
    expect(parts.image).toBeCloseTo(sums.reduce((sum, value) => sum + value, 0) / 5, 5);
    expect(found.total).toBeCloseTo(parts.align + 0.7 * parts.face + parts.weightedImage, 5);
    await loss.release();
  });

  test('gives the same result in batches of any size and in parts', async () => {
    const loss = lossOf();
    const found = await loss.evaluate({ images, originals, target });
    const other = lossOf({ batchSize: 2 });
    const again = await other.evaluate({ images, originals, target });
    expect(again.total).toBeCloseTo(found.total, 5);
    expect(again.assignment).toEqual(found.assignment);

    const cuts = [
      [0, 2],
      [2, 5],
    ] as const;
    const range = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i);
    const parts = await Promise.all(
      cuts.map(async ([start, end]) => {
        const [x, o] = [selectImages(images, range(start, end)), selectImages(originals, range(start, end))];
        return { start, end, x, observed: await loss.observe(x), described: await loss.describe(o) };
      }),
    );
    const observed = joinObservations(parts.map((part) => part.observed));
    const assignment = loss.assign(observed, joinObservations(parts.map((part) => part.described)), target);
    let total = 0;
    let error = 0;
    for (const { start, end, x, observed: seen, described } of parts) {
      const part = await loss.differentiate(x, seen, described, sliceAssignment(assignment, start, end));
      total += part.total;
      part.gradient.forEach((value, i) => {
        error = Math.max(error, Math.abs(value - found.gradient[start * 3 * HEIGHT * WIDTH + i]!));
      });
    }
    expect(total).toBeCloseTo(found.total, 5);
    expect(error).toBeLessThan(1e-6);
    await expect(
      loss.differentiate(images, parts[0]!.observed, parts[0]!.described, assignment),
    ).rejects.toThrow('expected 5 images in every argument, received 2, 2, 5');
    await loss.release();
    await other.release();
  });

  test('uses described originals as they are', async () => {
    const loss = lossOf();
    const described = await loss.describe(originals);
    const found = await loss.evaluate({ images, originals: described, target });
    expect(found.originals).toBe(described);
    expect(found.total).toBe((await loss.evaluate({ images, originals, target })).total);
    await loss.release();
  });

  test('without a face has the image semantics loss at full weight', async () => {
    const blind = detectorOf([
      [images, FACES.map(() => [])],
      [originals, ORIGINAL_FACES],
    ]);
    const loss = lossOf({}, { detector: blind });
    const found = await loss.evaluate({ images, originals, target });
    expect(found.assignment).toMatchObject({ faces: 0, method: null });
    expect(found.parts).toMatchObject({ align: 0, face: 0 });
    expect(found.total).toBeCloseTo(2 * found.parts.image, 5);
    expect(found.gradient.every(Number.isFinite)).toBe(true);
    expect(found.gradient.some((value) => value !== 0)).toBe(true);
    await loss.release();
  });

  test('of one image works', async () => {
    const loss = lossOf();
    const [x, o] = [selectImages(images, [0]), selectImages(originals, [0])];
    const found = await loss.evaluate({ images: x, originals: o, target: createTarget([GENDER], [1, 0]) });
    expect(found.assignment.images[0]!.targets.gender).toMatchObject({
      class: 0,
      confidence: 1,
      confident: true,
    });
    expect(found.parts.align).toBeCloseTo(found.perImage.crossEntropies.gender![0]!, 6);
    expect(found.gradient.every(Number.isFinite)).toBe(true);
    await loss.release();
  });

  test('equal to its originals has no semantics loss', async () => {
    const same = detectorOf([[images, FACES]]);
    const loss = lossOf({ faceTarget: 'own', ownConfidence: 0, threshold: 0 }, { detector: same });
    const found = await loss.evaluate({ images, originals: images, target });
    expect(found.parts.image).toBeCloseTo(0, 5);
    found.assignment.images.forEach(({ useOwn }, i) => {
      if (useOwn) expect(found.perImage.faceDistances[i]).toBeCloseTo(0, 5);
    });
    expect(found.assignment.images.some(({ useOwn }) => useOwn)).toBe(true);
    await loss.release();
  });
});

describe('options', () => {
  test('outside their range are refused', () => {
    expect(() => lossOf({ threshold: 1.2 })).toThrow('expected threshold in 0..1, received 1.2');
    expect(() => lossOf({ lambdaFace: -1 })).toThrow('expected lambdaFace');
    const noBank = { embedder: judges.face!.embedder, bank: null };
    expect(() => lossOf({}, { face: noBank })).toThrow("faceTarget 'nearest' needs a bank");
    expect(() => loadJudges(runtime, directory, { clip: 'missing' })).toThrow(
      /expected .*missing, but there is no such/,
    );
  });

  test('leave judges out', () => {
    const folders = { embedder: null, clip: null, dino: join(directory, 'dino') };
    const some = loadJudges(runtime, directory, folders);
    expect(some.face).toBeNull();
    expect(some.encoders.map(({ name }) => name)).toEqual(['dino']);
  });
});
