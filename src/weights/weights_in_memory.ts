/**
 * Weight sources: named tensors looked up, over memory, narrowed by prefix and renamed. Nothing here needs Node.
 */

import { parseSafetensorsHeader, type SafetensorsDtype } from './safetensors_header.ts';
import { decodeTensor, toFloat32 } from './tensor_values.ts';

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

/** A safetensors file in memory. */
export interface SafetensorsInMemory extends WeightSource {
  /** Free text fields of the header. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Weight source over the bytes of a whole safetensors file, as a browser fetches one.
 * @param path absolute path under which graphs refer to the bytes; no file needs to be there
 * @throws when the header breaks a rule of the format
 */
export function weightsFromBytes(bytes: Uint8Array<ArrayBuffer>, path: string): SafetensorsInMemory {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = bytes.length < 8 ? -1 : Number(view.getBigUint64(0, true));
  if (headerLength < 0 || headerLength > bytes.length - 8) {
    throw new Error(`${path}: expected a safetensors file, received ${bytes.length} bytes of something else`);
  }
  const dataLength = bytes.length - 8 - headerLength;
  const { tensors, metadata } = parseSafetensorsHeader(bytes.subarray(8, 8 + headerLength), dataLength);
  const names = Object.freeze([...tensors.keys()]);
  const find = (name: string) => {
    const found = tensors.get(name);
    if (found === undefined) throw missingTensor(name, path, names);
    return found;
  };
  const readBytes = (name: string) => {
    const { offset, length } = find(name);
    return bytes.slice(offset, offset + length);
  };
  return Object.freeze({
    description: path,
    metadata,
    names: () => names,
    has: (name: string) => tensors.has(name),
    info: (name: string) => Object.freeze({ file: path, ...find(name) }),
    readBytes,
    readFloat32: (name: string) => toFloat32(decodeTensor(readBytes(name), find(name).dtype)),
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
