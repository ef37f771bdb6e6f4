/** Convolution and transposed convolution over two spatial axes, with stride, padding, dilation and groups. */

import type { EmitContext, OnnxAttribute } from '../operator.ts';
import { defineOperator, required } from '../operator.ts';
import type { Shape } from '../types.ts';
import { elementCount } from '../types.ts';
import type { GraphNode, Value } from '../value.ts';
import { zeros } from './indexing.ts';
import { matmul } from './matmul.ts';
import { reduceSum } from './reduction.ts';
import { concat, pad, reshape, reverse, slice, transpose, transposeLast } from './shape.ts';

/** Geometry of a convolution; pairs are (height, width), `padding` is (top, left, bottom, right). */
export interface ConvolutionOptions {
  readonly stride?: number | readonly [number, number];
  readonly padding?: number | readonly [number, number, number, number];
  readonly dilation?: number | readonly [number, number];
  readonly groups?: number;
}

interface Geometry {
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number, number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
}

function geometryOf(options: ConvolutionOptions): Geometry {
  const pair = (value: number | readonly [number, number] = 1): readonly [number, number] =>
    typeof value === 'number' ? [value, value] : value;
  const { padding = 0 } = options;
  return {
    stride: pair(options.stride),
    padding: typeof padding === 'number' ? [padding, padding, padding, padding] : padding,
    dilation: pair(options.dilation),
    groups: options.groups ?? 1,
  };
}

function onnxAttributes(geometry: Geometry, weight: Value): Record<string, OnnxAttribute> {
  return {
    kernel_shape: { ints: weight.shape.slice(2) },
    strides: { ints: geometry.stride },
    pads: { ints: geometry.padding },
    dilations: { ints: geometry.dilation },
    group: { int: geometry.groups },
  };
}

/** Elements that a kernel of `size` spans at `dilation`. */
function span(size: number, dilation: number): number {
  return (size - 1) * dilation + 1;
}

const convolutionOperator = defineOperator<Geometry>({
  name: 'conv2d',
  infer(inputs, { stride, padding, dilation, groups }) {
    const [x, weight] = [required(inputs, 0), required(inputs, 1)];
    if (x.shape.length !== 4 || weight.shape.length !== 4)
      throw new Error('expected x [N, C, H, W] and weight [O, C/groups, h, w]');
    if (x.shape[1] !== weight.shape[1]! * groups || weight.shape[0]! % groups !== 0) {
      throw new Error(`expected ${weight.shape[1]! * groups} input channels for ${groups} groups`);
    }
    const spatial = [0, 1].map((i) => {
      const padded = x.shape[2 + i]! + padding[i]! + padding[2 + i]!;
      return Math.floor((padded - span(weight.shape[2 + i]!, dilation[i]!)) / stride[i]!) + 1;
    });
    if (spatial.some((size) => size < 1))
      throw new Error('expected a kernel no larger than the padded image');
    return [{ dtype: x.dtype, shape: [x.shape[0]!, weight.shape[0]!, ...spatial] }];
  },
  emit(context, inputs, outputs, node) {
    const used = inputs[2] === '' || inputs[2] === undefined ? inputs.slice(0, 2) : inputs;
    context.node('Conv', used, onnxAttributes(node.attributes, node.inputs[1]!), outputs);
  },
  gradient(node, cotangents, needs) {
    const [x, weight] = node.inputs as readonly Value[];
    const g = cotangents[0]!;
    return [
      needs[0] ? inputGradient(x!, weight!, g, node.attributes) : undefined,
      needs[1] ? weightGradient(x!, weight!.shape, g, node.attributes) : undefined,
      needs[2] ? reduceSum(g, { axes: [0, 2, 3] }) : undefined,
    ];
  },
});

/**
 * Convolution (cross-correlation) of images with a bank of kernels.
 * @param x [N, C, H, W]
 * @param weight [O, C/groups, h, w]
 * @param bias [O], or null for none
 * @returns [N, O, H', W'], H' = floor((H + padding - dilation (h-1) - 1)/stride) + 1
 */
export function conv2d(x: Value, weight: Value, bias: Value | null, options: ConvolutionOptions = {}): Value {
  return convolutionOperator([x, weight, bias], geometryOf(options))[0]!;
}

