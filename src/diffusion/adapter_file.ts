/**
 * Adapters in and out of files that other programs load: low-rank updates, whole weights, or soft tokens as a textual
 * inversion.
 */

import type { LoraPart } from '../weights/lora_file.ts';
import { LORA_PARTS, readLoraAdapter, writeLoraAdapter } from '../weights/lora_file.ts';
import { writeSafetensors } from '../weights/safetensors_writer.ts';
import { openWeights } from '../weights/weight_source.ts';
import type { Adapter, SoftTokens } from './adapter.ts';
import { adapterLayout } from './adapter.ts';
import { readWeightDifferences, weightDifferences } from './adapter_weights_file.ts';
import { contextLength } from './graphs.ts';
import type { TextToImageModel } from './model.ts';

/** The tensor that AUTOMATIC1111, ComfyUI and diffusers read from a textual inversion file. */
const EMBEDDING = 'emb_params';

/**
 * Reads an adapter for a model: a LoRA file of kohya, diffusers or PEFT (a folder), differences of whole weights, or a textual
 * inversion, whose vectors stand in front of every prompt.
 * @throws Error naming file and tensor when it is damaged or does not fit the model
 */
export function readAdapter(file: string, model: TextToImageModel): Adapter {
  const isFile = file.endsWith('.safetensors');
  const softTokens = isFile ? readSoftTokens(file, model) : null;
  if (softTokens !== null) return Object.freeze({ lora: null, softTokens });
  const weights = isFile ? readWeightDifferences(file, model) : null;
  if (weights !== null) return Object.freeze({ lora: null, softTokens: null, weights });
  const paths = Object.fromEntries(
    LORA_PARTS.map((part) => [part, modulePaths(model[part].weights.names())]),
  );
  return Object.freeze({ lora: readLoraAdapter(file, paths), softTokens: null });
}

function modulePaths(names: readonly string[]): string[] {
  return names.filter((name) => name.endsWith('.weight')).map((name) => name.slice(0, -'.weight'.length));
}

/** The soft tokens of a file, `null` when it holds something else. */
function readSoftTokens(file: string, model: TextToImageModel): SoftTokens | null {
  const weights = openWeights([file]);
  if (!weights.has(EMBEDDING)) return null;
  const { shape } = weights.info(EMBEDDING);
  const [count = 0, width] = shape;
  const expected = model.textEncoder.config.hidden_size;
  const most = contextLength(model) - 2;
  if (shape.length !== 2 || width !== expected || count < 1 || count > most) {
    throw new Error(
      `${file}: expected ${EMBEDDING} [1..${most}, ${expected}], received [${shape.join(', ')}]`,
    );
  }
  return Object.freeze({ count, width, data: weights.readFloat32(EMBEDDING) });
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
