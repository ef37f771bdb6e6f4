/** Boxes of faces in pixels, and the choice of the face that counts. */

import type { DetectedFace } from '../models/face_decode.ts';
import type { ImageSize } from './image_batch.ts';

/** A detected face: box, score and five landmarks in pixels (the first pixel's centre lies at 1/2). */
export type Face = DetectedFace;

/** Left, top, right and bottom edge in pixels from the image's left upper corner; fractions are allowed. */
export type Box = Face['box'];

/** The part of a box that lies inside the image; of no area where the box lies outside. */
export function clipBox(box: Box, { height, width }: ImageSize): Box {
  const within = (value: number, limit: number) => Math.min(Math.max(value, 0), limit);
  return [within(box[0], width), within(box[1], height), within(box[2], width), within(box[3], height)];
}

/** Area of a box in square pixels; 0 where right or bottom don't lie beyond left and top. */
export function boxArea(box: Box): number {
  return Math.max(0, box[2] - box[0]) * Math.max(0, box[3] - box[1]);
}

/** What an image shows: the face that counts, if there is one, and how many there are. */
export interface FaceSelection {
  /** The largest face by area after clipping to the image (section 0109 of the specification), or null. */
  readonly face: Face | null;
  /** Number of faces that reach into the image. */
  readonly faces: number;
  /** Whether there is no face. */
  readonly noFace: boolean;
  /** Whether there is more than one. */
  readonly severalFaces: boolean;
}

/** Chooses the largest of an image's faces; of equally large ones the best, which comes first. */
export function selectFace(faces: readonly Face[], size: ImageSize): FaceSelection {
  let face: Face | null = null;
  let largest = 0;
  let count = 0;
  for (const candidate of faces) {
    const area = boxArea(clipBox(candidate.box, size));
    if (area > 0) count++;
    if (area > largest) [face, largest] = [candidate, area];
  }
  return Object.freeze({ face, faces: count, noFace: count === 0, severalFaces: count > 1 });
}
