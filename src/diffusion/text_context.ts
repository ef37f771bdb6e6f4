/** Which tokens of a prompt the denoiser sees: all places with their padding, or the prompt's own tokens alone. */

import type { Value } from '../graph/building.ts';
import {
  abs,
  add,
  cast,
  constant,
  equal,
  lessOrEqual,
  mul,
  reduceMax,
  reshape,
  scalar,
  scale,
} from '../graph/building.ts';
import type { ClipTextConfig } from '../models/index.ts';
import { MASKED_SCORE, textEnds } from '../models/index.ts';

/** Names of the choices. */
export const TEXT_CONTEXTS = Object.freeze(['padded', 'masked'] as const);

/**
 * - `padded`: the denoiser sees every place, padding too. That is what Stable Diffusion was trained with, and what every
 *   program that loads an adapter does.
 * - `masked`: it sees the prompt's own tokens, from the start token to the end token. A masked place is a row of zeros in the
 *   condition, which the text encoder's last norm never makes, and has no weight in cross-attention: the same as a condition
 *   that was never padded. The text encoder itself needs no mask, for its attention never looks ahead to the padding.
 */
export type TextContext = (typeof TEXT_CONTEXTS)[number];

/** A model, or whatever else says which tokens its denoiser sees. */
export interface HasTextContext {
  readonly textContext: TextContext;
}

/** The same model with another choice of the tokens that its denoiser sees. */
export function withTextContext<Model extends HasTextContext>(model: Model, textContext: TextContext): Model {
  return Object.freeze({ ...model, textContext });
}

/**
 * A condition with zeros in the places behind the end of each prompt.
 * @param context [N, length, width]
 * @param ids token ids without soft tokens [N, length] int64
 * @param softTokens soft tokens that stand between the start token and the prompt's own
 */
export function withoutPadding(
  config: ClipTextConfig,
  context: Value,
  ids: Value,
  softTokens: number,
): Value {
  const [batch, length] = context.shape as [number, number, number];
  const shift = constant([softTokens], [1], 'int64');
  const ends = reshape(add(textEnds(config, ids), shift), [batch, 1]);
  const places = constant(
    Array.from({ length }, (_, place) => place),
    [1, length],
    'int64',
  );
  const own = cast(lessOrEqual(places, ends), context.dtype);
  return mul(context, reshape(own, [batch, length, 1]));
}

/**
 * What masked places add to the scores of cross-attention.
 * @param context condition with zeros in masked places [N, length, width]
 * @returns [N, 1, 1, length]: 0, or a number whose exponential is 0
 */
export function paddingBias(context: Value): Value {
  const [batch, length] = context.shape as [number, number, number];
  const largest = reduceMax(abs(context), { axes: [2] });
  const masked = cast(equal(largest, scalar(0, context.dtype)), context.dtype);
  return reshape(scale(masked, MASKED_SCORE), [batch, 1, 1, length]);
}
