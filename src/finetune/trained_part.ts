/** What finetuning trains: soft tokens in front of the prompt, or low-rank updates of the text encoder; how they start. */

import type { Adapter } from '../diffusion/adapter.ts';
import { adapterFeeds } from '../diffusion/adapter.ts';
import type { TextToImageModel } from '../diffusion/model.ts';
import { gaussianNoise } from '../diffusion/noise.ts';
import type { LoraLayer } from '../weights/lora_file.ts';
import { createLoraLayer } from '../weights/lora_file.ts';

/** A choice of what is trained (METHOD section 5). */
export type TrainedPart =
  | { readonly kind: 'prompt'; readonly tokens: number }
  | { readonly kind: 'text-encoder'; readonly rank: number; readonly alpha?: number };

/** Linear layers of one text encoder layer that receive low-rank updates, with their sizes as multiples of config fields. */
const TEXT_ENCODER_TARGETS = [
  ['self_attn.q_proj', 'hidden', 'hidden'],
  ['self_attn.k_proj', 'hidden', 'hidden'],
  ['self_attn.v_proj', 'hidden', 'hidden'],
  ['self_attn.out_proj', 'hidden', 'hidden'],
  ['mlp.fc1', 'hidden', 'intermediate'],
  ['mlp.fc2', 'intermediate', 'hidden'],
] as const;

/** Deviation of the soft tokens' first values, that of CLIP's own token embedding at its initialisation. */
const SOFT_TOKEN_DEVIATION = 0.02;

function textEncoderLayers(
  model: TextToImageModel,
  rank: number,
  alpha: number,
  seed: number,
): Map<string, LoraLayer> {
  const { hidden_size, intermediate_size, num_hidden_layers } = model.textEncoder.config;
  const sizes = { hidden: hidden_size, intermediate: intermediate_size };
  const layers = new Map<string, LoraLayer>();
  for (let i = 0; i < num_hidden_layers; i++) {
    for (const [target, from, to] of TEXT_ENCODER_TARGETS) {
      const path = `text_model.encoder.layers.${i}.${target}`;
      const [inputs, outputs] = [sizes[from], sizes[to]];
      const down = gaussianNoise({ seed, stream: `lora ${path}` }, rank * inputs).map(
        (value) => value / rank,
      );
      const up = new Float32Array(outputs * rank);
      layers.set(
        path,
        createLoraLayer({ shape: [rank, inputs], data: down }, { shape: [outputs, rank], data: up }, alpha),
      );
    }
  }
  return layers;
}

/**
 * The adapter with which training starts. Low-rank updates start without effect: down ~ N(0, (1/rank)^2), up = 0, alpha = rank
 * unless given. Soft tokens start small and random.
 */
export function initialAdapter(model: TextToImageModel, part: TrainedPart, seed: number): Adapter {
  if (part.kind === 'prompt') {
    const width = model.textEncoder.config.hidden_size;
    const data = gaussianNoise({ seed, stream: 'soft tokens' }, part.tokens * width).map(
      (value) => value * SOFT_TOKEN_DEVIATION,
    );
    return { lora: null, softTokens: { count: part.tokens, width, data } };
  }
  const { rank, alpha = rank } = part;
  const textEncoder = textEncoderLayers(model, rank, alpha, seed);
  return { lora: { textEncoder, unet: new Map(), metadata: {} }, softTokens: null };
}

/** The adapter's trained tensors by graph input name: the very arrays that the adapter holds, not copies. */
export function trainedTensors(adapter: Adapter): Map<string, Float32Array> {
  return new Map(Object.entries(adapterFeeds(adapter)));
}

/** An adapter of the same layout that holds other values, by graph input name (arrays are taken over, not copied). */
export function withTensors(adapter: Adapter, tensors: ReadonlyMap<string, Float32Array>): Adapter {
  const { lora, softTokens } = adapter;
  const replaceLayers = (part: 'textEncoder' | 'unet', layers: ReadonlyMap<string, LoraLayer>) =>
    new Map(
      [...layers].map(([path, layer]) => {
        const down = {
          shape: layer.down.shape,
          data: tensors.get(`${part}.${path}.lora_down`) ?? layer.down.data,
        };
        const up = { shape: layer.up.shape, data: tensors.get(`${part}.${path}.lora_up`) ?? layer.up.data };
        return [path, createLoraLayer(down, up, layer.alpha)] as const;
      }),
    );
  return {
    lora: lora && {
      textEncoder: replaceLayers('textEncoder', lora.textEncoder),
      unet: replaceLayers('unet', lora.unet),
      metadata: lora.metadata,
    },
    softTokens: softTokens && { ...softTokens, data: tensors.get('soft_tokens') ?? softTokens.data },
  };
}
