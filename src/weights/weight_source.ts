/**
 * Weight sources: named tensors looked up over files or memory, narrowed by prefix, renamed, and checked for
 * completeness.
 */

import {
  openSafetensors,
  readEntryBytes,
  readEntryValues,
  type SafetensorsFile,
  toFloat32,
} from './safetensors.ts';
import type { SafetensorsDtype, SafetensorsEntry } from './safetensors_header.ts';

/** What a weight is and where its bytes lie. */
export interface WeightInfo {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Absolute path of the file with the bytes, or null when they are in memory. */
  readonly file: string | null;
  /** First byte within `file` (0 in memory). */
  readonly offset: number;
  /** Number of bytes. */
  readonly length: number;
}

/** A lookup of named tensors. */
export interface WeightSource {
  /** Where the tensors come from, for messages: paths, or "memory". */
  readonly description: string;
  /** All names, in the order of the files. */
  names(): readonly string[];
  has(name: string): boolean;
  /** Type and place of one tensor. @throws when there is no such tensor */
  info(name: string): WeightInfo;
  /** Row-major bytes of one tensor as stored (little-endian). @throws when there is no such tensor */
  readBytes(name: string): Uint8Array;
  /** Row-major elements as float32, whatever the stored type. @throws when there is no such tensor */
  readFloat32(name: string): Float32Array;
}

/** How many names an error message lists before it only counts. */
const NAMES_IN_MESSAGE = 12;

/** Names for a message: the first dozen, and how many more there are. */
export function listNames(names: readonly string[]): string {
  const rest = names.length - NAMES_IN_MESSAGE;
  return names.slice(0, NAMES_IN_MESSAGE).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

/** Error for a tensor that a source does not have, with up to three names that end alike. */
export function missingTensor(name: string, description: string, names: readonly string[]): Error {
  const end = name.slice(name.lastIndexOf('.', name.lastIndexOf('.') - 1) + 1);
  const similar = names.filter((candidate) => candidate.endsWith(end)).slice(0, 3);
  const hint =
    similar.length > 0 ? ` (similar names: ${similar.join(', ')})` : ` (it has ${names.length} others)`;
  return new Error(`${description}: has no tensor ${JSON.stringify(name)}${hint}`);
}

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

/** A tensor in memory: row-major float32 elements. */
export interface MemoryWeight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/**
 * Weight source over tensors in memory (`info().file` is null).
 * @throws when an array has not as many elements as its shape
 */
export function weightsFromMemory(
  tensors: Readonly<Record<string, MemoryWeight>>,
  description = 'memory',
): WeightSource {
  const weights = new Map(Object.entries(tensors));
  for (const [name, { shape, data }] of weights) {
    const count = shape.reduce((product, size) => product * size, 1);
    if (data.length !== count) {
      throw new Error(
        `${description}: tensor ${JSON.stringify(name)}: [${shape.join(', ')}] takes ${count} elements, received ${data.length}`,
      );
    }
  }
  const names = Object.freeze([...weights.keys()]);
  const find = (name: string): MemoryWeight => {
    const found = weights.get(name);
    if (found === undefined) throw missingTensor(name, description, names);
    return found;
  };
  return Object.freeze({
    description,
    names: () => names,
    has: (name: string) => weights.has(name),
    info: (name: string) => {
      const { shape, data } = find(name);
      return Object.freeze({ dtype: 'F32' as const, shape, file: null, offset: 0, length: data.byteLength });
    },
    readBytes: (name: string) => {
      const { data } = find(name);
      return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    },
    readFloat32: (name: string) => find(name).data,
  });
}

/**
 * The same tensors under other names.
 * @param rename new name of a tensor, or null to leave it out
 * @throws when two tensors get the same new name
 */
export function withRenaming(source: WeightSource, rename: (name: string) => string | null): WeightSource {
  const original = new Map<string, string>();
  for (const name of source.names()) {
    const renamed = rename(name);
    if (renamed === null) continue;
    if (original.has(renamed)) {
      throw new Error(
        `${source.description}: ${original.get(renamed)} and ${name} are both named ${renamed}`,
      );
    }
    original.set(renamed, name);
  }
  const names = Object.freeze([...original.keys()]);
  const find = (name: string): string => {
    const found = original.get(name);
    if (found === undefined) throw missingTensor(name, source.description, names);
    return found;
  };
  return Object.freeze({
    description: source.description,
    names: () => names,
    has: (name: string) => original.has(name),
    info: (name: string) => source.info(find(name)),
    readBytes: (name: string) => source.readBytes(find(name)),
    readFloat32: (name: string) => source.readFloat32(find(name)),
  });
}

/**
 * The tensors whose names begin with `prefix`, without it: `withPrefix(source,
 * 'text_model.').info('final_layer_norm.bias')`.
 */
export function withPrefix(source: WeightSource, prefix: string): WeightSource {
  return withRenaming(source, (name) => (name.startsWith(prefix) ? name.slice(prefix.length) : null));
}
