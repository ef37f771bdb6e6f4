/**
 * Writing of safetensors files, laid out byte for byte as the safetensors library does, atomically and
 * without a full copy.
 */

import { createHash } from 'node:crypto';
import { beginAtomicFile, writeFileAtomically, writeFully } from './atomic_file.ts';
import { float32ToBfloat16, float32ToFloat16 } from './float16.ts';
import type { TensorValues } from './safetensors.ts';
import {
  byteLengthOf,
  type SafetensorsDtype,
  serialiseSafetensorsHeader,
  sortForFile,
} from './safetensors_header.ts';

/** A tensor to be written. */
export interface TensorToWrite {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /**
   * Elements in row-major order, or a function that gives them when their turn comes (so that a large file
   * never is in memory as a whole). Float32Array is converted for F16 and BF16 (nearest, ties to even) and
   * F64; a Uint8Array stands for the raw little-endian bytes of any type; else the array type must be that of
   * the element type.
   */
  readonly data: TensorValues | (() => TensorValues);
}

const ARRAY_NAME: Readonly<Record<SafetensorsDtype, string>> = {
  BOOL: 'Uint8Array',
  U8: 'Uint8Array',
  I8: 'Int8Array',
  F8_E5M2: 'Uint8Array',
  F8_E4M3: 'Uint8Array',
  I16: 'Int16Array',
  U16: 'Uint16Array',
  F16: 'Uint16Array',
  BF16: 'Uint16Array',
  I32: 'Int32Array',
  U32: 'Uint32Array',
  F32: 'Float32Array',
  F64: 'Float64Array',
  I64: 'BigInt64Array',
  U64: 'BigUint64Array',
};

function convertForFile(values: TensorValues, dtype: SafetensorsDtype): TensorValues {
  if (values instanceof Float32Array) {
    if (dtype === 'F16') return float32ToFloat16(values);
    if (dtype === 'BF16') return float32ToBfloat16(values);
    if (dtype === 'F64') return Float64Array.from(values);
  }
  if (!(values instanceof Uint8Array) && values.constructor.name !== ARRAY_NAME[dtype]) {
    throw new Error(
      `${dtype} takes a ${ARRAY_NAME[dtype]} or raw bytes, received a ${values.constructor.name}`,
    );
  }
  return values;
}

/** Little-endian bytes of a tensor as they go into the file. */
function bytesForFile(name: string, tensor: TensorToWrite): Uint8Array {
  try {
    const values = convertForFile(
      typeof tensor.data === 'function' ? tensor.data() : tensor.data,
      tensor.dtype,
    );
    const expected = byteLengthOf(tensor.dtype, tensor.shape);
    if (values.byteLength !== expected) {
      throw new Error(
        `${tensor.dtype} [${tensor.shape.join(', ')}] takes ${expected} bytes, received ${values.byteLength}`,
      );
    }
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  } catch (error) {
    throw new Error(`tensor ${JSON.stringify(name)}: ${(error as Error).message}`, { cause: error });
  }
}

function listTensors(tensors: ReadonlyMap<string, TensorToWrite>) {
  const list = Array.from(tensors, ([name, tensor]) => ({ name, ...tensor }));
  if (tensors.has('__metadata__')) throw new Error('the name "__metadata__" is reserved by the format');
  return sortForFile(list);
}

/**
 * Writes a safetensors file: header padded to 8 bytes, tensors by descending item size then name, under a
 * temporary name that is flushed and renamed.
 * @param path the final name; its folder must exist
 * @param tensors by name
 * @param metadata goes into `__metadata__`; values are strings by the format's rule
 * @throws when an array does not fit its dtype and shape; no file is left then
 */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorToWrite>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const sorted = listTensors(tensors);
  const header = headerBytes(path, sorted, metadata);
  writeFileAtomically(path, (descriptor) => {
    writeFully(descriptor, header);
    for (const tensor of sorted) writeFully(descriptor, bytesForFile(tensor.name, tensor));
  });
}

function headerBytes(
  path: string,
  sorted: ReturnType<typeof listTensors>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string')
      throw new Error(`${path}: metadata ${key}: expected a string, received ${typeof value}`);
  }
  return serialiseSafetensorsHeader(sorted, metadata);
}

/**
 * The same as {@link writeSafetensors}, for files whose tensors take long to make: after each of them it waits for `pause`, so
 * that the process can do other things, and can be asked to stop.
 * @throws also what `pause` throws; no file is left then
 */
export async function writeSafetensorsInSteps(
  path: string,
  tensors: ReadonlyMap<string, TensorToWrite>,
  metadata: Readonly<Record<string, string>>,
  pause: () => Promise<void>,
): Promise<void> {
  const sorted = listTensors(tensors);
  const header = headerBytes(path, sorted, metadata);
  const file = beginAtomicFile(path);
  try {
    writeFully(file.descriptor, header);
    for (const tensor of sorted) {
      writeFully(file.descriptor, bytesForFile(tensor.name, tensor));
      await pause();
    }
  } catch (error) {
    file.abandon();
    throw error;
  }
  file.commit();
}

/**
 * SHA-256 of a file's data part (everything after the header) in hexadecimal, without writing it: what
 * kohya's files carry as `sshs_model_hash` and AUTOMATIC1111 shows as the hash of an adapter.
 */
export function hashTensorData(tensors: ReadonlyMap<string, TensorToWrite>): string {
  const hash = createHash('sha256');
  for (const tensor of listTensors(tensors)) hash.update(bytesForFile(tensor.name, tensor));
  return hash.digest('hex');
}
