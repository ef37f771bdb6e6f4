/** The spatial transformer of the diffusion U-Net: self-attention over pixels, cross-attention to the text, feed-forward. */

import type { Value } from '../graph/building.ts';
import { add, gelu, mul, scope, split } from '../graph/building.ts';
import { imageToTokens, multiHeadAttention, tokensToImage } from './attention_layer.ts';
import { namedGroupNorm, namedLayerNorm } from './layers.ts';
import type { Parameters } from './parameters.ts';

/** Epsilon of the group norm before the tokens; the residual blocks around it use another. */
const GROUP_NORM_EPSILON = 1e-6;
const LAYER_NORM_EPSILON = 1e-5;
/** Width of the feed-forward layer over that of the tokens. */
const FEED_FORWARD_FACTOR = 4;

/** Sizes and layout of a spatial transformer. */
export interface TransformerOptions {
  readonly heads: number;
  /** Number of transformer blocks. */
  readonly layers: number;
  readonly groups: number;
  /** Whether proj_in and proj_out are linear layers (Stable Diffusion 2) and not 1x1 convolutions (1). */
  readonly linearProjection: boolean;
}

/**
 * Pixels as tokens through transformer blocks that see the text, added to the input (diffusers' Transformer2DModel).
 * @param parameters norm, proj_in, transformer_blocks, proj_out
 * @param x [N, C, H, W]
 * @param context text tokens [N, L, D]
 * @param contextBias added to the scores of the attention to the text [N, 1, 1, L]; null for none
 * @returns [N, C, H, W]
 */
export function spatialTransformer(
  parameters: Parameters,
  x: Value,
  context: Value,
  contextBias: Value | null,
  { heads, layers, groups, linearProjection }: TransformerOptions,
): Value {
  return scope('transformer', () => {
    const [, channels, height, width] = x.shape as [number, number, number, number];
    const projection = { inputs: channels, outputs: channels, bias: true, pointwise: !linearProjection };
    const normalized = namedGroupNorm(parameters, x, 'norm', groups, GROUP_NORM_EPSILON);
    let tokens = parameters.linear(imageToTokens(normalized), 'proj_in', projection);
    for (let i = 0; i < layers; i++) {
      const block = parameters.in(`transformer_blocks.${i}`);
      tokens = transformerBlock(block, tokens, context, contextBias, heads);
    }
    tokens = parameters.linear(tokens, 'proj_out', projection);
    return add(x, tokensToImage(tokens, height, width));
  });
}

function transformerBlock(
  parameters: Parameters,
  x: Value,
  context: Value,
  contextBias: Value | null,
  heads: number,
): Value {
  const norm = (value: Value, name: string) => namedLayerNorm(parameters, value, name, LAYER_NORM_EPSILON);
  const normalized = norm(x, 'norm1');
  let tokens = add(x, crossAttention(parameters.in('attn1'), normalized, normalized, null, heads));
  const text = crossAttention(parameters.in('attn2'), norm(tokens, 'norm2'), context, contextBias, heads);
  tokens = add(tokens, text);
  return add(tokens, feedForward(parameters.in('ff'), norm(tokens, 'norm3')));
}

/** Attention from x [N, queries, C] to `context` [N, keys, D]: to_q, to_k, to_v without bias, to_out.0 with one. */
function crossAttention(
  parameters: Parameters,
  x: Value,
  context: Value,
  bias: Value | null,
  heads: number,
): Value {
  const outputs = x.shape[2]!;
  const from = (value: Value, name: string, hasBias = false) =>
    parameters.linear(value, name, { inputs: value.shape[2]!, outputs, bias: hasBias });
  const [k, v] = [from(context, 'to_k'), from(context, 'to_v')];
  return from(multiHeadAttention(from(x, 'to_q'), k, v, heads, bias), 'to_out.0', true);
}

/** Gated feed-forward layer (GEGLU, Shazeer 2020): the first half of net.0.proj times the GELU of the second, then net.2. */
function feedForward(parameters: Parameters, x: Value): Value {
  const size = x.shape[2]!;
  const inner = FEED_FORWARD_FACTOR * size;
  const projected = parameters.linear(x, 'net.0.proj', { inputs: size, outputs: 2 * inner, bias: true });
  const [value, gate] = split(projected, 2, [inner, inner]);
  return parameters.linear(mul(value!, gelu(gate!)), 'net.2', { inputs: inner, outputs: size, bias: true });
}
