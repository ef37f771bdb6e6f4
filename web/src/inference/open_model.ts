/** A model from what the server sends: the same model object as on the server, over bytes in memory. */

import type { Adapter } from '../../../src/diffusion/adapter.ts';
import { adapterFromWeights } from '../../../src/diffusion/adapter_weights.ts';
import type { TextToImageModel } from '../../../src/diffusion/assemble_model.ts';
import { assembleTextToImageModel } from '../../../src/diffusion/assemble_model.ts';
import { createClipTokenizer } from '../../../src/text/create_clip_tokenizer.ts';
import { weightsFromBytes, withPrefix } from '../../../src/weights/weights_in_memory.ts';
import type { BrowserModel } from '../api/types.ts';

/** Path by which graphs refer to the weights. */
export const WEIGHTS_PATH = '/weights.safetensors';

/**
 * Puts the model together.
 * @param bytes the file of weights that `sent` names
 * @throws Error when weights are missing or do not fit the configurations
 */
export function openModel(sent: BrowserModel, bytes: Uint8Array<ArrayBuffer>): TextToImageModel {
  const weights = weightsFromBytes(bytes, WEIGHTS_PATH);
  const part = (name: 'textEncoder' | 'unet' | 'vae') => ({
    path: `${sent.name}/${name}`,
    config: sent.configs[name],
    weights: withPrefix(weights, `${name}.`),
  });
  return assembleTextToImageModel({
    path: sent.name,
    textEncoder: part('textEncoder'),
    unet: part('unet'),
    vae: part('vae'),
    schedulerFile: sent.scheduler,
    guidanceScale: sent.guidanceScale,
    tokenizer: createClipTokenizer(sent.tokenizer),
    decoderOnly: true,
  });
}

/**
 * The adapter of a file that the server sent.
 * @throws Error naming the tensor that does not fit the model
 */
export function openAdapter(name: string, bytes: Uint8Array<ArrayBuffer>, model: TextToImageModel): Adapter {
  const weights = weightsFromBytes(bytes, `/${name}.safetensors`);
  return adapterFromWeights(weights, weights.metadata, model);
}
