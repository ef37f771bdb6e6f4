/** Import of TensorFlow's operators on images: convolutions, pooling, batch norm, resizing. */

import { add, mul, shift, sub } from '../operators/arithmetic.ts';
import type { ConvolutionOptions } from '../operators/convolution.ts';
import { conv2d } from '../operators/convolution.ts';
import { matmul } from '../operators/matmul.ts';
import { averagePool2d, maxPool2d } from '../operators/pooling.ts';
import { reshape } from '../operators/shape.ts';
import { reciprocal, sqrt } from '../operators/unary.ts';
import type { Value } from '../value.ts';
import { constant } from '../value.ts';
import { applyFused, fusedBias } from './elementwise.ts';
import type { ModelNode, NodeImporter } from './node.ts';
import type { Tensor } from './tensor.ts';
import { elementwise, ofPlanes, permuted } from './tensor.ts';

type Pair = readonly [number, number];
type Padding = readonly [number, number, number, number];

/** Rows and columns of a list over [N, H, W, C]. */
function pair(node: ModelNode, name: string): Pair {
  const list = node.ints(name);
  if (list.length === 0) return [1, 1];
  if (list.length !== 4) throw new Error(`${name}: expected four numbers, received [${list}]`);
  if (list[0] !== 1 || list[3] !== 1) {
    throw new Error(`${name}: expected 1 along images and channels, received [${list}]`);
  }
  return [list[1]!, list[2]!];
}

function checkFormat(node: ModelNode): void {
  const format = node.text('data_format', 'NHWC');
  if (format !== 'NHWC') throw new Error(`expected data_format NHWC, received ${format}`);
}

/** Padding (top, left, bottom, right): SAME covers ceil(size/stride) windows, the odd pixel behind. */
function paddingOf(
  node: ModelNode,
  size: readonly number[],
  kernel: Pair,
  stride: Pair,
  dilation: Pair,
): Padding {
  const mode = node.text('padding', 'VALID');
  if (mode === 'VALID') return [0, 0, 0, 0];
  if (mode === 'EXPLICIT') {
    const list = node.ints('explicit_paddings');
    if (list.length !== 8) throw new Error(`explicit_paddings: expected eight numbers, received [${list}]`);
    return [list[2]!, list[4]!, list[3]!, list[5]!];
  }
  if (mode !== 'SAME') throw new Error(`expected padding SAME, VALID or EXPLICIT, received ${mode}`);
  const total = [0, 1].map((i) => {
    const windows = Math.ceil(size[i]! / stride[i]!);
    return Math.max(0, (windows - 1) * stride[i]! + (kernel[i]! - 1) * dilation[i]! + 1 - size[i]!);
  });
  const before = total.map((amount) => Math.floor(amount / 2));
  return [before[0]!, before[1]!, total[0]! - before[0]!, total[1]! - before[1]!];
}

function geometry(node: ModelNode, x: Value, kernel: Pair): Required<Omit<ConvolutionOptions, 'groups'>> {
  const [stride, dilation] = [pair(node, 'strides'), pair(node, 'dilations')];
  return { stride, dilation, padding: paddingOf(node, x.shape.slice(2), kernel, stride, dilation) };
}

/** Kernels [h, w, C/groups, O]. */
function convolution(node: ModelNode): Tensor {
  checkFormat(node);
  const x = node.tensor(0).planes();
  const kernel = node.tensor(1);
  const [height, width, inputs] = kernel.shape as [number, number, number, number];
  const options = { ...geometry(node, x, [height, width]), groups: x.shape[1]! / inputs };
  const y = conv2d(x, permuted(kernel, [3, 2, 0, 1]), fusedBias(node), options);
  return applyFused(node, ofPlanes(y));
}

/** Kernels [h, w, C, multiplier]: output channel c * multiplier + m looks at input channel c. */
function depthwise(node: ModelNode): Tensor {
  checkFormat(node);
  const x = node.tensor(0).planes();
  const kernel = node.tensor(1);
  const [height, width, channels, multiplier] = kernel.shape as [number, number, number, number];
  const weight = reshape(permuted(kernel, [2, 3, 0, 1]), [channels * multiplier, 1, height, width]);
  const options = { ...geometry(node, x, [height, width]), groups: channels };
  return applyFused(node, ofPlanes(conv2d(x, weight, fusedBias(node), options)));
}

