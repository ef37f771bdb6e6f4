/** Whole models of Portraits, forward, and the vector-Jacobian products that fine-tuning takes of them. */

import { NO_ADAPTER_LAYOUT } from '../src/diffusion/adapter.ts';
import { guidedDenoiser, imageDecoder, promptContext } from '../src/diffusion/graphs.ts';
import type { TextToImageModel } from '../src/diffusion/model.ts';
import type { Value } from '../src/graph/index.ts';
import { gradient, input } from '../src/graph/index.ts';
import type { BenchCase } from './measure.ts';

/** Images and prompts that are computed at once, as the pipeline does. */
const BATCH = Object.freeze({ images: 8, prompts: 4 });

/** Rank of the low-rank updates that the text encoder's gradient is taken by, and the layers that have them. */
const RANK = 50;

/** Forward and backward of the denoiser (with guidance: twice the batch), the decoder and the text encoder. */
export function modelCases(model: TextToImageModel): BenchCase[] {
  const side = model.defaultSide / model.downscale;
  const size = { height: side, width: side };
  const backward = (output: Value, inputs: readonly Value[]) => {
    const gradients = gradient([output], [input('cotangent', output.shape)], inputs);
    return Object.fromEntries(gradients.map((value, i) => [`gradient ${i}`, value]));
  };
  const denoiser = () => guidedDenoiser(model, BATCH.images, size, NO_ADAPTER_LAYOUT, true);
  const layers = Array.from({ length: model.textEncoder.config.num_hidden_layers }, (_, i) =>
    [
      'self_attn.q_proj',
      'self_attn.k_proj',
      'self_attn.v_proj',
      'self_attn.out_proj',
      'mlp.fc1',
      'mlp.fc2',
    ].map((name) => [`text_model.encoder.layers.${i}.${name}`, { rank: RANK, scale: 1 }] as const),
  ).flat();
  const adapted = { ...NO_ADAPTER_LAYOUT, textEncoder: new Map(layers) };
  return [
    {
      name: `U-Net, ${BATCH.images} images with guidance: forward`,
      build: () => ({ noise: denoiser().value }),
    },
    {
      name: `U-Net, ${BATCH.images} images with guidance: gradient by the condition`,
      build() {
        const { value, condition } = denoiser();
        return backward(value, [condition]);
      },
    },
    {
      name: `decoder, ${BATCH.images} images: forward`,
      build: () => ({ images: imageDecoder(model, BATCH.images, size).images }),
    },
    {
      name: `decoder, ${BATCH.images} images: gradient by the latents`,
      build() {
        const { images, latents } = imageDecoder(model, BATCH.images, size);
        return backward(images, [latents]);
      },
    },
    {
      name: `text encoder, ${BATCH.prompts} prompts: forward`,
      build: () => ({ context: promptContext(model, BATCH.prompts, NO_ADAPTER_LAYOUT).value }),
    },
    {
      name: `text encoder, ${BATCH.prompts} prompts: gradient by LoRA of rank ${RANK}`,
      build() {
        const { value, adapterInputs } = promptContext(model, BATCH.prompts, adapted);
        return backward(value, [...adapterInputs.values()]);
      },
    },
  ];
}
