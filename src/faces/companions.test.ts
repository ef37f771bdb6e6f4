/** Detector, classifier, embedder and bank on small random models in folders. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gaussianNoise } from '../diffusion/noise.ts';
import { input, Runtime, resizeInterpolated } from '../graph/index.ts';
import { decodeFaces } from '../models/face_decode.ts';
import { faceDetector, parseFaceDetectorConfig } from '../models/face_detector.ts';
import { loadAttributeClassifier, loadAttributeModel } from './attributes.ts';
import { embedForBank, nearestFaces, openFaceBank, writeFaceBank } from './bank.ts';
import type { Box, Face } from './box.ts';
import { loadFaceDetector } from './detection.ts';
import { createFaceEmbeddings, loadFaceEmbedder } from './embedding.ts';
import type { ImageBatch } from './image_batch.ts';
import { imageBatch, selectImages } from './image_batch.ts';
import { openModelFolder } from './model_folder.ts';
import { CLASSES, smoothImages, writeCompanion } from './testing/companions.ts';

const directory = mkdtempSync(join(tmpdir(), 'evenhand-faces-'));
let runtime: Runtime;
beforeAll(() => {
  runtime = new Runtime({ threads: 1 });
});
afterAll(async () => {
  await runtime.close();
  rmSync(directory, { recursive: true });
});

/** Largest difference of the numbers in two lists of faces. */
function differenceOf(a: readonly Face[], b: readonly Face[]): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  const numbers = (faces: readonly Face[]) =>
    faces.flatMap((face) => [...face.box, face.score, ...face.landmarks.flat()]);
  const [x, y] = [numbers(a), numbers(b)];
  return x.reduce((most, value, i) => Math.max(most, Math.abs(value - y[i]!)), 0);
}

describe('detection', () => {
  const folder = writeCompanion(directory, 'face_detector');
  const images = imageBatch(smoothImages(5, 16, 16, 3), 5, 16, 16);

  /** Runs the detector directly on images that already have its size. */
  async function direct(batch: ImageBatch, threshold: number): Promise<Face[][]> {
    const { config, parameters } = openModelFolder(folder, parseFaceDetectorConfig);
    const x = input('x', [batch.count, 3, batch.height, batch.width]);
    const graph = await runtime.compile({
      ...faceDetector(
        config,
        parameters,
        resizeInterpolated(x, 16, 16, { kernel: 'bilinear', antialias: true }),
      ),
    });
    const outputs = await graph.run({ x: batch.data });
    await graph.release();
    return decodeFaces(config, outputs as never, { threshold, iou: 0.4 });
  }

  /** Images in the middle of black ones of 1.5 times their side. */
  function framed({ data, count }: ImageBatch): ImageBatch {
    const planes = new Float32Array(count * 3 * 24 * 24).fill(-1);
    for (let row = 0; row < count * 3 * 16; row++) {
      const target = Math.floor(row / 16) * 24 * 24 + ((row % 16) + 4) * 24 + 4;
      planes.set(data.subarray(row * 16, (row + 1) * 16), target);
    }
    return imageBatch(planes, count, 24, 24);
  }

  test('equals the model on every image, in batches with a padded last one', async () => {
    const detector = loadFaceDetector(runtime, folder, { threshold: 0.005, retryScales: [], batchSize: 2 });
    const [found, expected] = [await detector.detect(images), await direct(images, 0.005)];
    expect(expected.flat().length).toBeGreaterThan(5);
    found.forEach((faces, i) => {
      expect(differenceOf(faces, expected[i]!)).toBeLessThan(1e-4);
    });
    expect(await detector.detect(selectImages(images, []))).toEqual([]);
    await detector.release();
  });

  test('looks again in a black frame where it finds nothing, and only there', async () => {
    const [whole, inFrame] = [await direct(images, 0), await direct(framed(images), 0)];
    const best = (faces: readonly Face[]) => Math.max(...faces.map(({ score }) => score));
    // A threshold between the two scores of one image makes that image a retried one.
    const gaps = whole.map((faces, i) => best(inFrame[i]!) - best(faces));
    const retried = gaps.indexOf(Math.max(...gaps));
    expect(gaps[retried]).toBeGreaterThan(0);
    const threshold = (best(whole[retried]!) + best(inFrame[retried]!)) / 2;
    const detector = loadFaceDetector(runtime, folder, { threshold, retryScales: [1.5], batchSize: 4 });
    const found = await detector.detect(images);
    const [first, second] = [await direct(images, threshold), await direct(framed(images), threshold)];
    expect(first[retried]).toEqual([]);
    found.forEach((faces, i) => {
      // The frame is 24 pixels wide, the detector's square 16, and the image begins 4 pixels inside.
      const place = (value: number) => value * 1.5 - 4;
      const fromFrame = second[i]!.map(({ box, score, landmarks }) => ({
        box: box.map(place) as unknown as Box,
        score,
        landmarks: landmarks.map(([x, y]) => [place(x), place(y)] as const),
      }));
      const expected = first[i]!.length > 0 ? first[i]! : fromFrame;
      expect(differenceOf(faces, expected)).toBeLessThan(1e-3);
    });
    expect(found[retried]!.length).toBeGreaterThan(0);
    await detector.release();
  });

  test('fits images that are not square into the detector', async () => {
    const wide = imageBatch(smoothImages(2, 8, 16, 4), 2, 8, 16);
    const boxed = new Float32Array(2 * 3 * 256).fill(-1);
    for (let plane = 0; plane < 6; plane++)
      boxed.set(wide.data.subarray(plane * 128, (plane + 1) * 128), plane * 256 + 64);
    const expected = await direct(imageBatch(boxed, 2, 16, 16), 0.005);
    const detector = loadFaceDetector(runtime, folder, { threshold: 0.005, retryScales: [] });
    const found = await detector.detect(wide);
    found.forEach((faces, i) => {
      const moved = expected[i]!.map(({ box: [l, t, r, b], score, landmarks }) => ({
        box: [l, t - 4, r, b - 4] as const,
        score,
        landmarks: landmarks.map(([x, y]) => [x, y - 4] as const),
      }));
      expect(differenceOf(faces, moved)).toBeLessThan(1e-4);
    });
    await detector.release();
  });

  test('refuses frames no larger than the image', () => {
    expect(() => loadFaceDetector(runtime, folder, { retryScales: [1] })).toThrow(
      'expected retry scales above 1',
    );
  });
});

