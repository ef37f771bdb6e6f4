/** The losses of the method as graph values: distributional alignment, image semantics, face realism (eqs. 6 to 8). */

import type { FaceBank } from '../faces/bank.ts';
import { nearestFaces } from '../faces/bank.ts';
import type { Value } from '../graph/index.ts';
import { add, cosineDistance, logSoftmax, mul, neg, reduceSum, reshape, shift } from '../graph/index.ts';

/**
 * Cross-entropy of each image against its target class.
 * @param logits [N, classes]
 * @param targets one-hot rows [N, classes]; rows of zeros give 0
 * @returns [N], natural logarithm
 */
export function crossEntropies(logits: Value, targets: Value): Value {
  return neg(reduceSum(mul(targets, logSoftmax(logits)), { axes: [1] }));
}

/** Sum of the images' losses, each times its weight: [N] x [N] to a scalar. */
export function weightedSum(losses: Value, weights: Value): Value {
  return reduceSum(mul(losses, weights));
}

/** What {@link faceDistances} compares faces with. */
export interface FaceReferences {
  /** The bank of real faces, or null to compare with `own` only. */
  readonly bank: FaceBank | null;
  /** Embeddings of the original images' own faces [N, dimension]. */
  readonly own: Value;
  /** 1 where an image is compared with its own original face, else 0 [N]. */
  readonly useOwn: Value;
}

/** Distances of faces and the real faces that they were compared with. */
export interface FaceDistances {
  /** 1 - cosine [N]. */
  readonly distances: Value;
  /** Nearest face of the bank [N] int64, whether it was used or not; null without a bank. */
  readonly nearest: Value | null;
}

/**
 * Distance of each face to the closest real face, 1 - max over the bank of the cosine (eq. 8), or to the original image's
 * own face. The choice is constant: the gradient is that of the distance to the chosen one.
 * @param embeddings [N, dimension], of any length
 */
export function faceDistances(embeddings: Value, { bank, own, useOwn }: FaceReferences): FaceDistances {
  if (bank === null) return { distances: cosineDistance(embeddings, own), nearest: null };
  const nearest = nearestFaces(bank, embeddings);
  const share = reshape(useOwn, [useOwn.shape[0]!, 1]);
  const chosen = add(mul(own, share), mul(nearest.embeddings, shift(neg(share), 1)));
  return { distances: cosineDistance(embeddings, chosen), nearest: nearest.indices };
}
