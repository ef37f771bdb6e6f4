/** Cases of attention: whole and in chunks of queries, with and without bias. */

import type { AttentionOptions } from '../../operators/attention.ts';
import { attention } from '../../operators/attention.ts';
import type { Shape } from '../../types.ts';
import type { OperatorCase } from '../finite_differences.ts';
import type { PlainTensor } from '../plain.ts';
import { elementAt, sum, tabulate } from '../plain.ts';

/** softmax(q k^T factor + bias) v, element by element. */
function plainAttention(
  q: PlainTensor,
  k: PlainTensor,
  v: PlainTensor,
  bias: PlainTensor | undefined,
  factor: number,
): number[] {
  const [batch, heads, length, size] = q.shape as [number, number, number, number];
  const keys = k.shape[2]!;
  return tabulate([batch, heads, length, v.shape[3]!], ([n, h, i, d]) => {
    const scores = Array.from({ length: keys }, (_, j) => {
      const product = sum(
        Array.from({ length: size }, (_, e) => elementAt(q, [n!, h!, i!, e]) * elementAt(k, [n!, h!, j, e])),
      );
      return Math.exp(product * factor + (bias ? elementAt(bias, [n!, h!, i!, j]) : 0));
    });
    return sum(scores.map((score, j) => score * elementAt(v, [n!, h!, j, d!]))) / sum(scores);
  });
}

const BIASES: readonly [name: string, shape: Shape | null][] = [
  ['no bias', null],
  ['bias of every score', [2, 2, 5, 3]],
  ['bias shared by samples and heads', [5, 3]],
  ['bias of the keys only', [2, 1, 1, 3]],
];

/** Every chunk size gives the same values and gradients as the plain reference. */
export const attentionCases: readonly OperatorCase[] = [
  ...[5, 1, 2, 4].flatMap((chunk) =>
    BIASES.map(
      ([name, bias]): OperatorCase => ({
        name: `attention in chunks of ${chunk} of 5, ${name}`,
        inputs: [[2, 2, 5, 3], [2, 2, 3, 3], [2, 2, 3, 2], ...(bias ? [bias] : [])],
        build: (q, k, v, b) => attention(q!, k!, v!, { chunk, bias: b ?? null }),
        reference: (q, k, v, b) => plainAttention(q!, k!, v!, b, 1 / Math.sqrt(3)),
      }),
    ),
  ),
  ...(
    [
      ['one query, one key', [1, 1, 1, 2], [1, 1, 1, 2], [1, 1, 1, 3], {}],
      ['a given factor', [1, 2, 3, 2], [1, 2, 4, 2], [1, 2, 4, 2], { factor: 0.8 }],
      ['a given factor, chunked', [1, 2, 3, 2], [1, 2, 4, 2], [1, 2, 4, 2], { factor: 0.8, chunk: 2 }],
    ] as readonly [string, Shape, Shape, Shape, AttentionOptions][]
  ).map(
    ([name, q, k, v, options]): OperatorCase => ({
      name: `attention with ${name}`,
      inputs: [q, k, v],
      build: (a, b, c) => attention(a!, b!, c!, options),
      reference: (a, b, c) => plainAttention(a!, b!, c!, undefined, options.factor ?? 1 / Math.sqrt(q[3]!)),
    }),
  ),
];