/** Kernels of so many elements are not turned for so few pixels (measured: 1280 to 1280 channels at 8x8, two images). */
const LARGE_KERNELS = 2 ** 20;
const FEW_PIXELS = 256;

/**
 * Cotangent of a convolution's input. At stride 1 it is itself a convolution with the kernel turned by 180 degrees and
 * its channels exchanged, which runs faster than the transposed convolution that other strides need; unless turning a large
 * kernel would take longer than convolving the few pixels that it meets.
 */
function inputGradient(x: Value, weight: Value, g: Value, geometry: Geometry): Value {
  const { stride, padding, dilation, groups } = geometry;
  const reach = [0, 1].map((i) => span(weight.shape[2 + i]!, dilation[i]!) - 1);
  const turned: [number, number, number, number] = [
    reach[0]! - padding[0],
    reach[1]! - padding[1],
    reach[0]! - padding[2],
    reach[1]! - padding[3],
  ];
  const pixels = g.shape[0]! * g.shape[2]! * g.shape[3]!;
  const isWorthTurning = elementCount(weight.shape) < LARGE_KERNELS || pixels > FEW_PIXELS;
  if (stride[0] === 1 && stride[1] === 1 && isWorthTurning && turned.every((amount) => amount >= 0)) {
    return turnedConvolution(g, weight, x.shape, { padding: turned, dilation, groups });
  }
  const size = [0, 1].map((i) => x.shape[2 + i]!) as [number, number];
  return convTransposeOperator([g, weight, null], { ...geometry, outputSize: size })[0]!;
}

/**
 * Convolution of g with the kernels [O, C/groups, h, w] turned by 180 degrees and their channels exchanged. Turning the images
 * before and after is the same as turning the kernels: whatever has fewer elements is turned.
 */
function turnedConvolution(
  g: Value,
  weight: Value,
  result: Shape,
  { padding, dilation, groups }: Pick<Geometry, 'padding' | 'dilation' | 'groups'>,
): Value {
  const [o, c, h, w] = weight.shape as [number, number, number, number];
  const turnsImages = h * w > 1 && elementCount(weight.shape) > elementCount(g.shape) + elementCount(result);
  const kernels = turnsImages ? weight : turn(weight);
  const grouped = transpose(reshape(kernels, [groups, o / groups, c, h, w]), [0, 2, 1, 3, 4]);
  const exchanged = reshape(grouped, [groups * c, o / groups, h, w]);
  if (!turnsImages) return conv2d(g, exchanged, null, { padding, dilation, groups });
  const [top, left, bottom, right] = padding;
  const options = { padding: [bottom, right, top, left] as const, dilation, groups };
  return turn(conv2d(turn(g), exchanged, null, options));
}

/** Each plane [N, C, H, W] turned by 180 degrees. */
function turn(x: Value): Value {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  return h * w === 1 ? x : reshape(reverse(reshape(x, [n, c, h * w]), 2), x.shape);
}

/** Elements `start + t * step` along `axis`, for t in 0..count-1, zeros where they lie outside `x`. */
function window(x: Value, axis: number, start: number, count: number, step: number): Value {
  const size = x.shape[axis]!;
  const first = Math.min(count, Math.max(0, Math.ceil(-start / step)));
  const last = Math.max(first, Math.min(count, Math.ceil((size - start) / step)));
  const amounts = (amount: number) => x.shape.map((_, a) => (a === axis ? amount : 0));
  if (first === last)
    return zeros(
      x.shape.map((length, a) => (a === axis ? count : length)),
      x.dtype,
    );
  const begin = start + first * step;
  const inside = slice(x, { axis, start: begin, end: begin + (last - first - 1) * step + 1, step });
  return pad(inside, amounts(first), amounts(count - last));
}

/**
 * Cotangent of a convolution's weight. Kernel element (i, j) sums, over output rows y and columns z, the products of
 * g[y, z] and x[y stride + i dilation - padding, ...]. Shifting g by rows once for each i, and x by columns once for
 * each j, makes all elements blocks of one matrix product over (rows of x, columns of g): h + w copies instead of
 * h * w. At row strides above 1 this is done for each residue of x's rows modulo the stride.
 */
