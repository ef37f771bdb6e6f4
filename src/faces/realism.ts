/** How real faces look to an embedder: their cosine to the nearest of its real faces. */

import type { Value } from '../graph/index.ts';
import { alignFaces } from './alignment.ts';
import type { FaceBank } from './bank.ts';
import { nearestFaces } from './bank.ts';
import type { FaceEmbedder } from './embedding.ts';

/** An embedder with the bank of its embeddings of real faces. */
export interface RealFaces {
  readonly embedder: FaceEmbedder;
  readonly bank: FaceBank;
}

/**
 * Cosine of each image's aligned face to the nearest one of the bank.
 * @param images [N, 3, height, width] in -1..1
 * @param indices int32 [N, 4 * side * side] of `alignmentGather` for the embedder's side
 * @param weights [N, 4 * side * side] of the same
 * @returns [N]
 */
export function faceRealism(
  { embedder, bank }: RealFaces,
  images: Value,
  indices: Value,
  weights: Value,
): Value {
  return nearestFaces(bank, embedder.embed(alignFaces(images, indices, weights))).cosines;
}
