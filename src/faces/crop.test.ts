/** Face crops: the linear maps against direct sampling, black padding, and gradients. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { input, Runtime } from '../graph/index.ts';
import { checkCase } from '../graph/testing/finite_differences.ts';
import type { CropWindow } from './crop.ts';
import { axisCropMatrix, cropImages, cropMatrices, faceWindow, paddedWindow } from './crop.ts';
import { smoothImages } from './testing/companions.ts';

let runtime: Runtime;
beforeAll(() => {
  runtime = new Runtime({ threads: 1 });
});
afterAll(() => runtime.close());

const [HEIGHT, WIDTH] = [11, 14];

/** Bilinear sample of one plane at a continuous position (pixel centres at 1/2), black outside. */
function sample(plane: Float32Array, x: number, y: number): number {
  const [left, top] = [Math.floor(x - 0.5), Math.floor(y - 0.5)];
  let value = 0;
  for (const row of [top, top + 1]) {
    for (const column of [left, left + 1]) {
      const inside = row >= 0 && row < HEIGHT && column >= 0 && column < WIDTH;
      const weight = (1 - Math.abs(x - 0.5 - column)) * (1 - Math.abs(y - 0.5 - row));
      value += weight * (inside ? plane[row * WIDTH + column]! : -1);
    }
  }
  return value;
}

async function crop(images: Float32Array, windows: (CropWindow | null)[], side: number, antialias: boolean) {
  const count = windows.length;
  const value = cropImages(
    input('images', [count, 3, HEIGHT, WIDTH]),
    input('rows', [count, side, HEIGHT]),
    input('columns', [count, WIDTH, side]),
  );
  const executable = await runtime.compile({ value });
  const matrices = cropMatrices(windows, { height: HEIGHT, width: WIDTH }, { side, antialias });
  const result = await executable.run({ images, ...matrices });
  await executable.release();
  return result.value as Float32Array;
}

describe('face windows', () => {
  test('are squares of 1.5 times the longest side around the box', () => {
    expect(faceWindow([10, 20, 14, 30])).toEqual({ left: 4.5, top: 17.5, side: 15 });
  });
  test('padded windows hold the image in their middle', () => {
    expect(paddedWindow({ height: 10, width: 20 }, 1.5)).toEqual({ left: -5, top: -10, side: 30 });
  });
});

describe('crops', () => {
  const windows: (CropWindow | null)[] = [
    { left: 2, top: 1, side: 8 },
    { left: 3.3, top: 2.6, side: 4.2 },
    { left: -4.5, top: 5.25, side: 12.5 },
    null,
  ];

  test.each([5, 8, 13])('to %i pixels equal direct bilinear sampling', async (side) => {
    const images = smoothImages(4, HEIGHT, WIDTH, 1);
    const cropped = await crop(images, windows, side, false);
    let largest = 0;
    windows.forEach((window, image) => {
      for (let channel = 0; channel < 3; channel++) {
        const plane = images.subarray((image * 3 + channel) * HEIGHT * WIDTH).subarray(0, HEIGHT * WIDTH);
        for (let i = 0; i < side * side; i++) {
          const step = (window?.side ?? 0) / side;
          const x = (window?.left ?? 0) + ((i % side) + 0.5) * step;
          const y = (window?.top ?? 0) + (Math.floor(i / side) + 0.5) * step;
          const expected = window === null ? -1 : sample(plane, x, y);
          const received = cropped[(image * 3 + channel) * side * side + i]!;
          largest = Math.max(largest, Math.abs(received - expected));
        }
      }
    });
    expect(largest).toBeLessThan(2e-6);
  });

  test('a whole square image comes back as it is', () => {
    const matrix = axisCropMatrix(6, 6, 0, 6);
    expect([...matrix]).toEqual(Array.from({ length: 36 }, (_, i) => (i % 7 === 0 ? 1 : 0)));
  });

  test('shrinking with antialiasing uses every pixel inside the window', () => {
    const matrix = axisCropMatrix(40, 4, 0, 40);
    for (let row = 1; row < 3; row++) {
      const weights = matrix.subarray(row * 40, (row + 1) * 40);
      expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 6);
    }
    for (let j = 0; j < 40; j++) {
      expect([0, 1, 2, 3].reduce((sum, i) => sum + matrix[i * 40 + j]!, 0)).toBeGreaterThan(0);
    }
    const plain = axisCropMatrix(40, 4, 0, 40, false);
    expect(plain.filter((weight) => weight > 0).length).toBeLessThanOrEqual(8);
  });

  test('gradients flow to the pixels', async () => {
    const { rows, columns } = cropMatrices(
      windows.slice(0, 3),
      { height: HEIGHT, width: WIDTH },
      { side: 6 },
    );
    const fixed = (shape: number[], data: Float32Array) => ({
      shape,
      values: () => data,
      differentiable: false,
    });
    await checkCase(runtime, {
      name: 'crop',
      inputs: [[3, 3, HEIGHT, WIDTH], fixed([3, 6, HEIGHT], rows), fixed([3, WIDTH, 6], columns)],
      build: (images, rowMaps, columnMaps) => cropImages(images!, rowMaps!, columnMaps!),
    });
  });

  test('windows without a side are refused', () => {
    const empty = { left: 0, top: 0, side: 0 };
    expect(() => cropMatrices([empty], { height: 4, width: 4 }, { side: 2 })).toThrow(
      'crop of image 0: expected a window with a positive side, received left 0, top 0, side 0',
    );
  });
});
