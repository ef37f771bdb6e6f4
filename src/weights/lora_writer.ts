/** LoRA adapters out of memory into files: kohya, diffusers (new and old) and PEFT. */

import { join } from 'node:path';
import { writeTextAtomically } from './atomic_file.ts';
import { LORA_PARTS, type LoraAdapter, type LoraLayer, type LoraPart, withoutAlpha } from './lora_adapter.ts';
import { writeLoraConfig } from './lora_config.ts';
import { diffusersPrefix, formatLoraKey, type LoraFormat } from './lora_names.ts';
import { PEFT_CONFIG_FILE, PEFT_PART_FOLDER, PEFT_WEIGHTS_FILE } from './lora_reader.ts';
import { makeFolder } from './make_folder.ts';
import { hashTensorData, type TensorToWrite, writeSafetensors } from './safetensors_writer.ts';

/** How an adapter is written. */
export interface WriteLoraOptions {
  /**
   * `kohya` is what AUTOMATIC1111, Forge, ComfyUI, InvokeAI and diffusers all load; `diffusers` is its
   * current format with alpha in the metadata; `diffusers-old` has the scale multiplied into the up matrices;
   * `peft` is a folder.
   */
  readonly format: LoraFormat;
  /** Element type of the matrices, F32 if not given. */
  readonly dtype?: 'F32' | 'F16' | 'BF16';
  /** Added to the adapter's own metadata and to what the format calls for; wins where keys are equal. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Name of the base model for PEFT's config. */
  readonly baseModel?: string;
}

type Layers = ReadonlyMap<string, LoraLayer>;

function tensorsOf(part: LoraPart, layers: Layers, format: LoraFormat, dtype: TensorToWrite['dtype']) {
  const tensors: [string, TensorToWrite][] = [];
  for (const [module, original] of layers) {
    const layer = format === 'diffusers-old' ? withoutAlpha(original) : original;
    tensors.push([formatLoraKey(format, part, module, 'down'), { dtype, ...layer.down }]);
    tensors.push([formatLoraKey(format, part, module, 'up'), { dtype, ...layer.up }]);
    if (format === 'kohya') {
      const alpha = { dtype: 'F32' as const, shape: [], data: Float32Array.of(layer.alpha) };
      tensors.push([formatLoraKey(format, part, module, 'alpha'), alpha]);
    }
  }
  return tensors;
}

/** The one value that all layers share, or kohya's word for several. */
function sharedValue(adapter: LoraAdapter, field: 'rank' | 'alpha'): string {
  const values = new Set(
    LORA_PARTS.flatMap((part) => Array.from(adapter[part].values(), (layer) => layer[field])),
  );
  return values.size === 1 ? String([...values][0]) : 'Dynamic';
}

function kohyaMetadata(
  adapter: LoraAdapter,
  tensors: ReadonlyMap<string, TensorToWrite>,
): Record<string, string> {
  return {
    ss_network_module: 'networks.lora',
    ss_network_dim: sharedValue(adapter, 'rank'),
    ss_network_alpha: sharedValue(adapter, 'alpha'),
    sshs_model_hash: hashTensorData(tensors),
  };
}

function diffusersMetadata(adapter: LoraAdapter): Record<string, string> {
  const fields = LORA_PARTS.filter((part) => adapter[part].size > 0).flatMap((part) =>
    Object.entries(writeLoraConfig(adapter[part])).map(([field, value]) => [
      diffusersPrefix(part) + field,
      value,
    ]),
  );
  return { format: 'pt', lora_adapter_metadata: JSON.stringify(Object.fromEntries(fields)) };
}

function writeSingleFile(path: string, adapter: LoraAdapter, options: WriteLoraOptions): void {
  const { format, dtype = 'F32' } = options;
  const list = LORA_PARTS.flatMap((part) => tensorsOf(part, adapter[part], format, dtype));
  const tensors = new Map(list);
  if (tensors.size !== list.length)
    throw new Error(`${path}: two module paths get the same name in the format ${format}`);
  const required =
    format === 'kohya'
      ? kohyaMetadata(adapter, tensors)
      : format === 'diffusers'
        ? diffusersMetadata(adapter)
        : { format: 'pt' };
  writeSafetensors(path, tensors, { ...adapter.metadata, ...required, ...options.metadata });
}

function writePeftFolder(
  folder: string,
  part: LoraPart,
  adapter: LoraAdapter,
  options: WriteLoraOptions,
): void {
  makeFolder(folder);
  const tensors = new Map(tensorsOf(part, adapter[part], 'peft', options.dtype ?? 'F32'));
  const metadata = { ...adapter.metadata, format: 'pt', ...options.metadata };
  writeSafetensors(join(folder, PEFT_WEIGHTS_FILE), tensors, metadata);
  const config = {
    ...writeLoraConfig(adapter[part]),
    task_type: null,
    base_model_name_or_path: options.baseModel ?? null,
    fan_in_fan_out: false,
    modules_to_save: null,
    inference_mode: true,
  };
  writeTextAtomically(join(folder, PEFT_CONFIG_FILE), `${JSON.stringify(config, null, 2)}\n`);
}

/** Metadata of the format that an adapter was read from, which would be false in a file of another format. */
const FORMAT_METADATA = /^(format|lora_adapter_metadata|sshs_\w+|ss_network_(module|dim|alpha))$/;

/**
 * Writes an adapter in one of the formats.
 * @param path a `.safetensors` file; for `peft` a folder, which gets the sub-folders `text_encoder` and
 * `unet` when the adapter has both parts
 * @throws when the adapter has no layers, or one that the format cannot name
 */
export function writeLoraAdapter(path: string, adapter: LoraAdapter, options: WriteLoraOptions): void {
  const parts = LORA_PARTS.filter((part) => adapter[part].size > 0);
  if (parts.length === 0) throw new Error(`${path}: the adapter has no layers to write`);
  const kept = Object.entries(adapter.metadata).filter(([key]) => !FORMAT_METADATA.test(key));
  const clean: LoraAdapter = { ...adapter, metadata: Object.fromEntries(kept) };
  if (options.format !== 'peft') {
    writeSingleFile(path, clean, options);
    return;
  }
  for (const part of parts) {
    const folder = parts.length === 1 ? path : join(path, PEFT_PART_FOLDER[part]);
    writePeftFolder(folder, part, clean, options);
  }
}
