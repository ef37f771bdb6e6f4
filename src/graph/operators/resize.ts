/** Resizing images: nearest neighbour, and bilinear or bicubic as two constant matrices, which makes gradients exact. */

import { defineOperator, required } from '../operator.ts';
import type { Value } from '../value.ts';
import { constant } from '../value.ts';
import { matmul } from './matmul.ts';
import { reduceSum } from './reduction.ts';
import { reshape } from './shape.ts';

const nearestOperator = defineOperator<{ readonly height: number; readonly width: number }>({
  name: 'resizeNearest',
  infer(inputs, { height, width }) {
    const x = required(inputs, 0);
    if (x.shape.length !== 4) throw new Error('expected x [N, C, H, W]');
    return [{ dtype: x.dtype, shape: [x.shape[0]!, x.shape[1]!, height, width] }];
  },
  emit(context, inputs, outputs, node) {
    const { shape } = node.outputs[0]!;
    context.node(
      'Resize',
      [inputs[0]!, '', '', context.constant(shape, [4], 'int64')],
      {
        mode: { string: 'nearest' },
        coordinate_transformation_mode: { string: 'asymmetric' },
        nearest_mode: { string: 'floor' },
      },
      outputs,
    );
  },
  gradient(node, cotangents) {
    const x = node.inputs[0]!;
    const [batch, channels, height, width] = x.shape as [number, number, number, number];
    const { height: tall, width: wide } = node.attributes;
    if (tall % height === 0 && wide % width === 0) {
      const blocks = reshape(cotangents[0]!, [batch * channels, height, tall / height, width, wide / width]);
      return [reshape(reduceSum(blocks, { axes: [2, 4] }), x.shape)];
    }
    const columns = constant(nearestMatrix(wide, width), [wide, width], x.dtype);
    const transposedRows = constant(
      transposed(nearestMatrix(tall, height), tall, height),
      [height, tall],
      x.dtype,
    );
    return [matmul(matmul(transposedRows, cotangents[0]!), columns)];
  },
});

/** Row-major [to, from] matrix that picks source floor(i * from / to). */
function nearestMatrix(to: number, from: number): Float32Array {
  const matrix = new Float32Array(to * from);
  for (let i = 0; i < to; i++) matrix[i * from + Math.min(from - 1, Math.floor((i * from) / to))] = 1;
  return matrix;
}

function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(matrix.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) result[j * rows + i] = matrix[i * columns + j]!;
  return result;
}

/** Nearest-neighbour resize of x [N, C, H, W]: source index floor(i * H / height), as PyTorch's `nearest`. */
export function resizeNearest(x: Value, height: number, width: number): Value {
  return nearestOperator([x], { height, width })[0]!;
}

/** How to interpolate: kernel, whether to widen it when shrinking, and where source coordinates lie. */
export interface InterpolationOptions {
  /** `bilinear`, or `bicubic` with a = -0.75 (PyTorch's) unless `antialias`, then -0.5 (PyTorch's and Pillow's). */
  readonly kernel: 'bilinear' | 'bicubic';
  /** Widen the kernel by the reduction factor when shrinking, as Pillow does. */
  readonly antialias?: boolean;
  /** Output over input size used for source coordinates; defaults to the true ratio (see DINOv2's position embedding). */
  readonly scale?: readonly [number, number];
}

/**
 * The linear map of one resized axis: row i holds the weights of the source pixels in output pixel i.
 * Source centre (i + 1/2)/scale - 1/2, edges clamped (without antialias) or weights renormalised (with it).
 * @returns row-major [to, from], rows summing to 1
 */
export function interpolationMatrix(
  from: number,
  to: number,
  options: InterpolationOptions,
  scale: number = to / from,
): Float32Array {
  const matrix = new Float64Array(to * from);
  const cubic = options.kernel === 'bicubic';
  const widen = options.antialias && scale < 1 ? 1 / scale : 1;
  const radius = (cubic ? 2 : 1) * widen;
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) / scale - 0.5;
    const row = i * from;
    if (options.antialias) {
      let total = 0;
      for (let j = 0; j < from; j++) {
        const distance = Math.abs(j - centre);
        if (distance >= radius) continue;
        const value = cubic ? cubicKernel(distance / widen, -0.5) : 1 - distance / widen;
        matrix[row + j] = value;
        total += value;
      }
      for (let j = 0; j < from; j++) matrix[row + j]! /= total;
    } else {
      const first = Math.floor(centre) - (cubic ? 1 : 0);
      const source = cubic ? centre : Math.max(0, centre);
      const start = cubic ? first : Math.floor(source);
      for (let k = 0; k < (cubic ? 4 : 2); k++) {
        const distance = Math.abs(start + k - source);
        const value = cubic ? cubicKernel(distance, -0.75) : Math.max(0, 1 - distance);
        matrix[row + Math.min(from - 1, Math.max(0, start + k))]! += value;
      }
    }
  }
  return Float32Array.from(matrix);
}

/** Keys' cubic convolution kernel with parameter a at distance x >= 0. */
export function cubicKernel(x: number, a: number): number {
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((x - 5) * x + 8) * x * a - 4 * a;
  return 0;
}

/**
 * Bilinear or bicubic resize of the last two axes of x [..., H, W] (corners not aligned).
 * @returns [..., height, width]
 */
export function resizeInterpolated(
  x: Value,
  height: number,
  width: number,
  options: InterpolationOptions,
): Value {
  const rank = x.shape.length;
  const [h, w] = [x.shape[rank - 2]!, x.shape[rank - 1]!];
  if (h === height && w === width && options.scale === undefined) return x;
  const rows = constant(interpolationMatrix(h, height, options, options.scale?.[0]), [height, h], x.dtype);
  const columns = transposed(interpolationMatrix(w, width, options, options.scale?.[1]), width, w);
  return matmul(matmul(rows, x), constant(columns, [w, width], x.dtype));
}
