/** Cases of elementwise operators: unary functions, activations, arithmetic, comparisons, selection, conversion. */

import * as activation from '../../operators/activation.ts';
import * as arithmetic from '../../operators/arithmetic.ts';
import * as logic from '../../operators/logic.ts';
import * as unary from '../../operators/unary.ts';
import type { Shape } from '../../types.ts';
import type { Value } from '../../value.ts';
import type { CaseInput, OperatorCase } from '../finite_differences.ts';
import { elementwise, plainErf } from '../plain.ts';
import { away, distinct, integers, uniform } from '../random.ts';

type Elements = NonNullable<CaseInput['values']>;

const logistic = (x: number) => 1 / (1 + Math.exp(-x));
const clampTo = (x: number, low: number, high: number) => Math.min(high, Math.max(low, x));
const roundHalfEven = (x: number) => {
  const nearest = Math.round(x);
  return Math.abs(x % 1) === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
};

/** Exact at 0, away from the kinks elsewhere. */
const smooth = uniform(-2, 2);
const positive = uniform(0.5, 3);
const offZero = away([0], 0.1, -2, 2);

const UNARY: readonly [
  name: string,
  apply: (x: Value) => Value,
  plain: (x: number) => number,
  values: Elements,
][] = [
  ['neg', unary.neg, (x) => -x, smooth],
  ['abs', unary.abs, Math.abs, offZero],
  ['sign', unary.sign, Math.sign, offZero],
  ['exp', unary.exp, Math.exp, smooth],
  ['log', unary.log, Math.log, positive],
  ['sqrt', unary.sqrt, Math.sqrt, positive],
  ['reciprocal', unary.reciprocal, (x) => 1 / x, away([0], 0.6, -2, 2)],
  ['sin', unary.sin, Math.sin, uniform(-4, 4)],
  ['cos', unary.cos, Math.cos, uniform(-4, 4)],
  ['erf', unary.erf, plainErf, smooth],
  ['tanh', unary.tanh, Math.tanh, smooth],
  ['sigmoid', unary.sigmoid, logistic, uniform(-5, 5)],
  ['softplus', unary.softplus, (x) => Math.log1p(Math.exp(x)), uniform(-5, 5)],
  ['floor', unary.floor, Math.floor, away([-2, -1, 0, 1, 2], 0.1, -2, 2)],
  ['ceil', unary.ceil, Math.ceil, away([-2, -1, 0, 1, 2], 0.1, -2, 2)],
  ['round', unary.round, roundHalfEven, away([-1.5, -0.5, 0.5, 1.5], 0.1, -2, 2)],
  ['pow 3', (x) => unary.pow(x, 3), (x) => x ** 3, smooth],
  ['pow 2', (x) => unary.pow(x, 2), (x) => x * x, smooth],
  ['pow 0', (x) => unary.pow(x, 0), () => 1, smooth],
  ['pow -0.5', (x) => unary.pow(x, -0.5), (x) => x ** -0.5, positive],
  ['pow 1.7', (x) => unary.pow(x, 1.7), (x) => x ** 1.7, positive],
  ['scale', (x) => arithmetic.scale(x, -2.5), (x) => -2.5 * x, smooth],
  ['shift', (x) => arithmetic.shift(x, 0.75), (x) => x + 0.75, smooth],
  ['clamp', (x) => arithmetic.clamp(x, -0.5, 1), (x) => clampTo(x, -0.5, 1), away([-0.5, 1], 0.1, -2, 2)],
  ['relu', activation.relu, (x) => Math.max(0, x), offZero],
  ['silu', activation.silu, (x) => x * logistic(x), uniform(-5, 5)],
  ['quickGelu', activation.quickGelu, (x) => x * logistic(1.702 * x), uniform(-4, 4)],
  ['gelu', activation.gelu, (x) => 0.5 * x * (1 + plainErf(x / Math.SQRT2)), uniform(-3, 3)],
  [
    'geluTanh',
    activation.geluTanh,
    (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
    uniform(-3, 3),
  ],
  ['leakyRelu', (x) => activation.leakyRelu(x, 0.2), (x) => (x > 0 ? x : 0.2 * x), offZero],
  ['relu6', activation.relu6, (x) => clampTo(x, 0, 6), away([0, 6], 0.1, -2, 8)],
  ['hardSigmoid', activation.hardSigmoid, (x) => clampTo(x / 6 + 0.5, 0, 1), away([-3, 3], 0.1, -5, 5)],
  ['hardSwish', activation.hardSwish, (x) => x * clampTo(x / 6 + 0.5, 0, 1), away([-3, 3], 0.1, -5, 5)],
  ['elu', (x) => activation.elu(x, 1.5), (x) => (x > 0 ? x : 1.5 * Math.expm1(x)), offZero],
  [
    'a sum of three uses',
    (x) => arithmetic.add(arithmetic.mul(x, x), unary.sin(x)),
    (x) => x * x + Math.sin(x),
    smooth,
  ],
];

const BINARY: readonly [
  name: string,
  apply: (a: Value, b: Value) => Value,
  plain: (a: number, b: number) => number,
  values: readonly [Elements, Elements],
][] = [
  ['add', arithmetic.add, (a, b) => a + b, [smooth, smooth]],
  ['sub', arithmetic.sub, (a, b) => a - b, [smooth, smooth]],
  ['mul', arithmetic.mul, (a, b) => a * b, [smooth, smooth]],
  ['div', arithmetic.div, (a, b) => a / b, [smooth, away([0], 0.8, -2, 2)]],
];

const BROADCASTS: readonly [name: string, a: Shape, b: Shape][] = [
  ['equal shapes', [2, 3], [2, 3]],
  ['a row', [2, 3], [3]],
  ['a column', [2, 1], [2, 3]],
  ['both sides', [3, 1, 2], [4, 1]],
  ['scalar on the right', [2, 3], []],
  ['scalar on the left', [], [2, 2]],
  ['two scalars', [], []],
  ['a single element of higher rank', [3], [1, 1, 1]],
];

/** Odd or even multiples of 0.2: comparable but never tied, wherever they are broadcast. */
function multiples(parity: 0 | 1): Elements {
  return (count, random) => distinct(1)(count, random).map((value) => Math.floor(value) * 0.4 + parity * 0.2);
}

const MASK: CaseInput['values'] = integers(2);

/** Cases of elementwise operators with NumPy broadcasting. */
export const elementwiseCases: readonly OperatorCase[] = [
  ...UNARY.map(
    ([name, apply, plain, values]): OperatorCase => ({
      name,
      inputs: [{ shape: [3, 1, 4], values }],
      build: (x) => apply(x!),
      reference: elementwise(plain),
    }),
  ),
  ...BINARY.flatMap(([name, apply, plain, values]) =>
    BROADCASTS.map(
      ([how, a, b]): OperatorCase => ({
        name: `${name}: ${how}`,
        inputs: [
          { shape: a, values: values[0] },
          { shape: b, values: values[1] },
        ],
        build: (x, y) => apply(x!, y!),
        reference: elementwise(plain),
      }),
    ),
  ),
  ...(
    [
      ['maximum', arithmetic.maximum, Math.max],
      ['minimum', arithmetic.minimum, Math.min],
    ] as const
  ).flatMap(([name, apply, plain]) =>
    BROADCASTS.map(
      ([how, a, b]): OperatorCase => ({
        name: `${name}: ${how}`,
        inputs: [
          { shape: a, values: multiples(0) },
          { shape: b, values: multiples(1) },
        ],
        build: (x, y) => apply(x!, y!),
        reference: elementwise(plain),
      }),
    ),
  ),
  {
    name: 'prelu: one slope a channel',
    inputs: [{ shape: [2, 3, 2, 2], values: offZero }, [3, 1, 1]],
    build: (x, slope) => activation.prelu(x!, slope!),
    reference: elementwise((x, slope) => (x > 0 ? x : slope * x)),
  },
  {
    name: 'prelu: one slope for all',
    inputs: [{ shape: [2, 3], values: offZero }, [1]],
    build: (x, slope) => activation.prelu(x!, slope!),
    reference: elementwise((x, slope) => (x > 0 ? x : slope * x)),
  },
  ...(
    [
      ['where: equal shapes', [2, 3], [2, 3], [2, 3]],
      ['where: scalars', [2, 3], [], []],
      ['where: all broadcast', [4, 1, 1], [3, 1], [2]],
      ['where: scalar condition', [], [2, 3], [1, 3]],
    ] as const
  ).map(
    ([name, condition, a, b]): OperatorCase => ({
      name,
      inputs: [{ shape: condition, dtype: 'bool', values: MASK }, a, b],
      build: (mask, x, y) => logic.where(mask!, x!, y!),
      reference: elementwise((mask, x, y) => (mask ? x : y)),
    }),
  ),
  ...(
    [
      ['greater', logic.greater, (a: number, b: number) => a > b],
      ['less', logic.less, (a: number, b: number) => a < b],
      ['equal', logic.equal, (a: number, b: number) => a === b],
      ['greaterOrEqual', logic.greaterOrEqual, (a: number, b: number) => a >= b],
      ['lessOrEqual', logic.lessOrEqual, (a: number, b: number) => a <= b],
    ] as const
  ).map(
    ([name, apply, plain]): OperatorCase => ({
      name: `${name}, as a number`,
      inputs: [
        { shape: [4, 5], values: integers(3), differentiable: false },
        { shape: [5], values: integers(3), differentiable: false },
      ],
      build: (x, y) => logic.cast(apply(x!, y!), 'float32'),
      reference: elementwise((a, b) => (plain(a, b) ? 1 : 0)),
    }),
  ),
  ...(
    [
      ['greater', logic.greater, (a: number, b: number) => a > b],
      ['lessOrEqual', logic.lessOrEqual, (a: number, b: number) => a <= b],
    ] as const
  ).map(
    ([name, apply, plain]): OperatorCase => ({
      name: `${name} passes no gradient`,
      inputs: [
        { shape: [2, 3], values: distinct(0.4) },
        {
          shape: [2, 3],
          values: (count, random) => distinct(0.4)(count, random).map((value) => value + 0.2),
        },
      ],
      build: (x, y) => arithmetic.add(logic.cast(apply(x!, y!), 'float32'), x!),
      reference: elementwise((a, b) => (plain(a, b) ? 1 : 0) + a),
    }),
  ),
  ...(
    [
      ['and', logic.and, (a: number, b: number) => a && b],
      ['or', logic.or, (a: number, b: number) => a || b],
    ] as const
  ).map(
    ([name, apply, plain]): OperatorCase => ({
      name,
      inputs: [
        { shape: [3, 4], dtype: 'bool', values: MASK },
        { shape: [4], dtype: 'bool', values: MASK },
      ],
      build: (x, y) => apply(x!, y!),
      reference: elementwise(plain),
    }),
  ),
  {
    name: 'not',
    inputs: [{ shape: [7], dtype: 'bool', values: MASK }],
    build: (x) => logic.not(x!),
    reference: elementwise((x) => 1 - x),
  },
  {
    name: 'cast to int64 and back stops the gradient',
    inputs: [{ shape: [5], values: away([-2, -1, 0, 1, 2], 0.1, -2, 2) }],
    build: (x) => arithmetic.add(x!, logic.cast(logic.cast(x!, 'int64'), 'float32')),
    reference: elementwise((x) => x + Math.trunc(x)),
  },
  {
    name: 'cast to float64 and back',
    inputs: [{ shape: [5] }],
    build: (x) => logic.cast(arithmetic.mul(logic.cast(x!, 'float64'), logic.cast(x!, 'float64')), 'float32'),
    reference: elementwise((x) => x * x),
  },
  {
    name: 'sumTo',
    inputs: [[2, 3, 4]],
    build: (x) => arithmetic.sumTo(x!, [3, 1]),
    reference: (x) =>
      [0, 1, 2].map((row) =>
        Array.from(x!.data)
          .filter((_, i) => Math.floor(i / 4) % 3 === row)
          .reduce((a, b) => a + b),
      ),
  },
];
