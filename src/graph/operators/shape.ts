/** Operators that move elements without computing: reshape, transpose, expand, slice, pad, concat, split. */

import { defineOperator, required } from '../operator.ts';
import type { Shape } from '../types.ts';
import { broadcastShapes, elementCount, normalizeAxis, sameShape } from '../types.ts';
import type { Value } from '../value.ts';
import { scalar } from '../value.ts';
import { sumTo } from './arithmetic.ts';

const reshapeOperator = defineOperator<{ readonly shape: Shape }>({
  name: 'reshape',
  infer(inputs, { shape }) {
    const x = required(inputs, 0);
    if (elementCount(shape) !== elementCount(x.shape)) {
      throw new Error(`expected a shape of ${elementCount(x.shape)} elements, received [${shape}]`);
    }
    return [{ dtype: x.dtype, shape }];
  },
  emit(context, inputs, outputs, node) {
    const { shape } = node.attributes;
    context.node(
      'Reshape',
      [inputs[0]!, context.constant(shape, [shape.length], 'int64')],
      { allowzero: { int: 1 } },
      outputs,
    );
  },
  gradient: (node, cotangents) => [reshape(cotangents[0]!, node.inputs[0]!.shape)],
});

/**
 * The same elements in row-major order under another shape; one dimension may be -1 and is worked out.
 * @throws Error when the element counts differ
 */
export function reshape(x: Value, shape: Shape): Value {
  const unknown = shape.indexOf(-1);
  let full = shape;
  if (unknown >= 0) {
    const known = shape.reduce((product, size, axis) => (axis === unknown ? product : product * size), 1);
    full = shape.map((size, axis) => (axis === unknown ? elementCount(x.shape) / known : size));
  }
  return sameShape(x.shape, full) ? x : reshapeOperator([x], { shape: full })[0]!;
}

const transposeOperator = defineOperator<{ readonly permutation: readonly number[] }>({
  name: 'transpose',
  infer(inputs, { permutation }) {
    const x = required(inputs, 0);
    if (
      [...permutation].sort((a, b) => a - b).some((axis, i) => axis !== i) ||
      permutation.length !== x.shape.length
    ) {
      throw new Error(`expected a permutation of ${x.shape.length} axes, received [${permutation}]`);
    }
    return [{ dtype: x.dtype, shape: permutation.map((axis) => x.shape[axis]!) }];
  },
  emit(context, inputs, outputs, node) {
    context.node('Transpose', inputs, { perm: { ints: node.attributes.permutation } }, outputs);
  },
  gradient(node, cotangents) {
    const { permutation } = node.attributes;
    const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
    return [transpose(cotangents[0]!, inverse)];
  },
});

/** Axes in another order: output axis i is input axis `permutation[i]`. */
export function transpose(x: Value, permutation: readonly number[]): Value {
  return permutation.every((axis, i) => axis === i) ? x : transposeOperator([x], { permutation })[0]!;
}

/** The last two axes exchanged. */
export function transposeLast(x: Value): Value {
  const rank = x.shape.length;
  return transpose(x, [...x.shape.map((_, axis) => axis).slice(0, -2), rank - 1, rank - 2]);
}

const expandOperator = defineOperator<{ readonly shape: Shape }>({
  name: 'expand',
  infer(inputs, { shape }) {
    const x = required(inputs, 0);
    const result = broadcastShapes(x.shape, shape);
    if (!sameShape(result, shape))
      throw new Error(`expected a shape that [${x.shape}] broadcasts to, received [${shape}]`);
    return [{ dtype: x.dtype, shape }];
  },
  emit(context, inputs, outputs, node) {
    const { shape } = node.attributes;
    context.node('Expand', [inputs[0]!, context.constant(shape, [shape.length], 'int64')], {}, outputs);
  },
  gradient: (node, cotangents) => [sumTo(cotangents[0]!, node.inputs[0]!.shape)],
});

/** `x` repeated along axes of size 1 (and new leading axes) up to `shape`. */
export function expand(x: Value, shape: Shape): Value {
  return sameShape(x.shape, shape) ? x : expandOperator([x], { shape })[0]!;
}

interface SliceAttributes {
  /** For every axis: first index, number of elements taken and step (negative steps run backwards). */
  readonly starts: readonly number[];
  readonly counts: readonly number[];
  readonly steps: readonly number[];
}

