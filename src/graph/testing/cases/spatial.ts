/** Cases of pooling and resizing. */

import * as pooling from '../../operators/pooling.ts';
import type { InterpolationOptions } from '../../operators/resize.ts';
import { resizeInterpolated, resizeNearest } from '../../operators/resize.ts';
import type { Shape } from '../../types.ts';
import type { OperatorCase } from '../finite_differences.ts';
import type { PlainTensor } from '../plain.ts';
import { elementAt, mean, sum, tabulate } from '../plain.ts';
import { distinct } from '../random.ts';

const WINDOWS: readonly [name: string, shape: Shape, options: pooling.PoolingOptions][] = [
  ['2x2', [2, 2, 4, 4], { kernel: [2, 2] }],
  ['3x2, stride 2x1', [1, 2, 5, 4], { kernel: [3, 2], stride: [2, 1] }],
  ['3x3, overlapping, padded', [2, 1, 5, 4], { kernel: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1] }],
  ['asymmetric padding', [1, 2, 4, 5], { kernel: [3, 3], stride: [2, 2], padding: [0, 1, 1, 0] }],
  ['last rows and columns unreached', [1, 1, 5, 6], { kernel: [2, 2], stride: [3, 4] }],
  ['whole image', [2, 2, 3, 2], { kernel: [3, 2] }],
  ['one pixel', [1, 2, 1, 1], { kernel: [1, 1] }],
];

/** Each output from the elements of its window inside the image, and the number of places outside it. */
function plainPool(
  x: PlainTensor,
  { kernel, stride = kernel, padding = [0, 0, 0, 0] }: pooling.PoolingOptions,
  compute: (inside: readonly number[], outside: number) => number,
): number[] {
  const [n, c, height, width] = x.shape as [number, number, number, number];
  const rows = Math.floor((height + padding[0] + padding[2] - kernel[0]) / stride[0]) + 1;
  const columns = Math.floor((width + padding[1] + padding[3] - kernel[1]) / stride[1]) + 1;
  return tabulate([n, c, rows, columns], ([b, channel, row, column]) => {
    const inside: number[] = [];
    for (let i = 0; i < kernel[0]; i++)
      for (let j = 0; j < kernel[1]; j++) {
        const y = row! * stride[0] - padding[0] + i;
        const z = column! * stride[1] - padding[1] + j;
        if (y >= 0 && z >= 0 && y < height && z < width) inside.push(elementAt(x, [b!, channel!, y, z]));
      }
    return compute(inside, kernel[0] * kernel[1] - inside.length);
  });
}

const SIZES: readonly [shape: Shape, height: number, width: number][] = [
  [[1, 2, 2, 3], 4, 6],
  [[1, 1, 3, 2], 5, 7],
  [[2, 1, 5, 6], 3, 4],
  [[1, 1, 4, 4], 2, 2],
  [[1, 1, 1, 1], 2, 3],
  [[1, 1, 4, 3], 6, 2],
];

/** Weight of source pixel `j` in output pixel `i` by the definition of each kernel, without any matrix. */
function plainWeight(from: number, to: number, i: number, j: number, options: InterpolationOptions): number {
  const ratio = from / to;
  const cubic = options.kernel === 'bicubic';
  const widen = options.antialias ? Math.max(1, ratio) : 1;
  const a = options.antialias ? -0.5 : -0.75;
  const shape = (distance: number) => {
    const x = Math.abs(distance);
    if (!cubic) return Math.max(0, 1 - x);
    if (x <= 1) return (a + 2) * x ** 3 - (a + 3) * x ** 2 + 1;
    return x < 2 ? a * x ** 3 - 5 * a * x ** 2 + 8 * a * x - 4 * a : 0;
  };
  const centre = (i + 0.5) * ratio - 0.5;
  const reach = Math.ceil(2 * widen) + 2;
  let [own, total] = [0, 0];
  for (let k = Math.floor(centre) - reach; k <= Math.floor(centre) + reach; k++) {
    const weight = shape((k - centre) / widen);
    if (options.antialias && (k < 0 || k >= from)) continue;
    total += weight;
    if (Math.min(from - 1, Math.max(0, k)) === j) own += weight;
  }
  return own / total;
}

function plainResize(x: PlainTensor, height: number, width: number, options: InterpolationOptions): number[] {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  return tabulate([n, c, height, width], ([b, channel, row, column]) =>
    sum(
      Array.from({ length: h * w }, (_, flat) => {
        const [y, z] = [Math.floor(flat / w), flat % w];
        const weight = plainWeight(h, height, row!, y, options) * plainWeight(w, width, column!, z, options);
        return weight === 0 ? 0 : weight * elementAt(x, [b!, channel!, y, z]);
      }),
    ),
  );
}

/** Cases of maximum and average pooling, nearest, bilinear and bicubic resizing. */
export const spatialCases: readonly OperatorCase[] = [
  ...WINDOWS.flatMap(([name, shape, options]): OperatorCase[] => [
    {
      name: `maxPool2d: ${name}`,
      inputs: [{ shape, values: distinct(0.2) }],
      build: (x) => pooling.maxPool2d(x!, options),
      reference: (x) => plainPool(x!, options, (inside) => Math.max(...inside)),
    },
    {
      name: `averagePool2d: ${name}`,
      inputs: [shape],
      build: (x) => pooling.averagePool2d(x!, options),
      reference: (x) => plainPool(x!, options, mean),
    },
    {
      name: `averagePool2d, padding counted: ${name}`,
      inputs: [shape],
      build: (x) => pooling.averagePool2d(x!, { ...options, countPadding: true }),
      reference: (x) => plainPool(x!, options, (inside, outside) => sum(inside) / (inside.length + outside)),
    },
  ]),
  {
    name: 'globalAveragePool2d',
    inputs: [[2, 3, 3, 2]],
    build: (x) => pooling.globalAveragePool2d(x!),
    reference: (x) => plainPool(x!, { kernel: [3, 2] }, mean),
  },
  ...SIZES.flatMap(([shape, height, width]): OperatorCase[] => [
    {
      name: `resizeNearest [${shape}] to ${height}x${width}`,
      inputs: [shape],
      build: (x) => resizeNearest(x!, height, width),
      reference: (x) =>
        tabulate([shape[0]!, shape[1]!, height, width], ([n, c, row, column]) =>
          elementAt(x!, [
            n!,
            c!,
            Math.floor((row! * shape[2]!) / height),
            Math.floor((column! * shape[3]!) / width),
          ]),
        ),
    },
    ...(['bilinear', 'bicubic'] as const).flatMap((kernel) =>
      [false, true].map(
        (antialias): OperatorCase => ({
          name: `${kernel}${antialias ? ' with antialias' : ''} [${shape}] to ${height}x${width}`,
          inputs: [shape],
          build: (x) => resizeInterpolated(x!, height, width, { kernel, antialias }),
          reference: (x) => plainResize(x!, height, width, { kernel, antialias }),
        }),
      ),
    ),
  ]),
  {
    name: 'bicubic of rank 3 with a given scale',
    inputs: [[2, 3, 3]],
    build: (x) => resizeInterpolated(x!, 5, 4, { kernel: 'bicubic', scale: [5.1 / 3, 4.1 / 3] }),
  },
];
