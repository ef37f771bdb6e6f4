/** Fields of the recipes that learn to reconstruct scenes, and the weights of a scene's pixels. */

import { z } from 'zod';
import type { Dataset } from '../dataset.ts';

/** Fields that the recipes of the autoencoder and of its decoder share, see `reconstructionLoss`. */
export const reconstructionFields = {
  edges: z.number().min(0).default(1),
  squares: z.number().min(0).default(0),
  /** Weight of pixels inside a face's box; the others have 1. */
  faceWeight: z.number().min(1).default(4),
};

/** Weights of pixels, [indices.length, 1, size, size]: `faceWeight` inside the boxes of faces, 1 elsewhere. */
export function faceWeights(data: Dataset, indices: readonly number[], faceWeight: number): Float32Array {
  const { size } = data;
  const weights = new Float32Array(indices.length * size * size).fill(1);
  indices.forEach((index, position) => {
    for (const { box } of data.record(index).faces) {
      const [left, top, right, bottom] = box.map((edge) => Math.min(size, Math.max(0, Math.round(edge))));
      for (let row = top!; row < bottom!; row++) {
        const start = (position * size + row) * size;
        weights.fill(faceWeight, start + left!, start + right!);
      }
    }
  });
  return weights;
}
