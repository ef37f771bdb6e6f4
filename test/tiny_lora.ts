/** A LoRA of the tiny model with noise in both of its parts, strong enough that images change. */

import type { Adapter } from '../src/diffusion/adapter.ts';
import { gaussianNoise } from '../src/diffusion/noise.ts';
import { createLoraLayer, type LoraLayer } from '../src/weights/lora_file.ts';

function layer(outputs: number, inputs: number, alpha: number): LoraLayer {
  const noise = (stream: string, count: number) => gaussianNoise({ seed: 3, stream }, count);
  const down = { shape: [2, inputs], data: noise('down', 2 * inputs) };
  return createLoraLayer(down, { shape: [outputs, 2], data: noise('up', 2 * outputs) }, alpha);
}

/**
 * Updates of one layer of the text encoder and one of the U-Net.
 * @param factor what their alphas are multiplied by
 */
export function tinyLora(factor = 1): Adapter {
  const textEncoder = new Map([['text_model.encoder.layers.0.self_attn.v_proj', layer(32, 32, 3 * factor)]]);
  const unet = new Map([
    ['down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v', layer(16, 32, 2 * factor)],
  ]);
  return { lora: { textEncoder, unet, metadata: {} }, softTokens: null };
}
