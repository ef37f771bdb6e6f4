/** Folding: operators evaluated on known tensors while a model is imported, above all the arithmetic on shapes. */

import type { DataType } from '../../types.ts';
import { elementCount, isFloating, normalizeAxis } from '../../types.ts';
import type { Known } from './known.ts';
import { checkedCount, concatKnown, elementwiseKnown, expandKnown, known, pickKnown } from './known.ts';
import type { ImportNode } from './node.ts';
import { dataTypeOf } from './tensor.ts';

/** Evaluates a node whose inputs are all known. */
type Folder = (node: ImportNode, inputs: readonly Known[]) => Known | readonly Known[];

function arithmetic(compute: (a: number, b: number, integer: boolean) => number): Folder {
  return (_node, inputs) => {
    const { dtype } = inputs[0]!;
    const integer = !isFloating(dtype);
    return elementwiseKnown(dtype, inputs.slice(0, 2), (a, b) => compute(a, b, integer));
  };
}

function comparison(compute: (a: number, b: number) => boolean): Folder {
  return (_node, inputs) => elementwiseKnown('bool', inputs, (a, b) => (compute(a, b) ? 1 : 0));
}

function unary(compute: (x: number) => number, dtype?: DataType): Folder {
  return (_node, [x]) => elementwiseKnown(dtype ?? x!.dtype, [x!], compute);
}

function variadic(compute: (a: number, b: number) => number): Folder {
  return (_node, inputs) =>
    elementwiseKnown(inputs[0]!.dtype, inputs, (...elements) => elements.reduce((a, b) => compute(a, b)));
}

function reduction(compute: (elements: readonly number[]) => number): Folder {
  return (node, [x]) => {
    const rank = x!.shape.length;
    const named = node.numbers('axes', 1);
    if (!named?.length && node.int('noop_with_empty_axes', 0) === 1) return x!;
    const axes = named?.length
      ? named.map((axis) => normalizeAxis(axis, rank))
      : x!.shape.map((_, axis) => axis);
    const groups = new Map<string, number[]>();
    x!.data.forEach((element, flat) => {
      let rest = flat;
      const key: number[] = [];
      for (let axis = rank - 1; axis >= 0; axis--) {
        if (!axes.includes(axis)) key.unshift(rest % x!.shape[axis]!);
        rest = Math.floor(rest / x!.shape[axis]!);
      }
      const list = groups.get(key.join());
      if (list) list.push(element);
      else groups.set(key.join(), [element]);
    });
    const keep = node.int('keepdims', 1) === 1;
    const shape = x!.shape.flatMap((size, axis) => (axes.includes(axis) ? (keep ? [1] : []) : [size]));
    return known(x!.dtype, shape, [...groups.values()].map(compute));
  };
}

/** Resolves -1 and 0 (the input's own dimension) in the target of a Reshape. */
export function reshapeTarget(
  target: readonly number[],
  shape: readonly number[],
  allowZero: boolean,
): number[] {
  const copied = target.map((size, axis) => (size === 0 && !allowZero ? (shape[axis] ?? 0) : size));
  const unknown = copied.indexOf(-1);
  if (unknown < 0) return copied;
  const rest = elementCount(copied.filter((_, axis) => axis !== unknown));
  return copied.with(unknown, rest === 0 ? 0 : elementCount(shape) / rest);
}

/** `shape` with axes of size 1 put in so that they stand at `axes` of the result. */
export function unsqueezed(shape: readonly number[], axes: readonly number[]): number[] {
  const rank = shape.length + axes.length;
  const places = new Set(axes.map((axis) => normalizeAxis(axis, rank)));
  let next = 0;
  return Array.from({ length: rank }, (_, axis) => (places.has(axis) ? 1 : shape[next++]!));
}

/** `shape` without the axes of size 1 named, or without all of them. */
export function squeezed(shape: readonly number[], axes: readonly number[] | null): number[] {
  const places = axes?.map((axis) => normalizeAxis(axis, shape.length));
  return shape.filter((size, axis) => !(places ? places.includes(axis) : size === 1));
}

