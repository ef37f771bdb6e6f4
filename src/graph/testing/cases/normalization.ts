/** Cases of normalisations, with means far larger than the deviation among them. */

import * as normalization from '../../operators/normalization.ts';
import type { Shape } from '../../types.ts';
import type { OperatorCase } from '../finite_differences.ts';
import type { PlainTensor } from '../plain.ts';
import { elementAt, indicesOf, mean, sum, tabulate, variance } from '../plain.ts';
import type { Random } from '../random.ts';
import { uniform } from '../random.ts';

const EPSILON = 1e-5;

/** Elements of deviation about 1 around `centre`. */
function around(centre: number): (count: number, random: Random) => Float64Array {
  return uniform(centre - Math.sqrt(3), centre + Math.sqrt(3));
}

/** (x - mean)/sqrt(variance + epsilon) over the elements that share a key, times weight plus bias of the channel. */
function plainNorm(
  x: PlainTensor,
  keyOf: (index: readonly number[]) => string,
  affine: (normalized: number, index: readonly number[]) => number,
): number[] {
  const sets = new Map<string, number[]>();
  for (const index of indicesOf(x.shape)) {
    const key = keyOf(index);
    sets.set(key, [...(sets.get(key) ?? []), elementAt(x, index)]);
  }
  const moments = new Map([...sets].map(([key, list]) => [key, [mean(list), variance(list)] as const]));
  return tabulate(x.shape, (index) => {
    const [centre, spread] = moments.get(keyOf(index))!;
    return affine((elementAt(x, index) - centre) / Math.sqrt(spread + EPSILON), index);
  });
}

const CENTRES = [
  [0, {}],
  // The elements themselves are rounded to 2^-17 there.
  [100, { tolerance: 1e-3, step: 1 / 16 }],
  [1000, { tolerance: 4e-3, step: 1 / 8 }],
] as const;

const GROUPS: readonly [shape: Shape, groups: number][] = [
  [[2, 4, 3, 3], 2],
  [[1, 6, 2, 3], 3],
  [[2, 3, 4, 2], 1],
  [[2, 3, 5], 3],
];

function plainBatchNorm(x: PlainTensor, weight: PlainTensor, bias: PlainTensor): number[] {
  return plainNorm(
    x,
    (index) => String(index[1]),
    (value, index) => value * weight.data[index[1]!]! + bias.data[index[1]!]!,
  );
}

/** Cases of layer, group, instance and batch norm, L2 norm and cosine distance. */
export const normalizationCases: readonly OperatorCase[] = [
  ...CENTRES.flatMap(([centre, precision]) => [
    ...(
      [
        [3, 6],
        [2, 2, 5],
        [1, 4],
      ] as const
    ).map(
      (shape): OperatorCase => ({
        name: `layerNorm of [${shape}] around ${centre}`,
        inputs: [{ shape, values: around(centre) }, [shape.at(-1)!], [shape.at(-1)!]],
        build: (x, weight, bias) => normalization.layerNorm(x!, weight!, bias!, EPSILON),
        reference: (x, weight, bias) =>
          plainNorm(
            x!,
            (index) => index.slice(0, -1).join(),
            (value, index) => value * weight!.data[index.at(-1)!]! + bias!.data[index.at(-1)!]!,
          ),
        ...precision,
      }),
    ),
    ...GROUPS.map(
      ([shape, groups]): OperatorCase => ({
        name: `groupNorm of [${shape}] in ${groups} groups around ${centre}`,
        inputs: [{ shape, values: around(centre) }, [shape[1]!], [shape[1]!]],
        build: (x, weight, bias) => normalization.groupNorm(x!, groups, weight!, bias!, EPSILON),
        reference: (x, weight, bias) =>
          plainNorm(
            x!,
            ([n, channel]) => `${n} ${Math.floor(channel! / (shape[1]! / groups))}`,
            (value, index) => value * weight!.data[index[1]!]! + bias!.data[index[1]!]!,
          ),
        ...precision,
      }),
    ),
    {
      name: `batchNormTraining around ${centre}`,
      inputs: [{ shape: [3, 2, 2, 3], values: around(centre) }, [2], [2]],
      build: (x, weight, bias) => normalization.batchNormTraining(x!, weight!, bias!, EPSILON).y,
      reference: (x, weight, bias) => plainBatchNorm(x!, weight!, bias!),
      ...precision,
    } satisfies OperatorCase,
  ]),
  {
    name: 'instanceNorm',
    inputs: [[2, 3, 2, 4], [3], [3]],
    build: (x, weight, bias) => normalization.instanceNorm(x!, weight!, bias!, EPSILON),
    reference: (x, weight, bias) =>
      plainNorm(
        x!,
        ([n, channel]) => `${n} ${channel}`,
        (value, index) => value * weight!.data[index[1]!]! + bias!.data[index[1]!]!,
      ),
  },
  {
    name: 'batchNormTraining: statistics',
    inputs: [[3, 2, 4], [2], [2]],
    build: (x, weight, bias) => {
      const { mean: centre, variance: spread } = normalization.batchNormTraining(x!, weight!, bias!, EPSILON);
      return [centre, spread];
    },
    reference: (x) =>
      [0, 1].map((channel) => mean(indicesOf([3, 4]).map(([n, i]) => elementAt(x!, [n!, channel, i!])))),
  },
  {
    name: 'batchNorm with given statistics',
    inputs: [[2, 3, 2, 2], [3], [3], [3], { shape: [3], values: uniform(0.5, 2) }],
    build: (x, weight, bias, centre, spread) =>
      normalization.batchNorm(
        x!,
        { weight: weight!, bias: bias!, mean: centre!, variance: spread! },
        EPSILON,
      ),
    reference: (x, weight, bias, centre, spread) =>
      tabulate(x!.shape, (index) => {
        const c = index[1]!;
        const normalized = (elementAt(x!, index) - centre!.data[c]!) / Math.sqrt(spread!.data[c]! + EPSILON);
        return normalized * weight!.data[c]! + bias!.data[c]!;
      }),
  },
  ...[0, -1].map(
    (axis): OperatorCase => ({
      name: `normalizeL2 along ${axis}`,
      inputs: [{ shape: [3, 4], values: uniform(0.5, 2) }],
      build: (x) => normalization.normalizeL2(x!, axis),
      reference: (x) =>
        tabulate([3, 4], ([row, column]) => {
          const along = axis === 0 ? [0, 1, 2].map((i) => [i, column!]) : [0, 1, 2, 3].map((j) => [row!, j]);
          return (
            elementAt(x!, [row!, column!]) / Math.sqrt(sum(along.map((index) => elementAt(x!, index) ** 2)))
          );
        }),
    }),
  ),
  {
    name: 'cosineDistance with broadcasting',
    inputs: [
      { shape: [2, 3], values: uniform(0.5, 2) },
      { shape: [1, 3], values: uniform(0.5, 2) },
    ],
    build: (a, b) => normalization.cosineDistance(a!, b!),
    reference: (a, b) =>
      tabulate([2], ([row]) => {
        const dot = (p: PlainTensor, q: PlainTensor) =>
          sum([0, 1, 2].map((i) => elementAt(p, [row!, i]) * elementAt(q, [row!, i])));
        return 1 - dot(a!, b!) / Math.sqrt(dot(a!, a!) * dot(b!, b!));
      }),
  },
];
