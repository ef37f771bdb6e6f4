/** Elements of stored tensors in JavaScript: bytes of any element type of safetensors as typed arrays. */

import { float8ToFloat32 } from './float8.ts';
import { bfloat16ToFloat32, float16ToFloat32 } from './float16.ts';
import type { SafetensorsDtype } from './safetensors_header.ts';

/**
 * Elements of a tensor in JavaScript: every floating type but F64 as float32 values, integers in their own
 * arrays.
 */
export type TensorValues =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/**
 * Little-endian bytes of a tensor as typed elements; floating types but F64 become float32.
 * @param bytes a whole buffer of their own
 */
export function decodeTensor(bytes: Uint8Array, dtype: SafetensorsDtype): TensorValues {
  const { buffer } = bytes;
  switch (dtype) {
    case 'F32':
      return new Float32Array(buffer);
    case 'F16':
      return float16ToFloat32(new Uint16Array(buffer));
    case 'BF16':
      return bfloat16ToFloat32(new Uint16Array(buffer));
    case 'F8_E4M3':
      return float8ToFloat32(bytes, 'E4M3');
    case 'F8_E5M2':
      return float8ToFloat32(bytes, 'E5M2');
    case 'F64':
      return new Float64Array(buffer);
    case 'I64':
      return new BigInt64Array(buffer);
    case 'U64':
      return new BigUint64Array(buffer);
    case 'I32':
      return new Int32Array(buffer);
    case 'U32':
      return new Uint32Array(buffer);
    case 'I16':
      return new Int16Array(buffer);
    case 'U16':
      return new Uint16Array(buffer);
    case 'I8':
      return new Int8Array(buffer);
    case 'U8':
    case 'BOOL':
      return bytes;
  }
}

/**
 * Any element values as float32: F64 is rounded, integers are exact up to 2^24 in magnitude and rounded
 * beyond.
 */
export function toFloat32(values: TensorValues): Float32Array {
  if (values instanceof Float32Array) return values;
  if (values instanceof BigInt64Array || values instanceof BigUint64Array)
    return Float32Array.from(values, Number);
  return Float32Array.from(values);
}
