/** From a detector's outputs to faces: cells above a threshold, and of boxes that overlap only the best. */

import type { FaceDetectorConfig } from './face_detector.ts';
import { LANDMARKS } from './face_detector.ts';

/** A detected face, in pixels from the image's left upper corner; boxes may leave the image. */
export interface DetectedFace {
  /** Left, top, right and bottom edge. */
  readonly box: readonly [number, number, number, number];
  /** Probability in 0..1. */
  readonly score: number;
  /** x and y of the five landmarks. */
  readonly landmarks: readonly (readonly [number, number])[];
}

/** Computed values of a detector's outputs, elements in row-major order. */
export interface DetectorTensors {
  /** [N, cells] */
  readonly logits: Float32Array;
  /** [N, cells, 4] */
  readonly distances: Float32Array;
  /** [N, cells, 10] */
  readonly landmarks: Float32Array;
}

/** What counts as a face. */
export interface DecodeOptions {
  /** Smallest score. */
  readonly threshold: number;
  /** Of two boxes with a larger intersection over union than this, the one with the smaller score is dropped. */
  readonly iou: number;
}

/**
 * Faces of each image, best first.
 * @throws Error when the tensors do not have the sizes that the configuration gives
 */
export function decodeFaces(
  config: FaceDetectorConfig,
  outputs: DetectorTensors,
  options: DecodeOptions,
): DetectedFace[][] {
  const side = config.image_size / config.stride;
  const cells = side * side;
  const images = outputs.logits.length / cells;
  const expected = [images * cells * 4, images * cells * 2 * LANDMARKS];
  const received = [outputs.distances.length, outputs.landmarks.length];
  if (!Number.isInteger(images) || expected.join() !== received.join()) {
    throw new Error(
      `decodeFaces: expected outputs for ${cells} cells an image, received ${outputs.logits.length} logits, ` +
        `${received[0]} distances and ${received[1]} landmark coordinates`,
    );
  }
  return Array.from({ length: images }, (_, image) => {
    const faces: DetectedFace[] = [];
    for (let cell = 0; cell < cells; cell++) {
      const at = image * cells + cell;
      const score = 1 / (1 + Math.exp(-outputs.logits[at]!));
      if (score < options.threshold) continue;
      const x = ((cell % side) + 0.5) * config.stride;
      const y = (Math.floor(cell / side) + 0.5) * config.stride;
      const [left, top, right, bottom] = outputs.distances.subarray(
        at * 4,
        at * 4 + 4,
      ) as unknown as number[];
      const landmarks = Array.from({ length: LANDMARKS }, (_, i): [number, number] => {
        const first = (at * LANDMARKS + i) * 2;
        return [x + outputs.landmarks[first]!, y + outputs.landmarks[first + 1]!];
      });
      faces.push({ box: [x - left!, y - top!, x + right!, y + bottom!], score, landmarks });
    }
    return suppress(faces, options.iou);
  });
}

/** Greedy non-maximum suppression: the best face stays, those that overlap it too much go, and so on. */
export function suppress(faces: readonly DetectedFace[], iou: number): DetectedFace[] {
  const kept: DetectedFace[] = [];
  for (const face of [...faces].sort((a, b) => b.score - a.score)) {
    if (kept.every((better) => intersectionOverUnion(better.box, face.box) <= iou)) kept.push(face);
  }
  return kept;
}

/** Area shared by two boxes [left, top, right, bottom] over the area that they cover together; 0 when they do not meet. */
export function intersectionOverUnion(a: DetectedFace['box'], b: DetectedFace['box']): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const areaOf = (box: DetectedFace['box']) => (box[2] - box[0]) * (box[3] - box[1]);
  return (width * height) / (areaOf(a) + areaOf(b) - width * height);
}