const sliceOperator = defineOperator<SliceAttributes>({
  name: 'slice',
  infer(inputs, { starts, counts, steps }) {
    const x = required(inputs, 0);
    x.shape.forEach((size, axis) => {
      const first = starts[axis]!;
      const last = first + (counts[axis]! - 1) * steps[axis]!;
      if (counts[axis]! > 0 && (Math.min(first, last) < 0 || Math.max(first, last) >= size)) {
        throw new Error(`expected indices in 0..${size - 1} on axis ${axis}, received ${first}..${last}`);
      }
    });
    return [{ dtype: x.dtype, shape: counts }];
  },
  emit(context, inputs, outputs, node) {
    const { starts, counts, steps } = node.attributes;
    const { shape } = node.inputs[0]!;
    const axes = shape
      .map((_, axis) => axis)
      .filter((axis) => counts[axis] !== shape[axis] || steps[axis] !== 1);
    const ends = axes.map((axis) => {
      const end = starts[axis]! + counts[axis]! * steps[axis]!;
      return end < 0 ? -shape[axis]! - 1 : end;
    });
    const list = (values: readonly number[]) => context.constant(values, [values.length], 'int64');
    let source = inputs[0]!;
    // The WebGPU provider starts every backward slice at the end of the axis: make the start the end.
    const backward = axes.filter((axis) => steps[axis]! < 0 && starts[axis]! < shape[axis]! - 1);
    if (context.device === 'webgpu' && backward.length > 0) {
      const upToStart = list(backward.map((axis) => starts[axis]! + 1));
      [source] = context.node('Slice', [source, list(backward.map(() => 0)), upToStart, list(backward)]) as [
        string,
      ];
    }
    context.node(
      'Slice',
      [source, list(axes.map((a) => starts[a]!)), list(ends), list(axes), list(axes.map((a) => steps[a]!))],
      {},
      outputs,
    );
  },
  gradient(node, cotangents) {
    const { starts, steps } = node.attributes;
    const { shape } = node.inputs[0]!;
    let g = cotangents[0]!;
    shape.forEach((_, axis) => {
      if (steps[axis]! < 0) g = reverse(g, axis);
    });
    shape.forEach((_, axis) => {
      g = dilate(g, axis, Math.abs(steps[axis]!));
    });
    const before = shape.map((_, axis) => {
      const last = starts[axis]! + (node.outputs[0]!.shape[axis]! - 1) * steps[axis]!;
      return Math.min(starts[axis]!, last);
    });
    const after = shape.map((size, axis) => size - before[axis]! - g.shape[axis]!);
    return [pad(g, before, after)];
  },
});

/** One axis of a slice: `start` and `end` as in NumPy (negative counts from the end), `step` not 0. */
export interface SliceRange {
  readonly axis: number;
  readonly start?: number;
  readonly end?: number;
  readonly step?: number;
}

/** Part of `x` along the named axes, by NumPy's slicing rule; other axes stay whole. */
export function slice(x: Value, ...ranges: readonly SliceRange[]): Value {
  const starts = x.shape.map(() => 0);
  const counts = [...x.shape];
  const steps = x.shape.map(() => 1);
  for (const range of ranges) {
    const axis = normalizeAxis(range.axis, x.shape.length);
    const size = x.shape[axis]!;
    const step = range.step ?? 1;
    if (step === 0) throw new Error(`slice: expected a step other than 0 on axis ${axis}`);
    const low = step > 0 ? 0 : -1;
    const high = step > 0 ? size : size - 1;
    const resolveIndex = (index: number) => Math.max(low, Math.min(high, index < 0 ? index + size : index));
    const start = range.start === undefined ? (step > 0 ? 0 : size - 1) : resolveIndex(range.start);
    const end = range.end === undefined ? (step > 0 ? size : -1) : resolveIndex(range.end);
    starts[axis] = start;
    steps[axis] = step;
    counts[axis] = Math.max(0, Math.ceil((end - start) / step));
  }
  if (sameShape(counts, x.shape) && steps.every((step) => step === 1)) return x;
  return sliceOperator([x], { starts, counts, steps })[0]!;
}

/** The elements along `axis` in opposite order. */
export function reverse(x: Value, axis: number): Value {
  return slice(x, { axis, step: -1 });
}

/** Zeros put between the elements along `axis`, so that they stand `step` apart (none after the last). */
export function dilate(x: Value, axis: number, step: number): Value {
  const size = x.shape[axis]!;
  if (step === 1 || size <= 1) return x;
  const lead = x.shape.slice(0, axis);
  const tail = x.shape.slice(axis + 1);
  const column = reshape(x, [...lead, size, 1, ...tail]);
  const after = column.shape.map((_, i) => (i === axis + 1 ? step - 1 : 0));
  const padded = pad(
    column,
    column.shape.map(() => 0),
    after,
  );
  const flat = reshape(padded, [...lead, size * step, ...tail]);
  return slice(flat, { axis, end: size * step - (step - 1) });
}

