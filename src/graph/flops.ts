/** Counts what a graph has to do: floating-point operations of its products, and bytes that everything else moves. */

import type { Shape } from './types.ts';
import { BYTES_PER_ELEMENT, elementCount, is16Bit } from './types.ts';
import type { GraphNode, Value } from './value.ts';
import { leafOf, topologicalOrder } from './value.ts';

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

/** What a run of a graph takes. */
export interface GraphWork {
  /** Operations of convolutions, and of matrix products and attentions. */
  readonly convolutionFlops: number;
  readonly matrixFlops: number;
  /** Bytes that elementwise work, reductions and copies read and write, and that conversions of 16-bit weights do. */
  readonly bytes: number;
  /** Nodes that do something. */
  readonly nodes: number;
}

/** Operators that hand on their first input as it is. */
const MOVES_NOTHING: ReadonlySet<string> = new Set(['reshape', 'after']);
/** Passes over their values that some operators take: norms find moments first, softmax its largest score and its sum. */
const PASSES: Readonly<Record<string, number>> = Object.freeze({ layerNorm: 2, groupNorm: 3, softmax: 2 });
/** Passes over the scores of an attention: written and read by products, and by the softmax. */
const SCORE_PASSES = 5;

function bytesOf(value: Value | null): number {
  if (value === null || leafOf(value)?.kind === 'constant') return 0;
  return elementCount(value.shape) * BYTES_PER_ELEMENT[value.dtype];
}

/** Whether a value is a weight in 16 bits, which is converted when it is read. */
function isConvertedWeight(value: Value | null): value is Value {
  let source = value;
  while (source && (source.node.operator.name === 'cast' || source.node.operator.name === 'reshape'))
    source = source.node.inputs[0] ?? null;
  return source !== null && leafOf(source)?.kind === 'weight' && is16Bit(source.dtype);
}

/** Counts the work of computing `outputs` once. */
export function graphWork(outputs: readonly Value[]): GraphWork {
  const work = { convolutionFlops: 0, matrixFlops: 0, bytes: 0, nodes: 0 };
  for (const node of topologicalOrder(outputs)) {
    const [result] = node.outputs;
    const { name } = node.operator;
    if (leafOf(result!) !== null || MOVES_NOTHING.has(name) || isConvertedWeight(result!)) continue;
    work.nodes++;
    for (const value of node.inputs) if (isConvertedWeight(value)) work.bytes += 3 * bytesOf(value);
    const flops = COUNTERS[name]?.(node);
    if (flops === undefined) {
      const moved = [...node.inputs, ...node.outputs].reduce((sum, value) => sum + bytesOf(value), 0);
      work.bytes += moved * (PASSES[name] ?? 1);
    } else if (name.startsWith('conv')) work.convolutionFlops += flops;
    else work.matrixFlops += flops;
    if (name === 'attention') {
      const [q, k] = node.inputs as readonly Value[];
      const scores = elementCount(q!.shape.slice(0, 3)) * k!.shape[2]!;
      work.bytes += SCORE_PASSES * scores * BYTES_PER_ELEMENT[q!.dtype];
    }
  }
  return work;
}
