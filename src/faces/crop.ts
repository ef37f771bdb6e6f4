/** Square crops of images as two linear maps: constants of the boxes, through which gradients flow to the pixels. */

import type { Value } from '../graph/index.ts';
import { matmul, reshape, shift } from '../graph/index.ts';
import type { Box } from './box.ts';
import type { ImageSize } from './image_batch.ts';

/** Side of a face crop over the longest side of the face's box. */
export const FACE_CROP_MARGIN = 1.5;

/** A square part of an image, in pixels; it may leave the image. */
export interface CropWindow {
  readonly left: number;
  readonly top: number;
  readonly side: number;
}

/** The window of a face crop: centred on the box, `margin` times its longest side. */
export function faceWindow(box: Box, margin: number = FACE_CROP_MARGIN): CropWindow {
  const side = margin * Math.max(box[2] - box[0], box[3] - box[1]);
  return { left: (box[0] + box[2] - side) / 2, top: (box[1] + box[3] - side) / 2, side };
}

/** The smallest centred square around an image, enlarged by `factor`: what is outside the image is padding. */
export function paddedWindow({ height, width }: ImageSize, factor = 1): CropWindow {
  const side = factor * Math.max(height, width);
  return { left: (width - side) / 2, top: (height - side) / 2, side };
}

/**
 * The linear map of one cropped and resized axis: row i holds the weights of the source pixels in output pixel i, whose
 * centre lies at start + (i + 1/2) * length / to. Weights fall off linearly over one pixel, or with `antialias` over one
 * output pixel where the crop shrinks. Pixels outside the axis count as black: rows there sum to less than 1.
 * @param from pixels of the axis
 * @param to pixels of the result
 * @returns row-major [to, from]
 */
export function axisCropMatrix(
  from: number,
  to: number,
  start: number,
  length: number,
  antialias = true,
): Float32Array {
  const matrix = new Float32Array(to * from);
  const step = length / to;
  const radius = antialias ? Math.max(1, step) : 1;
  for (let i = 0; i < to; i++) {
    const centre = start + (i + 0.5) * step - 0.5;
    const weights: [number, number][] = [];
    let total = 0;
    for (let j = Math.ceil(centre - radius); j <= centre + radius; j++) {
      const weight = 1 - Math.abs(j - centre) / radius;
      total += weight;
      if (weight > 0 && j >= 0 && j < from) weights.push([j, weight]);
    }
    for (const [j, weight] of weights) matrix[i * from + j] = weight / total;
  }
  return matrix;
}

/** The maps of a batch of crops, as {@link cropImages} takes them. */
export interface CropMatrices {
  /** [N, side, height] */
  readonly rows: Float32Array;
  /** [N, width, side]: the transpose of the map along the width. */
  readonly columns: Float32Array;
}

/** How crops are resized. */
export interface CropOptions {
  /** Side of the crops in pixels of the result. */
  readonly side: number;
  /** Whether shrinking averages over all source pixels (true when left out) or samples between the nearest two. */
  readonly antialias?: boolean;
}

/**
 * The maps that cut a window out of each image and resize it.
 * @param windows one for each image; null gives an all-black crop
 * @throws Error when a window has no positive finite side
 */
export function cropMatrices(
  windows: readonly (CropWindow | null)[],
  { height, width }: ImageSize,
  { side, antialias = true }: CropOptions,
): CropMatrices {
  const rows = new Float32Array(windows.length * side * height);
  const columns = new Float32Array(windows.length * width * side);
  windows.forEach((window, image) => {
    if (window === null) return;
    const { left, top, side: length } = window;
    if (!(length > 0 && Number.isFinite(length) && Number.isFinite(left) && Number.isFinite(top))) {
      throw new Error(
        `crop of image ${image}: expected a window with a positive side, received left ${left}, top ${top}, side ${length}`,
      );
    }
    rows.set(axisCropMatrix(height, side, top, length, antialias), image * side * height);
    const across = axisCropMatrix(width, side, left, length, antialias);
    const first = image * width * side;
    for (let i = 0; i < side; i++) {
      for (let j = 0; j < width; j++) columns[first + j * side + i] = across[i * width + j]!;
    }
  });
  return { rows, columns };
}

/**
 * Crops and resizes images: rows (image + 1) columns - 1 for each channel, so that what lies outside is black (-1).
 * @param images [N, 3, height, width] in -1..1
 * @param rows [N, side, height] of {@link cropMatrices}
 * @param columns [N, width, side] of {@link cropMatrices}
 * @returns [N, 3, side, side] in -1..1
 */
export function cropImages(images: Value, rows: Value, columns: Value): Value {
  const perChannel = (map: Value) => reshape(map, [map.shape[0]!, 1, map.shape[1]!, map.shape[2]!]);
  const brightness = shift(images, 1);
  return shift(matmul(matmul(perChannel(rows), brightness), perChannel(columns)), -1);
}
