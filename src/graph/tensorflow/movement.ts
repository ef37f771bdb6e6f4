/** Import of TensorFlow's operators that move elements, and of its reductions. */

import { argMax, gather } from '../operators/indexing.ts';
import { cast } from '../operators/logic.ts';
import type { ReductionOptions } from '../operators/reduction.ts';
import { reduceMax, reduceMean, reduceMin, reduceSum } from '../operators/reduction.ts';
import type { SliceRange } from '../operators/shape.ts';
import { concat, pad, reshape, slice, split, transpose } from '../operators/shape.ts';
import { elementCount, normalizeAxis } from '../types.ts';
import type { Value } from '../value.ts';
import type { ModelNode, NodeImporter } from './node.ts';
import { resolveShape, squeezedShape, stridedRanges } from './shapes.ts';
import type { Tensor } from './tensor.ts';
import { ofPlain, ofPlanes, TO_PLAIN } from './tensor.ts';

/** Where the axes of [N, H, W, C] lie in [N, C, H, W]. */
const PLANE_OF = TO_PLAIN;

/** A function of some axes, applied with channels first where the tensor is so. */
function alongAxes(
  x: Tensor,
  axes: readonly number[],
  apply: (x: Value, axes: readonly number[]) => Value,
): Tensor {
  if (!x.channelsFirst) return ofPlain(apply(x.plain(), axes));
  const moved = axes.map((axis) => PLANE_OF[axis]!);
  return ofPlanes(apply(x.planes(), moved));
}

function reduction(apply: (x: Value, options: ReductionOptions) => Value): NodeImporter {
  return (node) => {
    const x = node.tensor(0);
    const axes = node.numbers(1).map((axis) => normalizeAxis(axis, x.shape.length));
    const keepDimensions = node.flag('keep_dims');
    if (keepDimensions || !x.channelsFirst) {
      return alongAxes(x, axes, (value, moved) => apply(value, { axes: moved, keepDimensions }));
    }
    const reduced = apply(x.planes(), { axes: axes.map((axis) => PLANE_OF[axis]!) });
    // The axes that are left, in the order in which they lie and in the order in which the model means them.
    const kept = x.shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [PLANE_OF[axis]!]));
    const lying = [...kept].sort((a, b) => a - b);
    return ofPlain(
      transpose(
        reduced,
        kept.map((axis) => lying.indexOf(axis)),
      ),
    );
  };
}

/** A model written for one image names its size 1 in shapes: with several images, their number stands there. */
function reshaped(node: ModelNode): Tensor {
  const x = node.tensor(0);
  const target = node.numbers(1);
  const count = elementCount(x.shape);
  const fixed = !target.includes(-1) && elementCount(target) * node.batch === count;
  if (node.batch > 1 && fixed && target[0] === 1) {
    return ofPlain(reshape(x.plain(), [node.batch, ...target.slice(1)]));
  }
  return ofPlain(reshape(x.plain(), resolveShape(target, x.shape)));
}

function padded(node: ModelNode): Tensor {
  const x = node.tensor(0);
  const amounts = node.numbers(1);
  const fill = node.inputs.length > 2 ? node.numbers(2)[0]! : 0;
  const axes = x.shape.map((_, axis) => axis);
  return alongAxes(x, axes, (value, moved) => {
    const [before, after] = [new Array<number>(axes.length), new Array<number>(axes.length)];
    moved.forEach((axis, i) => {
      before[axis] = amounts[2 * i]!;
      after[axis] = amounts[2 * i + 1]!;
    });
    return pad(value, before, after, fill);
  });
}

function transposed(node: ModelNode): Tensor {
  const x = node.tensor(0);
  const permutation = node.numbers(1).map((axis) => normalizeAxis(axis, x.shape.length));
  return ofPlain(
    x.channelsFirst
      ? transpose(
          x.planes(),
          permutation.map((axis) => PLANE_OF[axis]!),
        )
      : transpose(x.plain(), permutation),
  );
}

