/** The autoencoder between images and latents (diffusers' AutoencoderKL; Rombach et al. 2022, section 3.1). */

import { z } from 'zod';
import type { Value } from '../graph/building.ts';
import { add, clamp, exp, mul, scale, scope, silu, split } from '../graph/building.ts';
import { imageToTokens, multiHeadAttention, tokensToImage } from './attention_layer.ts';
import { parseConfig } from './config.ts';
import { convolution, namedGroupNorm } from './layers.ts';
import type { Parameters } from './parameters.ts';
import { downsample, resnetBlock, upsample } from './resnet_block.ts';

const EPSILON = 1e-6;

const schema = z.looseObject({
  in_channels: z.int().positive().default(3),
  out_channels: z.int().positive().default(3),
  latent_channels: z.int().positive().default(4),
  block_out_channels: z.array(z.int().positive()).nonempty(),
  down_block_types: z.array(z.literal('DownEncoderBlock2D')).optional(),
  up_block_types: z.array(z.literal('UpDecoderBlock2D')).optional(),
  layers_per_block: z.int().positive().default(1),
  norm_num_groups: z.int().positive().default(32),
  act_fn: z.enum(['silu', 'swish']).default('silu'),
  scaling_factor: z.number().positive().default(0.18215),
  shift_factor: z.literal(0).nullish(),
  use_quant_conv: z.boolean().default(true),
  use_post_quant_conv: z.boolean().default(true),
  mid_block_add_attention: z.boolean().default(true),
});

/** Configuration of the autoencoder: the fields of diffusers' vae/config.json that its graph depends on. */
export type VaeConfig = Readonly<z.output<typeof schema>>;

/**
 * Checks a parsed vae/config.json.
 * @throws Error naming each field that is missing or has an unsupported value
 */
export function parseVaeConfig(json: unknown): VaeConfig {
  const config = parseConfig(schema, json, 'AutoencoderKL');
  const levels = config.block_out_channels.length;
  for (const key of ['down_block_types', 'up_block_types'] as const) {
    const types = config[key];
    if (types !== undefined && types.length !== levels) {
      throw new Error(
        `AutoencoderKL configuration: ${key}: expected ${levels} entries, received ${types.length}`,
      );
    }
  }
  return config;
}

/** Factor between the sides of images and latents: 2^(levels - 1), which is 8 for Stable Diffusion. */
export function vaeDownscale(config: VaeConfig): number {
  return 2 ** (config.block_out_channels.length - 1);
}

/** Mean and logarithm of the variance of the latents' normal distribution, both [N, latentChannels, h, w], not scaled. */
export interface LatentMoments {
  readonly mean: Value;
  /** Limited to -30..20. */
  readonly logvar: Value;
}

/**
 * Images to the moments of their latents. The latents that the U-Net sees are `scaling_factor` times a sample.
 * @param image [N, in_channels, H, W] in -1..1, sides divisible by {@link vaeDownscale}
 * @returns moments [N, latent_channels, H/downscale, W/downscale]
 */
export function vaeEncode(config: VaeConfig, parameters: Parameters, image: Value): LatentMoments {
  const downscale = vaeDownscale(config);
  const [, channels, height, width] = image.shape as [number, number, number, number];
  if (channels !== config.in_channels || height % downscale !== 0 || width % downscale !== 0) {
    throw new Error(
      `vaeEncode: expected images [N, ${config.in_channels}, H, W] with sides divisible by ${downscale}, received [${image.shape}]`,
    );
  }
  return scope('vae.encoder', () => {
    const encoder = parameters.in('encoder');
    const widths = config.block_out_channels;
    let x = convolution(encoder, image, 'conv_in', { outputs: widths[0]! });
    widths.forEach((outputs, level) => {
      const block = encoder.in(`down_blocks.${level}`);
      for (let i = 0; i < config.layers_per_block; i++) {
        x = resnet(config, block.in(`resnets.${i}`), x, outputs);
      }
      if (level < widths.length - 1) x = downsample(block.in('downsamplers.0'), x, [0, 0, 1, 1]);
    });
    x = midBlock(config, encoder.in('mid_block'), x);
    x = silu(namedGroupNorm(encoder, x, 'conv_norm_out', config.norm_num_groups, EPSILON));
    const outputs = 2 * config.latent_channels;
    x = convolution(encoder, x, 'conv_out', { outputs });
    if (config.use_quant_conv) x = convolution(parameters, x, 'quant_conv', { outputs, kernel: 1 });
    const [mean, logvar] = split(x, 1, [config.latent_channels, config.latent_channels]);
    return { mean: mean!, logvar: clamp(logvar!, -30, 20) };
  });
}