function weightGradient(x: Value, weightShape: readonly number[], g: Value, geometry: Geometry): Value {
  const [o, c, h, w] = weightShape as [number, number, number, number];
  const { stride, padding, dilation, groups } = geometry;
  const [batch, height, columns] = [x.shape[0]!, x.shape[2]!, g.shape[3]!];
  const [perGroup, xs, gs] = [o / groups, blocks(x, groups), blocks(g, groups)];
  const shifted = concat(
    Array.from({ length: w }, (_, j) => window(xs, 4, j * dilation[1] - padding[1], columns, stride[1])),
    2,
  );
  const offsets = Array.from({ length: h }, (_, i) => ({ i, offset: i * dilation[0] - padding[0] }));
  const kernelRows = new Array<Value>(h);
  for (let residue = 0; residue < stride[0]; residue++) {
    const met = offsets.filter(({ offset }) => modulo(offset, stride[0]) === residue);
    if (met.length === 0) continue;
    const rows = Math.ceil((height - residue) / stride[0]);
    if (rows <= 0) {
      for (const { i } of met) kernelRows[i] = zeros([groups, 1, perGroup, w, c], x.dtype);
      continue;
    }
    const right = slice(shifted, { axis: 3, start: residue, step: stride[0] });
    const left = concat(
      met.map(({ offset }) => window(gs, 3, (residue - offset) / stride[0], rows, 1)),
      2,
    );
    const product = matmul(
      reshape(left, [batch, groups, met.length * perGroup, rows * columns]),
      transposeLast(reshape(right, [batch, groups, w * c, rows * columns])),
    );
    const summed = reshape(reduceSum(product, { axes: [0] }), [groups, met.length, perGroup, w, c]);
    met.forEach(({ i }, position) => {
      kernelRows[i] =
        met.length === h ? summed : slice(summed, { axis: 1, start: position, end: position + 1 });
    });
  }
  const all = new Set(kernelRows).size === 1 ? kernelRows[0]! : concat(kernelRows, 1);
  return reshape(transpose(all, [0, 2, 4, 1, 3]), weightShape);
}

/** Channels split into groups: [N, C, H, W] to [N, groups, C/groups, H, W]. */
function blocks(x: Value, groups: number): Value {
  const [n, c, height, width] = x.shape as [number, number, number, number];
  return reshape(x, [n, groups, c / groups, height, width]);
}

/** Remainder in 0..divisor-1, also of negative numbers. */
function modulo(value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor;
}

interface TransposedGeometry extends Geometry {
  readonly outputSize: readonly [number, number];
}

const convTransposeOperator = defineOperator<TransposedGeometry>({
  name: 'convTranspose2d',
  infer(inputs, { groups, outputSize }) {
    const [x, weight] = [required(inputs, 0), required(inputs, 1)];
    if (x.shape.length !== 4 || weight.shape.length !== 4 || x.shape[1] !== weight.shape[0]) {
      throw new Error('expected x [N, C, H, W] and weight [C, O/groups, h, w]');
    }
    return [{ dtype: x.dtype, shape: [x.shape[0]!, weight.shape[1]! * groups, ...outputSize] }];
  },
  emit(context, inputs, outputs, node) {
    const [x, weight] = node.inputs as readonly Value[];
    const { stride, padding, dilation, outputSize } = node.attributes;
    const extra = [0, 1].map((i) => {
      const natural = (x!.shape[2 + i]! - 1) * stride[i]! + span(weight!.shape[2 + i]!, dilation[i]!);
      return outputSize[i]! - (natural - padding[i]! - padding[2 + i]!);
    });
    const attributes = { ...onnxAttributes(node.attributes, weight!), output_padding: { ints: extra } };
    const channels = x!.shape[1]!;
    const { groups } = node.attributes;
    if (context.device === 'webgpu' && weight!.shape[1] === 1 && groups > 1 && groups < channels) {
      emitOneChannelGroups(context, inputs, outputs, attributes, node);
      return;
    }
    const used = inputs[2] === '' || inputs[2] === undefined ? inputs.slice(0, 2) : inputs;
    context.node('ConvTranspose', used, attributes, outputs);
  },
  gradient(node, cotangents, needs) {
    const [x, weight] = node.inputs as readonly Value[];
    const g = cotangents[0]!;
    const { stride, padding, dilation, groups } = node.attributes;
    // Rows and columns that output_padding added below and to the right are never reached by the kernel's last step.
    const geometry: Geometry = {
      stride,
      padding: coveredPadding(x!, weight!, node.attributes),
      dilation,
      groups,
    };
    const backward = { ...geometry, padding };
    return [
      needs[0]
        ? slice(
            conv2d(g, weight!, null, backward),
            { axis: 2, end: x!.shape[2]! },
            { axis: 3, end: x!.shape[3]! },
          )
        : undefined,
      needs[1] ? transposedWeightGradient(x!, weight!.shape, g, geometry) : undefined,
      needs[2] ? reduceSum(g, { axes: [0, 2, 3] }) : undefined,
    ];
  },
});

