/** Cases of reductions, softmax and matrix products. */

import { gemm, linear, matmul } from '../../operators/matmul.ts';
import * as reductions from '../../operators/reduction.ts';
import { logSoftmax, softmax } from '../../operators/softmax.ts';
import type { Shape } from '../../types.ts';
import type { OperatorCase } from '../finite_differences.ts';
import type { PlainTensor } from '../plain.ts';
import { elementAt, mean, reduction, sum, tabulate } from '../plain.ts';
import { distinct, uniform } from '../random.ts';

const REDUCTIONS = [
  ['reduceSum', reductions.reduceSum, sum],
  ['reduceMean', reductions.reduceMean, mean],
  ['reduceMax', reductions.reduceMax, (elements: readonly number[]) => Math.max(...elements)],
  ['reduceMin', reductions.reduceMin, (elements: readonly number[]) => Math.min(...elements)],
  [
    'reduceLogSumExp',
    reductions.reduceLogSumExp,
    (elements: readonly number[]) => Math.log(sum(elements.map(Math.exp))),
  ],
] as const;

const AXES: readonly [name: string, shape: Shape, axes: readonly number[] | undefined][] = [
  ['all', [2, 3, 2], undefined],
  ['the last', [3, 4], [-1]],
  ['the first', [3, 4], [0]],
  ['outer and inner', [2, 3, 4], [2, 0]],
  ['an axis of size 1', [3, 1, 2], [1]],
  ['a vector', [5], [0]],
];

/** Matrix product with broadcast batch axes by its definition. */
function plainMatmul(a: PlainTensor, b: PlainTensor): number[] {
  const inner = a.shape[a.shape.length - 1]!;
  const lead = Math.max(a.shape.length, b.shape.length) - 2;
  const size = (x: PlainTensor, axis: number) => x.shape[x.shape.length - 2 - lead + axis] ?? 1;
  const batch = Array.from({ length: lead }, (_, axis) => Math.max(size(a, axis), size(b, axis)));
  const shape = [...batch, a.shape[a.shape.length - 2]!, b.shape[b.shape.length - 1]!];
  return tabulate(shape, (index) => {
    const [row, column] = index.slice(-2) as [number, number];
    const outer = index.slice(0, -2);
    return sum(
      Array.from(
        { length: inner },
        (_, k) => elementAt(a, [...outer, row, k]) * elementAt(b, [...outer, k, column]),
      ),
    );
  });
}

const PRODUCTS: readonly [name: string, a: Shape, b: Shape][] = [
  ['two matrices', [3, 4], [4, 2]],
  ['a row times a column', [1, 5], [5, 1]],
  ['a column times a row', [4, 1], [1, 3]],
  ['equal batches', [2, 3, 4], [2, 4, 2]],
  ['batch times matrix', [2, 3, 4], [4, 2]],
  ['matrix times batch', [3, 4], [2, 4, 2]],
  ['broadcast batches', [2, 1, 3, 2], [3, 2, 4]],
  ['two batch axes times matrix', [2, 2, 3, 2], [2, 3]],
];

function plainSoftmax(axis: number, logarithm: boolean): (x: PlainTensor) => number[] {
  return (x) =>
    tabulate(x.shape, (index) => {
      const along = Array.from({ length: x.shape[axis]! }, (_, i) => elementAt(x, index.with(axis, i)));
      const total = sum(along.map(Math.exp));
      return logarithm ? elementAt(x, index) - Math.log(total) : Math.exp(elementAt(x, index)) / total;
    });
}

/** Cases of reductions over axes, softmax and matrix products. */
export const reductionCases: readonly OperatorCase[] = [
  ...REDUCTIONS.flatMap(([name, apply, plain]) =>
    AXES.flatMap(([which, shape, axes]) =>
      [true, false].map(
        (keepDimensions): OperatorCase => ({
          name: `${name} over ${which}${keepDimensions ? ', kept' : ''}`,
          inputs: [{ shape, values: distinct(0.2) }],
          build: (x) => apply(x!, { ...(axes ? { axes } : {}), keepDimensions }),
          reference: reduction(
            (axes ?? shape.map((_, axis) => axis)).map((axis) => (axis < 0 ? axis + shape.length : axis)),
            plain,
          ),
        }),
      ),
    ),
  ),
  {
    name: 'reduceLogSumExp of large elements',
    inputs: [
      { shape: [2, 3], values: (count, random) => distinct(0.2)(count, random).map((value) => value + 200) },
    ],
    build: (x) => reductions.reduceLogSumExp(x!, { axes: [1] }),
    reference: reduction(
      [1],
      (elements) => 200 + Math.log(sum(elements.map((element) => Math.exp(element - 200)))),
    ),
    step: 1 / 4,
    tolerance: 1e-3,
  },
  ...(
    [
      [[2, 5], 1],
      [[3, 2], 0],
      [[2, 3, 4], 1],
      [[2, 1], 1],
    ] as const
  ).flatMap(([shape, axis]) => [
    {
      name: `softmax of [${shape}] along ${axis}`,
      inputs: [{ shape, values: uniform(-2, 2) }],
      build: (x) => softmax(x!, axis),
      reference: plainSoftmax(axis, false),
    } satisfies OperatorCase,
    {
      name: `logSoftmax of [${shape}] along ${axis}`,
      inputs: [{ shape, values: uniform(-2, 2) }],
      build: (x) => logSoftmax(x!, axis),
      reference: plainSoftmax(axis, true),
    } satisfies OperatorCase,
  ]),
  ...PRODUCTS.map(
    ([name, a, b]): OperatorCase => ({
      name: `matmul: ${name}`,
      inputs: [a, b],
      build: (x, y) => matmul(x!, y!),
      reference: plainMatmul,
    }),
  ),
  ...[0, 1, 2, 3].flatMap((flags) => {
    const [transposeA, transposeB] = [(flags & 1) !== 0, (flags & 2) !== 0];
    const a = transposeA ? [4, 3] : [3, 4];
    const b = transposeB ? [5, 4] : [4, 5];
    return [true, false].map(
      (biased): OperatorCase => ({
        name: `gemm${transposeA ? ', a transposed' : ''}${transposeB ? ', b transposed' : ''}${biased ? ', bias' : ''}`,
        inputs: biased ? [a, b, [5]] : [a, b],
        build: (x, y, bias) => gemm(x!, y!, { transposeA, transposeB, bias: bias ?? null }),
        reference: (x, y, bias) =>
          tabulate(
            [3, 5],
            ([row, column]) =>
              sum(
                Array.from(
                  { length: 4 },
                  (_, k) =>
                    elementAt(x!, transposeA ? [k, row!] : [row!, k]) *
                    elementAt(y!, transposeB ? [column!, k] : [k, column!]),
                ),
              ) + (bias?.data[column!] ?? 0),
          ),
      }),
    );
  }),
  {
    name: 'linear with bias, rank 3',
    inputs: [[2, 3, 4], [5, 4], [5]],
    build: (x, weight, bias) => linear(x!, weight!, bias!),
    reference: (x, weight, bias) =>
      tabulate(
        [2, 3, 5],
        ([n, row, o]) =>
          sum(
            Array.from({ length: 4 }, (_, k) => elementAt(x!, [n!, row!, k]) * elementAt(weight!, [o!, k])),
          ) + bias!.data[o!]!,
      ),
  },
  {
    name: 'linear without bias',
    inputs: [
      [1, 4],
      [2, 4],
    ],
    build: (x, weight) => linear(x!, weight!, null),
  },
];
