/**
 * Adapters in and out of files that other programs load: low-rank updates, whole weights, or soft tokens as a textual
 * inversion.
 */

import type { LoraFormat, LoraPart } from '../weights/lora_file.ts';
import { readLoraAdapter, writeLoraAdapter } from '../weights/lora_file.ts';
import { writeSafetensors } from '../weights/safetensors_writer.ts';
import { openWeights } from '../weights/weight_source.ts';
import type { Adapter } from './adapter.ts';
import { adapterLayout } from './adapter.ts';
import type { AdapterKind } from './adapter_scale.ts';
import { adapterKinds, KIND_NAMES } from './adapter_scale.ts';
import { adaptableModules, adapterWithoutLora } from './adapter_weights.ts';
import { weightDifferences } from './adapter_weights_file.ts';
import type { TextToImageModel } from './model.ts';
import { EMBEDDING } from './soft_tokens_file.ts';

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

/** Formats that adapters are written in; each holds some kinds of adapters. */
export type AdapterFormat = 'kohya' | 'diffusers' | 'peft' | 'textual-inversion';

/** Formats by what an adapter changes. */
const FORMATS: Readonly<Record<AdapterKind, readonly AdapterFormat[]>> = Object.freeze({
  lora: ['kohya', 'diffusers', 'peft'],
  softTokens: ['textual-inversion'],
  weights: ['kohya'],
});

/** How to write an adapter. */
export interface WriteAdapterOptions {
  /** `kohya` for updates and whole weights (differences), `textual-inversion` for soft tokens, if not given. */
  readonly format?: AdapterFormat | undefined;
  /** Element type, F32 if not given. */
  readonly dtype?: 'F32' | 'F16' | undefined;
  /** Name of the tensor of a textual inversion, which diffusers takes for the token; `emb_params` if not given. */
  readonly token?: string | undefined;
  /** Name of the model for PEFT's configuration. */
  readonly baseModel?: string | undefined;
}

/**
 * Writes an adapter as a `.safetensors` file, or for PEFT as a folder: LoRA, whole weights as differences to the model's own, soft
 * tokens as a textual inversion.
 * @param metadata text fields of the file's header
 * @param model the model that the adapter belongs to; only whole weights need it
 * @throws Error when the adapter is of several kinds, or of none, or one that the format cannot hold, or its model is needed and
 * missing
 */
export function writeAdapter(
  file: string,
  adapter: Adapter,
  metadata: Readonly<Record<string, string>> = {},
  model?: Pick<TextToImageModel, LoraPart>,
  options: WriteAdapterOptions = {},
): void {
  const { lora, softTokens, weights = null } = adapter;
  const kinds = adapterKinds(adapter);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    const { textEncoder, unet, softTokens: tokens, weights: whole } = adapterLayout(adapter);
    const counts = `${textEncoder.size + unet.size} updates, ${whole.textEncoder.size + whole.unet.size} weights`;
    throw new Error(
      `${file}: expected low-rank updates, whole weights or soft tokens, received ${counts} and ${tokens} tokens`,
    );
  }
  const { format = FORMATS[kind][0]!, dtype = 'F32', token = EMBEDDING, baseModel } = options;
  if (!FORMATS[kind].includes(format)) {
    throw new Error(
      `${file}: ${KIND_NAMES[kind]} cannot be written as ${format}, only as ${FORMATS[kind].join(', ')}`,
    );
  }
  if (lora !== null) {
    const base = baseModel === undefined ? {} : { baseModel };
    writeLoraAdapter(file, lora, { ...{ format: format as LoraFormat, dtype, metadata }, ...base });
  } else if (weights !== null) {
    if (model === undefined) throw new Error(`${file}: whole weights need their model to be written`);
    writeSafetensors(file, weightDifferences(weights, model, dtype), { ...metadata });
  } else {
    const { count, width, data } = softTokens!;
    writeSafetensors(file, new Map([[token, { dtype, shape: [count, width], data }]]), { ...metadata });
  }
}