describe('attributes', () => {
  const images = imageBatch(smoothImages(4, 24, 20, 5), 4, 24, 20);
  const boxes: (Box | null)[] = [[2, 3, 12, 15], null, [-4, 6, 10, 22], [5, 5, 18, 20]];

  test('of several images equal those of each alone; images without a face have none', async () => {
    const classifier = loadAttributeClassifier(runtime, writeCompanion(directory, 'classifier'), {
      batchSize: 2,
    });
    expect(classifier.attributes).toEqual(
      Object.entries(CLASSES).map(([name, classes]) => ({ name, classes })),
    );
    const { logits, probabilities } = await classifier.classify(images, boxes);
    expect(logits.map(({ length }) => length)).toEqual([8, 16, 8]);
    for (const [axis, width] of [2, 4, 2].entries()) {
      for (let image = 0; image < 4; image++) {
        const row = logits[axis]!.subarray(image * width, (image + 1) * width);
        const shares = probabilities[axis]!.subarray(image * width, (image + 1) * width);
        if (boxes[image] === null) {
          expect([...row, ...shares].every(Number.isNaN)).toBe(true);
          continue;
        }
        const alone = await classifier.classify(selectImages(images, [image]), [boxes[image]!]);
        row.forEach((value, k) => {
          expect(value).toBeCloseTo(alone.logits[axis]![k]!, 5);
          const sum = row.reduce((total, other) => total + Math.exp(other - value), 0);
          expect(shares[k]).toBeCloseTo(1 / sum, 5);
        });
      }
    }
    await expect(classifier.classify(images, [null])).rejects.toThrow('expected 4 boxes, received 1');
    const none = await classifier.classify(images, [null, null, null, null]);
    expect(none.logits[1]!.every(Number.isNaN)).toBe(true);
    await classifier.release();
  });

  test('need class names', () => {
    const folder = writeCompanion(join(directory, 'unnamed'), 'classifier', {
      classes: { gender: ['a', 'b'], race: ['c', 'd'] },
    });
    expect(() => loadAttributeModel(folder)).toThrow(
      /config\.json: image classifier configuration: classes\.race: expected 4 names, received c,d/,
    );
  });
});

