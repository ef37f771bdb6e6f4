/** Elementwise arithmetic of two values with NumPy broadcasting: add, subtract, multiply, divide, minimum, maximum. */

import type { OperatorDefinition } from '../operator.ts';
import { defineOperator, required } from '../operator.ts';
import { broadcastShapes, sameShape } from '../types.ts';
import type { Value } from '../value.ts';
import { scalar } from '../value.ts';
import { cast, greater, less } from './logic.ts';
import { reduceSum } from './reduction.ts';
import { reshape } from './shape.ts';
import { neg } from './unary.ts';

/**
 * Undoes a broadcast: sums `value` over the axes along which `shape` was repeated.
 * @returns a value of exactly `shape`
 */
export function sumTo(value: Value, shape: readonly number[]): Value {
  if (sameShape(value.shape, shape)) return value;
  const lead = value.shape.length - shape.length;
  const axes: number[] = [];
  value.shape.forEach((size, axis) => {
    if (axis < lead || (shape[axis - lead] === 1 && size !== 1)) axes.push(axis);
  });
  const summed = axes.length === 0 ? value : reduceSum(value, { axes, keepDimensions: true });
  return reshape(summed, shape);
}

type BinaryRule = (
  a: Value,
  b: Value,
  result: Value,
  cotangent: Value,
  needs: readonly boolean[],
) => (Value | undefined)[];

function defineBinary(name: string, opType: string, rule: BinaryRule): (a: Value, b: Value) => Value {
  const definition: OperatorDefinition<null> = {
    name,
    infer(inputs) {
      const [a, b] = [required(inputs, 0), required(inputs, 1)];
      if (a.dtype !== b.dtype) throw new Error(`expected equal types, received ${a.dtype} and ${b.dtype}`);
      return [{ dtype: a.dtype, shape: broadcastShapes(a.shape, b.shape) }];
    },
    emit(context, inputs, outputs) {
      context.node(opType, inputs, {}, outputs);
    },
    gradient(node, cotangents, needs) {
      const [a, b] = node.inputs as readonly Value[];
      const grads = rule(a!, b!, node.outputs[0]!, cotangents[0]!, needs);
      return [grads[0] && sumTo(grads[0], a!.shape), grads[1] && sumTo(grads[1], b!.shape)];
    },
  };
  const apply = defineOperator(definition);
  return (a, b) => apply([a, b], null)[0]!;
}

/** a + b, elementwise with broadcasting. */
export const add: (a: Value, b: Value) => Value = defineBinary('add', 'Add', (_a, _b, _y, g) => [g, g]);

/** a - b, elementwise with broadcasting. */
export const sub: (a: Value, b: Value) => Value = defineBinary('sub', 'Sub', (_a, b, _y, g, needs) => [
  g,
  needs[1] ? neg(sumTo(g, b.shape)) : undefined,
]);

/** a * b, elementwise with broadcasting. */
export const mul: (a: Value, b: Value) => Value = defineBinary('mul', 'Mul', (a, b, _y, g, needs) => [
  needs[0] ? mul(g, b) : undefined,
  needs[1] ? mul(g, a) : undefined,
]);

/** a / b, elementwise with broadcasting. */
export const div: (a: Value, b: Value) => Value = defineBinary('div', 'Div', (_a, b, y, g, needs) => {
  const scaled = div(g, b);
  return [scaled, needs[1] ? neg(mul(scaled, y)) : undefined];
});

/** Elementwise maximum with broadcasting; at a tie the gradient goes to `b`. */
export const maximum: (a: Value, b: Value) => Value = defineBinary('maximum', 'Max', (a, b, _y, g) => {
  const first = cast(greater(a, b), g.dtype);
  return [mul(g, first), mul(g, sub(scalar(1, g.dtype), first))];
});

/** Elementwise minimum with broadcasting; at a tie the gradient goes to `b`. */
export const minimum: (a: Value, b: Value) => Value = defineBinary('minimum', 'Min', (a, b, _y, g) => {
  const first = cast(less(a, b), g.dtype);
  return [mul(g, first), mul(g, sub(scalar(1, g.dtype), first))];
});

/** `value` times the number `factor`. */
export function scale(value: Value, factor: number): Value {
  return factor === 1 ? value : mul(value, scalar(factor, value.dtype));
}

/** `value` plus the number `offset`. */
export function shift(value: Value, offset: number): Value {
  return offset === 0 ? value : add(value, scalar(offset, value.dtype));
}

/** x limited to [low, high]; the gradient passes where low <= x <= high, as in PyTorch. */
export function clamp(x: Value, low: number, high: number): Value {
  return clampOperator([x], { low, high })[0]!;
}

const clampOperator = defineOperator<{ readonly low: number; readonly high: number }>({
  name: 'clamp',
  infer: (inputs) => [required(inputs, 0)],
  emit(context, inputs, outputs, node) {
    const { low, high } = node.attributes;
    const { dtype } = node.outputs[0]!;
    context.node(
      'Clip',
      [inputs[0]!, context.constant([low], [], dtype), context.constant([high], [], dtype)],
      {},
      outputs,
    );
  },
  gradient(node, cotangents) {
    const x = node.inputs[0]!;
    const { low, high } = node.attributes;
    const below = cast(less(x, scalar(low, x.dtype)), x.dtype);
    const above = cast(greater(x, scalar(high, x.dtype)), x.dtype);
    return [mul(cotangents[0]!, sub(scalar(1, x.dtype), add(below, above)))];
  },
});
