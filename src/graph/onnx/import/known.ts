/** Small tensors known while a model is imported: the arithmetic on shapes that exporters leave in models is done here. */

import { fromBfloat16, fromHalf } from '../../half.ts';
import type { DataType, Shape, TensorData } from '../../types.ts';
import { broadcastShapes, elementCount, isFloating } from '../../types.ts';
import type { Value } from '../../value.ts';
import { constant } from '../../value.ts';

/** A tensor whose elements are known, as plain numbers in row-major order (bool as 0 and 1). */
export interface Known {
  readonly dtype: DataType;
  readonly shape: Shape;
  readonly data: readonly number[];
}

/** Larger tensors are left to the runtime. */
export const MAXIMUM_KNOWN_ELEMENTS = 65_536;

/** Makes a known tensor, its elements rounded as the type stores them. */
export function known(dtype: DataType, shape: Shape, data: readonly number[]): Known {
  return { dtype, shape, data: data.map((value) => stored(value, dtype)) };
}

function stored(value: number, dtype: DataType): number {
  if (dtype === 'float32') return Math.fround(value);
  if (dtype === 'bool') return value === 0 ? 0 : 1;
  return isFloating(dtype) ? value : Math.trunc(value);
}

/** Typed elements as a known tensor. */
export function knownFrom(dtype: DataType, shape: Shape, data: TensorData): Known {
  const convert = dtype === 'float16' ? fromHalf : dtype === 'bfloat16' ? fromBfloat16 : Number;
  return {
    dtype,
    shape,
    data: Array.from(data as ArrayLike<number | bigint>, (element) => convert(Number(element))),
  };
}

/** The known tensor as a constant of the graph. */
export function knownValue({ dtype, shape, data }: Known): Value {
  return constant(data, shape, dtype);
}

/** Elementwise function of known tensors that broadcast together. */
export function elementwiseKnown(
  dtype: DataType,
  inputs: readonly Known[],
  compute: (...elements: number[]) => number,
): Known {
  const shape = inputs.map((input) => input.shape).reduce<Shape>((a, b) => broadcastShapes(a, b), []);
  const count = checkedCount(shape);
  const readers = inputs.map((input) => broadcastReader(input, shape));
  const data = Array.from({ length: count }, (_, i) => compute(...readers.map((read) => read(i))));
  return known(dtype, shape, data);
}

/** Number of elements, after checking that it is small enough to be known. */
export function checkedCount(shape: Shape): number {
  const count = elementCount(shape);
  if (!(count <= MAXIMUM_KNOWN_ELEMENTS)) {
    throw new Error(`expected at most ${MAXIMUM_KNOWN_ELEMENTS} known elements, received a shape [${shape}]`);
  }
  return count;
}

function broadcastReader(input: Known, shape: Shape): (flat: number) => number {
  const lead = shape.length - input.shape.length;
  const steps = new Array<number>(shape.length).fill(0);
  let step = 1;
  for (let axis = input.shape.length - 1; axis >= 0; axis--) {
    steps[lead + axis] = input.shape[axis] === 1 ? 0 : step;
    step *= input.shape[axis]!;
  }
  return (flat) => {
    let [rest, position] = [flat, 0];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position += (rest % shape[axis]!) * steps[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    return input.data[position]!;
  };
}

/** `input` repeated up to `shape`. */
export function expandKnown(input: Known, shape: Shape): Known {
  const full = broadcastShapes(input.shape, shape);
  const read = broadcastReader(input, full);
  return {
    dtype: input.dtype,
    shape: full,
    data: Array.from({ length: checkedCount(full) }, (_, i) => read(i)),
  };
}

/** Elements picked along `axis`: for each outer and inner position, the entries at `picked`. */
export function pickKnown(input: Known, axis: number, picked: readonly number[], pickedShape: Shape): Known {
  const outer = elementCount(input.shape.slice(0, axis));
  const inner = elementCount(input.shape.slice(axis + 1));
  const size = input.shape[axis]!;
  const data: number[] = [];
  for (let o = 0; o < outer; o++) {
    for (const index of picked) {
      const position = index < 0 ? index + size : index;
      if (position < 0 || position >= size)
        throw new Error(`expected an index below ${size}, received ${index}`);
      for (let i = 0; i < inner; i++) data.push(input.data[(o * size + position) * inner + i]!);
    }
  }
  const shape = [...input.shape.slice(0, axis), ...pickedShape, ...input.shape.slice(axis + 1)];
  return { dtype: input.dtype, shape, data };
}

/** Known tensors joined along `axis`. */
export function concatKnown(inputs: readonly Known[], axis: number): Known {
  const first = inputs[0]!;
  const outer = elementCount(first.shape.slice(0, axis));
  const data: number[] = [];
  for (let o = 0; o < outer; o++) {
    for (const input of inputs) {
      const block = elementCount(input.shape.slice(axis));
      data.push(...input.data.slice(o * block, (o + 1) * block));
    }
  }
  const total = inputs.reduce((sum, input) => sum + input.shape[axis]!, 0);
  return { dtype: first.dtype, shape: first.shape.with(axis, total), data };
}
