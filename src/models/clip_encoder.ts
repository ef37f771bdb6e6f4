/** The transformer encoder that CLIP's text and vision models share (pre-norm layers; Radford et al. 2021). */

import { z } from 'zod';
import type { Value } from '../graph/building.ts';
import { add, scope } from '../graph/building.ts';
import { multiHeadAttention } from './attention_layer.ts';
import { ACTIVATIONS, namedLayerNorm } from './layers.ts';
import type { Parameters } from './parameters.ts';

/** Fields of a CLIP configuration that describe the encoder. */
export const clipEncoderFields = {
  hidden_size: z.int().positive(),
  intermediate_size: z.int().positive(),
  num_hidden_layers: z.int().positive(),
  num_attention_heads: z.int().positive(),
  hidden_act: z.enum(['quick_gelu', 'gelu']).default('quick_gelu'),
  layer_norm_eps: z.number().positive().default(1e-5),
} as const;

/** What describes an encoder. */
export type ClipEncoderConfig = Readonly<z.output<z.ZodObject<typeof clipEncoderFields>>>;

/**
 * Runs all layers.
 * @param parameters those of the encoder: layers.0, layers.1, ...
 * @param x [N, L, hidden_size]
 * @param bias added to the attention scores, broadcasting to [N, heads, L, L]; null for none
 * @returns the input and the output of every layer, num_hidden_layers + 1 values [N, L, hidden_size]
 */
export function clipEncoder(
  config: ClipEncoderConfig,
  parameters: Parameters,
  x: Value,
  bias: Value | null,
): readonly Value[] {
  const states = [x];
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = parameters.in(`layers.${i}`);
    states.push(scope(`layers.${i}`, () => encoderLayer(config, layer, states[i]!, bias)));
  }
  return states;
}

function encoderLayer(
  config: ClipEncoderConfig,
  parameters: Parameters,
  x: Value,
  bias: Value | null,
): Value {
  const { hidden_size: size, layer_norm_eps: epsilon } = config;
  const attention = parameters.in('self_attn');
  const shape = { inputs: size, outputs: size, bias: true };
  const normalized = namedLayerNorm(parameters, x, 'layer_norm1', epsilon);
  const q = attention.linear(normalized, 'q_proj', shape);
  const k = attention.linear(normalized, 'k_proj', shape);
  const v = attention.linear(normalized, 'v_proj', shape);
  const mixed = multiHeadAttention(q, k, v, config.num_attention_heads, bias);
  const attended = add(x, attention.linear(mixed, 'out_proj', shape));
  return add(
    attended,
    feedForward(config, parameters, namedLayerNorm(parameters, attended, 'layer_norm2', epsilon)),
  );
}

function feedForward(config: ClipEncoderConfig, parameters: Parameters, x: Value): Value {
  const { hidden_size: size, intermediate_size: inner } = config;
  const hidden = parameters.linear(x, 'mlp.fc1', { inputs: size, outputs: inner, bias: true });
  const active = ACTIVATIONS[config.hidden_act](hidden);
  return parameters.linear(active, 'mlp.fc2', { inputs: inner, outputs: size, bias: true });
}
