/** BlazeFace: from the numbers at its 896 anchors to faces with five landmarks. */

import type { Value } from '../../graph/index.ts';
import { concat, reshape } from '../../graph/index.ts';
import type { DecodeOptions, DetectedFace } from '../../models/face_decode.ts';
import { suppress } from '../../models/face_decode.ts';
import { FACE_TEMPLATE } from '../alignment.ts';

/** Cells a side of its two grids, and anchors in the middle of every cell (Bazarevsky et al. 2019, section 3.2). */
const GRIDS = Object.freeze([
  { cells: 16, anchors: 2 },
  { cells: 8, anchors: 6 },
] as const);

/** Anchors of all cells. */
export const BLAZEFACE_ANCHORS = 896;

/** Numbers of a box: centre, size, and x and y of eyes, nose, middle of the mouth and ears. */
const NUMBERS = 16;

/** Half the width of the mouth over the distance of the eyes, in the template that faces are aligned to. */
const HALF_MOUTH =
  (FACE_TEMPLATE[4]![0] - FACE_TEMPLATE[3]![0]) / 2 / (FACE_TEMPLATE[1]![0] - FACE_TEMPLATE[0]![0]);

/** Middles of all anchors in shares of the image's side, in the order of the network's rows: x, y, x, y ... */
export function blazeFaceAnchors(): Float64Array {
  const centres: number[] = [];
  for (const { cells, anchors } of GRIDS) {
    for (let cell = 0; cell < cells * cells; cell++) {
      const [x, y] = [((cell % cells) + 0.5) / cells, (Math.floor(cell / cells) + 0.5) / cells];
      for (let i = 0; i < anchors; i++) centres.push(x, y);
    }
  }
  return Float64Array.from(centres);
}

/**
 * The network's outputs in two tensors, whether it gives the grids apart, and scores apart from boxes, or not.
 * @returns `scores` [N, 896] before the sigmoid and `boxes` [N, 896, 16]
 * @throws Error when the outputs have other sizes
 */
export function blazeFaceOutputs(outputs: Readonly<Record<string, Value>>): { scores: Value; boxes: Value } {
  // The finer grid comes first.
  const all = Object.values(outputs).sort((a, b) => b.shape[1]! - a.shape[1]!);
  const joined = (width: number) => {
    const parts = all.filter(({ shape }) => shape.length === 3 && shape[2] === width);
    const rows = parts.reduce((sum, { shape }) => sum + shape[1]!, 0);
    if (rows !== BLAZEFACE_ANCHORS) {
      const shapes = all.map(({ shape }) => `[${shape}]`).join(', ');
      throw new Error(
        `blazeface: expected outputs of ${BLAZEFACE_ANCHORS} anchors with 1 and ${NUMBERS} numbers, received ${shapes}`,
      );
    }
    return concat(parts, 1);
  };
  const scores = joined(1);
  return { scores: reshape(scores, [scores.shape[0]!, BLAZEFACE_ANCHORS]), boxes: joined(NUMBERS) };
}

/**
 * Faces of each image, best first, in pixels of the network's images. The network gives the middle of the mouth: its corners
 * are put left and right of it, in the direction of the eyes and as far as in an average face.
 * @param scores [N, 896] before the sigmoid
 * @param boxes [N, 896, 16]
 * @param side side of the network's images in pixels
 */
export function decodeBlazeFace(
  scores: Float32Array,
  boxes: Float32Array,
  side: number,
  { threshold, iou }: DecodeOptions,
): DetectedFace[][] {
  const anchors = blazeFaceAnchors();
  return Array.from({ length: scores.length / BLAZEFACE_ANCHORS }, (_, image) => {
    const faces: DetectedFace[] = [];
    for (let anchor = 0; anchor < BLAZEFACE_ANCHORS; anchor++) {
      const at = image * BLAZEFACE_ANCHORS + anchor;
      const score = 1 / (1 + Math.exp(-scores[at]!));
      if (score < threshold) continue;
      const row = boxes.subarray(at * NUMBERS, (at + 1) * NUMBERS);
      const [originX, originY] = [anchors[2 * anchor]! * side, anchors[2 * anchor + 1]! * side];
      const point = (i: number): [number, number] => [row[2 * i]! + originX, row[2 * i + 1]! + originY];
      const [x, y] = point(0);
      const [halfWidth, halfHeight] = [row[2]! / 2, row[3]! / 2];
      const [rightEye, leftEye, nose, mouth] = [point(2), point(3), point(4), point(5)];
      const [dx, dy] = [HALF_MOUTH * (leftEye[0] - rightEye[0]), HALF_MOUTH * (leftEye[1] - rightEye[1])];
      faces.push({
        box: [x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight],
        score,
        landmarks: [rightEye, leftEye, nose, [mouth[0] - dx, mouth[1] - dy], [mouth[0] + dx, mouth[1] + dy]],
      });
    }
    return suppress(faces, iou);
  });
}