/** One axis of a Slice node: like NumPy's, with ends far outside the axis meaning "to the end". */
export interface SliceSpec {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** The axes that a Slice node cuts, from attributes (operator sets before 10) or inputs. */
export function sliceSpecs(node: ImportNode, rank: number): SliceSpec[] {
  const starts = node.numbers('starts', 1) ?? [];
  const ends = node.numbers('ends', 2) ?? [];
  const axes = node.numbers('axes', 3) ?? starts.map((_, i) => i);
  const steps = node.known(4)?.data ?? starts.map(() => 1);
  return axes.map((axis, i) => ({
    axis: normalizeAxis(axis, rank),
    start: starts[i]!,
    end: ends[i]!,
    step: steps[i]!,
  }));
}

/** Indices that a slice takes from an axis of `size`. */
export function slicedIndices(size: number, { start, end, step }: SliceSpec): number[] {
  if (step === 0) throw new Error('expected a step other than 0');
  const low = step > 0 ? 0 : -1;
  const high = step > 0 ? size : size - 1;
  const clamp = (index: number) => Math.max(low, Math.min(high, index < 0 ? index + size : index));
  const [first, stop] = [clamp(start), clamp(end)];
  return Array.from({ length: Math.max(0, Math.ceil((stop - first) / step)) }, (_, i) => first + i * step);
}

function transposeKnown(x: Known, permutation: readonly number[]): Known {
  const shape = permutation.map((axis) => x.shape[axis]!);
  const data = x.data.map((_, flat) => {
    let rest = flat;
    const index = new Array<number>(shape.length);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[permutation[axis]!] = rest % shape[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    return x.data[index.reduce((position, i, axis) => position * x.shape[axis]! + i, 0)]!;
  });
  return { dtype: x.dtype, shape, data };
}

function range(dtype: DataType, start: number, limit: number, delta: number): Known {
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  checkedCount([count]);
  return known(
    dtype,
    [count],
    Array.from({ length: count }, (_, i) => start + i * delta),
  );
}

const FOLDERS: Readonly<Record<string, Folder>> = Object.freeze({
  Add: arithmetic((a, b) => a + b),
  Sub: arithmetic((a, b) => a - b),
  Mul: arithmetic((a, b) => a * b),
  Div: arithmetic((a, b, integer) => (integer ? Math.trunc(a / b) : a / b)),
  Mod: (node, inputs) =>
    elementwiseKnown(inputs[0]!.dtype, inputs, (a, b) =>
      node.int('fmod', 0) === 1 ? a % b : a - b * Math.floor(a / b),
    ),
  Pow: arithmetic((a, b) => a ** b),
  Min: variadic(Math.min),
  Max: variadic(Math.max),
  Sum: variadic((a, b) => a + b),
  Neg: unary((x) => -x),
  Abs: unary(Math.abs),
  Floor: unary(Math.floor),
  Ceil: unary(Math.ceil),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((x) => 1 / x),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Not: unary((x) => 1 - x, 'bool'),
  And: comparison((a, b) => a !== 0 && b !== 0),
  Or: comparison((a, b) => a !== 0 || b !== 0),
  Equal: comparison((a, b) => a === b),
  Greater: comparison((a, b) => a > b),
  Less: comparison((a, b) => a < b),
  GreaterOrEqual: comparison((a, b) => a >= b),
  LessOrEqual: comparison((a, b) => a <= b),
  Where: (_node, inputs) =>
    elementwiseKnown(inputs[1]!.dtype, inputs, (condition, a, b) => (condition ? a : b)),
  Identity: (_node, [x]) => x!,
  Cast: (node, [x]) => known(dataTypeOf(node.int('to', 1)), x!.shape, x!.data),
  CastLike: (_node, [x, like]) => known(like!.dtype, x!.shape, x!.data),
  ReduceSum: reduction((elements) => elements.reduce((a, b) => a + b, 0)),
  ReduceProd: reduction((elements) => elements.reduce((a, b) => a * b, 1)),
  ReduceMax: reduction((elements) => elements.reduce((a, b) => Math.max(a, b))),
  ReduceMin: reduction((elements) => elements.reduce((a, b) => Math.min(a, b))),
  Reshape: (node, [x, target]) => ({
    ...x!,
    shape: reshapeTarget(target!.data, x!.shape, node.int('allowzero', 0) === 1),
  }),
  Flatten: (node, [x]) => {
    const axis = node.int('axis', 1);
    const split = axis < 0 ? axis + x!.shape.length : axis;
    return { ...x!, shape: [elementCount(x!.shape.slice(0, split)), elementCount(x!.shape.slice(split))] };
  },
  Unsqueeze: (node, [x]) => ({ ...x!, shape: unsqueezed(x!.shape, node.numbers('axes', 1) ?? []) }),
  Squeeze: (node, [x]) => ({ ...x!, shape: squeezed(x!.shape, node.numbers('axes', 1)) }),
  Transpose: (node, [x]) =>
    transposeKnown(x!, node.ints('perm') ?? x!.shape.map((_, axis) => axis).reverse()),
  Gather: (node, [x, indices]) =>
    pickKnown(x!, normalizeAxis(node.int('axis', 0), x!.shape.length), indices!.data, indices!.shape),
  Concat: (node, inputs) => concatKnown(inputs, normalizeAxis(node.int('axis', 0), inputs[0]!.shape.length)),
  Slice: (node, [x]) =>
    sliceSpecs(node, x!.shape.length).reduce((part, spec) => {
      const picked = slicedIndices(part.shape[spec.axis]!, spec);
      return pickKnown(part, spec.axis, picked, [picked.length]);
    }, x!),
  Expand: (_node, [x, shape]) => expandKnown(x!, shape!.data),
  Range: (_node, [start, limit, delta]) =>
    range(start!.dtype, start!.data[0]!, limit!.data[0]!, delta!.data[0]!),
  ConstantOfShape: (node, [shape]) => {
    const fill = node.tensor('value') ?? known('float32', [1], [0]);
    return known(fill.dtype, shape!.data, new Array<number>(checkedCount(shape!.data)).fill(fill.data[0]!));
  },
});

/** The node's outputs when it can be evaluated now: it has a folder and every input is known. */
export function fold(node: ImportNode): readonly Known[] | null {
  if (node.domain !== '' && node.domain !== 'ai.onnx') return null;
  const folder = Object.hasOwn(FOLDERS, node.opType) ? FOLDERS[node.opType] : undefined;
  if (!folder) return null;
  const inputs: Known[] = [];
  for (const input of node.inputs) {
    if (input === null) continue;
    if (input.known === null) return null;
    inputs.push(input.known);
  }
  const result = folder(node, inputs);
  return 'dtype' in result ? [result] : result;
}
