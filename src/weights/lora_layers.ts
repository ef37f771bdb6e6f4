/** LoRA tensors to an adapter's layers, in the naming of kohya, diffusers of every age, and PEFT. */

import { requireFinite } from './finite.ts';
import { isJsonObject, type JsonObject } from './json_object.ts';
import {
  createLoraLayer,
  LORA_PARTS,
  type LoraAdapter,
  type LoraLayer,
  type LoraMatrix,
  type LoraModulePaths,
  type LoraPart,
} from './lora_adapter.ts';
import { type AlphaOf, readLoraConfig } from './lora_config.ts';
import { diffusersPrefix, flattenModulePath, type LoraRole, parseLoraKey } from './lora_names.ts';
import type { WeightSource } from './weights_in_memory.ts';

/** File names of a PEFT adapter in its folder. */
export const PEFT_WEIGHTS_FILE = 'adapter_model.safetensors';
/** See {@link PEFT_WEIGHTS_FILE}. */
export const PEFT_CONFIG_FILE = 'adapter_config.json';
/** What it means that a model lacks a module of a file that is in order. */
const OTHER_MODEL = '; the adapter was made for another model';
/** Resolves module names of keys to module paths of the model. */
export type ResolveModule = (part: LoraPart, module: string, flattened: boolean) => string;

/**
 * The resolver for a model. Flattened names are ambiguous in themselves (`to_out_0`), so they are looked up among the
 * model's own module paths.
 * @throws (when called) for a module that the model does not have
 */
export function createResolver(modulePaths: LoraModulePaths): ResolveModule {
  const known = new Map<LoraPart, { paths: Set<string>; byFlat: Map<string, string[]> }>();
  for (const part of LORA_PARTS) {
    const paths = modulePaths[part];
    if (paths === undefined) continue;
    const set = new Set(paths);
    known.set(part, { paths: set, byFlat: groupByFlat(set) });
  }
  return (part, module, flattened) => {
    const model = known.get(part);
    if (!flattened) {
      if (model !== undefined && !model.paths.has(module))
        throw new Error(`the ${part} has no module ${module} to adapt${OTHER_MODEL}`);
      return module;
    }
    if (model === undefined) {
      throw new Error(
        `the flattened name ${module} needs the list of module paths of the ${part}, which was not given`,
      );
    }
    const paths = model.byFlat.get(module) ?? [];
    if (paths.length !== 1) {
      throw new Error(
        paths.length === 0
          ? `the ${part} has no module that flattens to ${module}${OTHER_MODEL}`
          : `${module} is ambiguous: it stands for ${paths.join(' and ')}`,
      );
    }
    return paths[0];
  };
}

function groupByFlat(paths: Iterable<string>): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const path of paths) {
    const flat = flattenModulePath(path);
    groups.set(flat, [...(groups.get(flat) ?? []), path]);
  }
  return groups;
}

/** Tensors of one layer as they are found. */
type FoundTensors = Partial<Record<LoraRole, string>>;

function groupKeys(
  source: WeightSource,
  resolve: ResolveModule,
): Record<LoraPart, Map<string, FoundTensors>> {
  const groups = { textEncoder: new Map<string, FoundTensors>(), unet: new Map<string, FoundTensors>() };
  for (const key of source.names()) {
    const { part, module, flattened, role } = parseLoraKey(key);
    const path = resolve(part, module, flattened);
    const found = groups[part].get(path) ?? {};
    if (found[role] !== undefined) throw new Error(`${found[role]} and ${key} name the same tensor`);
    found[role] = key;
    groups[part].set(path, found);
  }
  return groups;
}

function readMatrix(source: WeightSource, key: string): LoraMatrix {
  return Object.freeze({ shape: source.info(key).shape, data: requireFinite(source.readFloat32(key), key) });
}

function readAlpha(source: WeightSource, key: string): number {
  const values = requireFinite(source.readFloat32(key), key);
  if (values.length !== 1) throw new Error(`expected one number, received ${values.length}`);
  return values[0];
}

