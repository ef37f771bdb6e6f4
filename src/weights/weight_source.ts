/** Weight sources over one or several safetensors files, of which only the headers are read. */

import { openSafetensors, readEntryBytes, readEntryValues, type SafetensorsFile } from './safetensors.ts';
import type { SafetensorsEntry } from './safetensors_header.ts';
import { toFloat32 } from './tensor_values.ts';
import { missingTensor, type WeightSource } from './weights_in_memory.ts';

export {
  listNames,
  type MemoryWeight,
  missingTensor,
  type WeightInfo,
  type WeightSource,
  weightsFromMemory,
  withPrefix,
  withRenaming,
} from './weights_in_memory.ts';

interface Located {
  readonly file: SafetensorsFile;
  readonly entry: SafetensorsEntry;
}

function sourceFromLocations(description: string, located: ReadonlyMap<string, Located>): WeightSource {
  const names = Object.freeze([...located.keys()]);
  const find = (name: string): Located => {
    const found = located.get(name);
    if (found === undefined) throw missingTensor(name, description, names);
    return found;
  };
  return Object.freeze({
    description,
    names: () => names,
    has: (name: string) => located.has(name),
    info: (name: string) => {
      const { file, entry } = find(name);
      return Object.freeze({ file: file.path, ...entry });
    },
    readBytes: (name: string) => {
      const { file, entry } = find(name);
      return readEntryBytes(file.path, entry);
    },
    readFloat32: (name: string) => {
      const { file, entry } = find(name);
      return toFloat32(readEntryValues(file.path, entry));
    },
  });
}

/** Weight source over one opened safetensors file. */
export function weightsFromFile(file: SafetensorsFile): WeightSource {
  return sourceFromLocations(
    file.path,
    new Map(Array.from(file.tensors, ([name, entry]) => [name, { file, entry }])),
  );
}

/**
 * Weight source over several safetensors files together; only their headers are read.
 * @throws when a file is not usable or two files hold a tensor of the same name
 */
export function openWeights(paths: readonly string[]): WeightSource {
  const located = new Map<string, Located>();
  for (const file of paths.map(openSafetensors)) {
    for (const [name, entry] of file.tensors) {
      const other = located.get(name);
      if (other !== undefined) {
        throw new Error(`tensor ${JSON.stringify(name)} is in both ${other.file.path} and ${file.path}`);
      }
      located.set(name, { file, entry });
    }
  }
  return sourceFromLocations(paths.join(', '), located);
}

/**
 * Weight source over the shards of a model, with the file of each tensor given.
 * @param description what to call it in messages, usually the path of the index
 * @param shardOf path of the safetensors file that holds the tensor, by tensor name
 * @throws when a shard is not usable or lacks a tensor that it should hold
 */
export function weightsFromShards(description: string, shardOf: ReadonlyMap<string, string>): WeightSource {
  const files = new Map(Array.from(new Set(shardOf.values()), (path) => [path, openSafetensors(path)]));
  const located = new Map<string, Located>();
  for (const [name, path] of shardOf) {
    const file = files.get(path)!;
    const entry = file.tensors.get(name);
    if (entry === undefined) {
      throw new Error(`${description}: tensor ${JSON.stringify(name)} should be in ${file.path}, but is not`);
    }
    located.set(name, { file, entry });
  }
  return sourceFromLocations(description, located);
}
