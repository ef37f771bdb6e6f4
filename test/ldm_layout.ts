/**
 * Writes models in the layout of single-file checkpoints for the tests: names by walking the constructors of latent-diffusion's
 * networks (numbered blocks as they are appended), tensors from a model in diffusers' layout.
 */

import type { ClipTextConfig, UNetConfig, VaeConfig } from '../src/models/index.ts';

/** Names in the single file and in diffusers' layout, without `.weight` and `.bias`. */
export type NamePair = readonly [ldm: string, diffusers: string];

const RESNET: readonly NamePair[] = [
  ['in_layers.0', 'norm1'],
  ['in_layers.2', 'conv1'],
  ['emb_layers.1', 'time_emb_proj'],
  ['out_layers.0', 'norm2'],
  ['out_layers.3', 'conv2'],
  ['skip_connection', 'conv_shortcut'],
];
const TRANSFORMER = [
  'norm',
  'proj_in',
  ...['attn1', 'attn2'].flatMap((attention) =>
    ['to_q', 'to_k', 'to_v', 'to_out.0'].map((layer) => `transformer_blocks.0.${attention}.${layer}`),
  ),
  ...['ff.net.0.proj', 'ff.net.2', 'norm1', 'norm2', 'norm3'].map((layer) => `transformer_blocks.0.${layer}`),
  'proj_out',
];

function below(ldm: string, diffusers: string, pairs: readonly NamePair[]): NamePair[] {
  return pairs.map(([from, to]) => [`${ldm}.${from}`, `${diffusers}.${to}`]);
}

const transformer = (ldm: string, diffusers: string) =>
  below(
    ldm,
    diffusers,
    TRANSFORMER.map((name) => [name, name]),
  );

/** The U-Net's layers; `input_blocks` and `output_blocks` are numbered in the order in which they are appended. */
export function unetPairs(config: UNetConfig): NamePair[] {
  const root = 'model.diffusion_model';
  const levels = config.block_out_channels.length;
  const layers = config.layers_per_block as number;
  const pairs: NamePair[] = [
    [`${root}.time_embed.0`, 'time_embedding.linear_1'],
    [`${root}.time_embed.2`, 'time_embedding.linear_2'],
    [`${root}.input_blocks.0.0`, 'conv_in'],
    [`${root}.out.0`, 'conv_norm_out'],
    [`${root}.out.2`, 'conv_out'],
    ...below(`${root}.middle_block.0`, 'mid_block.resnets.0', RESNET.slice(0, 5)),
    ...transformer(`${root}.middle_block.1`, 'mid_block.attentions.0'),
    ...below(`${root}.middle_block.2`, 'mid_block.resnets.1', RESNET.slice(0, 5)),
  ];
  let appended = 1;
  for (let level = 0; level < levels; level++) {
    const attends = config.down_block_types[level] === 'CrossAttnDownBlock2D';
    for (let i = 0; i < layers; i++, appended++) {
      const block = `${root}.input_blocks.${appended}`;
      pairs.push(...below(`${block}.0`, `down_blocks.${level}.resnets.${i}`, RESNET));
      if (attends) pairs.push(...transformer(`${block}.1`, `down_blocks.${level}.attentions.${i}`));
    }
    if (level < levels - 1) {
      pairs.push([`${root}.input_blocks.${appended++}.0.op`, `down_blocks.${level}.downsamplers.0.conv`]);
    }
  }
  appended = 0;
  for (let level = 0; level < levels; level++) {
    const attends = config.up_block_types[level] === 'CrossAttnUpBlock2D';
    for (let i = 0; i <= layers; i++, appended++) {
      const modules = [];
      const block = `${root}.output_blocks.${appended}`;
      modules.push(below(`${block}.0`, `up_blocks.${level}.resnets.${i}`, RESNET));
      if (attends) modules.push(transformer(`${block}.1`, `up_blocks.${level}.attentions.${i}`));
      if (i === layers && level < levels - 1) {
        modules.push([
          [`${block}.${modules.length}.conv`, `up_blocks.${level}.upsamplers.0.conv`] as NamePair,
        ]);
      }
      pairs.push(...modules.flat());
    }
  }
  return pairs;
}

const VAE_RESNET: readonly NamePair[] = [
  ...['norm1', 'conv1', 'norm2', 'conv2'].map((name): NamePair => [name, name]),
  ['nin_shortcut', 'conv_shortcut'],
];

