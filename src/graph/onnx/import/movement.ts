/** Import of ONNX operators that move elements: shapes, slices, padding, gathering. */

import { scale, shift } from '../../operators/arithmetic.ts';
import { gather, gatherElements, oneHot } from '../../operators/indexing.ts';
import { cast, where } from '../../operators/logic.ts';
import * as shapes from '../../operators/shape.ts';
import { elementCount, normalizeAxis } from '../../types.ts';
import type { Value } from '../../value.ts';
import { constant, scalar } from '../../value.ts';
import { reshapeTarget, slicedIndices, sliceSpecs, squeezed, unsqueezed } from './fold.ts';
import type { ImportNode, NodeImporter } from './node.ts';
import { checkedShape } from './tensor.ts';

const { reshape, transpose } = shapes;

function split(node: ImportNode): Value[] {
  const x = node.value(0);
  const axis = normalizeAxis(node.int('axis', 0), x.shape.length);
  const size = x.shape[axis]!;
  const given = node.numbers('split', 1);
  if (given) return shapes.split(x, axis, given);
  const count = node.int('num_outputs', node.outputCount);
  const chunk = Math.ceil(size / count);
  const sizes = Array.from({ length: count }, (_, i) => Math.min(chunk, size - i * chunk));
  return shapes.split(x, axis, sizes);
}

function slice(node: ImportNode): Value {
  const x = node.value(0);
  return sliceSpecs(node, x.shape.length).reduce((part, spec) => {
    const picked = slicedIndices(part.shape[spec.axis]!, spec);
    if (picked.length === 0) throw new Error(`expected a slice of at least one element on axis ${spec.axis}`);
    const [first, last] = [picked[0]!, picked[picked.length - 1]!];
    const end = spec.step > 0 ? last + 1 : last - 1;
    // An end of -1 would count from behind: leave it out.
    const range = { axis: spec.axis, start: first, step: spec.step };
    return shapes.slice(part, end < 0 ? range : { ...range, end });
  }, x);
}

/** Source index of every element of an axis padded by `before` and `after` in mode `reflect`, `edge` or `wrap`. */
function paddedIndices(size: number, before: number, after: number, mode: string): number[] {
  return Array.from({ length: size + before + after }, (_, i) => {
    const position = i - before;
    if (mode === 'edge') return Math.max(0, Math.min(size - 1, position));
    if (mode === 'wrap') return ((position % size) + size) % size;
    const period = Math.max(1, 2 * (size - 1));
    const folded = ((position % period) + period) % period;
    return folded < size ? folded : period - folded;
  });
}

function pad(node: ImportNode): Value {
  const x = node.value(0);
  const rank = x.shape.length;
  const amounts = node.numbers('pads', 1) ?? [];
  const fill = node.known(2)?.data[0] ?? node.float('value', 0);
  const axes = node.known(3)?.data.map((axis) => normalizeAxis(axis, rank)) ?? x.shape.map((_, axis) => axis);
  if (amounts.length !== 2 * axes.length)
    throw new Error(`expected ${2 * axes.length} pads, received ${amounts.length}`);
  const before = new Array<number>(rank).fill(0);
  const after = new Array<number>(rank).fill(0);
  axes.forEach((axis, i) => {
    before[axis] = amounts[i]!;
    after[axis] = amounts[axes.length + i]!;
  });
  const mode = node.string('mode', 'constant');
  if (mode !== 'constant') {
    return x.shape.reduce<Value>((part, size, axis) => {
      if (before[axis] === 0 && after[axis] === 0) return part;
      const indices = paddedIndices(size, before[axis]!, after[axis]!, mode);
      return gather(part, constant(indices, [indices.length], 'int64'), axis);
    }, x);
  }
  checkedShape(x.shape.map((size, axis) => size + before[axis]! + after[axis]!));
  const cut = x.shape.map((size, axis) => ({
    axis,
    start: Math.max(0, -before[axis]!),
    end: size - Math.max(0, -after[axis]!),
  }));
  const atLeastZero = (amount: number) => Math.max(0, amount);
  return shapes.pad(shapes.slice(x, ...cut), before.map(atLeastZero), after.map(atLeastZero), fill);
}

function tile(node: ImportNode): Value {
  const x = node.value(0);
  const repeats = node.known(1)!.data;
  checkedShape(x.shape.map((size, axis) => size * repeats[axis]!));
  const spread = shapes.expand(
    reshape(
      x,
      x.shape.flatMap((size) => [1, size]),
    ),
    x.shape.flatMap((size, axis) => [repeats[axis]!, size]),
  );
  return reshape(
    spread,
    x.shape.map((size, axis) => size * repeats[axis]!),
  );
}

