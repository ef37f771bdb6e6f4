/** Cases of convolution and transposed convolution. */

import { conv2d, convTranspose2d } from '../../operators/convolution.ts';
import type { OperatorCase } from '../finite_differences.ts';
import type { PlainTensor } from '../plain.ts';

interface PlainGeometry {
  readonly stride?: readonly [number, number];
  readonly padding?: readonly [number, number, number, number];
  readonly dilation?: readonly [number, number];
  readonly groups?: number;
}

/** Convolution by its definition, output size by the floor rule. */
function plainConvolution(
  x: PlainTensor,
  weight: PlainTensor,
  bias: PlainTensor | undefined,
  geometry: PlainGeometry,
) {
  const { stride = [1, 1], padding = [0, 0, 0, 0], dilation = [1, 1], groups = 1 } = geometry;
  const [n, c, height, width] = x.shape as [number, number, number, number];
  const [o, perGroup, h, w] = weight.shape as [number, number, number, number];
  const rows = Math.floor((height + padding[0] + padding[2] - dilation[0] * (h - 1) - 1) / stride[0]) + 1;
  const columns = Math.floor((width + padding[1] + padding[3] - dilation[1] * (w - 1) - 1) / stride[1]) + 1;
  const result: number[] = [];
  for (let b = 0; b < n; b++)
    for (let k = 0; k < o; k++)
      for (let row = 0; row < rows; row++)
        for (let column = 0; column < columns; column++) {
          let sum = bias ? bias.data[k]! : 0;
          const firstChannel = Math.floor(k / (o / groups)) * perGroup;
          for (let q = 0; q < perGroup; q++)
            for (let i = 0; i < h; i++)
              for (let j = 0; j < w; j++) {
                const y = row * stride[0] - padding[0] + i * dilation[0];
                const z = column * stride[1] - padding[1] + j * dilation[1];
                if (y < 0 || z < 0 || y >= height || z >= width) continue;
                const channel = firstChannel + q;
                sum +=
                  x.data[((b * c + channel) * height + y) * width + z]! *
                  weight.data[((k * perGroup + q) * h + i) * w + j]!;
              }
          result.push(sum);
        }
  return result;
}

/** Transposed convolution by its definition: every input pixel adds a scaled kernel to the output. */
function plainTransposed(
  x: PlainTensor,
  weight: PlainTensor,
  bias: PlainTensor | undefined,
  geometry: PlainGeometry & { readonly outputPadding?: readonly [number, number] },
) {
  const {
    stride = [1, 1],
    padding = [0, 0, 0, 0],
    dilation = [1, 1],
    groups = 1,
    outputPadding = [0, 0],
  } = geometry;
  const [n, c, height, width] = x.shape as [number, number, number, number];
  const [, perGroup, h, w] = weight.shape as [number, number, number, number];
  const o = perGroup * groups;
  const rows =
    (height - 1) * stride[0] + dilation[0] * (h - 1) + 1 - padding[0] - padding[2] + outputPadding[0];
  const columns =
    (width - 1) * stride[1] + dilation[1] * (w - 1) + 1 - padding[1] - padding[3] + outputPadding[1];
  const result = new Array<number>(n * o * rows * columns).fill(0);
  for (let b = 0; b < n; b++)
    for (let q = 0; q < c; q++)
      for (let y = 0; y < height; y++)
        for (let z = 0; z < width; z++)
          for (let k = 0; k < perGroup; k++)
            for (let i = 0; i < h; i++)
              for (let j = 0; j < w; j++) {
                const row = y * stride[0] + i * dilation[0] - padding[0];
                const column = z * stride[1] + j * dilation[1] - padding[1];
                if (row < 0 || column < 0 || row >= rows || column >= columns) continue;
                const channel = Math.floor(q / (c / groups)) * perGroup + k;
                result[((b * o + channel) * rows + row) * columns + column]! +=
                  x.data[((b * c + q) * height + y) * width + z]! *
                  weight.data[((q * perGroup + k) * h + i) * w + j]!;
              }
  return result.map((value, i) => value + (bias ? bias.data[Math.floor(i / (rows * columns)) % o]! : 0));
}

type Row<Geometry> = readonly [
  name: string,
  x: readonly [number, number, number, number],
  weight: readonly [number, number, number, number],
  geometry: Geometry,
  bias?: boolean,
];

