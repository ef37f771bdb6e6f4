/**
 * Safetensors files (github.com/huggingface/safetensors, "Format"): opening without loading, and reading
 * single tensors.
 */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  MAX_HEADER_BYTES,
  parseSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
} from './safetensors_header.ts';
import { decodeTensor, type TensorValues, toFloat32 } from './tensor_values.ts';

export { type TensorValues, toFloat32 } from './tensor_values.ts';

/** Largest single read, because one read call of the operating system takes less than 2 GiB. */
const LARGEST_READ = 1 << 30;

/** An opened file: its header only. The data stay on disk and no file descriptor is held. */
export interface SafetensorsFile extends SafetensorsHeader {
  /** Absolute path. */
  readonly path: string;
}

/** Runs `use` with the file open for reading. */
function withOpenFile<T>(path: string, use: (descriptor: number) => T): T {
  const descriptor = openSync(path, 'r');
  try {
    return use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function readAt(descriptor: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const count = readSync(descriptor, bytes, done, Math.min(length - done, LARGEST_READ), offset + done);
    if (count === 0)
      throw new Error(`expected ${length} bytes from byte ${offset}, the file ends after ${done} of them`);
    done += count;
  }
  return bytes;
}

/**
 * Opens a safetensors file: reads and checks its header, nothing else.
 * @throws when the file is missing or its header breaks a rule of the format; the message names the file
 */
export function openSafetensors(path: string): SafetensorsFile {
  const absolute = resolve(path);
  try {
    return withOpenFile(absolute, (descriptor) => {
      const fileLength = fstatSync(descriptor).size;
      if (fileLength < 8) throw new Error(`expected at least 8 bytes, received ${fileLength}`);
      const declared = Buffer.from(readAt(descriptor, 0, 8)).readBigUInt64LE(0);
      if (declared > BigInt(MAX_HEADER_BYTES)) {
        throw new Error(`the header claims ${declared} bytes, more than the allowed ${MAX_HEADER_BYTES}`);
      }
      const headerLength = Number(declared);
      if (headerLength > fileLength - 8) {
        throw new Error(`the header claims ${headerLength} bytes, but only ${fileLength - 8} follow`);
      }
      const header = parseSafetensorsHeader(
        readAt(descriptor, 8, headerLength),
        fileLength - 8 - headerLength,
      );
      return Object.freeze({ path: absolute, ...header });
    });
  } catch (error) {
    throw new Error(`${absolute}: not a usable safetensors file: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Reads the bytes of one tensor at its place in the file `path`, into memory of its own. */
export function readEntryBytes(path: string, entry: SafetensorsEntry): Uint8Array {
  try {
    return withOpenFile(path, (descriptor) => readAt(descriptor, entry.offset, entry.length));
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Element values of one tensor at its place in the file `path`, in the array type of its element type. */
export function readEntryValues(path: string, entry: SafetensorsEntry): TensorValues {
  return decodeTensor(readEntryBytes(path, entry), entry.dtype);
}

function entryOf(file: SafetensorsFile, name: string): SafetensorsEntry {
  const entry = file.tensors.get(name);
  if (entry === undefined) throw new Error(`${file.path}: has no tensor ${JSON.stringify(name)}`);
  return entry;
}

/**
 * Bytes of the tensor `name`, exactly as in the file (little-endian, row-major).
 * @throws when the file has no such tensor or was truncated since it was opened
 */
export function readTensorBytes(file: SafetensorsFile, name: string): Uint8Array {
  return readEntryBytes(file.path, entryOf(file, name));
}

/**
 * Elements of the tensor `name` in row-major order: F16, BF16, F8_E4M3, F8_E5M2 and F32 as float32, every
 * other type in its own array (BOOL as bytes of 0 and 1).
 * @throws when the file has no such tensor or was truncated since it was opened
 */
export function readTensor(file: SafetensorsFile, name: string): TensorValues {
  return readEntryValues(file.path, entryOf(file, name));
}

/**
 * Elements of the tensor `name` as float32 in row-major order, converted as {@link toFloat32} does.
 * @throws when the file has no such tensor or was truncated since it was opened
 */
export function readTensorFloat32(file: SafetensorsFile, name: string): Float32Array {
  return toFloat32(readTensor(file, name));
}
