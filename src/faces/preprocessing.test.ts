/** Preprocessing files of published models, and what becomes of pixels. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { input, interpolationMatrix, Runtime } from '../graph/index.ts';
import { PLAIN_PREPROCESSING, parsePreprocessing, preprocess } from './preprocessing.ts';

let runtime: Runtime;
beforeAll(() => {
  runtime = new Runtime({ threads: 1 });
});
afterAll(() => runtime.close());

const CLIP = {
  crop_size: 224,
  do_center_crop: true,
  do_normalize: true,
  do_resize: true,
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
  resample: 3,
  size: 224,
};
const DINO = {
  crop_size: { height: 224, width: 224 },
  do_center_crop: true,
  do_normalize: true,
  image_mean: [0.485, 0.456, 0.406],
  image_std: [0.229, 0.224, 0.225],
  resample: 3,
  size: { shortest_edge: 256 },
};

describe('configurations', () => {
  test.each([
    ['CLIP', CLIP, { side: 224, kernel: 'bicubic', mean: CLIP.image_mean, deviation: CLIP.image_std }],
    ['DINOv2', DINO, { side: 224, kernel: 'bicubic', mean: DINO.image_mean, deviation: DINO.image_std }],
    ['bilinear, no crop', { size: { height: 64, width: 64 }, resample: 2 }, { side: 64, kernel: 'bilinear' }],
    ['no normalisation', { do_normalize: false }, { side: null, mean: [0, 0, 0], deviation: [1, 1, 1] }],
  ])('%s', (_, json, expected) => {
    expect(parsePreprocessing(json)).toMatchObject(expected);
  });

  test.each([
    [{ resample: 5 }, 'resample'],
    [{ image_std: [0.1, 0, 0.1] }, 'image_std: expected positive numbers'],
    [{ size: { height: 3, width: 4 } }, 'size: expected a square, received 3 x 4'],
  ])('%j is refused', (json, message) => {
    expect(() => parsePreprocessing(json)).toThrow(message);
  });
});

describe('pixels', () => {
  async function run(images: Float32Array, side: number, json: unknown) {
    const from = Math.sqrt(images.length / 3);
    const executable = await runtime.compile({
      y: preprocess(input('x', [1, 3, from, from]), parsePreprocessing(json), side),
    });
    const { y } = await executable.run({ x: images });
    await executable.release();
    return y as Float32Array;
  }

  test("black and white become the model's extremes", async () => {
    const images = Float32Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? -1 : 1));
    const y = await run(images, 2, CLIP);
    for (let channel = 0; channel < 3; channel++) {
      const [mean, deviation] = [CLIP.image_mean[channel]!, CLIP.image_std[channel]!];
      expect(y[channel * 4]).toBeCloseTo((0 - mean) / deviation, 5);
      expect(y[channel * 4 + 1]).toBeCloseTo((1 - mean) / deviation, 5);
    }
  });

  test('resizing is bicubic and antialiased where the file says so', async () => {
    const images = Float32Array.from({ length: 3 * 81 }, (_, i) => Math.sin(i));
    const y = await run(images, 4, { ...CLIP, do_normalize: false });
    const matrix = interpolationMatrix(9, 4, { kernel: 'bicubic', antialias: true });
    for (let row = 0; row < 4; row++) {
      for (let column = 0; column < 4; column++) {
        let expected = 0;
        for (let i = 0; i < 9; i++) {
          for (let j = 0; j < 9; j++) {
            expected += matrix[row * 9 + i]! * matrix[column * 9 + j]! * ((images[i * 9 + j]! + 1) / 2);
          }
        }
        expect(y[row * 4 + column]).toBeCloseTo(expected, 5);
      }
    }
  });

  test('plain preprocessing of the right size is no operation', () => {
    const images = input('x', [2, 3, 8, 8]);
    expect(preprocess(images, PLAIN_PREPROCESSING, 8)).toBe(images);
  });
});
