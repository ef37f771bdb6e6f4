/** Cases of operators that move elements, gather and scatter them. */

import * as indexing from '../../operators/indexing.ts';
import { after } from '../../operators/order.ts';
import * as shapes from '../../operators/shape.ts';
import type { Shape } from '../../types.ts';
import type { OperatorCase } from '../finite_differences.ts';
import type { PlainTensor } from '../plain.ts';
import { elementAt, indicesOf, sum, tabulate } from '../plain.ts';
import { distinct, integers } from '../random.ts';

const unchanged = (x: PlainTensor) => x.data;

const SLICES: readonly [name: string, shape: Shape, ranges: readonly shapes.SliceRange[]][] = [
  ['middle', [5, 4], [{ axis: 0, start: 1, end: 4 }]],
  [
    'two axes, ends counted from behind',
    [4, 5],
    [
      { axis: 0, start: -3 },
      { axis: -1, end: -1 },
    ],
  ],
  ['step 2', [7], [{ axis: 0, step: 2 }]],
  ['step 2 that misses the last', [6], [{ axis: 0, step: 2 }]],
  ['step 3 from 1', [2, 8], [{ axis: 1, start: 1, end: 8, step: 3 }]],
  ['step -1', [5], [{ axis: 0, step: -1 }]],
  ['step -2 between bounds', [3, 9], [{ axis: 1, start: 7, end: 1, step: -2 }]],
  ['step -1 from the middle', [2, 6], [{ axis: 1, start: 3, end: 0, step: -1 }]],
  ['step -3 down to the first', [7], [{ axis: 0, start: 6, step: -3 }]],
  ['step -2 that misses the first', [6], [{ axis: 0, step: -2 }]],
  ['one element', [3, 3], [{ axis: 1, start: 2, end: 3 }]],
  ['axis of one element, reversed', [1, 2], [{ axis: 0, step: -1 }]],
  [
    'opposite steps on two axes',
    [4, 5],
    [
      { axis: 0, step: -2 },
      { axis: 1, step: 2 },
    ],
  ],
];

/** NumPy's slicing, index by index. */
function plainSlice(x: PlainTensor, ranges: readonly shapes.SliceRange[]): number[] {
  const taken = x.shape.map((size, axis) => {
    const range = ranges.find((r) => (r.axis < 0 ? r.axis + x.shape.length : r.axis) === axis) ?? { axis };
    const { step = 1, start = step > 0 ? 0 : size - 1 } = range;
    const from = start < 0 ? start + size : start;
    const stop =
      range.end === undefined ? (step > 0 ? size : -1) : range.end < 0 ? range.end + size : range.end;
    const list: number[] = [];
    for (let i = from; step > 0 ? i < stop : i > stop; i += step) list.push(i);
    return list;
  });
  return tabulate(
    taken.map((list) => list.length),
    (index) =>
      elementAt(
        x,
        index.map((i, axis) => taken[axis]![i]!),
      ),
  );
}

const GATHERS: readonly [x: Shape, indices: Shape, axis: number][] = [
  [[5, 3], [4], 0],
  [[3, 4], [6], 1],
  [[2, 3, 2], [4], 1],
  [[4, 2], [2, 3], 0],
  [[2, 3, 2], [2, 2], -1],
  [[3, 2], [], 0],
];

const mod = (value: number, size: number) => ((value % size) + size) % size;

