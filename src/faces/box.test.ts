/** The choice of the face that counts. */

import { expect, test } from 'vitest';
import type { Box, Face } from './box.ts';
import { boxArea, clipBox, selectFace } from './box.ts';

const size = { height: 40, width: 60 };
const face = (box: Box): Face => ({ box, score: 0.9, landmarks: [] });

test('boxes are clipped to the image', () => {
  expect(clipBox([-5, 10, 70, 50], size)).toEqual([0, 10, 60, 40]);
  expect(boxArea(clipBox([-9, 0, -1, 10], size))).toBe(0);
});

test.each<[string, Box[], number | null, number]>([
  ['no face', [], null, 0],
  ['one face', [[1, 1, 5, 5]], 0, 1],
  [
    'the larger of two',
    [
      [1, 1, 5, 5],
      [10, 10, 20, 20],
    ],
    1,
    2,
  ],
  [
    'the one that is larger inside the image',
    [
      [40, 20, 100, 90],
      [5, 5, 30, 30],
    ],
    1,
    2,
  ],
  [
    'the first of equals',
    [
      [0, 0, 4, 4],
      [10, 10, 14, 14],
    ],
    0,
    2,
  ],
  ['none that lies outside', [[-20, 0, -1, 10]], null, 0],
])('%s', (_, boxes, expected, count) => {
  const faces = boxes.map(face);
  const selection = selectFace(faces, size);
  expect(selection.face).toBe(expected === null ? null : faces[expected]);
  expect(selection).toMatchObject({ faces: count, noFace: count === 0, severalFaces: count > 1 });
});
