/** Faces turned, scaled and moved so that their landmarks lie where a face embedder expects them. */

import type { Value } from '../graph/index.ts';
import { expand, gatherElements, mul, reduceSum, reshape, shift } from '../graph/index.ts';
import type { Face } from './box.ts';
import type { ImageSize } from './image_batch.ts';

/** Side of the square that {@link FACE_TEMPLATE} refers to. */
const TEMPLATE_SIDE = 112;

/**
 * Where eyes, nose and corners of the mouth belong in an aligned face of 112x112 pixels (the ArcFace template; x and y of
 * pixel indices, so that 0 is the first pixel's centre).
 */
export const FACE_TEMPLATE: readonly (readonly [number, number])[] = Object.freeze([
  [38.2946, 51.6963],
  [73.5318, 51.5014],
  [56.0252, 71.7366],
  [41.5493, 92.3655],
  [70.7299, 92.2041],
] as const);

/** Source pixels around a position, which bilinear interpolation mixes. */
const NEIGHBOURS = 4;

/** A similarity of the plane: (x, y) to (a x - b y + dx, b x + a y + dy). */
export interface Similarity {
  readonly a: number;
  readonly b: number;
  readonly dx: number;
  readonly dy: number;
}

/**
 * The rotation, scaling and shift that brings `from` closest to `to` in the sum of squared distances (Umeyama 1991 in the
 * plane, where it is a complex linear regression; mirroring is not allowed).
 * @returns null where the points of `from` coincide
 */
export function fitSimilarity(
  from: readonly (readonly [number, number])[],
  to: readonly (readonly [number, number])[],
): Similarity | null {
  if (from.length !== to.length || from.length === 0) {
    throw new Error(
      `alignment: expected as many points on both sides, received ${from.length}, ${to.length}`,
    );
  }
  const mean = (points: typeof from, axis: 0 | 1) =>
    points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [fx, fy, tx, ty] = [mean(from, 0), mean(from, 1), mean(to, 0), mean(to, 1)];
  let [a, b, spread] = [0, 0, 0];
  from.forEach((point, i) => {
    const [x, y] = [point[0] - fx, point[1] - fy];
    const [u, v] = [to[i]![0] - tx, to[i]![1] - ty];
    a += x * u + y * v;
    b += x * v - y * u;
    spread += x * x + y * y;
  });
  if (!(spread > 1e-9) || !Number.isFinite(spread)) return null;
  a /= spread;
  b /= spread;
  return { a, b, dx: tx - a * fx + b * fy, dy: ty - b * fx - a * fy };
}

/**
 * From pixels of an aligned face to pixels of the image: the inverse of the similarity that best maps a face's landmarks
 * onto the template, scaled to `side`. Both sides count from the edge of the first pixel.
 * @returns null where the landmarks coincide, so that the face has no direction
 */
export function alignmentOf(landmarks: Face['landmarks'], side: number): Similarity | null {
  const factor = side / TEMPLATE_SIDE;
  const template = FACE_TEMPLATE.map(([x, y]): [number, number] => [(x + 0.5) * factor, (y + 0.5) * factor]);
  const onto = fitSimilarity(landmarks, template);
  if (onto === null) return null;
  const square = onto.a * onto.a + onto.b * onto.b;
  if (!(square > 1e-12)) return null;
  const [a, b] = [onto.a / square, -onto.b / square];
  return { a, b, dx: -(a * onto.dx - b * onto.dy), dy: -(b * onto.dx + a * onto.dy) };
}

/** Which pixels an aligned face is interpolated from, as {@link alignFaces} takes them. */
export interface AlignmentGather {
  /** Positions y * width + x of four neighbours of each output pixel [N, 4 * side * side]. */
  readonly indices: Int32Array;
  /** Their bilinear weights [N, 4 * side * side]; 0 outside the image, which counts as black. */
  readonly weights: Float32Array;
  /** 1 where a face could be aligned, 0 where there was none or its landmarks coincide [N]. */
  readonly aligned: Uint8Array;
}

/**
 * Bilinear sampling of aligned faces.
 * @param faces one for each image; null gives an all-black face
 * @param side pixels of the aligned faces
 */
export function alignmentGather(
  faces: readonly (Pick<Face, 'landmarks'> | null)[],
  { height, width }: ImageSize,
  side: number,
): AlignmentGather {
  const area = side * side;
  const indices = new Int32Array(faces.length * NEIGHBOURS * area);
  const weights = new Float32Array(indices.length);
  const aligned = new Uint8Array(faces.length);
  faces.forEach((face, image) => {
    const back = face === null ? null : alignmentOf(face.landmarks, side);
    if (back === null) return;
    aligned[image] = 1;
    for (let pixel = 0; pixel < area; pixel++) {
      const [u, v] = [(pixel % side) + 0.5, Math.floor(pixel / side) + 0.5];
      const x = back.a * u - back.b * v + back.dx - 0.5;
      const y = back.b * u + back.a * v + back.dy - 0.5;
      const [left, top] = [Math.floor(x), Math.floor(y)];
      for (let neighbour = 0; neighbour < NEIGHBOURS; neighbour++) {
        const [column, row] = [left + (neighbour % 2), top + Math.floor(neighbour / 2)];
        if (column < 0 || row < 0 || column >= width || row >= height) continue;
        const at = (image * NEIGHBOURS + neighbour) * area + pixel;
        indices[at] = row * width + column;
        weights[at] = (1 - Math.abs(x - column)) * (1 - Math.abs(y - row));
      }
    }
  });
  return { indices, weights, aligned };
}

/**
 * Samples aligned faces from images; the gradient is scattered back to the pixels that were read.
 * @param images [N, 3, height, width] in -1..1
 * @param indices int32 [N, 4 * side * side] of {@link alignmentGather}
 * @param weights [N, 4 * side * side] of {@link alignmentGather}
 * @returns [N, 3, side, side] in -1..1
 */
export function alignFaces(images: Value, indices: Value, weights: Value): Value {
  const [batch, channels, height, width] = images.shape as [number, number, number, number];
  const samples = indices.shape[1]!;
  const side = Math.sqrt(samples / NEIGHBOURS);
  if (!Number.isInteger(side)) {
    throw new Error(`alignFaces: expected indices [N, 4 * side * side], received [${indices.shape}]`);
  }
  const brightness = reshape(shift(images, 1), [batch, channels, height * width]);
  const positions = expand(reshape(indices, [batch, 1, samples]), [batch, channels, samples]);
  const read = mul(gatherElements(brightness, positions, 2), reshape(weights, [batch, 1, samples]));
  const summed = reduceSum(reshape(read, [batch, channels, NEIGHBOURS, side * side]), { axes: [2] });
  return shift(reshape(summed, [batch, channels, side, side]), -1);
}