/** Cases of reshape, transpose, expand, slice, pad, concat, gather and scatter. */
export const shapeCases: readonly OperatorCase[] = [
  {
    name: 'after two others',
    inputs: [[2, 3], [4]],
    build: (x, y) => after(x!, [y!, shapes.reshape(x!, [6])]),
    reference: unchanged,
  },
  {
    name: 'a scalar after another value',
    inputs: [[], [2]],
    build: (x, y) => after(x!, [y!]),
    reference: unchanged,
  },
  {
    name: 'reshape',
    inputs: [[2, 6]],
    build: (x) => shapes.reshape(x!, [3, -1, 1]),
    reference: (x) => unchanged(x!),
  },
  {
    name: 'reshape to a scalar',
    inputs: [[1, 1]],
    build: (x) => shapes.reshape(x!, []),
    reference: (x) => unchanged(x!),
  },
  ...(
    [
      [
        [2, 3],
        [1, 0],
      ],
      [
        [2, 3, 4],
        [2, 0, 1],
      ],
      [
        [2, 1, 3, 2],
        [0, 3, 1, 2],
      ],
    ] as const
  ).map(
    ([shape, permutation]): OperatorCase => ({
      name: `transpose by [${permutation}]`,
      inputs: [shape],
      build: (x) => shapes.transpose(x!, permutation),
      reference: (x) =>
        tabulate(
          permutation.map((axis) => shape[axis]!),
          (index) =>
            elementAt(
              x!,
              shape.map((_, axis) => index[permutation.indexOf(axis as never)]!),
            ),
        ),
    }),
  ),
  {
    name: 'transposeLast',
    inputs: [[2, 3, 4]],
    build: (x) => shapes.transposeLast(x!),
    reference: (x) => tabulate([2, 4, 3], ([n, i, j]) => elementAt(x!, [n!, j!, i!])),
  },
  ...(
    [
      [
        [3, 1],
        [3, 4],
      ],
      [[3], [2, 3]],
      [[], [2, 2]],
      [
        [1, 1],
        [2, 1, 3],
      ],
    ] as const
  ).map(
    ([from, to]): OperatorCase => ({
      name: `expand [${from}] to [${to}]`,
      inputs: [from],
      build: (x) => shapes.expand(x!, to),
      reference: (x) => tabulate(to, (index) => elementAt(x!, index)),
    }),
  ),
  ...SLICES.map(
    ([name, shape, ranges]): OperatorCase => ({
      name: `slice: ${name}`,
      inputs: [shape],
      build: (x) => shapes.slice(x!, ...ranges),
      reference: (x) => plainSlice(x!, ranges),
    }),
  ),
  {
    name: 'reverse',
    inputs: [[2, 3, 2]],
    build: (x) => shapes.reverse(x!, 1),
    reference: (x) => tabulate([2, 3, 2], ([a, b, c]) => elementAt(x!, [a!, 2 - b!, c!])),
  },
  {
    name: 'dilate',
    inputs: [[2, 3]],
    build: (x) => shapes.dilate(x!, 1, 3),
    reference: (x) =>
      tabulate([2, 7], ([row, column]) => (column! % 3 === 0 ? elementAt(x!, [row!, column! / 3]) : 0)),
  },
  {
    name: 'pad, asymmetric, with a value',
    inputs: [[2, 3]],
    build: (x) => shapes.pad(x!, [1, 0], [0, 2], 0.5),
    reference: (x) =>
      tabulate([3, 5], ([row, column]) =>
        row! >= 1 && column! < 3 ? elementAt(x!, [row! - 1, column!]) : 0.5,
      ),
  },
  {
    name: 'concat along the middle',
    inputs: [
      [2, 1, 2],
      [2, 3, 2],
      [2, 2, 2],
    ],
    build: (...parts) => shapes.concat(parts, 1),
    reference: (a, b, c) =>
      tabulate([2, 6, 2], ([n, i, k]) =>
        i! < 1
          ? elementAt(a!, [n!, i!, k!])
          : i! < 4
            ? elementAt(b!, [n!, i! - 1, k!])
            : elementAt(c!, [n!, i! - 4, k!]),
      ),
  },
  {
    name: 'concat of one value with itself',
    inputs: [[2, 2]],
    build: (x) => shapes.concat([x!, x!], -1),
    reference: (x) => tabulate([2, 4], ([row, column]) => elementAt(x!, [row!, column! % 2])),
  },
  {
    name: 'split into unequal parts',
    inputs: [[2, 6]],
    build: (x) => shapes.split(x!, 1, [1, 3, 2]),
    reference: (x) => tabulate([2, 1], ([row]) => elementAt(x!, [row!, 0])),
  },
  ...GATHERS.flatMap(([shape, indices, axis]) =>
    (['int64', 'int32'] as const).map((dtype): OperatorCase => {
      const at = mod(axis, shape.length);
      return {
        name: `gather [${indices}] (${dtype}) from axis ${axis} of [${shape}], repeated`,
        inputs: [shape, { shape: indices, dtype, values: integers(shape[at]! - 1) }],
        build: (x, i) => indexing.gather(x!, i!, axis),
        reference: (x, i) =>
          tabulate([...shape.slice(0, at), ...indices, ...shape.slice(at + 1)], (index) => {
            const chosen = elementAt(i!, index.slice(at, at + indices.length));
            return elementAt(x!, [...index.slice(0, at), chosen, ...index.slice(at + indices.length)]);
          }),
      };
    }),
  ),
  {
    name: 'scatterAdd with repeated rows',
    inputs: [[5, 2], { shape: [5], dtype: 'int64', values: integers(3) }],
    build: (updates, i) => indexing.scatterAdd(updates!, i!, 4),
    reference: (updates, i) =>
      tabulate([4, 2], ([row, column]) =>
        sum(Array.from(i!.data).map((target, n) => (target === row ? elementAt(updates!, [n, column!]) : 0))),
      ),
  },
  ...(
    [
      [[4, 3], [2, 3], 0],
      [[2, 5], [2, 7], 1],
      [[3, 4, 2], [2, 4, 1], 0],
      [[2, 3, 4], [2, 2, 6], -1],
    ] as const
  ).flatMap(([shape, indices, axis]) => {
    const at = mod(axis, shape.length);
    const choice = { shape: indices, dtype: 'int64' as const, values: integers(shape[at]!) };
    return [
      {
        name: `gatherElements [${indices}] from axis ${axis} of [${shape}]`,
        inputs: [shape, choice],
        build: (x, i) => indexing.gatherElements(x!, i!, axis),
        reference: (x, i) =>
          tabulate(indices, (index) => elementAt(x!, index.with(at, elementAt(i!, index)))),
      } satisfies OperatorCase,
      {
        name: `scatterElementsAdd [${indices}] to axis ${axis} of [${shape}]`,
        inputs: [indices, choice],
        build: (updates, i) => indexing.scatterElementsAdd(updates!, i!, shape, axis),
        reference: (updates, i) =>
          tabulate(shape, (target) =>
            sum(
              indicesOf(indices).map((index) =>
                index.with(at, elementAt(i!, index)).every((value, a) => value === target[a])
                  ? elementAt(updates!, index)
                  : 0,
              ),
            ),
          ),
      } satisfies OperatorCase,
    ];
  }),
  {
    name: 'oneHot',
    inputs: [{ shape: [2, 3], dtype: 'int64', values: integers(4) }],
    build: (i) => indexing.oneHot(i!, 4),
    reference: (i) => tabulate([2, 3, 4], ([a, b, c]) => (elementAt(i!, [a!, b!]) === c ? 1 : 0)),
  },
  ...[0, 1, -1].map(
    (axis): OperatorCase => ({
      name: `argMax along ${axis}`,
      inputs: [{ shape: [3, 4], values: distinct(0.2), differentiable: false }],
      build: (x) => indexing.argMax(x!, axis),
      reference: (x) => {
        const at = mod(axis, 2);
        return tabulate([[3, 4][1 - at]!], ([i]) => {
          const along = Array.from({ length: [3, 4][at]! }, (_, j) =>
            elementAt(x!, at === 0 ? [j, i!] : [i!, j]),
          );
          return along.indexOf(Math.max(...along));
        });
      },
    }),
  ),
  {
    name: 'argMax passes no gradient',
    inputs: [{ shape: [2, 3], values: distinct(0.2) }],
    build: (x) => indexing.gatherElements(x!, shapes.reshape(indexing.argMax(x!, 1), [2, 1]), 1),
    reference: (x) =>
      tabulate([2], ([row]) => Math.max(...[0, 1, 2].map((column) => elementAt(x!, [row!, column])))),
  },
];
