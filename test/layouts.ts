/** Small models with every structural feature of Stable Diffusion 1 and 2, and random weights, in all layouts that are read. */

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  expectedWeights,
  parseClipTextConfig,
  parseUNetConfig,
  parseVaeConfig,
} from '../src/models/index.ts';
import { clipTokenizerFiles } from '../src/text/clip_vocabulary.ts';
import type { SafetensorsDtype } from '../src/weights/safetensors_header.ts';
import { writeSafetensors } from '../src/weights/safetensors_writer.ts';
import type { LayoutParts, LayoutTensor } from './ldm_layout.ts';

const ATTENDS = ['CrossAttn', 'CrossAttn', 'CrossAttn', ''];

/** Configurations of a family, published or small: widths of the U-Net's and the autoencoder's levels and of the text encoder. */
export function familyConfigs(
  version: 1 | 2,
  sizes: {
    readonly unet: readonly number[];
    readonly vae: readonly number[];
    readonly text: { readonly width: number; readonly inner: number; readonly layers: number };
  },
) {
  const { unet, vae, text } = sizes;
  return {
    unet: {
      _class_name: 'UNet2DConditionModel',
      block_out_channels: unet,
      down_block_types: ATTENDS.map((attends) => `${attends}DownBlock2D`),
      up_block_types: [...ATTENDS].reverse().map((attends) => `${attends}UpBlock2D`),
      layers_per_block: 2,
      cross_attention_dim: text.width,
      attention_head_dim: version === 1 ? 8 : unet.map((width) => width / 64),
      use_linear_projection: version === 2,
      sample_size: version === 1 ? 64 : 96,
    },
    vae: { _class_name: 'AutoencoderKL', block_out_channels: vae, layers_per_block: 2 },
    text: {
      vocab_size: 49408,
      hidden_size: text.width,
      intermediate_size: text.inner,
      num_hidden_layers: text.layers,
      num_attention_heads: text.width / 64,
      hidden_act: version === 1 ? 'quick_gelu' : 'gelu',
    },
  };
}

/** Sizes that keep a test short. */
export const SMALL_SIZES = Object.freeze({
  1: { unet: [32, 32, 64, 64], vae: [32, 32, 32, 32], text: { width: 64, inner: 128, layers: 2 } },
  2: { unet: [64, 64, 128, 128], vae: [32, 32, 32, 32], text: { width: 64, inner: 128, layers: 2 } },
});

/** The published sizes of Stable Diffusion 1.5 and 2.1. */
export const PUBLISHED_SIZES = Object.freeze({
  1: {
    unet: [320, 640, 1280, 1280],
    vae: [128, 256, 512, 512],
    text: { width: 768, inner: 3072, layers: 12 },
  },
  2: {
    unet: [320, 640, 1280, 1280],
    vae: [128, 256, 512, 512],
    text: { width: 1024, inner: 4096, layers: 23 },
  },
});

/** Parts with the tensors of their configurations, made by `fill`. */
export function layoutParts(
  configs: ReturnType<typeof familyConfigs>,
  fill: (name: string, shape: readonly number[]) => Float32Array,
): LayoutParts {
  const tensorsOf = (shapes: ReadonlyMap<string, readonly number[]>) =>
    new Map(
      [...shapes].map(([name, shape]): [string, LayoutTensor] => [name, { shape, data: fill(name, shape) }]),
    );
  const unet = parseUNetConfig(configs.unet);
  const vae = parseVaeConfig(configs.vae);
  const textEncoder = parseClipTextConfig(configs.text);
  return {
    unet: { config: unet, tensors: tensorsOf(expectedWeights('unet', unet)) },
    vae: { config: vae, tensors: tensorsOf(expectedWeights('vae', vae)) },
    textEncoder: { config: textEncoder, tensors: tensorsOf(expectedWeights('textEncoder', textEncoder)) },
  };
}

/** Uniform numbers of a linear congruential generator, small for matrices and about 1 for scales of norms. */
export function randomFill(): (name: string, shape: readonly number[]) => Float32Array {
  let state = 1;
  return (name, shape) => {
    const fanIn = shape.slice(1).reduce((product, size) => product * size, 1);
    const centre = /norm.*\.weight$|group_norm\.weight$/.test(name) ? 1 : 0;
    const data = new Float32Array(shape.reduce((product, size) => product * size, 1));
    for (let i = 0; i < data.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      data[i] = centre + (state / 2 ** 31 - 1) / Math.sqrt(fanIn);
    }
    return data;
  };
}

