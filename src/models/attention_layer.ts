/** Splitting of token vectors into attention heads and back. */

import type { Value } from '../graph/building.ts';
import { attention, reshape, transpose } from '../graph/building.ts';

/** [N, L, heads*size] to [N, heads, L, size]. */
function splitHeads(x: Value, heads: number): Value {
  const [batch, length, width] = x.shape as [number, number, number];
  if (width % heads !== 0) {
    throw new Error(`attention: expected a width divisible by ${heads} heads, received ${width}`);
  }
  return transpose(reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
}

/**
 * Multi-head scaled dot-product attention of projected tokens (Vaswani et al. 2017, section 3.2).
 * @param q [N, queries, width]
 * @param k [N, keys, width]
 * @param v [N, keys, width]
 * @param bias added to the scores, broadcasting to [N, heads, queries, keys]; null for none
 * @returns [N, queries, width]
 * @throws Error when the width is not divisible by `heads`
 */
export function multiHeadAttention(
  q: Value,
  k: Value,
  v: Value,
  heads: number,
  bias: Value | null = null,
): Value {
  const mixed = attention(splitHeads(q, heads), splitHeads(k, heads), splitHeads(v, heads), { bias });
  return reshape(transpose(mixed, [0, 2, 1, 3]), q.shape);
}

/** Images [N, C, H, W] as tokens [N, H*W, C]. */
export function imageToTokens(x: Value): Value {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  return transpose(reshape(x, [batch, channels, height * width]), [0, 2, 1]);
}

/** Tokens [N, H*W, C] as images [N, C, H, W]. */
export function tokensToImage(tokens: Value, height: number, width: number): Value {
  const [batch, , channels] = tokens.shape as [number, number, number];
  return reshape(transpose(tokens, [0, 2, 1]), [batch, channels, height, width]);
}
