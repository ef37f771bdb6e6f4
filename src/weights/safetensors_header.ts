/** The header of a safetensors file: parsing with every check that the format demands, and serialising. */

import { findDuplicateKey } from './json_keys.ts';

/**
 * Largest header accepted, in bytes: the limit that the safetensors library itself sets, so that a hostile
 * length field cannot ask for gigabytes of memory. Headers of real models are below 1 MB.
 */
export const MAX_HEADER_BYTES = 100_000_000;

/**
 * Largest number of dimensions accepted: far above any real tensor, and it bounds the work that one entry can
 * cause.
 */
export const MAX_DIMENSIONS = 64;

/** Bytes of one element of each element type of safetensors. */
export const SAFETENSORS_ITEM_SIZE = Object.freeze({
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
});

/** Element type, named as in the file. */
export type SafetensorsDtype = keyof typeof SAFETENSORS_ITEM_SIZE;

/** Where and what one tensor of a file is. */
export interface SafetensorsEntry {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** First byte of the data, counted from the start of the *file*. */
  readonly offset: number;
  /** Number of bytes. */
  readonly length: number;
}

/** Content of a header. */
export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of the data in the file. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Whether `value` names an element type of the format. */
export function isSafetensorsDtype(value: unknown): value is SafetensorsDtype {
  return typeof value === 'string' && Object.hasOwn(SAFETENSORS_ITEM_SIZE, value);
}

/**
 * Bytes of a tensor.
 * @throws when the number of bytes is not exactly representable
 */
export function byteLengthOf(dtype: SafetensorsDtype, shape: readonly number[]): number {
  let length: number = SAFETENSORS_ITEM_SIZE[dtype];
  for (const size of shape) {
    if (!isCount(size))
      throw new Error(`expected dimensions of non-negative integers, received [${shape.join(', ')}]`);
    length *= size;
  }
  if (!Number.isSafeInteger(length)) throw new Error(`the shape [${shape.join(', ')}] has too many elements`);
  return length;
}

function parseMetadata(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  if (!isObject(value)) throw new Error('__metadata__: expected an object of strings');
  for (const [key, entry] of Object.entries(value)) {
    if (typeof entry !== 'string')
      throw new Error(`__metadata__.${key}: expected a string, received ${typeof entry}`);
  }
  return value as Record<string, string>;
}

function parseEntry(value: unknown, dataStart: number, dataLength: number): SafetensorsEntry {
  if (!isObject(value)) throw new Error('expected an object with dtype, shape and data_offsets');
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isSafetensorsDtype(dtype)) {
    throw new Error(
      `unknown dtype ${JSON.stringify(dtype)}, expected one of ${Object.keys(SAFETENSORS_ITEM_SIZE).join(', ')}`,
    );
  }
  if (!Array.isArray(shape) || shape.length > MAX_DIMENSIONS || !shape.every(isCount)) {
    throw new Error(
      `shape: expected at most ${MAX_DIMENSIONS} non-negative integers, received ${JSON.stringify(shape)}`,
    );
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0] > offsets[1]) {
    throw new Error(
      `data_offsets: expected [begin, end] with begin <= end, received ${JSON.stringify(offsets)}`,
    );
  }
  const [begin, end] = offsets as [number, number];
  if (end > dataLength) {
    throw new Error(`data_offsets end at byte ${end}, but the file holds only ${dataLength} bytes of data`);
  }
  const expected = byteLengthOf(dtype, shape);
  if (end - begin !== expected) {
    throw new Error(
      `${dtype} [${shape.join(', ')}] takes ${expected} bytes, but data_offsets span ${end - begin}`,
    );
  }
  return Object.freeze({ dtype, shape: Object.freeze(shape), offset: dataStart + begin, length: expected });
}

/** Refuses tensors that overlap, leave a hole between them, or do not end where the file ends. */
function checkCoverage(
  sorted: readonly [string, SafetensorsEntry][],
  dataStart: number,
  dataLength: number,
): void {
  let position = dataStart;
  for (const [name, entry] of sorted) {
    if (entry.offset !== position) {
      const fault = entry.offset < position ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw new Error(
        `tensor ${JSON.stringify(name)} ${fault}: its data start at byte ${entry.offset}, expected ${position}`,
      );
    }
    position += entry.length;
  }
  if (position !== dataStart + dataLength) {
    throw new Error(`${dataStart + dataLength - position} bytes after the last tensor belong to no tensor`);
  }
}

/**
 * Parses and checks the JSON part of a safetensors file. The format demands that the tensors cover the data
 * exactly, without overlap or hole, that keys are unique, and that every span has the length of its dtype and
 * shape.
 * @param bytes the JSON text, without the 8 bytes of length before it
 * @param dataLength number of bytes in the file after the header
 * @throws when the header breaks a rule; the message names the tensor and the field, not the file
 */
export function parseSafetensorsHeader(bytes: Uint8Array, dataLength: number): SafetensorsHeader {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  if (!text.startsWith('{')) throw new Error('expected the header to begin with "{"');
  const json: unknown = JSON.parse(text);
  if (!isObject(json)) throw new Error('expected the header to be a JSON object');
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined) throw new Error(`the key ${JSON.stringify(duplicate)} occurs twice`);
  const dataStart = 8 + bytes.length;
  const entries: [string, SafetensorsEntry][] = [];
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') continue;
    try {
      entries.push([name, parseEntry(value, dataStart, dataLength)]);
    } catch (error) {
      throw new Error(`tensor ${JSON.stringify(name)}: ${(error as Error).message}`);
    }
  }
  entries.sort(([, a], [, b]) => a.offset - b.offset || a.length - b.length);
  checkCoverage(entries, dataStart, dataLength);
  return Object.freeze({
    metadata: Object.freeze(parseMetadata(json.__metadata__)),
    tensors: new Map(entries),
  });
}

/** A tensor's place in a file to be written. */
export interface HeaderTensor {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
}

/**
 * Order of tensors in a file as the safetensors library writes it: larger items first, so that every tensor
 * is aligned to its item size, then by element type, then by the bytes of the name.
 */
export function sortForFile<T extends HeaderTensor>(tensors: readonly T[]): T[] {
  const rank = new Map(Object.keys(SAFETENSORS_ITEM_SIZE).map((dtype, index) => [dtype, index]));
  return tensors.toSorted(
    (a, b) =>
      rank.get(b.dtype)! - rank.get(a.dtype)! || Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)),
  );
}

/**
 * First bytes of a safetensors file: the length as a little-endian 64-bit number and the JSON, padded with
 * spaces to a multiple of 8 so that the data begin aligned.
 * @param tensors in the order of their data
 */
export function serialiseSafetensorsHeader(
  tensors: readonly HeaderTensor[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const entries: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) entries.push(['__metadata__', metadata]);
  let position = 0;
  for (const { name, dtype, shape } of tensors) {
    const end = position + byteLengthOf(dtype, shape);
    entries.push([name, { dtype, shape, data_offsets: [position, end] }]);
    position = end;
  }
  // Joined by hand, because an object would reorder names that look like integers.
  const fields = entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const json = Buffer.from(`{${fields.join(',')}}`, 'utf8');
  const padded = Math.ceil(json.length / 8) * 8;
  if (padded > MAX_HEADER_BYTES)
    throw new Error(`the header takes ${padded} bytes, the format allows ${MAX_HEADER_BYTES}`);
  const bytes = Buffer.alloc(8 + padded, 0x20);
  bytes.writeBigUInt64LE(BigInt(padded), 0);
  json.copy(bytes, 8);
  return bytes;
}
