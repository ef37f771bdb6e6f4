/** Tensors of an ONNX file: element types, elements in the message, elements in another file. */

import { statSync } from 'node:fs';
import path from 'node:path';
import type { TensorProto } from 'onnx-buf';
import { TensorProto_DataLocation } from 'onnx-buf';
import { ONNX_DATA_TYPE } from '../../operators/logic.ts';
import type { DataType, TensorData, TensorType } from '../../types.ts';
import { BYTES_PER_ELEMENT, elementCount } from '../../types.ts';
import type { FileRegion, Value } from '../../value.ts';
import { constant, weight } from '../../value.ts';

/** Most elements of one tensor: a model that claims more is damaged. */
export const MAXIMUM_ELEMENTS = 2 ** 32;
/** Most dimensions of one tensor. */
const MAXIMUM_RANK = 32;

const DATA_TYPE_OF: ReadonlyMap<number, DataType> = new Map(
  Object.entries(ONNX_DATA_TYPE).map(([dtype, code]) => [code, dtype as DataType]),
);

/**
 * The element type that an ONNX type number stands for.
 * @throws Error for types that the graph has no counterpart of
 */
export function dataTypeOf(code: number): DataType {
  const dtype = DATA_TYPE_OF.get(code);
  if (dtype === undefined) {
    throw new Error(
      `expected elements of ${[...DATA_TYPE_OF.values()].join(', ')}, received ONNX type ${code}`,
    );
  }
  return dtype;
}

/** Dimensions as plain numbers, after checking that a tensor of them can exist. */
export function checkedShape(dimensions: readonly (number | bigint)[]): number[] {
  const shape = dimensions.map(Number);
  const valid = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!valid || shape.length > MAXIMUM_RANK || elementCount(shape) > MAXIMUM_ELEMENTS) {
    throw new Error(
      `expected up to ${MAXIMUM_RANK} dimensions of together at most ${MAXIMUM_ELEMENTS} elements, received [${shape}]`,
    );
  }
  return shape;
}

/** Where a model was read from: external data are looked for beside it, embedded data taken from it in place. */
export interface ModelSource {
  /** The file's absolute path; `null` for a model given as bytes. */
  readonly file: string | null;
  readonly bytes: Uint8Array;
  /** Name for messages. */
  readonly name: string;
}

/** Element type and shape that a tensor message declares. */
export function tensorType(tensor: TensorProto): TensorType {
  return { dtype: dataTypeOf(tensor.dataType), shape: checkedShape(tensor.dims) };
}

/**
 * A tensor message as a graph value. Raw elements of a model that was read from a file, and external ones, are
 * referred to where they are; others become a constant.
 * @throws Error when the elements do not fit the shape, or external data lie outside the model's folder or their file
 */
export function tensorValue(tensor: TensorProto, source: ModelSource): Value {
  const { dtype, shape } = tensorType(tensor);
  if (tensor.dataLocation === TensorProto_DataLocation.EXTERNAL) {
    return weight(tensor.name, shape, dtype, externalRegion(tensor, { dtype, shape }, source));
  }
  const { rawData } = tensor;
  if (source.file !== null && rawData.length > 0 && rawData.buffer === source.bytes.buffer) {
    const offset = rawData.byteOffset - source.bytes.byteOffset;
    return weight(tensor.name, shape, dtype, { file: source.file, offset, length: rawData.length });
  }
  return constant(tensorElements(tensor), shape, dtype);
}

/**
 * Elements that a tensor message holds itself, as raw bytes or in the list of its type.
 * @throws Error when their number does not fit the shape
 */
export function tensorElements(tensor: TensorProto): TensorData {
  const { dtype, shape } = tensorType(tensor);
  const count = elementCount(shape);
  if (tensor.rawData.length > 0 || count === 0) {
    const expected = count * BYTES_PER_ELEMENT[dtype];
    if (tensor.rawData.length !== expected) {
      throw new Error(`expected ${expected} bytes for ${dtype}[${shape}], received ${tensor.rawData.length}`);
    }
    // A copy starts at an aligned address, whatever the place in the file. Not slice(): a Buffer's is a view.
    return viewAs(dtype, new Uint8Array(tensor.rawData).buffer);
  }
  const list = listedElements(tensor, dtype);
  if (list.length !== count) {
    throw new Error(`expected ${count} elements for ${dtype}[${shape}], received ${list.length}`);
  }
  return list;
}

function viewAs(dtype: DataType, buffer: ArrayBuffer): TensorData {
  switch (dtype) {
    case 'float32':
      return new Float32Array(buffer);
    case 'float64':
      return new Float64Array(buffer);
    case 'int64':
      return new BigInt64Array(buffer);
    case 'int32':
      return new Int32Array(buffer);
    case 'float16':
    case 'bfloat16':
      return new Uint16Array(buffer);
    case 'uint8':
    case 'bool':
      return new Uint8Array(buffer);
  }
}

function listedElements(tensor: TensorProto, dtype: DataType): TensorData {
  switch (dtype) {
    case 'float32':
      return Float32Array.from(tensor.floatData);
    case 'float64':
      return Float64Array.from(tensor.doubleData);
    case 'int64':
      return BigInt64Array.from(tensor.int64Data);
    case 'int32':
      return Int32Array.from(tensor.int32Data);
    case 'float16':
    case 'bfloat16':
      return Uint16Array.from(tensor.int32Data);
    case 'uint8':
    case 'bool':
      return Uint8Array.from(tensor.int32Data);
  }
}

function externalRegion(tensor: TensorProto, type: TensorType, source: ModelSource): FileRegion {
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const location = entries.get('location') ?? '';
  if (source.file === null) {
    throw new Error(`expected a model file beside which ${location} lies, received the model as bytes`);
  }
  const folder = path.dirname(source.file);
  const file = path.resolve(folder, location);
  const inside = path.relative(folder, file);
  if (location === '' || path.isAbsolute(location) || inside === '' || inside.split(path.sep)[0] === '..') {
    throw new Error(`expected external data inside ${folder}, received location "${location}"`);
  }
  const length = elementCount(type.shape) * BYTES_PER_ELEMENT[type.dtype];
  const offset = wholeNumber(entries.get('offset') ?? '0', 'offset');
  const declared = entries.get('length');
  if (declared !== undefined && wholeNumber(declared, 'length') !== length) {
    throw new Error(
      `expected ${length} bytes of external data for ${type.dtype}[${type.shape}], received ${declared}`,
    );
  }
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) throw new Error(`expected external data at ${file}, found no file`);
  if (size < offset + length) {
    throw new Error(`expected at least ${offset + length} bytes in ${file}, found ${size}`);
  }
  return { file, offset, length };
}

function wholeNumber(text: string, what: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new Error(`expected a whole number as ${what} of external data, received "${text}"`);
  }
  return value;
}
