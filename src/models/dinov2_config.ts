/** Configuration of DINOv2, from transformers' config.json or a description of the torch.hub models. */

import { z } from 'zod';
import { parseConfig } from './config.ts';

/**
 * How the position embedding is resized to other image sizes: `size` asks for the number of patches (transformers);
 * `scaleFactor` asks for the ratio (patches + 0.1)/native, and the source coordinates follow that ratio (the original code).
 */
export type PositionInterpolation = 'size' | 'scaleFactor';

/** What describes a DINOv2 model. */
export interface DinoV2Config {
  /** Whose parameter names the weights use; `facebook` has one fused layer for query, key and value. */
  readonly layout: 'facebook' | 'hf';
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  readonly patchSize: number;
  /** Side of the square images that the position embedding is made for, in pixels. */
  readonly imageSize: number;
  /** Width of the feed-forward layer. */
  readonly feedForwardWidth: number;
  readonly epsilon: number;
  readonly interpolation: PositionInterpolation;
}

const hfSchema = z.looseObject({
  hidden_size: z.int().positive(),
  num_hidden_layers: z.int().positive(),
  num_attention_heads: z.int().positive(),
  mlp_ratio: z.number().positive().default(4),
  hidden_act: z.literal('gelu').default('gelu'),
  layer_norm_eps: z.number().positive().default(1e-6),
  image_size: z.int().positive(),
  patch_size: z.int().positive(),
  num_channels: z.literal(3).default(3),
  qkv_bias: z.literal(true).default(true),
  use_swiglu_ffn: z.literal(false).default(false),
  num_register_tokens: z.literal(0).optional(),
});

const facebookSchema = z.looseObject({
  embed_dim: z.int().positive(),
  depth: z.int().positive(),
  num_heads: z.int().positive(),
  mlp_ratio: z.number().positive().default(4),
  layer_norm_eps: z.number().positive().default(1e-6),
  img_size: z.int().positive().default(518),
  patch_size: z.int().positive().default(14),
  ffn_layer: z.literal('mlp').default('mlp'),
  num_register_tokens: z.literal(0).default(0),
  interpolate_antialias: z.literal(false).default(false),
  interpolate_offset: z.literal(0.1).default(0.1),
});

/**
 * Checks a parsed configuration: one with `embed_dim` describes the original layout, others transformers'.
 * @param interpolation replaces the one that belongs to the layout
 * @throws Error naming each field that is missing or has an unsupported value (registers, SwiGLU)
 */
export function parseDinoV2Config(json: unknown, interpolation?: PositionInterpolation): DinoV2Config {
  if (typeof json === 'object' && json !== null && 'embed_dim' in json) {
    const config = parseConfig(facebookSchema, json, 'DINOv2');
    return Object.freeze({
      layout: 'facebook',
      width: config.embed_dim,
      depth: config.depth,
      heads: config.num_heads,
      patchSize: config.patch_size,
      imageSize: config.img_size,
      feedForwardWidth: Math.floor(config.embed_dim * config.mlp_ratio),
      epsilon: config.layer_norm_eps,
      interpolation: interpolation ?? 'scaleFactor',
    });
  }
  const config = parseConfig(hfSchema, json, 'Dinov2Model');
  return Object.freeze({
    layout: 'hf',
    width: config.hidden_size,
    depth: config.num_hidden_layers,
    heads: config.num_attention_heads,
    patchSize: config.patch_size,
    imageSize: config.image_size,
    feedForwardWidth: Math.floor(config.hidden_size * config.mlp_ratio),
    epsilon: config.layer_norm_eps,
    interpolation: interpolation ?? 'size',
  });
}
