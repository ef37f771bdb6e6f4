/** CLIP's image encoder with its projection (transformers' CLIPVisionModelWithProjection). */

import { z } from 'zod';
import type { Value } from '../graph/building.ts';
import { add, concat, expand, reshape, scope, slice } from '../graph/building.ts';
import { imageToTokens } from './attention_layer.ts';
import { clipEncoder, clipEncoderFields } from './clip_encoder.ts';
import { parseConfig } from './config.ts';
import { convolution, namedLayerNorm } from './layers.ts';
import type { Parameters } from './parameters.ts';

const schema = z.looseObject({
  ...clipEncoderFields,
  num_channels: z.int().positive().default(3),
  image_size: z.int().positive().default(224),
  patch_size: z.int().positive().default(32),
  projection_dim: z.int().positive().default(512),
});

/** The fields of a CLIP vision configuration that the graph depends on. */
export type ClipVisionConfig = Readonly<z.output<typeof schema>>;

/**
 * Checks a parsed config.json of a CLIP vision model; of a whole CLIP model its `vision_config` (with its own
 * `projection_dim`) is taken.
 * @throws Error naming each field that is missing or has an unsupported value
 */
export function parseClipVisionConfig(json: unknown): ClipVisionConfig {
  const whole = json as { vision_config?: object; projection_dim?: number } | null;
  const inner = whole?.vision_config;
  const fields = inner ? { projection_dim: whole.projection_dim, ...inner } : json;
  return parseConfig(schema, fields, 'CLIPVisionModelWithProjection');
}

/** What the encoder computes. */
export interface ClipVisionOutputs {
  /** Embeddings of the images [N, projection_dim], not normalised. */
  readonly imageEmbeds: Value;
  /** Output of the last layer [N, 1 + patches, hidden_size], before the last layer norm. */
  readonly lastHiddenState: Value;
  /** Input of the first layer (after the first layer norm) and output of every layer. */
  readonly hiddenStates: readonly Value[];
}

/**
 * Encodes images.
 * @param pixels [N, num_channels, image_size, image_size], normalised with CLIP's mean and standard deviation
 * @throws Error when the images have another size
 */
export function clipVision(
  config: ClipVisionConfig,
  parameters: Parameters,
  pixels: Value,
): ClipVisionOutputs {
  const { num_channels: channels, image_size: side, hidden_size: size, layer_norm_eps: epsilon } = config;
  const [batch] = pixels.shape as [number];
  if (pixels.shape.length !== 4 || pixels.shape.slice(1).join() !== [channels, side, side].join()) {
    throw new Error(
      `clipVision: expected images [N, ${channels}, ${side}, ${side}], received [${pixels.shape}]`,
    );
  }
  return scope('clip_vision', () => {
    const model = parameters.in('vision_model');
    const patches = patchTokens(config, model.in('embeddings'), pixels);
    const classToken = reshape(model.tensor('embeddings.class_embedding', [size]), [1, 1, size]);
    const tokens = concat([expand(classToken, [batch, 1, size]), patches], 1);
    const positions = model.tensor('embeddings.position_embedding.weight', [tokens.shape[1]!, size]);
    // "pre_layrnorm" is how the published weights spell it.
    const first = namedLayerNorm(model, add(tokens, positions), 'pre_layrnorm', epsilon);
    const hiddenStates = clipEncoder(config, model.in('encoder'), first, null);
    const lastHiddenState = hiddenStates[hiddenStates.length - 1]!;
    const pooled = reshape(slice(lastHiddenState, { axis: 1, end: 1 }), [batch, size]);
    const normalized = namedLayerNorm(model, pooled, 'post_layernorm', epsilon);
    const shape = { inputs: size, outputs: config.projection_dim, bias: false };
    return {
      imageEmbeds: parameters.linear(normalized, 'visual_projection', shape),
      lastHiddenState,
      hiddenStates,
    };
  });
}

function patchTokens(config: ClipVisionConfig, parameters: Parameters, pixels: Value): Value {
  const { patch_size: kernel, hidden_size: outputs } = config;
  const shape = { outputs, kernel, stride: kernel, padding: 0, bias: false };
  return imageToTokens(convolution(parameters, pixels, 'patch_embedding', shape));
}
