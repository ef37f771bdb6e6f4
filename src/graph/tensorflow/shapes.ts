/** Shapes that TensorFlow nodes compute: slices with masks, and arithmetic on numbers known while importing. */

import { reshapeTarget, slicedIndices } from '../onnx/import/fold.ts';
import type { Known } from '../onnx/import/known.ts';
import { concatKnown, elementwiseKnown, pickKnown } from '../onnx/import/known.ts';
import { checkedShape } from '../onnx/import/tensor.ts';
import type { SliceRange } from '../operators/shape.ts';
import type { Shape } from '../types.ts';
import { elementCount, normalizeAxis } from '../types.ts';
import { toTensorData } from '../value.ts';
import type { WeightElements } from './file.ts';
import type { ModelNode } from './node.ts';

/** The target of a Reshape with -1 resolved. */
export function resolveShape(target: readonly number[], shape: Shape): number[] {
  return checkedShape(reshapeTarget(target, shape, true));
}

/** `shape` without the axes of size 1 that are named, or without all of them where none is. */
export function squeezedShape(shape: Shape, axes: readonly number[]): number[] {
  const places = axes.map((axis) => normalizeAxis(axis, shape.length));
  return shape.filter((size, axis) => !(places.length > 0 ? places.includes(axis) : size === 1));
}

/** What a StridedSlice cuts, and the shape of its result once shrunk axes are gone and new ones there. */
export interface StridedRanges {
  readonly ranges: readonly SliceRange[];
  readonly shape: Shape;
}

/**
 * Reads begin, end, strides and the masks of a StridedSlice.
 * @throws Error when the slice is empty
 */
export function stridedRanges(node: ModelNode, shape: Shape): StridedRanges {
  const [begin, end, steps] = [node.numbers(1), node.numbers(2), node.numbers(3)];
  const has = (mask: string, i: number) => ((node.int(mask, 0) >> i) & 1) === 1;
  const entries = begin.map((_, i) => i);
  const newAxes = entries.filter((i) => has('new_axis_mask', i)).length;
  const ellipsis = entries.findIndex((i) => has('ellipsis_mask', i));
  const ranges: SliceRange[] = [];
  const result: number[] = [];
  let axis = 0;
  for (const i of entries) {
    if (i === ellipsis) {
      const covered = shape.length - (begin.length - 1 - newAxes);
      result.push(...shape.slice(axis, axis + covered));
      axis += covered;
    } else if (has('new_axis_mask', i)) {
      result.push(1);
    } else {
      const size = shape[axis]!;
      const step = steps[i]!;
      const shrink = has('shrink_axis_mask', i);
      const first = has('begin_mask', i) && !shrink ? (step > 0 ? 0 : size - 1) : begin[i]!;
      const open = step > 0 ? size : -size - 1;
      const last = shrink ? (first === -1 ? size : first + 1) : has('end_mask', i) ? open : end[i]!;
      const picked = slicedIndices(size, { axis, start: first, end: last, step: shrink ? 1 : step });
      if (picked.length === 0)
        throw new Error(`expected at least one element along axis ${axis}, received none`);
      const stop = picked[picked.length - 1]! + Math.sign(step);
      const range = { axis, start: picked[0]!, step: shrink ? 1 : step };
      ranges.push(stop < 0 ? range : { ...range, end: stop });
      if (!shrink) result.push(picked.length);
      axis++;
    }
  }
  return { ranges, shape: [...result, ...shape.slice(axis)] };
}

function asKnown({ dtype, shape, data }: WeightElements): Known {
  return { dtype, shape, data: Array.from(data) };
}

const arithmetic =
  (compute: (a: number, b: number) => number) =>
  ([a, b]: readonly Known[]): Known =>
    elementwiseKnown(a!.dtype, [a!, b!], compute);

type Folder = (inputs: readonly Known[], node: ModelNode) => Known;

const FOLDERS: Readonly<Record<string, Folder>> = Object.freeze({
  Add: arithmetic((a, b) => a + b),
  AddV2: arithmetic((a, b) => a + b),
  Sub: arithmetic((a, b) => a - b),
  Mul: arithmetic((a, b) => a * b),
  FloorDiv: arithmetic((a, b) => Math.floor(a / b)),
  Maximum: arithmetic(Math.max),
  Minimum: arithmetic(Math.min),
  Prod: ([x]) => ({ dtype: x!.dtype, shape: [], data: [x!.data.reduce((a, b) => a * b, 1)] }),
  Pack: (inputs) =>
    concatKnown(
      inputs.map((each) => ({ ...each, shape: [1, ...each.shape] })),
      0,
    ),
  ConcatV2: (inputs) => concatKnown(inputs.slice(0, -1), inputs[inputs.length - 1]!.data[0]!),
  Reshape: ([x, target]) => ({ ...x!, shape: resolveShape(target!.data, x!.shape) }),
  StridedSlice: ([x], node) => {
    const { ranges, shape } = stridedRanges(node, x!.shape);
    const cut = ranges.reduce((part, { axis, start = 0, end, step = 1 }) => {
      const size = part.shape[axis]!;
      const open = step > 0 ? size : -size - 1;
      const picked = slicedIndices(size, { axis, start, end: end ?? open, step });
      return pickKnown(part, axis, picked, [picked.length]);
    }, x!);
    return { ...cut, shape };
  },
});

/** The result of a node whose inputs are all whole numbers known while importing; null where that doesn't hold. */
export function foldShape(node: ModelNode): WeightElements | null {
  const folder = Object.hasOwn(FOLDERS, node.op) ? FOLDERS[node.op] : undefined;
  const known = node.inputs.flatMap((input) =>
    input.known?.dtype === 'int32' ? [asKnown(input.known)] : [],
  );
  if (!folder || known.length === 0 || known.length !== node.inputs.length) return null;
  const { shape, data } = folder(known, node);
  return wholeNumbers(data, shape);
}

/** Known whole numbers of a shape. */
export function wholeNumbers(data: readonly number[], shape: Shape = [data.length]): WeightElements {
  if (data.length !== elementCount(shape))
    throw new Error(`expected [${shape}] numbers, received ${data.length}`);
  return { dtype: 'int32', shape, data: toTensorData(data, 'int32') as Int32Array };
}
