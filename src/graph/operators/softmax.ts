/** Softmax and log-softmax over one axis. */

import { defineOperator, required } from '../operator.ts';
import { normalizeAxis } from '../types.ts';
import type { Value } from '../value.ts';
import { mul, sub } from './arithmetic.ts';
import { reduceSum } from './reduction.ts';
import { exp } from './unary.ts';

const softmaxOperator = defineOperator<{ readonly axis: number }>({
  name: 'softmax',
  infer: (inputs) => [required(inputs, 0)],
  emit(context, inputs, outputs, node) {
    context.node('Softmax', inputs, { axis: { int: node.attributes.axis } }, outputs);
  },
  gradient(node, cotangents) {
    const y = node.outputs[0]!;
    const weighted = mul(cotangents[0]!, y);
    const total = reduceSum(weighted, { axes: [node.attributes.axis], keepDimensions: true });
    return [sub(weighted, mul(y, total))];
  },
});

/** e^x / sum(e^x) along `axis` (the last when left out). */
export function softmax(x: Value, axis = -1): Value {
  return softmaxOperator([x], { axis: normalizeAxis(axis, x.shape.length) })[0]!;
}

const logSoftmaxOperator = defineOperator<{ readonly axis: number }>({
  name: 'logSoftmax',
  infer: (inputs) => [required(inputs, 0)],
  emit(context, inputs, outputs, node) {
    context.node('LogSoftmax', inputs, { axis: { int: node.attributes.axis } }, outputs);
  },
  gradient(node, cotangents) {
    const g = cotangents[0]!;
    const total = reduceSum(g, { axes: [node.attributes.axis], keepDimensions: true });
    return [sub(g, mul(exp(node.outputs[0]!), total))];
  },
});

/** Logarithm of {@link softmax} along `axis` (the last when left out), without its underflow. */
export function logSoftmax(x: Value, axis = -1): Value {
  return logSoftmaxOperator([x], { axis: normalizeAxis(axis, x.shape.length) })[0]!;
}
