/** Weight sources seen under other names and shapes: whole tensors, or runs of rows out of fused ones; nothing is copied. */

import { readEntryValues, toFloat32 } from './safetensors.ts';
import { missingTensor, type WeightInfo, type WeightSource } from './weight_source.ts';

/** Which elements of a stored tensor stand for a weight. */
export interface WeightPlace {
  /** Name of the stored tensor. */
  readonly name: string;
  /** Shape of the weight, the stored one if not given; its elements lie one after the other in the stored tensor. */
  readonly shape?: readonly number[];
  /** First row (index of the first axis) of the stored tensor, 0 if not given. */
  readonly firstRow?: number;
}

function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Type and place of a weight within its stored tensor. */
function placed(source: WeightSource, { name, shape, firstRow = 0 }: WeightPlace): WeightInfo {
  const stored = source.info(name);
  if (shape === undefined) return stored;
  const elements = count(stored.shape);
  const itemSize = stored.length / elements;
  const start = (firstRow * elements) / (stored.shape[0] ?? 1);
  if (start + count(shape) > elements) {
    throw new Error(
      `${source.description}: ${name} [${stored.shape}]: has no [${shape}] from row ${firstRow} on`,
    );
  }
  const offset = stored.offset + start * itemSize;
  return Object.freeze({ ...stored, shape, offset, length: count(shape) * itemSize });
}

/**
 * The weights that `places` names, in its order. Rows out of a fused matrix are contiguous, so a view of a file stays in the
 * file: {@link WeightInfo} says where.
 * @throws (on look-up) when a stored tensor is missing or too small
 */
export function weightView(source: WeightSource, places: ReadonlyMap<string, WeightPlace>): WeightSource {
  const names = Object.freeze([...places.keys()]);
  const find = (name: string): WeightPlace => {
    const place = places.get(name);
    if (place === undefined) throw missingTensor(name, source.description, names);
    return place;
  };
  const inMemory = <T extends Uint8Array | Float32Array>(whole: T, place: WeightPlace): T => {
    const { length, offset } = placed(source, place);
    const stored = source.info(place.name);
    const perByte = whole.length / stored.length;
    const start = (offset - stored.offset) * perByte;
    return whole.subarray(start, start + length * perByte) as T;
  };
  return Object.freeze({
    description: source.description,
    names: () => names,
    has: (name: string) => places.has(name),
    info: (name: string) => placed(source, find(name)),
    readBytes: (name: string) => inMemory(source.readBytes(find(name).name), find(name)),
    readFloat32: (name: string) => {
      const place = find(name);
      const info = placed(source, place);
      if (info.file !== null) return toFloat32(readEntryValues(info.file, info));
      return inMemory(source.readFloat32(place.name), place);
    },
  });
}