/**
 * Transposed convolution whose groups turn several channels into one. The WebGPU provider gets it wrong: every channel
 * becomes a group of its own, and the results of a group are added up.
 */
function emitOneChannelGroups(
  context: EmitContext,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Record<string, OnnxAttribute>,
  node: GraphNode<TransposedGeometry>,
): void {
  const [n, channels] = node.inputs[0]!.shape as [number, number];
  const { groups, outputSize } = node.attributes;
  const [apart] = context.node('ConvTranspose', inputs.slice(0, 2), {
    ...attributes,
    group: { int: channels },
  });
  const shape = [n, groups, channels / groups, ...outputSize];
  const [grouped] = context.node('Reshape', [apart!, context.constant(shape, [5], 'int64')]);
  const hasBias = inputs[2] !== undefined && inputs[2] !== '';
  const sum = hasBias ? 1 : outputs;
  const axes = context.constant([2], [1], 'int64');
  const [summed] = context.node('ReduceSum', [grouped!, axes], { keepdims: { int: 0 } }, sum);
  if (!hasBias) return;
  const [bias] = context.node('Reshape', [inputs[2]!, context.constant([groups, 1, 1], [3], 'int64')]);
  context.node('Add', [summed!, bias!], {}, outputs);
}

/** Padding under which a convolution of the output has exactly the input's size (bottom and right may be negative). */
function coveredPadding(
  x: Value,
  weight: Value,
  geometry: TransposedGeometry,
): [number, number, number, number] {
  const { stride, padding, dilation, outputSize } = geometry;
  const end = [0, 1].map((i) => {
    const needed = (x.shape[2 + i]! - 1) * stride[i]! + span(weight.shape[2 + i]!, dilation[i]!);
    return needed - padding[i]! - outputSize[i]!;
  });
  return [padding[0], padding[1], end[0]!, end[1]!];
}

function transposedWeightGradient(
  x: Value,
  weightShape: readonly number[],
  g: Value,
  geometry: Geometry,
): Value {
  const [, , bottom, right] = geometry.padding;
  const trimmed = slice(
    g,
    { axis: 2, end: g.shape[2]! + Math.min(0, bottom) },
    { axis: 3, end: g.shape[3]! + Math.min(0, right) },
  );
  const padding: [number, number, number, number] = [
    geometry.padding[0],
    geometry.padding[1],
    Math.max(0, bottom),
    Math.max(0, right),
  ];
  return weightGradient(trimmed, weightShape, x, { ...geometry, padding });
}

/** Geometry of a transposed convolution; `outputPadding` enlarges the result below and to the right. */
export interface ConvTransposeOptions extends ConvolutionOptions {
  readonly outputPadding?: number | readonly [number, number];
}

/**
 * Transposed convolution, the adjoint of {@link conv2d} in its input.
 * @param x [N, C, H, W]
 * @param weight [C, O/groups, h, w]
 * @param bias [O], or null for none
 * @returns [N, O, H', W'], H' = (H-1) stride - padding + dilation (h-1) + 1 + outputPadding
 */
export function convTranspose2d(
  x: Value,
  weight: Value,
  bias: Value | null,
  options: ConvTransposeOptions = {},
): Value {
  const geometry = geometryOf(options);
  const { outputPadding = 0 } = options;
  const extra = typeof outputPadding === 'number' ? [outputPadding, outputPadding] : outputPadding;
  const outputSize = [0, 1].map((i) => {
    const natural =
      (x.shape[2 + i]! - 1) * geometry.stride[i]! + span(weight.shape[2 + i]!, geometry.dilation[i]!);
    return natural - geometry.padding[i]! - geometry.padding[2 + i]! + extra[i]!;
  }) as [number, number];
  return convTransposeOperator([x, weight, bias], { ...geometry, outputSize })[0]!;
}
