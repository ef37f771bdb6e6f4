/** Tensors of a TensorFlow graph: images keep the layout in which they were computed until an operator asks for the other. */

import { reshape, transpose } from '../operators/shape.ts';
import type { Shape } from '../types.ts';
import { elementCount } from '../types.ts';
import type { Value } from '../value.ts';
import { constant } from '../value.ts';
import type { WeightElements } from './file.ts';

/** Where the axes of [N, C, H, W] stand in [N, H, W, C]. */
const TO_PLANES = [0, 3, 1, 2] as const;
/** Where the axes of [N, H, W, C] stand in [N, C, H, W]. */
export const TO_PLAIN = [0, 2, 3, 1] as const;

/** A tensor of the model being imported. */
export interface Tensor {
  /** Shape as the model means it; images are [N, H, W, C]. */
  readonly shape: Shape;
  /** Elements that are known while importing. */
  readonly known: WeightElements | null;
  /** Whether it was computed with channels first, so that {@link planes} costs nothing. */
  readonly channelsFirst: boolean;
  /** The value in the model's own order of axes. */
  plain(): Value;
  /** The value as [N, C, H, W]; of four axes only. */
  planes(): Value;
}

function lazily(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function toPlanes(shape: Shape, make: () => Value): Value {
  if (shape.length !== 4) throw new Error(`expected images of four axes, received [${shape}]`);
  return make();
}

/** A tensor in the model's own order of axes. */
export function ofPlain(value: Value): Tensor {
  const planes = lazily(() => transpose(value, TO_PLANES));
  return {
    shape: value.shape,
    known: null,
    channelsFirst: false,
    plain: () => value,
    planes: () => toPlanes(value.shape, planes),
  };
}

/** Images [N, C, H, W], which the model takes for [N, H, W, C]. */
export function ofPlanes(value: Value): Tensor {
  const plain = lazily(() => transpose(value, TO_PLAIN));
  return {
    shape: TO_PLAIN.map((axis) => value.shape[axis]!),
    known: null,
    channelsFirst: true,
    plain,
    planes: () => value,
  };
}

/** A tensor whose elements are known: constants of the graph in whatever order is asked for. */
export function ofKnown(known: WeightElements): Tensor {
  const plain = lazily(() => constant(known.data, known.shape, known.dtype));
  const planes = lazily(() => permutedConstant(known, TO_PLANES));
  return {
    shape: known.shape,
    known,
    channelsFirst: false,
    plain,
    planes: () => toPlanes(known.shape, planes),
  };
}

/** Known elements with their axes in another order, as a constant. */
export function permutedConstant(
  { dtype, shape, data }: WeightElements,
  permutation: readonly number[],
): Value {
  const strides = shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
  const to = permutation.map((axis) => shape[axis]!);
  const steps = permutation.map((axis) => strides[axis]!);
  const moved = data.slice();
  const index = new Array<number>(to.length).fill(0);
  let from = 0;
  for (let flat = 0; flat < data.length; flat++) {
    moved[flat] = data[from]!;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      from += steps[axis]!;
      if (++index[axis]! < to[axis]!) break;
      from -= steps[axis]! * to[axis]!;
      index[axis] = 0;
    }
  }
  return constant(moved, to, dtype);
}

/** A tensor with its axes in another order, known elements moved at once. */
export function permuted(tensor: Tensor, permutation: readonly number[]): Value {
  return tensor.known ? permutedConstant(tensor.known, permutation) : transpose(tensor.plain(), permutation);
}

/** A tensor so that it broadcasts against [N, C, H, W]. */
export function broadcastPlanes(tensor: Tensor): Value {
  if (tensor.channelsFirst || tensor.shape.length === 4) return tensor.planes();
  if (elementCount(tensor.shape) === 1) return reshape(tensor.plain(), []);
  const full = [...new Array<number>(4 - tensor.shape.length).fill(1), ...tensor.shape];
  const to = TO_PLANES.map((axis) => full[axis]!);
  const wide = full.filter((size) => size !== 1).length;
  const plain = tensor.plain();
  return wide <= 1 ? reshape(plain, to) : transpose(reshape(plain, full), TO_PLANES);
}

/** Applies an elementwise function where its operands are: with channels first if any of four axes was computed so. */
export function elementwise(tensors: readonly Tensor[], apply: (...values: Value[]) => Value): Tensor {
  const planes = tensors.some(({ channelsFirst }) => channelsFirst);
  if (planes && tensors.every(({ shape }) => shape.length <= 4))
    return ofPlanes(apply(...tensors.map(broadcastPlanes)));
  return ofPlain(apply(...tensors.map((tensor) => tensor.plain())));
}
