/** Matrix products with batch broadcasting, and the linear layer. */

import { defineOperator, required } from '../operator.ts';
import { broadcastShapes } from '../types.ts';
import type { Value } from '../value.ts';
import { add, sumTo } from './arithmetic.ts';
import { reshape, transposeLast } from './shape.ts';

const matmulOperator = defineOperator<null>({
  name: 'matmul',
  infer(inputs) {
    const [a, b] = [required(inputs, 0), required(inputs, 1)];
    if (a.shape.length < 2 || b.shape.length < 2) throw new Error('expected two values of rank 2 or more');
    const inner = a.shape[a.shape.length - 1];
    if (inner !== b.shape[b.shape.length - 2]) throw new Error('expected equal inner dimensions');
    const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
    return [
      { dtype: a.dtype, shape: [...batch, a.shape[a.shape.length - 2]!, b.shape[b.shape.length - 1]!] },
    ];
  },
  emit(context, inputs, outputs) {
    context.node('MatMul', inputs, {}, outputs);
  },
  gradient(node, cotangents, needs) {
    const [a, b] = node.inputs as readonly Value[];
    const g = cotangents[0]!;
    return [
      needs[0] ? sumTo(matmul(g, transposeLast(b!)), a!.shape) : undefined,
      needs[1] ? rightGradient(a!, b!, g) : undefined,
    ];
  },
});

/** a^T g, summed over batch axes that b lacks; one large product where b is a plain matrix. */
function rightGradient(a: Value, b: Value, g: Value): Value {
  if (b.shape.length === 2 && a.shape.length > 2) {
    const rows = reshape(a, [-1, a.shape[a.shape.length - 1]!]);
    return matmul(transposeLast(rows), reshape(g, [-1, g.shape[g.shape.length - 1]!]));
  }
  return sumTo(matmul(transposeLast(a), g), b.shape);
}

/**
 * Matrix product over the last two axes, leading axes broadcast: [..., M, K] x [..., K, N] -> [..., M, N].
 * @throws Error when the inner dimensions differ or a rank is below 2
 */
export function matmul(a: Value, b: Value): Value {
  return matmulOperator([a, b], null)[0]!;
}

/**
 * Linear layer with weights as PyTorch stores them: x W^T + bias.
 * @param x [..., inputs]
 * @param weight [outputs, inputs]
 * @param bias [outputs], or null for none
 * @returns [..., outputs]
 */
export function linear(x: Value, weight: Value, bias: Value | null): Value {
  const product = matmul(x, transposeLast(weight));
  return bias === null ? product : add(product, bias);
}