interface PadAttributes {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly value: number;
}

const padOperator = defineOperator<PadAttributes>({
  name: 'pad',
  infer(inputs, { before, after }) {
    const x = required(inputs, 0);
    return [{ dtype: x.dtype, shape: x.shape.map((size, axis) => size + before[axis]! + after[axis]!) }];
  },
  emit(context, inputs, outputs, node) {
    const { before, after, value } = node.attributes;
    const amounts = context.constant([...before, ...after], [before.length * 2], 'int64');
    context.node(
      'Pad',
      [inputs[0]!, amounts, context.constant([value], [], node.outputs[0]!.dtype)],
      {},
      outputs,
    );
  },
  gradient(node, cotangents) {
    const { before } = node.attributes;
    const ranges = node.inputs[0]!.shape.map((size, axis) => ({
      axis,
      start: before[axis]!,
      end: before[axis]! + size,
    }));
    return [slice(cotangents[0]!, ...ranges)];
  },
});

/**
 * `value` (0 when left out) added around `x`: `before[axis]` elements in front and `after[axis]` behind.
 * @throws Error when an amount is negative: use {@link slice}
 */
export function pad(x: Value, before: readonly number[], after: readonly number[], value = 0): Value {
  if ([...before, ...after].some((amount) => amount < 0)) {
    throw new Error(`pad: expected amounts of at least 0, received [${before}] and [${after}]`);
  }
  if (before.every((amount) => amount === 0) && after.every((amount) => amount === 0)) return x;
  return padOperator([x], { before, after, value })[0]!;
}

const concatOperator = defineOperator<{ readonly axis: number }>({
  name: 'concat',
  infer(inputs, { axis }) {
    const first = required(inputs, 0);
    let total = 0;
    inputs.forEach((value, i) => {
      const x = required(inputs, i);
      const fits =
        x.shape.length === first.shape.length &&
        x.shape.every((size, a) => a === axis || size === first.shape[a]);
      if (!fits || x.dtype !== first.dtype)
        throw new Error(`expected inputs that agree but for axis ${axis}`);
      total += value!.shape[axis]!;
    });
    return [{ dtype: first.dtype, shape: first.shape.map((size, a) => (a === axis ? total : size)) }];
  },
  emit(context, inputs, outputs, node) {
    context.node('Concat', inputs, { axis: { int: node.attributes.axis } }, outputs);
  },
  gradient(node, cotangents, needs) {
    const { axis } = node.attributes;
    let start = 0;
    return node.inputs.map((value, i) => {
      const size = value!.shape[axis]!;
      const part = needs[i] ? slice(cotangents[0]!, { axis, start, end: start + size }) : undefined;
      start += size;
      return part;
    });
  },
});

/** Values joined along `axis`. */
export function concat(values: readonly Value[], axis: number): Value {
  if (values.length === 1) return values[0]!;
  if (values.length === 0) throw new Error('concat: expected at least one value, received none');
  return concatOperator(values, { axis: normalizeAxis(axis, values[0]!.shape.length) })[0]!;
}

const splitOperator = defineOperator<{ readonly axis: number; readonly sizes: readonly number[] }>({
  name: 'split',
  infer(inputs, { axis, sizes }) {
    const x = required(inputs, 0);
    return sizes.map((size) => ({
      dtype: x.dtype,
      shape: x.shape.map((whole, a) => (a === axis ? size : whole)),
    }));
  },
  emit(context, inputs, outputs, node) {
    const { axis, sizes } = node.attributes;
    // ONNX wants every piece to have a name, used or not.
    const names = outputs.map((name, i) =>
      name === '' ? `${outputs.find((each) => each !== '')}/${i}` : name,
    );
    context.node(
      'Split',
      [inputs[0]!, context.constant(sizes, [sizes.length], 'int64')],
      { axis: { int: axis } },
      names,
    );
  },
  gradient(node, cotangents) {
    const { axis } = node.attributes;
    const pieces = node.outputs.map(
      ({ shape, dtype }, i) => cotangents[i] ?? expand(scalar(0, dtype), shape),
    );
    return [concat(pieces, axis)];
  },
});

/**
 * `x` cut along `axis` into pieces of the given sizes.
 * @throws Error when the sizes do not add up to the axis
 */
export function split(x: Value, axis: number, sizes: readonly number[]): Value[] {
  const position = normalizeAxis(axis, x.shape.length);
  if (sizes.reduce((sum, size) => sum + size, 0) !== x.shape[position]) {
    throw new Error(`split: expected sizes that add up to ${x.shape[position]}, received [${sizes}]`);
  }
  return sizes.length === 1 ? [x] : [...splitOperator([x], { axis: position, sizes })];
}
