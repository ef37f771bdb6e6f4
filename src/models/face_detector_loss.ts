/** Training of the face detector: which cells answer for which face, and the loss. */

import type { Tensors, Value } from '../graph/building.ts';
import {
  abs,
  add,
  div,
  maximum,
  minimum,
  mul,
  neg,
  reduceSum,
  reshape,
  scalar,
  scale,
  shift,
  sigmoid,
  slice,
  softplus,
  sub,
} from '../graph/building.ts';
import type { FaceDetectorConfig, FaceDetectorOutputs } from './face_detector.ts';
import { LANDMARKS } from './face_detector.ts';

/** A face in a training image, in pixels from the image's left upper corner. */
export interface FaceAnnotation {
  /** Left, top, right and bottom edge. */
  readonly box: readonly [number, number, number, number];
  /** x and y of the five landmarks one after the other, or null where they are not known. */
  readonly landmarks: readonly number[] | null;
}

/** A cell answers for a face when its centre is at most this many strides from the centre of the box (Tian et al. 2019). */
const CENTER_RADIUS = 1.5;

/** Sizes of the targets by name, for the inputs of a training graph. */
export function faceTargetShapes(config: FaceDetectorConfig, batch: number): Record<string, number[]> {
  const cells = (config.image_size / config.stride) ** 2;
  return {
    'faces.positive': [batch, cells],
    'faces.distances': [batch, cells, 4],
    'faces.landmarks': [batch, cells, 2 * LANDMARKS],
    'faces.landmarksKnown': [batch, cells],
  };
}

/**
 * What the detector should answer: cells near the centre of a box, and the cell nearest to it, are positive; where faces
 * overlap, the smaller one is meant.
 * @param faces those of each image
 * @returns float32 tensors under the names of {@link faceTargetShapes}
 * @throws Error when a box is empty or a face has another number of landmarks
 */
export function faceTargets(
  config: FaceDetectorConfig,
  faces: readonly (readonly FaceAnnotation[])[],
): Tensors {
  const side = config.image_size / config.stride;
  const cells = side * side;
  const positive = new Float32Array(faces.length * cells);
  const distances = new Float32Array(faces.length * cells * 4);
  const landmarks = new Float32Array(faces.length * cells * 2 * LANDMARKS);
  const landmarksKnown = new Float32Array(faces.length * cells);
  faces.forEach((list, image) => {
    for (const face of list) checkFace(face, image);
    for (const face of [...list].sort((a, b) => area(b) - area(a))) {
      for (const cell of cellsOf(face, side, config.stride)) {
        const at = image * cells + cell;
        const x = ((cell % side) + 0.5) * config.stride;
        const y = (Math.floor(cell / side) + 0.5) * config.stride;
        const [left, top, right, bottom] = face.box;
        positive[at] = 1;
        distances.set([x - left, y - top, right - x, bottom - y], at * 4);
        landmarksKnown[at] = face.landmarks === null ? 0 : 1;
        const points = face.landmarks ?? new Array<number>(2 * LANDMARKS).fill(0);
        landmarks.set(
          points.map((value, i) => (face.landmarks === null ? 0 : value - (i % 2 === 0 ? x : y))),
          at * 2 * LANDMARKS,
        );
      }
    }
  });
  return {
    'faces.positive': positive,
    'faces.distances': distances,
    'faces.landmarks': landmarks,
    'faces.landmarksKnown': landmarksKnown,
  };
}

function area({ box: [left, top, right, bottom] }: FaceAnnotation): number {
  return (right - left) * (bottom - top);
}

function checkFace({ box, landmarks }: FaceAnnotation, image: number): void {
  if (!(box[2] > box[0] && box[3] > box[1])) {
    throw new Error(
      `faceTargets: image ${image}: expected a box [left, top, right, bottom] with an area, received [${box}]`,
    );
  }
  if (landmarks !== null && landmarks.length !== 2 * LANDMARKS) {
    throw new Error(
      `faceTargets: image ${image}: expected ${2 * LANDMARKS} landmark coordinates, received ${landmarks.length}`,
    );
  }
}

