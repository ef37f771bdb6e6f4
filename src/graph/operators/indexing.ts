/** Gathering and scattering by integer indices: embeddings, selected elements, and their gradients. */

import { defineOperator, required } from '../operator.ts';
import type { DataType } from '../types.ts';
import { elementCount, normalizeAxis } from '../types.ts';
import type { Value } from '../value.ts';
import { constant, scalar } from '../value.ts';
import { cast, equal } from './logic.ts';
import { expand, reshape, transpose } from './shape.ts';

const gatherOperator = defineOperator<{ readonly axis: number }>({
  name: 'gather',
  infer(inputs, { axis }) {
    const [x, indices] = [required(inputs, 0), required(inputs, 1)];
    if (indices.dtype !== 'int64' && indices.dtype !== 'int32')
      throw new Error(`expected integer indices, received ${indices.dtype}`);
    return [
      { dtype: x.dtype, shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)] },
    ];
  },
  emit(context, inputs, outputs, node) {
    context.node('Gather', inputs, { axis: { int: node.attributes.axis } }, outputs);
  },
  gradient(node, cotangents) {
    const [x, indices] = node.inputs as readonly Value[];
    const { axis } = node.attributes;
    const count = elementCount(indices!.shape);
    const rank = x!.shape.length;
    // Bring the gathered axis to the front, add the rows up, and bring it back.
    const g = reshape(cotangents[0]!, [...x!.shape.slice(0, axis), count, ...x!.shape.slice(axis + 1)]);
    const toFront = [axis, ...x!.shape.map((_, a) => a).filter((a) => a !== axis)];
    const rows = scatterAdd(transpose(g, toFront), reshape(indices!, [count]), x!.shape[axis]!);
    const back = Array.from({ length: rank }, (_, a) => toFront.indexOf(a));
    return [transpose(rows, back), undefined];
  },
});

/**
 * Entries of `x` along `axis` at `indices` (int32 or int64, any shape): an embedding look-up when axis is 0.
 * @returns shape of x with `axis` replaced by the indices' shape
 */
export function gather(x: Value, indices: Value, axis = 0): Value {
  return gatherOperator([x, indices], { axis: normalizeAxis(axis, x.shape.length) })[0]!;
}

const scatterAddOperator = defineOperator<{ readonly size: number }>({
  name: 'scatterAdd',
  infer(inputs, { size }) {
    const [updates, indices] = [required(inputs, 0), required(inputs, 1)];
    if (indices.shape.length !== 1 || indices.shape[0] !== updates.shape[0])
      throw new Error('expected one index for each row of updates');
    return [{ dtype: updates.dtype, shape: [size, ...updates.shape.slice(1)] }];
  },
  emit(context, inputs, outputs, node) {
    const { shape, dtype } = node.outputs[0]!;
    const count = node.inputs[1]!.shape[0]!;
    const [zeros] = context.node('Expand', [
      context.constant([0], [], dtype),
      context.constant(shape, [shape.length], 'int64'),
    ]);
    const [rows] = context.node('Reshape', [inputs[1]!, context.constant([count, 1], [2], 'int64')]);
    const [wide] =
      node.inputs[1]!.dtype === 'int64' ? [rows] : context.node('Cast', [rows!], { to: { int: 7 } });
    context.node('ScatterND', [zeros!, wide!, inputs[0]!], { reduction: { string: 'add' } }, outputs);
  },
  gradient: (node, cotangents) => [gather(cotangents[0]!, node.inputs[1]!, 0), undefined],
});

/** Zeros [size, ...] to which row i of `updates` [n, ...] is added at row `indices[i]`; equal indices add up. */
export function scatterAdd(updates: Value, indices: Value, size: number): Value {
  return scatterAddOperator([updates, indices], { size })[0]!;
}

const gatherElementsOperator = defineOperator<{ readonly axis: number }>({
  name: 'gatherElements',
  infer(inputs) {
    const [x, indices] = [required(inputs, 0), required(inputs, 1)];
    if (x.shape.length !== indices.shape.length) throw new Error('expected indices of the same rank');
    return [{ dtype: x.dtype, shape: indices.shape }];
  },
  emit(context, inputs, outputs, node) {
    context.node('GatherElements', inputs, { axis: { int: node.attributes.axis } }, outputs);
  },
  gradient: (node, cotangents) => [
    scatterElementsAdd(cotangents[0]!, node.inputs[1]!, node.inputs[0]!.shape, node.attributes.axis),
    undefined,
  ],
});

/** Elements of `x` picked along `axis` by `indices` (int64, same rank, same or smaller other axes). */
export function gatherElements(x: Value, indices: Value, axis: number): Value {
  return gatherElementsOperator([x, indices], { axis: normalizeAxis(axis, x.shape.length) })[0]!;
}

const scatterElementsOperator = defineOperator<{ readonly shape: readonly number[]; readonly axis: number }>({
  name: 'scatterElementsAdd',
  infer: (inputs, { shape }) => [{ dtype: required(inputs, 0).dtype, shape }],
  emit(context, inputs, outputs, node) {
    const { shape, axis } = node.attributes;
    const { dtype } = node.outputs[0]!;
    const [zeros] = context.node('Expand', [
      context.constant([0], [], dtype),
      context.constant(shape, [shape.length], 'int64'),
    ]);
    const attributes = { axis: { int: axis }, reduction: { string: 'add' } };
    context.node('ScatterElements', [zeros!, inputs[1]!, inputs[0]!], attributes, outputs);
  },
  gradient: (node, cotangents) => [
    gatherElements(cotangents[0]!, node.inputs[1]!, node.attributes.axis),
    undefined,
  ],
});

/** Zeros of `shape` to which `updates` are added at `indices` along `axis`: the adjoint of {@link gatherElements}. */
export function scatterElementsAdd(
  updates: Value,
  indices: Value,
  shape: readonly number[],
  axis: number,
): Value {
  return scatterElementsOperator([updates, indices], { shape, axis: normalizeAxis(axis, shape.length) })[0]!;
}

/** One-hot rows of `indices` [...] over `size` classes: [..., size] float32. */
export function oneHot(indices: Value, size: number): Value {
  const classes = constant(
    Array.from({ length: size }, (_, i) => i),
    [size],
    indices.dtype,
  );
  const column = reshape(indices, [...indices.shape, 1]);
  return cast(equal(expand(column, [...indices.shape, size]), classes), 'float32');
}

const argMaxOperator = defineOperator<{ readonly axis: number }>({
  name: 'argMax',
  infer(inputs, { axis }) {
    const x = required(inputs, 0);
    return [{ dtype: 'int64', shape: x.shape.filter((_, a) => a !== axis) }];
  },
  emit(context, inputs, outputs, node) {
    context.node('ArgMax', inputs, { axis: { int: node.attributes.axis }, keepdims: { int: 0 } }, outputs);
  },
  gradient: 'zero',
});

/** Index (int64) of the first largest element along `axis`. */
export function argMax(x: Value, axis = -1): Value {
  return argMaxOperator([x], { axis: normalizeAxis(axis, x.shape.length) })[0]!;
}

/** Zeros of `shape`. */
export function zeros(shape: readonly number[], dtype: DataType = 'float32'): Value {
  return expand(scalar(0, dtype), shape);
}