function readLayer(
  source: WeightSource,
  module: string,
  found: FoundTensors,
  alphaOf: AlphaOf | undefined,
): LoraLayer {
  const { down, up, alpha } = found;
  if (down === undefined || up === undefined) {
    throw new Error(`has ${down ?? up ?? alpha} but no ${down === undefined ? 'down' : 'up'} matrix`);
  }
  const downMatrix = readMatrix(source, down);
  const stated = alpha === undefined ? alphaOf?.(module, downMatrix.shape[0]) : readAlpha(source, alpha);
  return createLoraLayer(downMatrix, readMatrix(source, up), stated);
}

/**
 * Reads every tensor of a source as an adapter's layers; `alphaOf` serves where a layer has no tensor for
 * alpha.
 * @throws naming the source and the tensor that is not understood, doubled or without its counterpart
 */
export function readLayers(
  source: WeightSource,
  resolve: ResolveModule,
  alphaOf: Readonly<Partial<Record<LoraPart, AlphaOf>>>,
): Record<LoraPart, Map<string, LoraLayer>> {
  if (source.names().length === 0) {
    throw new Error(`${source.description}: expected the tensors of an adapter, found none`);
  }
  const layers = { textEncoder: new Map<string, LoraLayer>(), unet: new Map<string, LoraLayer>() };
  try {
    const groups = groupKeys(source, resolve);
    for (const part of LORA_PARTS) {
      for (const [module, found] of groups[part]) {
        try {
          layers[part].set(module, readLayer(source, module, found, alphaOf[part]));
        } catch (error) {
          throw new Error(`${part} ${module}: ${(error as Error).message}`);
        }
      }
    }
  } catch (error) {
    throw new Error(`${source.description}: ${(error as Error).message}`, { cause: error });
  }
  return layers;
}

/** LoraConfig of each part from the metadata entry `lora_adapter_metadata` of diffusers 0.35 and later. */
function readDiffusersMetadata(path: string, text: string | undefined): Partial<Record<LoraPart, AlphaOf>> {
  if (text === undefined) return {};
  const result: Partial<Record<LoraPart, AlphaOf>> = {};
  try {
    const flat: unknown = JSON.parse(text);
    if (!isJsonObject(flat)) throw new Error('expected a JSON object');
    for (const part of LORA_PARTS) {
      const prefix = diffusersPrefix(part);
      const fields = Object.entries(flat).filter(([key]) => key.startsWith(prefix));
      const config: JsonObject = Object.fromEntries(
        fields.map(([key, value]) => [key.slice(prefix.length), value]),
      );
      if (fields.length > 0) result[part] = readLoraConfig(config);
    }
  } catch (error) {
    throw new Error(`${path}: metadata lora_adapter_metadata: ${(error as Error).message}`, { cause: error });
  }
  return result;
}

/**
 * The adapter that the tensors of one file make, in the naming of kohya or diffusers.
 * @param metadata text fields of the file's header, where diffusers keeps alpha
 * @throws as {@link readLayers} does, and for a file of PEFT, whose alpha stands elsewhere
 */
export function readLoraWeights(
  source: WeightSource,
  metadata: Readonly<Record<string, string>>,
  resolve: ResolveModule,
): LoraAdapter {
  const names = source.names();
  const isPeft = names.some((name) => name.startsWith('base_model.model.'));
  if (isPeft && !names.some((name) => name.endsWith('.alpha'))) {
    throw new Error(
      `${source.description}: expected ${PEFT_CONFIG_FILE} beside ${PEFT_WEIGHTS_FILE}, which holds the alpha of a PEFT adapter`,
    );
  }
  const alphaOf = readDiffusersMetadata(source.description, metadata.lora_adapter_metadata);
  return Object.freeze({ ...readLayers(source, resolve, alphaOf), metadata });
}