function expand(node: ImportNode): Value {
  const x = node.value(0);
  const target = checkedShape(node.known(1)!.data);
  const rank = Math.max(target.length, x.shape.length);
  // Expand broadcasts both ways: where the target has 1, the input's size stays.
  const full = Array.from({ length: rank }, (_, i) => {
    const own = x.shape[x.shape.length - rank + i] ?? 1;
    const wanted = target[target.length - rank + i] ?? 1;
    return wanted === 1 ? own : wanted;
  });
  return shapes.expand(x, full);
}

function gatherAlong(node: ImportNode): Value {
  return gather(node.value(0), node.value(1), node.int('axis', 0));
}

function flatten(node: ImportNode): Value {
  const x = node.value(0);
  const axis = node.int('axis', 1);
  const cut = axis < 0 ? axis + x.shape.length : axis;
  return reshape(x, [elementCount(x.shape.slice(0, cut)), elementCount(x.shape.slice(cut))]);
}

/** Channels to pixels: DCR takes the block's row and column from the front of the channels, CRD from behind. */
function depthToSpace(node: ImportNode): Value {
  const x = node.value(0);
  const size = node.int('blocksize', 1);
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const channels = c / (size * size);
  const cells =
    node.string('mode', 'DCR') === 'DCR'
      ? transpose(reshape(x, [n, size, size, channels, h, w]), [0, 3, 4, 1, 5, 2])
      : transpose(reshape(x, [n, channels, size, size, h, w]), [0, 1, 4, 2, 5, 3]);
  return reshape(cells, [n, channels, h * size, w * size]);
}

function spaceToDepth(node: ImportNode): Value {
  const x = node.value(0);
  const size = node.int('blocksize', 1);
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const cells = transpose(reshape(x, [n, c, h / size, size, w / size, size]), [0, 3, 5, 1, 2, 4]);
  return reshape(cells, [n, c * size * size, h / size, w / size]);
}

function oneHotRows(node: ImportNode): Value {
  const depth = node.known(1)!.data[0]!;
  const [off, on] = node.known(2)!.data as [number, number];
  const indices = node.value(0);
  const rank = indices.shape.length + 1;
  const axis = normalizeAxis(node.int('axis', -1), rank);
  const rows = shift(scale(oneHot(indices, depth), on - off), off);
  const order = Array.from({ length: rank - 1 }, (_, i) => i);
  order.splice(axis, 0, rank - 1);
  return cast(transpose(rows, order), node.inputs[2]!.known!.dtype);
}

/** The upper (or lower) triangle kept, zeros elsewhere: by a constant mask. */
function triangle(node: ImportNode): Value {
  const x = node.value(0);
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  const offset = node.known(1)?.data[0] ?? 0;
  const upper = node.int('upper', 1) === 1;
  const mask = Array.from({ length: rows * columns }, (_, flat) => {
    const distance = (flat % columns) - Math.floor(flat / columns) - offset;
    return (upper ? distance >= 0 : distance <= 0) ? 1 : 0;
  });
  const kept = constant(mask, [rows, columns], 'bool');
  return where(kept, x, scalar(0, x.dtype));
}

/** Importers of operators that move elements, by ONNX operator type. */
export const MOVEMENT_IMPORTERS: Readonly<Record<string, NodeImporter>> = {
  Reshape: (node) => {
    const x = node.value(0);
    const target = node.numbers('shape', 1) ?? [];
    return reshape(x, checkedShape(reshapeTarget(target, x.shape, node.int('allowzero', 0) === 1)));
  },
  Flatten: flatten,
  Transpose: (node) => {
    const x = node.value(0);
    return transpose(x, node.ints('perm') ?? x.shape.map((_, axis) => axis).reverse());
  },
  Squeeze: (node) => reshape(node.value(0), squeezed(node.value(0).shape, node.numbers('axes', 1))),
  Unsqueeze: (node) => reshape(node.value(0), unsqueezed(node.value(0).shape, node.numbers('axes', 1) ?? [])),
  Slice: slice,
  Split: split,
  Concat: (node) =>
    shapes.concat(
      node.inputs.map((_, i) => node.value(i)),
      node.int('axis', 1),
    ),
  Pad: pad,
  Tile: tile,
  Expand: expand,
  Gather: gatherAlong,
  GatherElements: (node) => gatherElements(node.value(0), node.value(1), node.int('axis', 0)),
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  OneHot: oneHotRows,
  Trilu: triangle,
};
