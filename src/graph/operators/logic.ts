/** Comparisons, selection and type conversion: operators whose conditions carry no gradient. */

import type { OperatorDefinition } from '../operator.ts';
import { defineOperator, required } from '../operator.ts';
import type { DataType } from '../types.ts';
import { broadcastShapes, isFloating } from '../types.ts';
import type { Value } from '../value.ts';
import { scalar } from '../value.ts';
import { sumTo } from './arithmetic.ts';

function defineComparison(name: string, opType: string): (a: Value, b: Value) => Value {
  const definition: OperatorDefinition<null> = {
    name,
    infer(inputs) {
      const [a, b] = [required(inputs, 0), required(inputs, 1)];
      if (a.dtype !== b.dtype) throw new Error(`expected equal types, received ${a.dtype} and ${b.dtype}`);
      return [{ dtype: 'bool', shape: broadcastShapes(a.shape, b.shape) }];
    },
    emit(context, inputs, outputs) {
      context.node(opType, inputs, {}, outputs);
    },
    gradient: 'zero',
  };
  const apply = defineOperator(definition);
  return (a, b) => apply([a, b], null)[0]!;
}

/** a > b, elementwise with broadcasting, as bool. */
export const greater: (a: Value, b: Value) => Value = defineComparison('greater', 'Greater');
/** a < b, elementwise with broadcasting, as bool. */
export const less: (a: Value, b: Value) => Value = defineComparison('less', 'Less');
/** a = b, elementwise with broadcasting, as bool. */
export const equal: (a: Value, b: Value) => Value = defineComparison('equal', 'Equal');
/** a >= b, elementwise with broadcasting, as bool. */
export const greaterOrEqual: (a: Value, b: Value) => Value = defineComparison(
  'greaterOrEqual',
  'GreaterOrEqual',
);
/** a <= b, elementwise with broadcasting, as bool. */
export const lessOrEqual: (a: Value, b: Value) => Value = defineComparison('lessOrEqual', 'LessOrEqual');
/** Logical and of two bool values. */
export const and: (a: Value, b: Value) => Value = defineComparison('and', 'And');
/** Logical or of two bool values. */
export const or: (a: Value, b: Value) => Value = defineComparison('or', 'Or');

const notOperator = defineOperator<null>({
  name: 'not',
  infer: (inputs) => [required(inputs, 0)],
  emit: (context, inputs, outputs) => {
    context.node('Not', inputs, {}, outputs);
  },
  gradient: 'zero',
});

/** Logical negation of a bool value. */
export function not(x: Value): Value {
  return notOperator([x], null)[0]!;
}

const whereOperator = defineOperator<null>({
  name: 'where',
  infer(inputs) {
    const [condition, a, b] = [required(inputs, 0), required(inputs, 1), required(inputs, 2)];
    if (condition.dtype !== 'bool') throw new Error(`expected a bool condition, received ${condition.dtype}`);
    if (a.dtype !== b.dtype) throw new Error(`expected equal types, received ${a.dtype} and ${b.dtype}`);
    return [{ dtype: a.dtype, shape: broadcastShapes(condition.shape, broadcastShapes(a.shape, b.shape)) }];
  },
  emit(context, inputs, outputs) {
    context.node('Where', inputs, {}, outputs);
  },
  gradient(node, cotangents, needs) {
    const [condition, a, b] = node.inputs as readonly Value[];
    const g = cotangents[0]!;
    const zero = scalar(0, g.dtype);
    return [
      undefined,
      needs[1] ? sumTo(where(condition!, g, zero), a!.shape) : undefined,
      needs[2] ? sumTo(where(condition!, zero, g), b!.shape) : undefined,
    ];
  },
});

/** `a` where `condition` (bool) holds, `b` elsewhere; the three broadcast together. */
export function where(condition: Value, a: Value, b: Value): Value {
  return whereOperator([condition, a, b], null)[0]!;
}

/** ONNX TensorProto.DataType numbers of the element types. */
export const ONNX_DATA_TYPE: Readonly<Record<DataType, number>> = Object.freeze({
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
});

const castOperator = defineOperator<{ readonly to: DataType }>({
  name: 'cast',
  infer: (inputs, { to }) => [{ dtype: to, shape: required(inputs, 0).shape }],
  emit(context, inputs, outputs, node) {
    context.node('Cast', inputs, { to: { int: ONNX_DATA_TYPE[node.attributes.to] } }, outputs);
  },
  gradient(node, cotangents) {
    const x = node.inputs[0]!;
    return [isFloating(node.attributes.to) ? cast(cotangents[0]!, x.dtype) : undefined];
  },
});

/** `x` converted to another element type; the gradient flows between floating-point types only. */
export function cast(x: Value, to: DataType): Value {
  return x.dtype === to ? x : castOperator([x], { to })[0]!;
}