const CONVOLUTIONS: readonly Row<PlainGeometry>[] = [
  ['3x3, same size', [2, 3, 5, 4], [4, 3, 3, 3], { padding: [1, 1, 1, 1] }, true],
  ['no padding', [1, 2, 5, 6], [3, 2, 3, 2], {}],
  ['stride 2, odd size', [2, 2, 7, 5], [3, 2, 3, 3], { stride: [2, 2], padding: [1, 1, 1, 1] }, true],
  ['stride 2, even size: last row unreached', [1, 2, 6, 8], [2, 2, 3, 3], { stride: [2, 2] }],
  [
    'stride 2, padding below and right only',
    [2, 2, 6, 6],
    [2, 2, 3, 3],
    { stride: [2, 2], padding: [0, 0, 1, 1] },
  ],
  [
    'stride 3x2, asymmetric padding',
    [2, 2, 8, 7],
    [2, 2, 3, 2],
    { stride: [3, 2], padding: [0, 1, 2, 1] },
    true,
  ],
  ['stride 1, asymmetric padding', [1, 2, 5, 5], [2, 2, 3, 4], { padding: [2, 0, 1, 3] }],
  ['stride larger than the kernel', [1, 2, 7, 8], [2, 2, 2, 1], { stride: [3, 4] }],
  ['dilation', [1, 2, 7, 6], [2, 2, 3, 2], { dilation: [2, 3], padding: [1, 2, 1, 1] }],
  [
    'dilation and stride',
    [1, 2, 9, 8],
    [3, 2, 3, 3],
    { dilation: [2, 1], stride: [2, 3], padding: [2, 0, 1, 1] },
    true,
  ],
  ['two groups', [2, 4, 5, 5], [6, 2, 3, 3], { groups: 2, padding: [1, 1, 1, 1] }, true],
  [
    'two groups, stride 2, dilation',
    [1, 4, 7, 7],
    [2, 2, 2, 3],
    { groups: 2, stride: [2, 2], dilation: [1, 2] },
  ],
  ['depthwise', [2, 3, 6, 5], [3, 1, 3, 3], { groups: 3, padding: [1, 1, 1, 1] }, true],
  [
    'depthwise, two kernels a channel, stride 2',
    [1, 3, 6, 7],
    [6, 1, 3, 3],
    { groups: 3, stride: [2, 2], padding: [1, 1, 1, 1] },
  ],
  ['1x1', [2, 3, 3, 4], [5, 3, 1, 1], {}, true],
  ['1x1, stride 2', [2, 3, 5, 4], [4, 3, 1, 1], { stride: [2, 2] }],
  ['1x1, two groups', [2, 4, 3, 3], [6, 2, 1, 1], { groups: 2 }],
  ['1x1 with padding wider than the kernel', [1, 2, 3, 3], [2, 2, 1, 1], { padding: [1, 1, 1, 1] }],
  ['2x2 with padding wider than the kernel', [1, 1, 3, 3], [1, 1, 2, 2], { padding: [2, 2, 3, 1] }],
  ['one pixel, one channel', [1, 1, 1, 1], [1, 1, 1, 1], {}, true],
  ['kernel of the image size', [2, 2, 4, 3], [3, 2, 4, 3], {}],
  [
    'more kernel elements than pixels, asymmetric padding, two groups',
    [1, 4, 3, 2],
    [6, 2, 3, 2],
    { groups: 2, padding: [2, 0, 0, 1] },
    true,
  ],
  ['patch embedding: stride equals kernel', [1, 3, 6, 4], [4, 3, 2, 2], { stride: [2, 2] }, true],
];

const TRANSPOSED: readonly Row<PlainGeometry & { readonly outputPadding?: readonly [number, number] }>[] = [
  ['stride 1', [2, 2, 3, 4], [2, 3, 3, 3], { padding: [1, 1, 1, 1] }, true],
  ['stride 2', [1, 2, 3, 3], [2, 3, 2, 2], { stride: [2, 2] }],
  [
    'stride 2, output padding 1',
    [2, 3, 3, 4],
    [3, 2, 3, 3],
    { stride: [2, 2], padding: [1, 1, 1, 1], outputPadding: [1, 1] },
    true,
  ],
  [
    'stride 3x2, output padding 2x0, asymmetric padding',
    [1, 2, 3, 3],
    [2, 2, 3, 2],
    { stride: [3, 2], padding: [1, 0, 0, 1], outputPadding: [2, 0] },
  ],
  ['stride 2, kernel 4', [1, 2, 3, 3], [2, 2, 4, 4], { stride: [2, 2], padding: [1, 1, 1, 1] }],
  ['dilation', [1, 2, 3, 4], [2, 2, 2, 3], { dilation: [2, 1], padding: [1, 1, 0, 1] }],
  [
    'two groups, stride 2',
    [1, 4, 3, 3],
    [4, 3, 3, 3],
    { groups: 2, stride: [2, 2], padding: [1, 1, 1, 1] },
    true,
  ],
  ['depthwise', [1, 3, 3, 3], [3, 1, 2, 2], { groups: 3, stride: [2, 2] }],
  [
    'groups of two channels to one',
    [1, 4, 3, 3],
    [4, 1, 3, 3],
    { groups: 2, stride: [2, 2], padding: [1, 1, 1, 1] },
    true,
  ],
  ['kernel smaller than the stride', [1, 2, 3, 2], [2, 2, 1, 1], { stride: [2, 2], outputPadding: [1, 1] }],
];

/** Cases of `conv2d` and `convTranspose2d`: strides, asymmetric padding, dilation, groups, unreached edges. */
export const convolutionCases: readonly OperatorCase[] = [
  ...CONVOLUTIONS.map(
    ([name, x, weight, geometry, bias]): OperatorCase => ({
      name: `conv2d: ${name}`,
      inputs: bias ? [x, weight, [weight[0]]] : [x, weight],
      build: (a, b, c) => conv2d(a!, b!, c ?? null, geometry),
      reference: (a, b, c) => plainConvolution(a!, b!, c, geometry),
    }),
  ),
  ...TRANSPOSED.map(
    ([name, x, weight, geometry, bias]): OperatorCase => ({
      name: `convTranspose2d: ${name}`,
      inputs: bias ? [x, weight, [weight[1] * (geometry.groups ?? 1)]] : [x, weight],
      build: (a, b, c) => convTranspose2d(a!, b!, c ?? null, geometry),
      reference: (a, b, c) => plainTransposed(a!, b!, c, geometry),
    }),
  ),
];