/** A sample of latents: mean + exp(logvar/2) * noise, `noise` standard normal of the mean's shape. */
export function vaeSample({ mean, logvar }: LatentMoments, noise: Value): Value {
  return add(mean, mul(exp(scale(logvar, 0.5)), noise));
}

/**
 * Latents to images.
 * @param latents [N, latent_channels, h, w], already divided by `scaling_factor`
 * @returns [N, out_channels, h*downscale, w*downscale], about -1..1, not clamped
 */
export function vaeDecode(config: VaeConfig, parameters: Parameters, latents: Value): Value {
  if (latents.shape.length !== 4 || latents.shape[1] !== config.latent_channels) {
    throw new Error(
      `vaeDecode: expected latents [N, ${config.latent_channels}, h, w], received [${latents.shape}]`,
    );
  }
  return scope('vae.decoder', () => {
    const decoder = parameters.in('decoder');
    const widths = [...config.block_out_channels].reverse();
    const outputs = config.latent_channels;
    let x = latents;
    if (config.use_post_quant_conv) x = convolution(parameters, x, 'post_quant_conv', { outputs, kernel: 1 });
    x = convolution(decoder, x, 'conv_in', { outputs: widths[0]! });
    x = midBlock(config, decoder.in('mid_block'), x);
    widths.forEach((width, level) => {
      const block = decoder.in(`up_blocks.${level}`);
      for (let i = 0; i <= config.layers_per_block; i++) {
        x = resnet(config, block.in(`resnets.${i}`), x, width);
      }
      if (level < widths.length - 1) {
        x = upsample(block.in('upsamplers.0'), x, 2 * x.shape[2]!, 2 * x.shape[3]!);
      }
    });
    x = silu(namedGroupNorm(decoder, x, 'conv_norm_out', config.norm_num_groups, EPSILON));
    return convolution(decoder, x, 'conv_out', { outputs: config.out_channels });
  });
}

function resnet(config: VaeConfig, parameters: Parameters, x: Value, outputs: number): Value {
  return resnetBlock(parameters, x, { outputs, groups: config.norm_num_groups, epsilon: EPSILON });
}

function midBlock(config: VaeConfig, parameters: Parameters, x: Value): Value {
  const channels = x.shape[1]!;
  let h = resnet(config, parameters.in('resnets.0'), x, channels);
  if (config.mid_block_add_attention) h = midAttention(config, parameters.in('attentions.0'), h);
  return resnet(config, parameters.in('resnets.1'), h, channels);
}

/** Names of the attention's projections today, and in files of diffusers before 0.15 (Stable Diffusion 1.5's VAE). */
const PROJECTIONS = { q: 'to_q', k: 'to_k', v: 'to_v', out: 'to_out.0' } as const;
const OLD_PROJECTIONS = { q: 'query', k: 'key', v: 'value', out: 'proj_attn' } as const;

/** Self-attention over all pixels with a single head, plus its input. */
function midAttention(config: VaeConfig, parameters: Parameters, x: Value): Value {
  return scope('attention', () => {
    const names = parameters.has(`${PROJECTIONS.q}.weight`) ? PROJECTIONS : OLD_PROJECTIONS;
    const channels = x.shape[1]!;
    const shape = { inputs: channels, outputs: channels, bias: true };
    const normalized = namedGroupNorm(parameters, x, 'group_norm', config.norm_num_groups, EPSILON);
    const tokens = imageToTokens(normalized);
    const q = parameters.linear(tokens, names.q, shape);
    const k = parameters.linear(tokens, names.k, shape);
    const v = parameters.linear(tokens, names.v, shape);
    const mixed = parameters.linear(multiHeadAttention(q, k, v, 1), names.out, shape);
    return add(x, tokensToImage(mixed, x.shape[2]!, x.shape[3]!));
  });
}
