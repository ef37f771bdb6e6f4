/** The graphs of a fine-tuning iteration on one image, as the pipeline builds them: what is measured at full size. */

import path from 'node:path';
import { adapterLayout, NO_ADAPTER_LAYOUT } from '../../src/diffusion/adapter.ts';
import { guidedDenoiser, imageDecoder, promptContext } from '../../src/diffusion/graphs.ts';
import type { TextToImageModel } from '../../src/diffusion/model.ts';
import { loadAttributeModel } from '../../src/faces/attributes.ts';
import { loadFaceEmbedder, openFaceBank } from '../../src/faces/index.ts';
import { loadClipImageEncoder, loadDinoImageEncoder } from '../../src/fairness/image_encoder.ts';
import { imageLossGraph } from '../../src/fairness/loss_graph.ts';
import type { Outputs } from '../../src/finetune/product_graphs.ts';
import { contextProduct, decoderProduct, denoiserProduct } from '../../src/finetune/product_graphs.ts';
import { initialAdapter } from '../../src/finetune/trained_part.ts';

/** Rank of the low-rank updates (METHOD section 5). */
const RANK = 50;

/** Makes the outputs of a stage. */
export type Stage = (model: TextToImageModel, side: number) => Outputs;

const product = (
  part: 'unet' | null,
  rest: { readonly conditions: boolean; readonly latents: boolean },
): Stage =>
  function build(model, side) {
    const layout =
      part === null ? NO_ADAPTER_LAYOUT : adapterLayout(initialAdapter(model, { kind: part, rank: RANK }, 1));
    const size = { height: side, width: side };
    return denoiserProduct(model, {
      batchSize: 1,
      size,
      layout,
      guidanceScale: 7.5,
      branches: 'both',
      ...rest,
    });
  };

/** Stages by name; `side` is that of the latents. Guidance makes the U-Net's batch 2. */
export const STAGES: Readonly<Record<string, Stage>> = Object.freeze({
  'unet forward': (model, side) => ({
    output: guidedDenoiser(model, 1, { height: side, width: side }, NO_ADAPTER_LAYOUT, true).value,
  }),
  'unet product by condition': product(null, { conditions: true, latents: false }),
  'unet product by LoRA': product('unet', { conditions: false, latents: false }),
  'decoder forward': (model, side) => ({
    images: imageDecoder(model, 1, { height: side, width: side }).images,
  }),
  'decoder product': (model, side) => decoderProduct(model, 1, { height: side, width: side }),
  'judges and loss': ({ path: folder, downscale }, side) => {
    const at = (name: string) => path.join(folder, name);
    const judges = {
      classifier: loadAttributeModel(at('classifier')),
      face: {
        embedder: loadFaceEmbedder(at('face_embedder')),
        bank: openFaceBank(at('face_bank.safetensors')),
      },
      encoders: [loadClipImageEncoder(at('clip')), loadDinoImageEncoder(at('dino'))],
    };
    return imageLossGraph(judges, 1, { height: side * downscale, width: side * downscale });
  },
  'text encoder forward': (model) => ({ context: promptContext(model, 1, NO_ADAPTER_LAYOUT).value }),
  'text encoder product by LoRA': (model) =>
    contextProduct(model, 1, adapterLayout(initialAdapter(model, { kind: 'text-encoder', rank: RANK }, 1))),
});