describe('bank', () => {
  const rows = gaussianNoise({ seed: 2 }, 9 * 10);
  const attributes = [
    { name: 'gender', classes: CLASSES.gender, values: Int32Array.of(0, 1, 0, 1, 0, 1, 0, 1, 0) },
  ];
  const path = join(directory, 'bank.safetensors');

  test.each(['F16', 'F32'] as const)('in %s finds the face with the largest cosine', async (dtype) => {
    writeFaceBank(path, { embeddings: rows, dimension: 10, attributes }, dtype);
    const bank = openFaceBank(path);
    expect(bank).toMatchObject({ size: 9, dimension: 10, attributes });
    const queries = gaussianNoise({ seed: 3 }, 4 * 10);
    const executable = await runtime.compile({ ...nearestFaces(bank, input('queries', [4, 10])) });
    const { indices, embeddings, cosines } = await executable.run({ queries });
    await executable.release();
    const cosine = (a: Float32Array, b: Float32Array) =>
      a.reduce((sum, value, i) => sum + value * b[i]!, 0) / (Math.hypot(...a) * Math.hypot(...b));
    for (let query = 0; query < 4; query++) {
      const q = queries.subarray(query * 10, query * 10 + 10);
      const each = Array.from({ length: 9 }, (_, face) =>
        cosine(q, rows.subarray(face * 10, face * 10 + 10)),
      );
      const best = each.indexOf(Math.max(...each));
      expect(Number(indices![query])).toBe(best);
      expect(cosines![query]).toBeCloseTo(each[best]!, dtype === 'F32' ? 5 : 2);
      const found = (embeddings as Float32Array).subarray(query * 10, query * 10 + 10);
      expect(Math.hypot(...found)).toBeCloseTo(1, 2);
    }
  });

  test('refuses what does not fit', () => {
    expect(() => writeFaceBank(path, { embeddings: new Float32Array(20), dimension: 10 })).toThrow(
      'the embedding of face 0 has the length 0',
    );
    const short = [{ ...attributes[0]!, values: Int32Array.of(0) }];
    expect(() => writeFaceBank(path, { embeddings: rows, dimension: 10, attributes: short })).toThrow(
      'gender: expected 9 classes in 0..1, received 1 values',
    );
    expect(() => openFaceBank(join(writeCompanion(directory, 'face_embedder'), 'model.safetensors'))).toThrow(
      "expected a tensor 'embeddings' [faces, size], received none",
    );
  });

  test('is built from the faces that images show', async () => {
    const embedder = loadFaceEmbedder(writeCompanion(directory, 'face_embedder'));
    const embeddings = createFaceEmbeddings(runtime, embedder, 2);
    const images = imageBatch(smoothImages(3, 24, 24, 6), 3, 24, 24);
    const landmarks = [
      [8, 9],
      [15, 9],
      [12, 13],
      [9, 17],
      [14, 17],
    ] as const;
    const small: Face = {
      box: [1, 1, 4, 4],
      score: 0.9,
      landmarks: landmarks.map(([x, y]) => [x / 4, y / 4] as const),
    };
    const large: Face = { box: [5, 4, 19, 20], score: 0.8, landmarks };
    const found = [[small, large], [], [large]];
    const detector = { detect: async () => found, release: async () => {} };
    const sources = { detector, embeddings, dimension: embedder.dimension };
    const built = await embedForBank(images, sources);
    expect(built.positions).toEqual([0, 2]);
    const expected = await embeddings.embed(images, [large, null, large]);
    expect(built.embeddings).toEqual(
      Float32Array.of(...expected.subarray(0, 10), ...expected.subarray(20, 30)),
    );
    expect(expected.subarray(10, 20).every((value) => value === 0)).toBe(true);
    await embeddings.release();
  });
});