/** Indices of the cells that answer for a face: inside its box and near its centre, and the nearest of all. */
function cellsOf(
  { box: [left, top, right, bottom] }: FaceAnnotation,
  side: number,
  stride: number,
): Set<number> {
  const [middleX, middleY] = [(left + right) / 2, (top + bottom) / 2];
  const nearest = (position: number) => Math.min(side - 1, Math.max(0, Math.floor(position / stride)));
  const cells = new Set([nearest(middleY) * side + nearest(middleX)]);
  for (let cell = 0; cell < side * side; cell++) {
    const x = ((cell % side) + 0.5) * stride;
    const y = (Math.floor(cell / side) + 0.5) * stride;
    const inside = x > left && x < right && y > top && y < bottom;
    const near = Math.max(Math.abs(x - middleX), Math.abs(y - middleY)) <= CENTER_RADIUS * stride;
    if (inside && near) cells.add(cell);
  }
  return cells;
}

/** The parts of the loss and their sum, all scalars. */
export interface FaceDetectorLoss {
  readonly loss: Value;
  /** Focal loss of the scores. */
  readonly scores: Value;
  /** 1 - generalised intersection over union, mean over positive cells. */
  readonly boxes: Value;
  /** Mean distance of the landmarks along each axis in strides, over positive cells that have them. */
  readonly landmarks: Value;
}

/**
 * Loss of a batch: focal loss of all scores over the number of positive cells, plus the mean box and landmark losses.
 * @param targets graph values under the names of {@link faceTargetShapes}
 */
export function faceDetectorLoss(
  config: FaceDetectorConfig,
  outputs: FaceDetectorOutputs,
  targets: Readonly<Record<string, Value>>,
): FaceDetectorLoss {
  const positive = targets['faces.positive']!;
  const known = targets['faces.landmarksKnown']!;
  const meanOver = (values: Value, weights: Value) =>
    div(reduceSum(mul(values, weights)), maximum(reduceSum(weights), scalar(1)));
  const focal = focalLoss(outputs.logits, positive);
  const scores = div(reduceSum(focal), maximum(reduceSum(positive), scalar(1)));
  const overlaps = generalizedIou(outputs.distances, targets['faces.distances']!);
  const boxes = meanOver(shift(neg(overlaps), 1), positive);
  const differences = abs(sub(outputs.landmarks, targets['faces.landmarks']!));
  const mean = scale(reduceSum(differences, { axes: [2] }), 1 / (2 * LANDMARKS * config.stride));
  const landmarks = meanOver(mean, known);
  return { loss: add(add(scores, boxes), landmarks), scores, boxes, landmarks };
}

const FOCUS = Object.freeze({ alpha: 0.25 });

/**
 * Binary cross-entropy that looks away from what is right already, gamma = 2 (Lin et al. 2017, equation 5).
 * @param logits log-odds, any shape
 * @param targets 0 or 1, of the same shape
 */
export function focalLoss(logits: Value, targets: Value): Value {
  const other = shift(neg(targets), 1);
  const p = sigmoid(logits);
  // -log p = softplus(-x), -log(1 - p) = softplus(x)
  const missed = shift(neg(p), 1);
  const onPositive = mul(mul(missed, missed), softplus(neg(logits)));
  const onNegative = mul(mul(p, p), softplus(logits));
  return add(mul(targets, scale(onPositive, FOCUS.alpha)), mul(other, scale(onNegative, 1 - FOCUS.alpha)));
}

/**
 * Generalised intersection over union of boxes around the same point (Rezatofighi et al. 2019): in -1..1, 1 for equal
 * boxes.
 * @param a distances to left, top, right and bottom, at least 0 [N, cells, 4]
 * @param b likewise
 * @returns [N, cells]
 */
export function generalizedIou(a: Value, b: Value): Value {
  const areaOf = (sides: Value) => {
    const side = (i: number) => slice(sides, { axis: 2, start: i, end: i + 1 });
    return mul(add(side(0), side(2)), add(side(1), side(3)));
  };
  const intersection = areaOf(minimum(a, b));
  const hull = areaOf(maximum(a, b));
  const union = sub(add(areaOf(a), areaOf(b)), intersection);
  const small = scalar(1e-6);
  const iou = div(intersection, maximum(union, small));
  const waste = div(sub(hull, union), maximum(hull, small));
  return reshape(sub(iou, waste), a.shape.slice(0, 2));
}