/** The autoencoder's layers. */
export function vaePairs(config: VaeConfig): NamePair[] {
  const root = 'first_stage_model';
  const levels = config.block_out_channels.length;
  const pairs: NamePair[] = [
    [`${root}.quant_conv`, 'quant_conv'],
    [`${root}.post_quant_conv`, 'post_quant_conv'],
  ];
  for (const half of ['encoder', 'decoder']) {
    pairs.push(
      ...below(`${root}.${half}`, half, [
        ['conv_in', 'conv_in'],
        ['norm_out', 'conv_norm_out'],
        ['conv_out', 'conv_out'],
        ...below('mid.block_1', 'mid_block.resnets.0', VAE_RESNET),
        ...below('mid.block_2', 'mid_block.resnets.1', VAE_RESNET),
        ...below('mid.attn_1', 'mid_block.attentions.0', [
          ['norm', 'group_norm'],
          ['q', 'to_q'],
          ['k', 'to_k'],
          ['v', 'to_v'],
          ['proj_out', 'to_out.0'],
        ]),
      ]),
    );
  }
  for (let level = 0; level < levels; level++) {
    for (let i = 0; i < config.layers_per_block; i++) {
      const [from, to] = [`encoder.down.${level}.block.${i}`, `encoder.down_blocks.${level}.resnets.${i}`];
      pairs.push(...below(`${root}.${from}`, to, VAE_RESNET));
    }
    const last = levels - 1;
    for (let i = 0; i <= config.layers_per_block; i++) {
      const [from, to] = [`decoder.up.${last - level}.block.${i}`, `decoder.up_blocks.${level}.resnets.${i}`];
      pairs.push(...below(`${root}.${from}`, to, VAE_RESNET));
    }
    if (level === last) continue;
    pairs.push(
      [`${root}.encoder.down.${level}.downsample.conv`, `encoder.down_blocks.${level}.downsamplers.0.conv`],
      [`${root}.decoder.up.${last - level}.upsample.conv`, `decoder.up_blocks.${level}.upsamplers.0.conv`],
    );
  }
  return pairs;
}

/** OpenCLIP's layers, the fused projections aside. */
export function openClipPairs({ num_hidden_layers: layers }: ClipTextConfig): NamePair[] {
  const root = 'cond_stage_model.model';
  return [
    [`${root}.token_embedding`, 'text_model.embeddings.token_embedding'],
    [`${root}.ln_final`, 'text_model.final_layer_norm'],
    ...Array.from({ length: layers }, (_, i) =>
      below(`${root}.transformer.resblocks.${i}`, `text_model.encoder.layers.${i}`, [
        ['ln_1', 'layer_norm1'],
        ['ln_2', 'layer_norm2'],
        ['attn.out_proj', 'self_attn.out_proj'],
        ['mlp.c_fc', 'mlp.fc1'],
        ['mlp.c_proj', 'mlp.fc2'],
      ]),
    ).flat(),
  ];
}

/** A tensor of a test model. */
export interface LayoutTensor {
  readonly shape: readonly number[];
  /** Left out where only names and shapes count. */
  readonly data: Float32Array;
}

type Tensors = ReadonlyMap<string, LayoutTensor>;

/** Tensors of the three parts in diffusers' layout. */
export interface LayoutParts {
  readonly unet: { readonly config: UNetConfig; readonly tensors: Tensors };
  readonly vae: { readonly config: VaeConfig; readonly tensors: Tensors };
  readonly textEncoder: { readonly config: ClipTextConfig; readonly tensors: Tensors };
}

function renamed(tensors: Tensors, pairs: readonly NamePair[]): [string, LayoutTensor][] {
  return pairs.flatMap(([ldm, diffusers]) =>
    ['weight', 'bias'].flatMap((ending): [string, LayoutTensor][] => {
      const tensor = tensors.get(`${diffusers}.${ending}`);
      return tensor === undefined ? [] : [[`${ldm}.${ending}`, tensor]];
    }),
  );
}

/** The same model as a single file's tensors; `version` 1 keeps CLIP's names, 2 has OpenCLIP's with a layer more. */
export function singleFileTensors(parts: LayoutParts, version: 1 | 2): Map<string, LayoutTensor> {
  const { unet, vae, textEncoder } = parts;
  const result = new Map(renamed(unet.tensors, unetPairs(unet.config)));
  for (const [name, { shape, data }] of renamed(vae.tensors, vaePairs(vae.config))) {
    const isProjection = /\.attn_1\.(q|k|v|proj_out)\.weight$/.test(name);
    result.set(name, { shape: isProjection ? [...shape, 1, 1] : shape, data });
  }
  const text = textEncoder.tensors;
  if (version === 1) {
    for (const [name, tensor] of text) result.set(`cond_stage_model.transformer.${name}`, tensor);
    return result;
  }
  const root = 'cond_stage_model.model';
  for (const [name, tensor] of renamed(text, openClipPairs(textEncoder.config))) result.set(name, tensor);
  result.set(`${root}.positional_embedding`, text.get('text_model.embeddings.position_embedding.weight')!);
  const layers = textEncoder.config.num_hidden_layers;
  for (let i = 0; i < layers; i++) {
    for (const ending of ['weight', 'bias']) {
      const [q, k, v] = ['q_proj', 'k_proj', 'v_proj'].map(
        (name) => text.get(`text_model.encoder.layers.${i}.self_attn.${name}.${ending}`)!,
      ) as [LayoutTensor, LayoutTensor, LayoutTensor];
      const data = new Float32Array(3 * q.data.length);
      [q, k, v].forEach((part, row) => {
        data.set(part.data, row * q.data.length);
      });
      const name = `${root}.transformer.resblocks.${i}.attn.in_proj_${ending}`;
      result.set(name, { shape: [3 * q.shape[0]!, ...q.shape.slice(1)], data });
    }
  }
  const last = `${root}.transformer.resblocks.${layers - 1}.`;
  for (const [name, tensor] of [...result]) {
    if (name.startsWith(last))
      result.set(name.replace(last, `${root}.transformer.resblocks.${layers}.`), tensor);
  }
  const projection = text.get('text_model.encoder.layers.0.self_attn.q_proj.weight')!;
  result.set(`${root}.text_projection`, projection);
  result.set(`${root}.logit_scale`, { shape: [], data: new Float32Array(1) });
  return result;
}
