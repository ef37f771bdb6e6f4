/** Scaled dot-product attention, computed over chunks of queries where the score matrix would be large. */

import { defineOperator, required } from '../operator.ts';
import { broadcastShapes, elementCount, sameShape } from '../types.ts';
import type { Value } from '../value.ts';
import { constant } from '../value.ts';
import { add, mul, scale, sumTo } from './arithmetic.ts';
import { matmul } from './matmul.ts';
import { after } from './order.ts';
import { reduceSum } from './reduction.ts';
import { concat, reshape, slice, transposeLast } from './shape.ts';
import { softmax } from './softmax.ts';
import { neg } from './unary.ts';

/**
 * Scores of one chunk take at most this many elements (64 MiB in float32). Larger score matrices are computed in
 * chunks of queries, forward and again backward, so that they never exist whole.
 */
export const SCORES_PER_CHUNK = 16 * 1024 * 1024;

interface AttentionAttributes {
  readonly factor: number;
  readonly chunk: number;
}

const attentionOperator = defineOperator<AttentionAttributes>({
  name: 'attention',
  infer(inputs) {
    const [q, k, v] = [required(inputs, 0), required(inputs, 1), required(inputs, 2)];
    if (q.shape.length !== 4 || k.shape.length !== 4 || v.shape.length !== 4)
      throw new Error('expected q, k and v [N, heads, length, size]');
    if (q.shape[3] !== k.shape[3] || k.shape[2] !== v.shape[2])
      throw new Error('expected q and k of equal size, k and v of equal length');
    const scores = [q.shape[0]!, q.shape[1]!, q.shape[2]!, k.shape[2]!];
    const bias = inputs[3];
    if (bias && (bias.shape.length !== 4 || !sameShape(broadcastShapes(bias.shape, scores), scores)))
      throw new Error(`expected a bias that broadcasts to [${scores}]`);
    return [{ dtype: q.dtype, shape: [q.shape[0]!, q.shape[1]!, q.shape[2]!, v.shape[3]!] }];
  },
  emit(context, inputs, outputs, node) {
    const [q] = node.inputs as readonly Value[];
    const { factor, chunk } = node.attributes;
    const dtype = q!.dtype;
    const length = q!.shape[2]!;
    const [scaled] = context.node('Mul', [inputs[0]!, context.constant([factor], [], dtype)]);
    const [keys] = context.node('Transpose', [inputs[1]!], { perm: { ints: [0, 1, 3, 2] } });
    const bias = inputs[3] === undefined || inputs[3] === '' ? null : inputs[3];
    const cut = (name: string, size: number, start: number) => {
      if (chunk >= length || size === 1) return name;
      const list = (value: number) => context.constant([value], [1], 'int64');
      return context.node('Slice', [
        name,
        list(start),
        list(Math.min(length, start + chunk)),
        list(2),
        list(1),
      ])[0]!;
    };
    const parts: string[] = [];
    for (let start = 0; start < length; start += chunk) {
      let [scores] = context.node('MatMul', [cut(scaled!, length, start), keys!]);
      if (bias !== null)
        [scores] = context.node('Add', [scores!, cut(bias, node.inputs[3]!.shape[2]!, start)]);
      const [weights] = context.node('Softmax', [scores!], { axis: { int: 3 } });
      parts.push(context.node('MatMul', [weights!, inputs[2]!], {}, chunk >= length ? outputs : 1)[0]!);
    }
    if (chunk < length) context.node('Concat', parts, { axis: { int: 2 } }, outputs);
  },
  gradient(node, cotangents, needs) {
    const [q, k, v, bias] = node.inputs;
    const { factor, chunk } = node.attributes;
    const length = q!.shape[2]!;
    const whole = chunk >= length;
    // With one chunk the forward's softmax is used again. With several it is recomputed, and the factor is moved to the
    // keys so that the runtime does not recognise the expression and keep every chunk alive.
    const keys = whole ? k! : scale(k!, factor);
    const queries: Value[] = [];
    const biases: Value[] = [];
    let [dk, dv]: (Value | undefined)[] = [undefined, undefined];
    // Row sums of the softmax's cotangent times the softmax: those of the result's cotangent times the result (Dao et al. 2022,
    // FlashAttention, section 3.1). As one more column of g, against ones beside v, the product takes them off by itself.
    const rowSums = mul(cotangents[0]!, node.outputs[0]!);
    const centring = neg(reduceSum(rowSums, { axes: [3], keepDimensions: true }));
    const centred = concat([cotangents[0]!, centring], 3);
    const ones = constant(
      new Float32Array(elementCount(v!.shape.slice(0, 3))).fill(1),
      [...v!.shape.slice(0, 3), 1],
      v!.dtype,
    );
    const values = transposeLast(concat([v!, ones], 3));
    const accumulate = (sum: Value | undefined, part: Value) => (sum === undefined ? part : add(sum, part));
    for (let start = 0; start < length; start += chunk) {
      const cut = (value: Value) =>
        value.shape[2] === 1 ? value : slice(value, { axis: 2, start, end: Math.min(length, start + chunk) });
      // One chunk is done with before the next: else the scores of all of them would wait for the products that come last.
      const done = start === 0 ? [] : [queries.at(-1), dk, dv, biases.at(-1)];
      const part = after(
        cut(q!),
        done.filter((value) => value !== undefined),
      );
      const products = matmul(whole ? scale(part, factor) : part, transposeLast(keys));
      const weights = softmax(bias ? add(products, cut(bias)) : products);
      if (needs[2]) dv = accumulate(dv, matmul(transposeLast(weights), cut(cotangents[0]!)));
      if (!needs[0] && !needs[1] && !needs[3]) continue;
      const scores = mul(matmul(cut(centred), values), weights);
      if (needs[0]) queries.push(scale(matmul(scores, k!), factor));
      if (needs[1]) dk = accumulate(dk, matmul(transposeLast(scores), scale(part, factor)));
      if (needs[3]) biases.push(scores);
    }
    return [
      needs[0] ? concat(queries, 2) : undefined,
      dk,
      dv,
      needs[3] && bias ? sumTo(concat(biases, 2), bias.shape) : undefined,
    ];
  },
});

/** Options of {@link attention}. */
export interface AttentionOptions {
  /** Added to the scores before the softmax; broadcasts to [N, heads, queries, keys]. */
  readonly bias?: Value | null;
  /** Factor of the scores; 1/sqrt(size) when left out. */
  readonly factor?: number;
  /** Queries a chunk; chosen so that a chunk's scores stay within {@link SCORES_PER_CHUNK} when left out. */
  readonly chunk?: number;
}

/**
 * softmax(q k^T factor + bias) v.
 * @param q [N, heads, queries, size]
 * @param k [N, heads, keys, size]
 * @param v [N, heads, keys, valueSize]
 * @returns [N, heads, queries, valueSize]
 */
export function attention(q: Value, k: Value, v: Value, options: AttentionOptions = {}): Value {
  const length = q.shape[2]!;
  const perQuery = elementCount([q.shape[0]!, q.shape[1]!, k.shape[2]!]);
  const chunk = options.chunk ?? Math.max(1, Math.min(length, Math.floor(SCORES_PER_CHUNK / perQuery)));
  const factor = options.factor ?? 1 / Math.sqrt(q.shape[3]!);
  const { bias = null } = options;
  const full = bias && reshape(bias, [...new Array<number>(4 - bias.shape.length).fill(1), ...bias.shape]);
  return attentionOperator([q, k, v, full], { factor, chunk })[0]!;
}
