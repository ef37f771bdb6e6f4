/** The U-Net that predicts noise from noisy latents, a timestep and text (diffusers' UNet2DConditionModel). */

import type { Value } from '../graph/building.ts';
import { concat, scope, silu } from '../graph/building.ts';
import { convolution, namedGroupNorm } from './layers.ts';
import type { Parameters } from './parameters.ts';
import { downsample, resnetBlock, upsample } from './resnet_block.ts';
import { sinusoidalEmbedding, timeEmbeddingNetwork } from './time_embedding.ts';
import { spatialTransformer } from './transformer_block.ts';
import type { UNetConfig, UNetLevel } from './unet_config.ts';
import { unetLevels } from './unet_config.ts';

export type { UNetConfig } from './unet_config.ts';
export { parseUNetConfig } from './unet_config.ts';

/** Called with the output of each block under the block's name, for example `down_blocks.0.resnets.1`. */
export type BlockObserver = (name: string, value: Value) => void;

/** What every block of the network needs. */
interface Setting {
  readonly config: UNetConfig;
  readonly timeEmbedding: Value;
  readonly context: Value;
  readonly contextBias: Value | null;
  readonly observe: BlockObserver;
}

/**
 * The model's prediction (noise or velocity, whichever it was trained for) for noisy latents.
 * @param latents [N, in_channels, H, W], of any size
 * @param timesteps [N] float32, in 0..999; fractions are allowed
 * @param context text embeddings [N, L, cross_attention_dim]
 * @param observe sees the blocks' outputs; for tests
 * @param contextBias added to the scores of the attention to the text [N, 1, 1, L]; null for none
 * @returns [N, out_channels, H, W]
 */
export function unet(
  config: UNetConfig,
  parameters: Parameters,
  latents: Value,
  timesteps: Value,
  context: Value,
  observe: BlockObserver = () => {},
  contextBias: Value | null = null,
): Value {
  checkInputs(config, latents, timesteps, context);
  return scope('unet', () => {
    const levels = unetLevels(config);
    const first = levels[0]!.channels;
    const waves = sinusoidalEmbedding(timesteps, first, config.flip_sin_to_cos, config.freq_shift);
    observe('time_proj', waves);
    const size = config.time_embedding_dim ?? 4 * first;
    const timeEmbedding = timeEmbeddingNetwork(parameters.in('time_embedding'), waves, size);
    observe('time_embedding', timeEmbedding);
    const setting: Setting = { config, timeEmbedding, context, contextBias, observe };

    let x = convolution(parameters, latents, 'conv_in', { outputs: first });
    observe('conv_in', x);
    const skips = [x];
    levels.forEach((level, i) => {
      x = downBlock(setting, parameters, level, i, x, skips);
    });
    x = midBlock(setting, parameters.in('mid_block'), levels[levels.length - 1]!, x);
    observe('mid_block', x);
    [...levels].reverse().forEach((level, i) => {
      x = upBlock(setting, parameters, level, i, x, skips);
    });
    x = namedGroupNorm(parameters, x, 'conv_norm_out', config.norm_num_groups, config.norm_eps);
    observe('conv_norm_out', x);
    return convolution(parameters, silu(x), 'conv_out', { outputs: config.out_channels });
  });
}

function checkInputs(config: UNetConfig, latents: Value, timesteps: Value, context: Value): void {
  const batch = latents.shape[0];
  const faults = [
    latents.shape.length === 4 && latents.shape[1] === config.in_channels
      ? ''
      : `latents [N, ${config.in_channels}, H, W], received [${latents.shape}]`,
    timesteps.shape.length === 1 && timesteps.shape[0] === batch && timesteps.dtype === 'float32'
      ? ''
      : `timesteps float32[${batch}], received ${timesteps.dtype}[${timesteps.shape}]`,
    context.shape.length === 3 &&
    context.shape[0] === batch &&
    context.shape[2] === config.cross_attention_dim
      ? ''
      : `context [${batch}, L, ${config.cross_attention_dim}], received [${context.shape}]`,
  ].filter((fault) => fault !== '');
  if (faults.length > 0) throw new Error(`unet: expected ${faults.join('; ')}`);
}

/** Appends the output of every layer to `skips`. */
function downBlock(
  setting: Setting,
  parameters: Parameters,
  level: UNetLevel,
  index: number,
  input: Value,
  skips: Value[],
): Value {
  const { config, observe } = setting;
  const name = `down_blocks.${index}`;
  const block = parameters.in(name);
  return scope(name, () => {
    let x = input;
    for (let i = 0; i < level.resnets; i++) {
      x = resnet(setting, block, `resnets.${i}`, x, level.channels);
      observe(`${name}.resnets.${i}`, x);
      if (config.down_block_types[index] === 'CrossAttnDownBlock2D') {
        x = transformer(setting, block, `attentions.${i}`, level, x);
        observe(`${name}.attentions.${i}`, x);
      }
      skips.push(x);
    }
    if (index < config.block_out_channels.length - 1) {
      x = downsample(block.in('downsamplers.0'), x, config.downsample_padding);
      skips.push(x);
    }
    observe(name, x);
    return x;
  });
}

function midBlock(setting: Setting, parameters: Parameters, level: UNetLevel, input: Value): Value {
  return scope('mid_block', () => {
    const outputScale = setting.config.mid_block_scale_factor;
    let x = resnet(setting, parameters, 'resnets.0', input, level.channels, outputScale);
    x = transformer(setting, parameters, 'attentions.0', level, x);
    return resnet(setting, parameters, 'resnets.1', x, level.channels, outputScale);
  });
}

/** Takes its inputs off the end of `skips`, and enlarges to the size of the next one. */
function upBlock(
  setting: Setting,
  parameters: Parameters,
  level: UNetLevel,
  index: number,
  input: Value,
  skips: Value[],
): Value {
  const { config, observe } = setting;
  const name = `up_blocks.${index}`;
  const block = parameters.in(name);
  return scope(name, () => {
    let x = input;
    for (let i = 0; i <= level.resnets; i++) {
      x = resnet(setting, block, `resnets.${i}`, concat([x, skips.pop()!], 1), level.channels);
      observe(`${name}.resnets.${i}`, x);
      if (config.up_block_types[index] === 'CrossAttnUpBlock2D') {
        x = transformer(setting, block, `attentions.${i}`, level, x);
        observe(`${name}.attentions.${i}`, x);
      }
    }
    const next = skips[skips.length - 1];
    if (next !== undefined) x = upsample(block.in('upsamplers.0'), x, next.shape[2]!, next.shape[3]!);
    observe(name, x);
    return x;
  });
}

function resnet(
  { config, timeEmbedding }: Setting,
  parameters: Parameters,
  name: string,
  x: Value,
  outputs: number,
  outputScale = 1,
): Value {
  const { norm_num_groups: groups, norm_eps: epsilon } = config;
  return resnetBlock(parameters.in(name), x, { outputs, groups, epsilon, timeEmbedding, outputScale });
}

function transformer(
  { config, context, contextBias }: Setting,
  parameters: Parameters,
  name: string,
  { heads, transformerLayers }: UNetLevel,
  x: Value,
): Value {
  return spatialTransformer(parameters.in(name), x, context, contextBias, {
    heads,
    layers: transformerLayers,
    groups: config.norm_num_groups,
    linearProjection: config.use_linear_projection ?? false,
  });
}
