/**
 * The U-Net of a single-file checkpoint (Rombach et al.'s latent-diffusion, `model.diffusion_model.*`): its configuration by the
 * shapes of its tensors, and their names in diffusers' layout.
 */

import type { JsonObject } from '../json_file.ts';
import type { WeightSource } from '../weight_source.ts';
import type { LdmPart } from './part.ts';
import { countModules, placeWeights, sizeOf } from './part.ts';

/** What the U-Net's tensors are called in single-file checkpoints. */
export const UNET_PREFIX = 'model.diffusion_model.';

/** Layers of a residual block. */
const RESNET: Readonly<Record<string, string>> = Object.freeze({
  'in_layers.0': 'norm1',
  'in_layers.2': 'conv1',
  'emb_layers.1': 'time_emb_proj',
  'out_layers.0': 'norm2',
  'out_layers.3': 'conv2',
  skip_connection: 'conv_shortcut',
});

/** Layers outside the numbered blocks. */
const SINGLE: Readonly<Record<string, string>> = Object.freeze({
  'time_embed.0': 'time_embedding.linear_1',
  'time_embed.2': 'time_embedding.linear_2',
  'input_blocks.0.0': 'conv_in',
  'out.0': 'conv_norm_out',
  'out.2': 'conv_out',
});

/** What one numbered input or output block is in diffusers' layout. */
interface Block {
  /** `down_blocks.0` or `up_blocks.3`. */
  readonly level: string;
  readonly resnet: number | null;
}

interface Structure {
  readonly channels: readonly number[];
  readonly resnets: readonly number[];
  readonly hasAttention: readonly boolean[];
  /** Input and output blocks by their number. */
  readonly inputs: readonly (Block | null)[];
  readonly outputs: readonly Block[];
}

/** Levels as the numbered input blocks form them: residual blocks, and a downsampler that ends a level. */
function findStructure(source: WeightSource): Structure {
  const at = (name: string) => `${UNET_PREFIX}${name}`;
  const channels: number[] = [];
  const resnets: number[] = [];
  const hasAttention: boolean[] = [];
  const inputs: (Block | null)[] = [null];
  let level = 0;
  const blocks = countModules(source, at('input_blocks.'));
  for (let i = 1; i < blocks; i++) {
    if (source.has(at(`input_blocks.${i}.0.op.weight`))) {
      inputs.push({ level: `down_blocks.${level}`, resnet: null });
      level++;
      continue;
    }
    const resnet = resnets[level] ?? 0;
    channels[level] = sizeOf(source, at(`input_blocks.${i}.0.in_layers.2.weight`), 0);
    resnets[level] = resnet + 1;
    hasAttention[level] = source.has(at(`input_blocks.${i}.1.norm.weight`));
    inputs.push({ level: `down_blocks.${level}`, resnet });
  }
  const outputs = [...resnets]
    .reverse()
    .flatMap((count, i) =>
      Array.from({ length: count + 1 }, (_, resnet) => ({ level: `up_blocks.${i}`, resnet })),
    );
  return { channels, resnets, hasAttention, inputs, outputs };
}

/** Diffusers' name of the module inside a numbered block; null when the block has no such module. */
function moduleName({ level, resnet }: Block, position: number, rest: string): string | null {
  if (resnet === null) return position === 0 && rest === 'op' ? `${level}.downsamplers.0.conv` : null;
  if (position === 0) return rest in RESNET ? `${level}.resnets.${resnet}.${RESNET[rest]}` : null;
  if (rest === 'conv') return `${level}.upsamplers.0.conv`;
  return position === 1 ? `${level}.attentions.${resnet}.${rest}` : null;
}

function rename(name: string, { inputs, outputs }: Structure): string | null {
  const dot = name.lastIndexOf('.');
  const module = name.slice(0, dot);
  const ending = name.slice(dot);
  if (module in SINGLE) return `${SINGLE[module]}${ending}`;
  const middle = /^middle_block\.([012])\.(.+)$/.exec(module);
  if (middle !== null) {
    const [, position, rest] = middle as unknown as [string, string, string];
    if (position === '1') return `mid_block.attentions.0.${rest}${ending}`;
    return rest in RESNET ? `mid_block.resnets.${position === '0' ? 0 : 1}.${RESNET[rest]}${ending}` : null;
  }
  const numbered = /^(input|output)_blocks\.(\d+)\.(\d+)\.(.+)$/.exec(module);
  if (numbered === null) return null;
  const [, side, number, position, rest] = numbered as unknown as [string, string, string, string, string];
  const block = (side === 'input' ? inputs : outputs)[Number(number)];
  const renamed = block ? moduleName(block, Number(position), rest) : null;
  return renamed === null ? null : `${renamed}${ending}`;
}

/** Heads of 64 channels in Stable Diffusion 2, eight heads in 1. */
const HEAD_CHANNELS = 64;
const HEADS = 8;

function inferConfig(source: WeightSource, structure: Structure): JsonObject {
  const { channels, resnets, hasAttention } = structure;
  const at = (name: string) => `${UNET_PREFIX}${name}`;
  const middle = 'middle_block.1.transformer_blocks.';
  const isLinear = source.info(at('middle_block.1.proj_in.weight')).shape.length === 2;
  const depth = countModules(source, at(middle));
  const same = new Set(resnets).size === 1;
  const types = (kind: string) =>
    hasAttention.map((attends) => (attends ? `CrossAttn${kind}Block2D` : `${kind}Block2D`));
  return {
    _class_name: 'UNet2DConditionModel',
    act_fn: 'silu',
    attention_head_dim: isLinear ? channels.map((width) => Math.max(1, width / HEAD_CHANNELS)) : HEADS,
    block_out_channels: channels,
    center_input_sample: false,
    cross_attention_dim: sizeOf(source, at(`${middle}0.attn2.to_k.weight`), 1),
    down_block_types: types('Down'),
    downsample_padding: 1,
    flip_sin_to_cos: true,
    freq_shift: 0,
    in_channels: sizeOf(source, at('input_blocks.0.0.weight'), 1),
    layers_per_block: same ? resnets[0] : resnets,
    mid_block_scale_factor: 1,
    norm_eps: 1e-5,
    norm_num_groups: 32,
    out_channels: sizeOf(source, at('out.2.weight'), 0),
    ...(depth === 1 ? {} : { transformer_layers_per_block: depth }),
    up_block_types: types('Up').reverse(),
    use_linear_projection: isLinear,
  };
}

/**
 * Reads the U-Net's structure off the names and shapes of a checkpoint's tensors.
 * @throws when a tensor is missing that the structure is read off
 */
export function readLdmUNet(source: WeightSource): LdmPart {
  const structure = findStructure(source);
  const config = inferConfig(source, structure);
  const placed = placeWeights(source, UNET_PREFIX, (name) => {
    const renamed = rename(name, structure);
    return renamed === null ? [] : [[renamed, {}]];
  });
  return { config, ...placed };
}
