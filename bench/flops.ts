/** Counts the floating-point operations of a graph's matrix products, convolutions and attentions. */

import type { GraphNode, Shape, Value } from '../src/graph/index.ts';
import { elementCount, topologicalOrder } from '../src/graph/index.ts';

/** Counts of one operator, multiplication and addition counted apart. */
type Counter = (node: GraphNode) => number;

const shapeOf = (node: GraphNode, input: number): Shape => node.inputs[input]!.shape;

/** 2 x outputs x (channels a group x kernel): every output element is a scalar product. */
const convolution: Counter = (node) =>
  2 * elementCount(node.outputs[0]!.shape) * elementCount(shapeOf(node, 1).slice(1));

/** 2 x inputs x (outputs a group x kernel): every input element is spread over a kernel. */
const transposedConvolution: Counter = (node) =>
  2 * elementCount(shapeOf(node, 0)) * elementCount(shapeOf(node, 1).slice(1));

/** 2 x outputs x inner dimension. */
const matrixProduct: Counter = (node) =>
  2 * elementCount(node.outputs[0]!.shape) * shapeOf(node, 0)[shapeOf(node, 0).length - 1]!;

/** 2 x outputs x inner dimension; a may be read transposed. */
const gemm: Counter = (node) => {
  const { transposeA } = node.attributes as { readonly transposeA: boolean };
  return 2 * elementCount(node.outputs[0]!.shape) * shapeOf(node, 0)[transposeA ? 0 : 1]!;
};

/** q k^T and weights v, for q [N, heads, queries, size] and k, v [N, heads, keys, size]. */
const attention: Counter = (node) => {
  const scores = elementCount(shapeOf(node, 0).slice(0, 3)) * shapeOf(node, 1)[2]!;
  return 2 * scores * (shapeOf(node, 0)[3]! + shapeOf(node, 2)[3]!);
};

const COUNTERS: Readonly<Record<string, Counter>> = Object.freeze({
  conv2d: convolution,
  convTranspose2d: transposedConvolution,
  matmul: matrixProduct,
  gemm,
  attention,
});

/** Floating-point operations of computing `outputs`; elementwise work, reductions and copies are not counted. */
export function countFlops(outputs: readonly Value[]): number {
  return topologicalOrder(outputs).reduce(
    (sum, node) => sum + (COUNTERS[node.operator.name]?.(node) ?? 0),
    0,
  );
}
