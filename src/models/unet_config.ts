/** Configuration of the diffusion U-Net: diffusers' unet/config.json for the Stable Diffusion 1.x and 2.x families. */

import { z } from 'zod';
import { parseConfig } from './config.ts';

const counts = z.union([z.int().positive(), z.array(z.int().positive()).nonempty()]);
const absent = z.null().optional();
const off = z.union([z.literal(false), z.array(z.literal(false))]).nullish();

const schema = z.looseObject({
  in_channels: z.int().positive().default(4),
  out_channels: z.int().positive().default(4),
  sample_size: z.union([z.int().positive(), z.array(z.int().positive())]).nullish(),
  block_out_channels: z.array(z.int().positive()).nonempty(),
  down_block_types: z.array(z.enum(['CrossAttnDownBlock2D', 'DownBlock2D'])),
  up_block_types: z.array(z.enum(['CrossAttnUpBlock2D', 'UpBlock2D'])),
  mid_block_type: z.literal('UNetMidBlock2DCrossAttn').nullish(),
  layers_per_block: counts.default(2),
  transformer_layers_per_block: counts.default(1),
  cross_attention_dim: z.int().positive(),
  attention_head_dim: counts.default(8),
  num_attention_heads: counts.nullish(),
  use_linear_projection: z.boolean().nullish(),
  act_fn: z.enum(['silu', 'swish']).default('silu'),
  norm_num_groups: z.int().positive().default(32),
  norm_eps: z.number().positive().default(1e-5),
  downsample_padding: z.int().nonnegative().default(1),
  mid_block_scale_factor: z.number().positive().default(1),
  flip_sin_to_cos: z.boolean().default(true),
  freq_shift: z.number().default(0),
  center_input_sample: z.literal(false).optional(),
  resnet_time_scale_shift: z.literal('default').optional(),
  time_embedding_type: z.literal('positional').optional(),
  time_embedding_dim: z.int().positive().nullish(),
  conv_in_kernel: z.literal(3).optional(),
  conv_out_kernel: z.literal(3).optional(),
  dual_cross_attention: off,
  only_cross_attention: off,
  class_embed_type: absent,
  num_class_embeds: absent,
  addition_embed_type: absent,
  encoder_hid_dim: absent,
  encoder_hid_dim_type: absent,
  time_cond_proj_dim: absent,
});

/** The fields of the U-Net's configuration that its graph depends on. */
export type UNetConfig = Readonly<z.output<typeof schema>>;

/**
 * Checks a parsed unet/config.json.
 * @throws Error naming each field that is missing, does not fit the number of levels, or has an unsupported value
 */
export function parseUNetConfig(json: unknown): UNetConfig {
  const config = parseConfig(schema, json, 'UNet2DConditionModel');
  const levels = config.block_out_channels.length;
  const lists = [
    'down_block_types',
    'up_block_types',
    'layers_per_block',
    'transformer_layers_per_block',
    'attention_head_dim',
    'num_attention_heads',
  ] as const;
  for (const key of lists) {
    const value = config[key];
    if (Array.isArray(value) && value.length !== levels) {
      throw new Error(
        `UNet2DConditionModel configuration: ${key}: expected ${levels} entries, received ${value.length}`,
      );
    }
  }
  if (config.block_out_channels[0]! % 2 !== 0) {
    throw new Error(
      `UNet2DConditionModel configuration: block_out_channels.0: expected an even number, received ${config.block_out_channels[0]}`,
    );
  }
  return config;
}

/** What one resolution level of the U-Net consists of. */
export interface UNetLevel {
  readonly channels: number;
  /** Residual blocks on the way down; one more on the way up. */
  readonly resnets: number;
  /** Attention heads. What configurations call attention_head_dim is the number of heads in these models. */
  readonly heads: number;
  readonly transformerLayers: number;
}

/** The levels from the full resolution down. */
export function unetLevels(config: UNetConfig): readonly UNetLevel[] {
  const at = (value: number | readonly number[], level: number) =>
    typeof value === 'number' ? value : value[level]!;
  return config.block_out_channels.map((channels, level) => ({
    channels,
    resnets: at(config.layers_per_block, level),
    heads: at(config.num_attention_heads ?? config.attention_head_dim, level),
    transformerLayers: at(config.transformer_layers_per_block, level),
  }));
}
