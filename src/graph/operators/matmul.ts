/** Matrix products with batch broadcasting, and the linear layer. */

import { defineOperator, required } from '../operator.ts';
import { broadcastShapes } from '../types.ts';
import type { Value } from '../value.ts';
import { sumTo } from './arithmetic.ts';
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

interface GemmAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Size of the rows and of the columns of a matrix, exchanged where it is taken transposed. */
function sides(matrix: Value, transposed: boolean): readonly [number, number] {
  if (matrix.shape.length !== 2) throw new Error(`expected a matrix, received rank ${matrix.shape.length}`);
  const [rows, columns] = matrix.shape as readonly [number, number];
  return transposed ? [columns, rows] : [rows, columns];
}

const gemmOperator = defineOperator<GemmAttributes>({
  name: 'gemm',
  infer(inputs, { transposeA, transposeB }) {
    const [a, b] = [required(inputs, 0), required(inputs, 1)];
    const [rows, inner] = sides(a, transposeA);
    const [other, columns] = sides(b, transposeB);
    if (inner !== other) throw new Error('expected equal inner dimensions');
    const bias = inputs[2];
    if (bias && !(bias.shape.length === 1 && bias.shape[0] === columns))
      throw new Error(`expected a bias [${columns}], received [${bias.shape}]`);
    return [{ dtype: a.dtype, shape: [rows, columns] }];
  },
  emit(context, inputs, outputs, { attributes }) {
    const flags = {
      transA: { int: attributes.transposeA ? 1 : 0 },
      transB: { int: attributes.transposeB ? 1 : 0 },
    };
    context.node('Gemm', inputs[2] ? inputs : inputs.slice(0, 2), flags, outputs);
  },
  gradient(node, cotangents, needs) {
    const [a, b, bias] = node.inputs;
    const { transposeA, transposeB } = node.attributes;
    const g = cotangents[0]!;
    return [
      needs[0]
        ? transposeA
          ? gemm(b!, g, { transposeA: transposeB, transposeB: true })
          : gemm(g, b!, { transposeB: !transposeB })
        : undefined,
      needs[1]
        ? transposeB
          ? gemm(g, a!, { transposeA: true, transposeB: transposeA })
          : gemm(a!, g, { transposeA: !transposeA })
        : undefined,
      needs[2] && bias ? sumTo(g, bias.shape) : undefined,
    ];
  },
});

/** Options of {@link gemm}. */
export interface GemmOptions {
  /** Takes a as its transpose; false when left out. */
  readonly transposeA?: boolean;
  /** Takes b as its transpose; false when left out. */
  readonly transposeB?: boolean;
  /** [N], added to every row. */
  readonly bias?: Value | null;
}

/**
 * Product of two matrices, either of them transposed in passing, plus a bias: op(a) op(b) + bias.
 * A weight that is taken transposed here stays mapped from its file; a transpose of its own would copy it.
 * @param a [M, K], or [K, M] when transposed
 * @param b [K, N], or [N, K] when transposed
 * @returns [M, N]
 * @throws Error when one is no matrix, the inner dimensions differ or the bias is not [N]
 */
export function gemm(a: Value, b: Value, options: GemmOptions = {}): Value {
  const { transposeA = false, transposeB = false, bias = null } = options;
  return gemmOperator([a, b, bias], { transposeA, transposeB })[0]!;
}

/**
 * Linear layer with weights as PyTorch stores them: x W^T + bias.
 * @param x [..., inputs]
 * @param weight [outputs, inputs]
 * @param bias [outputs], or null for none
 * @returns [..., outputs]
 * @throws Error when the sizes do not go together
 */
export function linear(x: Value, weight: Value, bias: Value | null): Value {
  const rows = reshape(x, [-1, x.shape[x.shape.length - 1]!]);
  const product = gemm(rows, weight, { transposeB: true, bias });
  return reshape(product, [...x.shape.slice(0, -1), weight.shape[0]!]);
}
