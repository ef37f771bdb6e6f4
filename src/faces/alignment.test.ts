/** Alignment of faces: the least-squares similarity, sampling, and gradients. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gaussianNoise } from '../diffusion/noise.ts';
import { input, Runtime } from '../graph/index.ts';
import { checkCase } from '../graph/testing/finite_differences.ts';
import { alignFaces, alignmentGather, alignmentOf, FACE_TEMPLATE, fitSimilarity } from './alignment.ts';

let runtime: Runtime;
beforeAll(() => {
  runtime = new Runtime({ threads: 1 });
});
afterAll(() => runtime.close());

type Point = readonly [number, number];

const rotated = (angle: number, factor: number, dx: number, dy: number) => {
  const [a, b] = [factor * Math.cos(angle), factor * Math.sin(angle)];
  return { a, b, dx, dy, at: ([x, y]: Point): Point => [a * x - b * y + dx, b * x + a * y + dy] };
};

/** Template landmarks in an aligned face of `side` pixels, counted from the edge of the first pixel. */
const template = (side: number): Point[] =>
  FACE_TEMPLATE.map(([x, y]) => [((x + 0.5) * side) / 112, ((y + 0.5) * side) / 112]);

describe('similarity', () => {
  test.each([
    [0, 1, 0, 0],
    [0.4, 2.5, 3, -7],
    [-2.9, 0.3, -20, 11],
  ])('recovers a turn by %f, a factor %f and a shift', (angle, factor, dx, dy) => {
    const { at, ...expected } = rotated(angle, factor, dx, dy);
    const found = fitSimilarity(FACE_TEMPLATE, FACE_TEMPLATE.map(at))!;
    for (const key of ['a', 'b', 'dx', 'dy'] as const) expect(found[key]).toBeCloseTo(expected[key], 9);
  });

  test('no nearby similarity fits noisy points better', () => {
    const noise = gaussianNoise({ seed: 1 }, 10);
    const to = FACE_TEMPLATE.map(([x, y], i): Point => [x + 9 * noise[2 * i]!, y + 9 * noise[2 * i + 1]!]);
    const best = fitSimilarity(FACE_TEMPLATE, to)!;
    const error = ({ a, b, dx, dy }: typeof best) =>
      FACE_TEMPLATE.reduce(
        (sum, [x, y], i) =>
          sum + (a * x - b * y + dx - to[i]![0]) ** 2 + (b * x + a * y + dy - to[i]![1]) ** 2,
        0,
      );
    for (const key of ['a', 'b', 'dx', 'dy'] as const) {
      for (const step of [-1e-3, 1e-3]) {
        expect(error({ ...best, [key]: best[key] + step })).toBeGreaterThan(error(best));
      }
    }
  });

  test('coinciding points have no direction', () => {
    expect(
      fitSimilarity(
        [
          [1, 1],
          [1, 1],
        ],
        [
          [0, 0],
          [1, 0],
        ],
      ),
    ).toBeNull();
    expect(
      alignmentGather([{ landmarks: template(8).map(() => [3, 3]) }], { height: 8, width: 8 }, 8).aligned,
    ).toEqual(Uint8Array.of(0));
  });
});

describe('aligned faces', () => {
  const size = { height: 40, width: 48 };

  async function align(images: Float32Array, landmarks: (readonly Point[] | null)[], side: number) {
    const faces = landmarks.map((each) => (each === null ? null : { landmarks: each }));
    const { indices, weights } = alignmentGather(faces, size, side);
    const count = landmarks.length;
    const value = alignFaces(
      input('images', [count, 3, size.height, size.width]),
      input('indices', [count, 4 * side * side], 'int32'),
      input('weights', [count, 4 * side * side]),
    );
    const executable = await runtime.compile({ value });
    const result = await executable.run({ images, indices, weights });
    await executable.release();
    return result.value as Float32Array;
  }

  test('show a linear ramp where the similarity says', async () => {
    const side = 14;
    const place = rotated(0.35, 1.4, 15, 9);
    const ramp = (x: number, y: number, channel: number) => 0.01 * x - 0.02 * y + 0.1 * channel;
    const images = Float32Array.from({ length: 3 * size.height * size.width }, (_, i) => {
      const pixel = i % (size.height * size.width);
      const [x, y] = [(pixel % size.width) + 0.5, Math.floor(pixel / size.width) + 0.5];
      return ramp(x, y, Math.floor(i / (size.height * size.width)));
    });
    const aligned = await align(images, [template(side).map(place.at)], side);
    for (let channel = 0; channel < 3; channel++) {
      for (let pixel = 0; pixel < side * side; pixel++) {
        const [x, y] = place.at([(pixel % side) + 0.5, Math.floor(pixel / side) + 0.5]);
        expect(aligned[channel * side * side + pixel]).toBeCloseTo(ramp(x, y, channel), 5);
      }
    }
  });

  test('are black where they leave the image, and where there is no face', async () => {
    const side = 8;
    const images = new Float32Array(2 * 3 * size.height * size.width).fill(0.5);
    const outside = template(side).map(rotated(0, 1, -4, 0).at);
    const aligned = await align(images, [outside, null], side);
    for (let pixel = 0; pixel < side * side; pixel++) {
      expect(aligned[pixel]).toBeCloseTo(pixel % side < 4 ? -1 : 0.5, 5);
    }
    expect(aligned.subarray(3 * side * side).every((value) => value === -1)).toBe(true);
  });

  test('the template itself is the identity', () => {
    expect(alignmentOf(template(20), 20)!.a).toBeCloseTo(1, 12);
    expect(alignmentOf(template(20), 20)!.b).toBeCloseTo(0, 12);
  });

  test('gradients are scattered back to the pixels', async () => {
    const side = 5;
    const faces = [0.2, 2.1].map((angle) => ({
      landmarks: template(side).map(rotated(angle, 1.7, 6, 4).at),
    }));
    const { indices, weights } = alignmentGather(faces, { height: 9, width: 10 }, side);
    await checkCase(runtime, {
      name: 'align',
      inputs: [
        [2, 3, 9, 10],
        { shape: [2, 4 * side * side], dtype: 'int32', values: () => indices },
        { shape: [2, 4 * side * side], values: () => weights, differentiable: false },
      ],
      build: (images, positions, shares) => alignFaces(images!, positions!, shares!),
    });
  });
});
