/** CLIP's text encoder, the one that conditions Stable Diffusion (transformers' CLIPTextModel). */

import { z } from 'zod';
import type { Value } from '../graph/building.ts';
import {
  add,
  argMax,
  cast,
  constant,
  equal,
  gather,
  reshape,
  scale,
  scope,
  shift,
  slice,
} from '../graph/building.ts';
import { clipEncoder, clipEncoderFields } from './clip_encoder.ts';
import { parseConfig } from './config.ts';
import { namedLayerNorm } from './layers.ts';
import type { Parameters } from './parameters.ts';

/** Added to the attention scores of positions that must not be seen; e^-1e9 is 0 in float32. */
export const MASKED_SCORE = -1e9;
/** Value of eos_token_id in OpenAI's old configurations; it is not the end token of the vocabulary. */
const OLD_EOS_TOKEN = 2;

const schema = z.looseObject({
  ...clipEncoderFields,
  vocab_size: z.int().positive(),
  max_position_embeddings: z.int().positive().default(77),
  eos_token_id: z.int().nonnegative().default(OLD_EOS_TOKEN),
});

/** The fields of text_encoder/config.json that the graph depends on. */
export type ClipTextConfig = Readonly<z.output<typeof schema>>;

/**
 * Checks a parsed text_encoder/config.json.
 * @throws Error naming each field that is missing or has an unsupported value
 */
export function parseClipTextConfig(json: unknown): ClipTextConfig {
  return parseConfig(schema, json, 'CLIPTextModel');
}

/** Text as the encoder takes it: token ids, or their embeddings (some of them perhaps soft tokens), or both. */
export interface ClipTextInputs {
  /** [N, L] int64; needed for the pooled output, and for the embeddings where `inputsEmbeds` is left out. */
  readonly ids?: Value;
  /** Token embeddings [N, L, hidden_size] before the position embedding is added. */
  readonly inputsEmbeds?: Value;
  /** [N, L] int64 or float32: 1 for tokens to be seen, 0 for padding; all are seen when left out. */
  readonly attentionMask?: Value | null;
}

/** What the encoder computes. */
export interface ClipTextOutputs {
  /** Output of the last layer after the final layer norm [N, L, hidden_size]: what conditions the U-Net. */
  readonly lastHiddenState: Value;
  /** `lastHiddenState` at the end of the text [N, hidden_size]; null where no ids were given. */
  readonly poolerOutput: Value | null;
  /** Input of the first layer and output of every layer, before the final layer norm. */
  readonly hiddenStates: readonly Value[];
  /** Output of the last layer but one after the final layer norm: what diffusers' `clip_skip=1` conditions on. */
  readonly penultimate: Value;
}

/** Rows of the token embedding [N, L, hidden_size] for ids [N, L] int64. */
export function clipTextEmbeddings(config: ClipTextConfig, parameters: Parameters, ids: Value): Value {
  const shape = [config.vocab_size, config.hidden_size];
  return gather(parameters.tensor('text_model.embeddings.token_embedding.weight', shape), ids);
}

/**
 * Encodes texts.
 *
 * The end of a text is where its largest id stands if eos_token_id is 2 (as in Stable Diffusion 1's configuration), else
 * where eos_token_id stands first. Soft tokens keep this working if `ids` has zeros in their places.
 * @throws Error when neither ids nor embeddings are given, or the text is longer than the position embedding
 */
export function clipText(
  config: ClipTextConfig,
  parameters: Parameters,
  { ids, inputsEmbeds, attentionMask = null }: ClipTextInputs,
): ClipTextOutputs {
  return scope('clip_text', () => {
    const tokens = inputsEmbeds ?? (ids && clipTextEmbeddings(config, parameters, ids));
    if (tokens === undefined) throw new Error('clipText: expected ids or inputsEmbeds, received neither');
    const [, length, size] = tokens.shape as [number, number, number];
    const positions = config.max_position_embeddings;
    if (tokens.shape.length !== 3 || size !== config.hidden_size || length > positions) {
      throw new Error(
        `clipText: expected embeddings [N, L, ${config.hidden_size}] with L at most ${positions}, received [${tokens.shape}]`,
      );
    }
    const model = parameters.in('text_model');
    const table = model.tensor('embeddings.position_embedding.weight', [positions, size]);
    const x = add(tokens, slice(table, { axis: 0, end: length }));
    const bias = attentionBias(length, attentionMask);
    const hiddenStates = clipEncoder(config, model.in('encoder'), x, bias);
    const norm = (value: Value) => namedLayerNorm(model, value, 'final_layer_norm', config.layer_norm_eps);
    const lastHiddenState = norm(hiddenStates[hiddenStates.length - 1]!);
    return {
      lastHiddenState,
      poolerOutput: ids === undefined ? null : atTextEnd(config, lastHiddenState, ids),
      hiddenStates,
      penultimate: norm(hiddenStates[hiddenStates.length - 2]!),
    };
  });
}

/** Causal mask [1, 1, L, L], and that of padding [N, 1, 1, L] on top. */
function attentionBias(length: number, attentionMask: Value | null): Value {
  const causal = Float32Array.from({ length: length * length }, (_, i) =>
    i % length > Math.floor(i / length) ? MASKED_SCORE : 0,
  );
  const bias = constant(causal, [1, 1, length, length]);
  if (attentionMask === null) return bias;
  const [batch] = attentionMask.shape as [number];
  const padding = scale(shift(cast(attentionMask, 'float32'), -1), -MASKED_SCORE);
  return add(bias, reshape(padding, [batch, 1, 1, length]));
}

/** Where each text ends: positions [N] int64 of the end tokens in ids [N, L] int64, as {@link clipText} finds them. */
export function textEnds({ eos_token_id: end }: ClipTextConfig, ids: Value): Value {
  const marks =
    end === OLD_EOS_TOKEN ? cast(ids, 'int32') : cast(equal(ids, constant([end], [1], ids.dtype)), 'int32');
  return argMax(marks);
}

/** Rows of x [N, L, size] at the end of each text: [N, size]. */
function atTextEnd(config: ClipTextConfig, x: Value, ids: Value): Value {
  const [batch, length, size] = x.shape as [number, number, number];
  const starts = constant(
    Array.from({ length: batch }, (_, i) => i * length),
    [batch],
    'int64',
  );
  return gather(reshape(x, [batch * length, size]), add(starts, textEnds(config, ids)));
}
