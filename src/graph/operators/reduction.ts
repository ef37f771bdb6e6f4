/** Reductions over axes: sum, mean, maximum, minimum, log-sum-exp. */

import { defineOperator, required } from '../operator.ts';
import type { Shape } from '../types.ts';
import { elementCount, normalizeAxis } from '../types.ts';
import type { Value } from '../value.ts';
import { add, div, mul, scale, sub } from './arithmetic.ts';
import { cast, equal } from './logic.ts';
import { expand, reshape } from './shape.ts';
import { exp, log } from './unary.ts';

/** Which axes to reduce (all when left out) and whether they stay as size 1. */
export interface ReductionOptions {
  readonly axes?: readonly number[];
  readonly keepDimensions?: boolean;
}

interface ReductionAttributes {
  readonly axes: readonly number[];
  readonly keepDimensions: boolean;
}

function resolve(x: Value, options: ReductionOptions): ReductionAttributes {
  const rank = x.shape.length;
  const axes = options.axes ?? x.shape.map((_, axis) => axis);
  return {
    axes: [...new Set(axes.map((axis) => normalizeAxis(axis, rank)))].sort((a, b) => a - b),
    keepDimensions: options.keepDimensions ?? false,
  };
}

/** Shape after reducing `axes` (from the front) of `shape`. */
export function reducedShape(shape: Shape, axes: readonly number[], keepDimensions: boolean): number[] {
  if (keepDimensions) return shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  return shape.filter((_, axis) => !axes.includes(axis));
}

type ReductionRule = (x: Value, kept: Value, cotangent: Value, count: number) => Value;

function defineReduction(
  name: string,
  opType: string,
  rule: ReductionRule,
): (x: Value, options?: ReductionOptions) => Value {
  const apply = defineOperator<ReductionAttributes>({
    name,
    infer(inputs, { axes, keepDimensions }) {
      const x = required(inputs, 0);
      return [{ dtype: x.dtype, shape: reducedShape(x.shape, axes, keepDimensions) }];
    },
    emit(context, inputs, outputs, node) {
      const { axes, keepDimensions } = node.attributes;
      const axesInput = context.constant(axes, [axes.length], 'int64');
      context.node(opType, [inputs[0]!, axesInput], { keepdims: { int: keepDimensions ? 1 : 0 } }, outputs);
    },
    gradient(node, cotangents) {
      const x = node.inputs[0]!;
      const kept = reducedShape(x.shape, node.attributes.axes, true);
      const count = elementCount(node.attributes.axes.map((axis) => x.shape[axis]!));
      return [rule(x, reshape(node.outputs[0]!, kept), reshape(cotangents[0]!, kept), count)];
    },
  });
  return (x, options = {}) => {
    const attributes = resolve(x, options);
    if (attributes.axes.length === 0) return x;
    return apply([x], attributes)[0]!;
  };
}

function toExtremum(x: Value, kept: Value, cotangent: Value): Value {
  const hits = cast(equal(x, kept), x.dtype);
  const axes = x.shape.map((_, axis) => axis).filter((axis) => kept.shape[axis] !== x.shape[axis]);
  return mul(hits, div(cotangent, reduceSum(hits, { axes, keepDimensions: true })));
}

/** Sum over axes. */
export const reduceSum: (x: Value, options?: ReductionOptions) => Value = defineReduction(
  'reduceSum',
  'ReduceSum',
  (x, _kept, g) => expand(g, x.shape),
);

/** Arithmetic mean over axes. */
export const reduceMean: (x: Value, options?: ReductionOptions) => Value = defineReduction(
  'reduceMean',
  'ReduceMean',
  (x, _kept, g, count) => expand(scale(g, 1 / count), x.shape),
);

/** Largest element over axes; equal largest elements share the gradient. */
export const reduceMax: (x: Value, options?: ReductionOptions) => Value = defineReduction(
  'reduceMax',
  'ReduceMax',
  toExtremum,
);

/** Smallest element over axes; equal smallest elements share the gradient. */
export const reduceMin: (x: Value, options?: ReductionOptions) => Value = defineReduction(
  'reduceMin',
  'ReduceMin',
  toExtremum,
);

/** log(sum(exp(x))) over axes, computed from the maximum down so that it cannot overflow. */
export function reduceLogSumExp(x: Value, options: ReductionOptions = {}): Value {
  const { axes, keepDimensions } = resolve(x, options);
  const top = reduceMax(x, { axes, keepDimensions: true });
  const total = add(log(reduceSum(exp(sub(x, top)), { axes, keepDimensions: true })), top);
  return keepDimensions ? total : reshape(total, reducedShape(x.shape, axes, false));
}