function pooling(
  apply: (x: Value, options: { kernel: Pair; stride: Pair; padding: Padding }) => Value,
): NodeImporter {
  return (node) => {
    checkFormat(node);
    const x = node.tensor(0).planes();
    const [kernel, stride] = [pair(node, 'ksize'), pair(node, 'strides')];
    return ofPlanes(
      apply(x, { kernel, stride, padding: paddingOf(node, x.shape.slice(2), kernel, stride, [1, 1]) }),
    );
  };
}

/** (x - mean)/sqrt(variance + epsilon) * scale + offset for each channel. */
function batchNormalization(node: ModelNode): Tensor {
  checkFormat(node);
  if (node.flag('is_training')) throw new Error('expected is_training false, received true');
  const [factor, offset, mean, variance] = [1, 2, 3, 4].map((i) => node.tensor(i));
  const epsilon = node.float('epsilon', 1e-4);
  return elementwise(
    [node.tensor(0), factor!, offset!, mean!, variance!],
    (x, gamma, beta, centre, spread) => {
      const slope = mul(gamma!, reciprocal(sqrt(shift(spread!, epsilon))));
      return add(mul(x!, slope), sub(beta!, mul(centre!, slope)));
    },
  );
}

/** Where output pixel i of `to` looks along an axis of `from` pixels, in pixel indices. */
function sourcePosition(node: ModelNode, i: number, from: number, to: number): number {
  if (node.flag('align_corners')) return to > 1 ? (i * (from - 1)) / (to - 1) : 0;
  return node.flag('half_pixel_centers') ? ((i + 0.5) * from) / to - 0.5 : (i * from) / to;
}

function bilinearMatrix(node: ModelNode, from: number, to: number): Float32Array {
  const matrix = new Float32Array(to * from);
  for (let i = 0; i < to; i++) {
    const position = Math.min(from - 1, Math.max(0, sourcePosition(node, i, from, to)));
    const low = Math.floor(position);
    matrix[i * from + low]! += 1 - (position - low);
    matrix[i * from + Math.min(from - 1, low + 1)]! += position - low;
  }
  return matrix;
}

function nearestMatrix(node: ModelNode, from: number, to: number): Float32Array {
  const matrix = new Float32Array(to * from);
  for (let i = 0; i < to; i++) {
    const position = sourcePosition(node, i, from, to);
    // With half-pixel centres the pixel whose square is hit; TensorFlow rounds only where corners are aligned.
    const hit = node.flag('align_corners')
      ? Math.round(position)
      : Math.floor(node.flag('half_pixel_centers') ? position + 0.5 : position);
    matrix[i * from + Math.min(from - 1, Math.max(0, hit))] = 1;
  }
  return matrix;
}

/** Both axes as constant matrices, whose transposes carry the gradient. */
function resize(matrixOf: (node: ModelNode, from: number, to: number) => Float32Array): NodeImporter {
  return (node) => {
    const x = node.tensor(0).planes();
    const [height, width] = node.numbers(1) as [number, number];
    const [tall, wide] = [x.shape[2]!, x.shape[3]!];
    const rows = constant(matrixOf(node, tall, height), [height, tall]);
    const across = matrixOf(node, wide, width);
    const columns = Float32Array.from(across, (_, i) => across[(i % width) * wide + Math.floor(i / width)]!);
    return ofPlanes(matmul(matmul(rows, x), constant(columns, [wide, width])));
  };
}

/** Importers of operators on images, by TensorFlow operator. */
export const SPATIAL_IMPORTERS: Readonly<Record<string, NodeImporter>> = {
  Conv2D: convolution,
  _FusedConv2D: convolution,
  DepthwiseConv2dNative: depthwise,
  FusedDepthwiseConv2dNative: depthwise,
  MaxPool: pooling(maxPool2d),
  AvgPool: pooling(averagePool2d),
  FusedBatchNorm: batchNormalization,
  FusedBatchNormV2: batchNormalization,
  FusedBatchNormV3: batchNormalization,
  ResizeBilinear: resize(bilinearMatrix),
  ResizeNearestNeighbor: resize(nearestMatrix),
};
