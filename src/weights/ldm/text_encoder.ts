/**
 * The text encoder of a single-file checkpoint: CLIP ViT-L under transformers' own names (Stable Diffusion 1), or OpenCLIP ViT-H
 * (Stable Diffusion 2), whose fused projections are taken apart by rows.
 */

import type { WeightSource } from '../weight_source.ts';
import type { WeightPlace } from '../weight_view.ts';
import type { LdmPart } from './part.ts';
import { countModules, placeWeights, sizeOf } from './part.ts';

/** What the text encoder's tensors are called in checkpoints of Stable Diffusion 1 and 2. */
export const TEXT_PREFIXES = Object.freeze({
  clip: 'cond_stage_model.transformer.',
  openClip: 'cond_stage_model.model.',
});

/** Width of a head in every CLIP text encoder. */
const HEAD_WIDTH = 64;
const EMBEDDINGS = 'text_model.embeddings';

/** Layers that OpenCLIP ViT-H has; the last one is not used, since Stable Diffusion 2 takes the state before it. */
const USED_LAYERS_OF_VIT_H = 23;

type Renamed = readonly (readonly [string, Omit<WeightPlace, 'name'>])[];

function textConfig(sizes: {
  readonly vocabulary: number;
  readonly positions: number;
  readonly width: number;
  readonly inner: number;
  readonly layers: number;
  readonly activation: 'quick_gelu' | 'gelu';
}): LdmPart['config'] {
  return {
    architectures: ['CLIPTextModel'],
    bos_token_id: 0,
    eos_token_id: 2,
    hidden_act: sizes.activation,
    hidden_size: sizes.width,
    intermediate_size: sizes.inner,
    layer_norm_eps: 1e-5,
    max_position_embeddings: sizes.positions,
    model_type: 'clip_text_model',
    num_attention_heads: Math.max(1, sizes.width / HEAD_WIDTH),
    num_hidden_layers: sizes.layers,
    pad_token_id: 1,
    vocab_size: sizes.vocabulary,
  };
}

/** Reads CLIP under transformers' names; some checkpoints leave out `text_model.`. */
export function readLdmClip(source: WeightSource): LdmPart {
  const prefix = TEXT_PREFIXES.clip;
  const stem = source.has(`${prefix}embeddings.token_embedding.weight`) ? prefix : `${prefix}text_model.`;
  const config = textConfig({
    vocabulary: sizeOf(source, `${stem}embeddings.token_embedding.weight`, 0),
    positions: sizeOf(source, `${stem}embeddings.position_embedding.weight`, 0),
    width: sizeOf(source, `${stem}embeddings.token_embedding.weight`, 1),
    inner: sizeOf(source, `${stem}encoder.layers.0.mlp.fc1.weight`, 0),
    layers: countModules(source, `${stem}encoder.layers.`),
    activation: 'quick_gelu',
  });
  const known = /^(embeddings\.(token|position)_embedding|final_layer_norm|encoder\.layers\.\d+\.\w+)\b/;
  const placed = placeWeights(source, stem, (name) => (known.test(name) ? [[`text_model.${name}`, {}]] : []));
  const beside = source.names().filter((name) => name.startsWith(prefix) && !name.startsWith(stem));
  return { config, places: placed.places, leftOver: [...placed.leftOver, ...beside] };
}

const OPEN_CLIP_LAYER: Readonly<Record<string, string>> = Object.freeze({
  ln_1: 'layer_norm1',
  ln_2: 'layer_norm2',
  'attn.out_proj': 'self_attn.out_proj',
  'mlp.c_fc': 'mlp.fc1',
  'mlp.c_proj': 'mlp.fc2',
});

function renameOpenClip(name: string, shape: readonly number[]): Renamed {
  if (name === 'positional_embedding') return [[`${EMBEDDINGS}.position_embedding.weight`, {}]];
  if (name === 'token_embedding.weight') return [[`${EMBEDDINGS}.${name}`, {}]];
  if (/^ln_final\.(weight|bias)$/.test(name)) {
    return [[name.replace('ln_final', 'text_model.final_layer_norm'), {}]];
  }
  const found = /^transformer\.resblocks\.(\d+)\.(.+)$/.exec(name);
  if (found === null) return [];
  const [, layer, rest] = found as unknown as [string, string, string];
  const target = `text_model.encoder.layers.${layer}`;
  if (rest === 'attn.in_proj_weight' || rest === 'attn.in_proj_bias') {
    // The rows of query, key and value lie one below the other (torch's MultiheadAttention).
    const rows = shape[0]! / 3;
    const ending = rest.endsWith('weight') ? 'weight' : 'bias';
    return ['q_proj', 'k_proj', 'v_proj'].map((projection, i) => [
      `${target}.self_attn.${projection}.${ending}`,
      { shape: [rows, ...shape.slice(1)], firstRow: i * rows },
    ]);
  }
  const dot = rest.lastIndexOf('.');
  const module = OPEN_CLIP_LAYER[rest.slice(0, dot)];
  return module === undefined ? [] : [[`${target}.${module}${rest.slice(dot)}`, {}]];
}

/**
 * Reads OpenCLIP: all layers but the last, for Stable Diffusion 2 is conditioned on the state before it. The last layer is left
 * over, as are the projection and scale of contrastive training.
 */
export function readLdmOpenClip(source: WeightSource): LdmPart {
  const prefix = TEXT_PREFIXES.openClip;
  const stored = countModules(source, `${prefix}transformer.resblocks.`);
  const layers = stored === USED_LAYERS_OF_VIT_H ? stored : stored - 1;
  const config = textConfig({
    vocabulary: sizeOf(source, `${prefix}token_embedding.weight`, 0),
    positions: sizeOf(source, `${prefix}positional_embedding`, 0),
    width: sizeOf(source, `${prefix}token_embedding.weight`, 1),
    inner: sizeOf(source, `${prefix}transformer.resblocks.0.mlp.c_fc.weight`, 0),
    layers,
    activation: 'gelu',
  });
  const unusedLayer = layers < stored ? `transformer.resblocks.${layers}.` : null;
  const placed = placeWeights(source, prefix, (name, shape) =>
    unusedLayer !== null && name.startsWith(unusedLayer) ? [] : renameOpenClip(name, shape),
  );
  return { config, ...placed };
}
