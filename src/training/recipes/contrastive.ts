/** Contrastive losses: matching rows of two sets of embeddings (CLIP, SimCLR) and their graph inputs. */

import type { Value } from '../../graph/index.ts';
import {
  add,
  constant,
  exp,
  logSoftmax,
  matmul,
  minimum,
  mul,
  neg,
  normalizeL2,
  reduceMean,
  reduceSum,
  scalar,
  scale,
  transposeLast,
} from '../../graph/index.ts';

/** Identity matrix [size, size]. */
function identity(size: number): Value {
  const data = new Float32Array(size * size);
  for (let i = 0; i < size; i++) data[i * size + i] = 1;
  return constant(data, [size, size]);
}

/** Mean over rows of -log softmax of the diagonal of a square matrix. */
function diagonalCrossEntropy(logits: Value): Value {
  const picked = reduceSum(mul(logSoftmax(logits), identity(logits.shape[0]!)), { axes: [1] });
  return neg(reduceMean(picked));
}

/**
 * Symmetric cross-entropy of cosine similarities (Radford et al., CLIP): row i of one set belongs to row i of the other.
 * @param a embeddings [N, size], not normalised
 * @param b embeddings [N, size], not normalised
 * @param logScale logarithm of the factor of the similarities, scalar or [1]; the factor is limited to 100
 */
export function matchingLoss(a: Value, b: Value, logScale: Value): Value {
  const similarity = matmul(normalizeL2(a), transposeLast(normalizeL2(b)));
  const logits = mul(similarity, minimum(exp(logScale), scalar(100)));
  return scale(add(diagonalCrossEntropy(logits), diagonalCrossEntropy(transposeLast(logits))), 0.5);
}