/** Writes tensors as one safetensors file of an element type. */
export function writeTensors(
  file: string,
  tensors: ReadonlyMap<string, LayoutTensor>,
  dtype: SafetensorsDtype = 'F32',
  metadata: Readonly<Record<string, string>> = {},
): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeSafetensors(
    file,
    new Map([...tensors].map(([name, tensor]) => [name, { dtype, ...tensor }])),
    metadata,
  );
}

/** How the weights of a diffusers directory are laid out. */
export interface DirectoryLayout {
  /** Two shards and an index in place of one file. */
  readonly sharded?: boolean;
  /** `fp16` in the files' names. */
  readonly variant?: string;
  readonly dtype?: SafetensorsDtype;
  /** The autoencoder's attention as the published Stable Diffusion 1.5 has it. */
  readonly oldVaeNames?: boolean;
  readonly prediction?: string;
}

const OLD_NAMES: readonly (readonly [string, string])[] = [
  ['to_q', 'query'],
  ['to_k', 'key'],
  ['to_v', 'value'],
  ['to_out.0', 'proj_attn'],
];

function oldName(name: string): string {
  if (!name.includes('mid_block.attentions')) return name;
  return OLD_NAMES.reduce((old, [today, before]) => old.replace(`.${today}.`, `.${before}.`), name);
}

/** Writes a model in diffusers' layout. */
export function writeDirectory(
  folder: string,
  parts: LayoutParts,
  configs: ReturnType<typeof familyConfigs>,
  layout: DirectoryLayout = {},
): void {
  const { sharded = false, variant, dtype = 'F32', oldVaeNames = false, prediction = 'epsilon' } = layout;
  const json = (name: string, content: object) => {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), JSON.stringify(content));
  };
  const component = (
    name: string,
    stem: string,
    config: object,
    tensors: ReadonlyMap<string, LayoutTensor>,
  ) => {
    json(`${name}/config.json`, config);
    const middle = variant === undefined ? '' : `.${variant}`;
    if (!sharded) {
      writeTensors(path.join(folder, name, `${stem}${middle}.safetensors`), tensors, dtype);
      return;
    }
    const list = [...tensors];
    const half = Math.ceil(list.length / 2);
    const weightMap: Record<string, string> = {};
    [list.slice(0, half), list.slice(half)].forEach((shard, i) => {
      const file = `${stem}${middle}-0000${i + 1}-of-00002.safetensors`;
      writeTensors(path.join(folder, name, file), new Map(shard), dtype);
      for (const [tensor] of shard) weightMap[tensor] = file;
    });
    const index = `${stem}.safetensors.index${middle}.json`;
    json(`${name}/${index}`, { metadata: {}, weight_map: weightMap });
  };
  const vae = oldVaeNames
    ? new Map([...parts.vae.tensors].map(([name, tensor]) => [oldName(name), tensor]))
    : parts.vae.tensors;
  component('unet', 'diffusion_pytorch_model', configs.unet, parts.unet.tensors);
  component('vae', 'diffusion_pytorch_model', configs.vae, vae);
  component('text_encoder', 'model', configs.text, parts.textEncoder.tensors);
  const { vocabJson, mergesTxt } = clipTokenizerFiles();
  mkdirSync(path.join(folder, 'tokenizer'), { recursive: true });
  writeFileSync(path.join(folder, 'tokenizer/vocab.json'), vocabJson);
  writeFileSync(path.join(folder, 'tokenizer/merges.txt'), mergesTxt);
  json('scheduler/scheduler_config.json', {
    _class_name: 'PNDMScheduler',
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    prediction_type: prediction,
    set_alpha_to_one: false,
    skip_prk_steps: true,
    steps_offset: 1,
  });
  json('model_index.json', {
    _class_name: 'StableDiffusionPipeline',
    scheduler: ['diffusers', 'PNDMScheduler'],
    text_encoder: ['transformers', 'CLIPTextModel'],
    tokenizer: ['transformers', 'CLIPTokenizer'],
    unet: ['diffusers', 'UNet2DConditionModel'],
    vae: ['diffusers', 'AutoencoderKL'],
  });
}
