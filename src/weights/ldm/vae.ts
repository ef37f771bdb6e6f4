/** The autoencoder of a single-file checkpoint (`first_stage_model.*`): configuration by shapes, names in diffusers' layout. */

import type { WeightSource } from '../weight_source.ts';
import type { LdmPart } from './part.ts';
import { countModules, placeWeights, sizeOf } from './part.ts';

/** What the autoencoder's tensors are called in single-file checkpoints. */
export const VAE_PREFIX = 'first_stage_model.';

const MIDDLE: Readonly<Record<string, string>> = Object.freeze({
  block_1: 'resnets.0',
  attn_1: 'attentions.0',
  block_2: 'resnets.1',
});
const ATTENTION: Readonly<Record<string, string>> = Object.freeze({
  norm: 'group_norm',
  q: 'to_q',
  k: 'to_k',
  v: 'to_v',
  proj_out: 'to_out.0',
});

function renameModule(module: string, levels: number): string | null {
  if (module === 'quant_conv' || module === 'post_quant_conv') return module;
  const [half, ...rest] = module.split('.');
  if (half !== 'encoder' && half !== 'decoder') return null;
  const inner = rest.join('.');
  if (inner === 'conv_in' || inner === 'conv_out') return `${half}.${inner}`;
  if (inner === 'norm_out') return `${half}.conv_norm_out`;
  const middle = /^mid\.(block_1|attn_1|block_2)\.(\w+)$/.exec(inner);
  if (middle !== null) {
    const [, block, layer] = middle as unknown as [string, string, string];
    const renamed = block === 'attn_1' ? ATTENTION[layer] : resnetLayer(layer);
    return renamed ? `${half}.mid_block.${MIDDLE[block]}.${renamed}` : null;
  }
  const side = half === 'encoder' ? 'down' : 'up';
  const numbered = new RegExp(`^${side}\\.(\\d+)\\.(.+)$`).exec(inner);
  if (numbered === null) return null;
  // The decoder counts its levels from the full resolution down, diffusers in the order of computing.
  const level = side === 'down' ? Number(numbered[1]) : levels - 1 - Number(numbered[1]);
  const block = `${half}.${side}_blocks.${level}`;
  if (numbered[2] === `${side}sample.conv`) return `${block}.${side}samplers.0.conv`;
  const resnet = /^block\.(\d+)\.(\w+)$/.exec(numbered[2]!);
  const layer = resnet && resnetLayer(resnet[2]!);
  return layer ? `${block}.resnets.${resnet[1]}.${layer}` : null;
}

function resnetLayer(layer: string): string | null {
  if (layer === 'nin_shortcut') return 'conv_shortcut';
  return /^(norm|conv)[12]$/.test(layer) ? layer : null;
}

/**
 * Reads the autoencoder's structure off the names and shapes of a checkpoint's tensors. The attention's projections, stored
 * as 1x1 convolutions [C, C, 1, 1] or as matrices, are matrices [C, C] in diffusers' layout: the same bytes.
 * @throws when a tensor is missing that the structure is read off
 */
export function readLdmVae(source: WeightSource): LdmPart {
  const at = (name: string) => `${VAE_PREFIX}${name}`;
  const levels = countModules(source, at('encoder.down.'));
  const channels = Array.from({ length: levels }, (_, level) =>
    sizeOf(source, at(`encoder.down.${level}.block.0.conv1.weight`), 0),
  );
  const config = {
    _class_name: 'AutoencoderKL',
    act_fn: 'silu',
    block_out_channels: channels,
    down_block_types: channels.map(() => 'DownEncoderBlock2D'),
    in_channels: sizeOf(source, at('encoder.conv_in.weight'), 1),
    latent_channels: sizeOf(source, at('post_quant_conv.weight'), 0),
    layers_per_block: countModules(source, at('encoder.down.0.block.')),
    norm_num_groups: 32,
    out_channels: sizeOf(source, at('decoder.conv_out.weight'), 0),
    scaling_factor: 0.18215,
    up_block_types: channels.map(() => 'UpDecoderBlock2D'),
  };
  const placed = placeWeights(source, VAE_PREFIX, (name, shape) => {
    const dot = name.lastIndexOf('.');
    const module = renameModule(name.slice(0, dot), levels);
    if (module === null) return [];
    const isMatrix = /\.to_(q|k|v|out\.0)$/.test(module) && name.endsWith('.weight');
    const place = isMatrix ? { shape: shape.slice(0, 2) } : {};
    return [[`${module}${name.slice(dot)}`, place]];
  });
  return { config, ...placed };
}
