/**
 * Adapters in and out of files that other programs load: low-rank updates, whole weights, or soft tokens as a textual
 * inversion.
 */

import type { LoraPart } from '../weights/lora_file.ts';
import { readLoraAdapter, writeLoraAdapter } from '../weights/lora_file.ts';
import { writeSafetensors } from '../weights/safetensors_writer.ts';
import { openWeights } from '../weights/weight_source.ts';
import type { Adapter } from './adapter.ts';
import { adapterLayout } from './adapter.ts';
import { adaptableModules, adapterWithoutLora, EMBEDDING } from './adapter_weights.ts';
import { weightDifferences } from './adapter_weights_file.ts';
import type { TextToImageModel } from './model.ts';

/**
 * Reads an adapter for a model: a LoRA file of kohya, diffusers or PEFT (a folder), differences of whole weights, or a textual
 * inversion, whose vectors stand in front of every prompt.
 * @throws Error naming file and tensor when it is damaged or does not fit the model
 */
export function readAdapter(file: string, model: TextToImageModel): Adapter {
  const other = file.endsWith('.safetensors') ? adapterWithoutLora(openWeights([file]), model) : null;
  if (other !== null) return other;
  return Object.freeze({ lora: readLoraAdapter(file, adaptableModules(model)), softTokens: null });
}

/**
 * Writes an adapter as one `.safetensors` file: LoRA in kohya's format, whole weights as differences to the model's own, soft
 * tokens as a textual inversion.
 * @param metadata text fields of the file's header
 * @param model the model that the adapter belongs to; only whole weights need it
 * @throws Error when the adapter is of several kinds, or of none, or its model is needed and missing
 */
export function writeAdapter(
  file: string,
  adapter: Adapter,
  metadata: Readonly<Record<string, string>> = {},
  model?: Pick<TextToImageModel, LoraPart>,
): void {
  const { lora, softTokens, weights = null } = adapter;
  const kinds = [lora, softTokens, weights].filter((kind) => kind !== null);
  if (kinds.length !== 1) {
    const { textEncoder, unet, softTokens: tokens, weights: whole } = adapterLayout(adapter);
    const counts = `${textEncoder.size + unet.size} updates, ${whole.textEncoder.size + whole.unet.size} weights`;
    throw new Error(
      `${file}: expected low-rank updates, whole weights or soft tokens, received ${counts} and ${tokens} tokens`,
    );
  }
  if (lora !== null) {
    writeLoraAdapter(file, lora, { format: 'kohya', metadata });
  } else if (weights !== null) {
    if (model === undefined) throw new Error(`${file}: whole weights need their model to be written`);
    writeSafetensors(file, weightDifferences(weights, model), { ...metadata });
  } else {
    const { count, width, data } = softTokens!;
    writeSafetensors(file, new Map([[EMBEDDING, { dtype: 'F32' as const, shape: [count, width], data }]]), {
      ...metadata,
    });
  }
}