function stridedSlice(node: ModelNode): Tensor {
  const x = node.tensor(0);
  const { ranges, shape } = stridedRanges(node, x.shape);
  const cut = (value: Value, axes: readonly number[]) =>
    slice(value, ...ranges.map((range, i): SliceRange => ({ ...range, axis: axes[i]! })));
  const kept = alongAxes(
    x,
    ranges.map(({ axis }) => axis),
    cut,
  );
  return shape.length === kept.shape.length && shape.every((size, axis) => size === kept.shape[axis])
    ? kept
    : ofPlain(reshape(kept.plain(), shape));
}

function sliced(node: ModelNode): Tensor {
  const x = node.tensor(0);
  const [begin, size] = [node.numbers(1), node.numbers(2)];
  const axes = x.shape.map((_, axis) => axis);
  return alongAxes(x, axes, (value, moved) =>
    slice(
      value,
      ...moved.map((axis, i) => {
        const end = size[i] === -1 ? x.shape[i]! : begin[i]! + size[i]!;
        return { axis, start: begin[i]!, end };
      }),
    ),
  );
}

function parts(x: Tensor, axis: number, sizes: readonly number[]): Tensor[] {
  const place = normalizeAxis(axis, x.shape.length);
  return x.channelsFirst
    ? split(x.planes(), PLANE_OF[place]!, sizes).map(ofPlanes)
    : split(x.plain(), place, sizes).map(ofPlain);
}

function splitEvenly(node: ModelNode): Tensor[] {
  const x = node.tensor(1);
  const axis = normalizeAxis(node.numbers(0)[0]!, x.shape.length);
  const count = node.int('num_split', 1);
  return parts(x, axis, new Array<number>(count).fill(x.shape[axis]! / count));
}

function splitBySizes(node: ModelNode): Tensor[] {
  const x = node.tensor(0);
  const axis = normalizeAxis(node.numbers(2)[0]!, x.shape.length);
  const sizes = node.numbers(1);
  const known = sizes.reduce((sum, size) => sum + Math.max(0, size), 0);
  return parts(
    x,
    axis,
    sizes.map((size) => (size === -1 ? x.shape[axis]! - known : size)),
  );
}

function joined(node: ModelNode): Tensor {
  const values = node.inputs.slice(0, -1);
  const axis = normalizeAxis(node.numbers(node.inputs.length - 1)[0]!, values[0]!.shape.length);
  return values.some(({ channelsFirst }) => channelsFirst)
    ? ofPlanes(
        concat(
          values.map((value) => value.planes()),
          PLANE_OF[axis]!,
        ),
      )
    : ofPlain(
        concat(
          values.map((value) => value.plain()),
          axis,
        ),
      );
}

function packed(node: ModelNode): Tensor {
  const axis = normalizeAxis(node.int('axis', 0), node.tensor(0).shape.length + 1);
  const rows = node.inputs.map((input) => reshape(input.plain(), input.shape.toSpliced(axis, 0, 1)));
  return ofPlain(concat(rows, axis));
}

function expanded(node: ModelNode): Tensor {
  const x = node.tensor(0);
  const axis = normalizeAxis(node.numbers(1)[0]!, x.shape.length + 1);
  return ofPlain(reshape(x.plain(), x.shape.toSpliced(axis, 0, 1)));
}

function largestIndex(node: ModelNode): Tensor {
  const x = node.tensor(0).plain();
  return ofPlain(cast(argMax(x, node.numbers(1)[0]!), 'int32'));
}

/** Importers of operators that move or reduce elements, by TensorFlow operator. */
export const MOVEMENT_IMPORTERS: Readonly<Record<string, NodeImporter>> = {
  Mean: reduction(reduceMean),
  Sum: reduction(reduceSum),
  Max: reduction(reduceMax),
  Min: reduction(reduceMin),
  Reshape: reshaped,
  Squeeze: (node) => {
    const x = node.tensor(0);
    return ofPlain(reshape(x.plain(), squeezedShape(x.shape, node.ints('squeeze_dims'))));
  },
  ExpandDims: expanded,
  Transpose: transposed,
  Pad: padded,
  PadV2: padded,
  StridedSlice: stridedSlice,
  Slice: sliced,
  Split: splitEvenly,
  SplitV: splitBySizes,
  ConcatV2: joined,
  Pack: packed,
  GatherV2: (node) => ofPlain(gather(node.tensor(0).plain(), node.tensor(1).plain(), node.numbers(2)[0]!)),
  ArgMax: largestIndex,
};
