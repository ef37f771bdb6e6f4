/** Tensor types of the graph: element types, static shapes, and the arithmetic on shapes that shape rules share. */

/** Element type of a tensor, named as in safetensors/NumPy. */
export type DataType = 'float32' | 'float16' | 'bfloat16' | 'float64' | 'int64' | 'int32' | 'uint8' | 'bool';

/** Static shape: one non-negative integer a dimension; `[]` is a scalar. */
export type Shape = readonly number[];

/** Element type and shape of a tensor. */
export interface TensorType {
  readonly dtype: DataType;
  readonly shape: Shape;
}

/** JavaScript storage of a tensor's elements in row-major order (16-bit floats as raw words, bool as 0/1 bytes). */
export type TensorData = Float32Array | Float64Array | BigInt64Array | Int32Array | Uint16Array | Uint8Array;

/** Bytes of one element of each {@link DataType}. */
export const BYTES_PER_ELEMENT: Readonly<Record<DataType, number>> = Object.freeze({
  float64: 8,
  int64: 8,
  float32: 4,
  int32: 4,
  float16: 2,
  bfloat16: 2,
  uint8: 1,
  bool: 1,
});

/** Number of elements of a tensor of `shape`. */
export function elementCount(shape: Shape): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

/** Whether `dtype` holds real numbers, so that a gradient can flow through it. */
export function isFloating(dtype: DataType): boolean {
  return dtype === 'float32' || dtype === 'float64' || is16Bit(dtype);
}

/** Whether `dtype` is one of the 16-bit floats. */
export function is16Bit(dtype: DataType): boolean {
  return dtype === 'float16' || dtype === 'bfloat16';
}

/** Whether two shapes have the same dimensions. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** Text of a tensor type for messages, for example `float32[2,3]`. */
export function describeType(type: TensorType): string {
  return `${type.dtype}[${type.shape.join(',')}]`;
}

/**
 * Axis counted from the front.
 * @param axis in -rank..rank-1
 * @throws RangeError when the axis is outside the rank
 */
export function normalizeAxis(axis: number, rank: number): number {
  const result = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || result < 0 || result >= rank) {
    throw new RangeError(`axis: expected an integer in -${rank}..${rank - 1}, received ${axis}`);
  }
  return result;
}

/**
 * Shape of two tensors broadcast together by NumPy's rule.
 * @throws RangeError when a dimension differs and neither side is 1
 */
export function broadcastShapes(a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  const result = new Array<number>(rank);
  for (let i = 0; i < rank; i++) {
    const left = a[a.length - 1 - i] ?? 1;
    const right = b[b.length - 1 - i] ?? 1;
    if (left !== right && left !== 1 && right !== 1) {
      throw new RangeError(`expected shapes that broadcast together, received [${a}] and [${b}]`);
    }
    result[rank - 1 - i] = left === 1 ? right : left;
  }
  return result;
}
