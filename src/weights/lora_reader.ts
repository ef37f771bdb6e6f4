/** LoRA files into memory: kohya, diffusers of every age, and PEFT directories. */

import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readJsonObject } from './json_file.ts';
import { LORA_PARTS, type LoraAdapter, type LoraModulePaths, type LoraPart } from './lora_adapter.ts';
import { type AlphaOf, readLoraConfig } from './lora_config.ts';
import {
  createResolver,
  PEFT_CONFIG_FILE,
  PEFT_WEIGHTS_FILE,
  type ResolveModule,
  readLayers,
  readLoraWeights,
} from './lora_layers.ts';
import { openSafetensors } from './safetensors.ts';
import { weightsFromFile } from './weight_source.ts';

export { PEFT_CONFIG_FILE, PEFT_WEIGHTS_FILE } from './lora_layers.ts';

/** File name of a diffusers adapter in its folder. */
export const DIFFUSERS_LORA_FILE = 'pytorch_lora_weights.safetensors';
/** Folder of each part when a PEFT adapter has two. */
export const PEFT_PART_FOLDER: Readonly<Record<LoraPart, string>> = Object.freeze({
  textEncoder: 'text_encoder',
  unet: 'unet',
});

function readPeftFolder(folder: string, resolve: ResolveModule): LoraAdapter {
  const configPath = join(folder, PEFT_CONFIG_FILE);
  const config = readJsonObject(configPath);
  let alphaOf: AlphaOf;
  try {
    alphaOf = readLoraConfig(config);
  } catch (error) {
    throw new Error(`${configPath}: ${(error as Error).message}`, { cause: error });
  }
  const file = openSafetensors(join(folder, PEFT_WEIGHTS_FILE));
  const layers = readLayers(weightsFromFile(file), resolve, { textEncoder: alphaOf, unet: alphaOf });
  return Object.freeze({ ...layers, metadata: file.metadata });
}

function readSingleFile(path: string, resolve: ResolveModule): LoraAdapter {
  const file = openSafetensors(path);
  return readLoraWeights(weightsFromFile(file), file.metadata, resolve);
}

function readFolder(folder: string, resolve: ResolveModule): LoraAdapter {
  if (existsSync(join(folder, PEFT_CONFIG_FILE))) return readPeftFolder(folder, resolve);
  const diffusersFile = join(folder, DIFFUSERS_LORA_FILE);
  if (existsSync(diffusersFile)) return readSingleFile(diffusersFile, resolve);
  const parts = LORA_PARTS.filter((part) =>
    existsSync(join(folder, PEFT_PART_FOLDER[part], PEFT_CONFIG_FILE)),
  );
  if (parts.length === 0) {
    throw new Error(
      `${folder}: expected ${DIFFUSERS_LORA_FILE} or ${PEFT_CONFIG_FILE} with ${PEFT_WEIGHTS_FILE} in the folder`,
    );
  }
  const read = parts.map((part) => readPeftFolder(join(folder, PEFT_PART_FOLDER[part]), resolve));
  return Object.freeze({
    textEncoder: new Map(read.flatMap((adapter) => [...adapter.textEncoder])),
    unet: new Map(read.flatMap((adapter) => [...adapter.unet])),
    metadata: Object.freeze(Object.assign({}, ...read.map((adapter) => adapter.metadata))),
  });
}

/**
 * Reads a LoRA adapter of any of the formats: a `.safetensors` file (kohya, diffusers old and new), or a
 * folder (PEFT, one or two parts, or diffusers). Where alpha is stated nowhere it is the rank, as all the
 * libraries take it.
 * @param path of the file or folder
 * @param modulePaths module paths of the model's adaptable layers; needed for kohya files, and for the others
 * checked if given
 * @throws when a tensor is not understood, not part of the model, doubled or without its counterpart; the
 * message names it
 */
export function readLoraAdapter(path: string, modulePaths: LoraModulePaths = {}): LoraAdapter {
  const resolve = createResolver(modulePaths);
  if (statSync(path).isDirectory()) return readFolder(path, resolve);
  const isPeft = basename(path) === PEFT_WEIGHTS_FILE && existsSync(join(dirname(path), PEFT_CONFIG_FILE));
  return isPeft ? readPeftFolder(dirname(path), resolve) : readSingleFile(path, resolve);
}
