/** Import of ONNX operators on images: convolution, pooling, normalisation, resizing. */

import { div, mul, scale as scaleBy, shift as shiftBy, sub } from '../../operators/arithmetic.ts';
import { conv2d, convTranspose2d } from '../../operators/convolution.ts';
import { zeros } from '../../operators/indexing.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../../operators/normalization.ts';
import { averagePool2d, maxPool2d } from '../../operators/pooling.ts';
import { reduceMax, reduceMean } from '../../operators/reduction.ts';
import { expand, pad, reshape } from '../../operators/shape.ts';
import { pow, sqrt } from '../../operators/unary.ts';
import { elementCount, normalizeAxis } from '../../types.ts';
import type { Value } from '../../value.ts';
import type { ImportNode, NodeImporter } from './node.ts';
import { RESIZE_IMPORTERS } from './resize.ts';

type Pair = [number, number];
type Padding = [number, number, number, number];

/** One-dimensional signals are treated as images of height 1. */
function asImage(x: Value): Value {
  if (x.shape.length !== 3 && x.shape.length !== 4) {
    throw new Error(`expected one or two spatial axes, received [${x.shape}]`);
  }
  return x.shape.length === 4 ? x : reshape(x, [x.shape[0]!, x.shape[1]!, 1, x.shape[2]!]);
}

function asSignal(y: Value, rank: number): Value {
  return rank === 4 ? y : reshape(y, [y.shape[0]!, y.shape[1]!, y.shape[3]!]);
}

/** An attribute with one number a spatial axis, as (height, width). */
function pair(node: ImportNode, name: string, missing: 0 | 1): Pair {
  const list = node.ints(name);
  if (list === null) return [missing, missing];
  if (list.length > 2) throw new Error(`expected one or two spatial axes, received ${name} [${list}]`);
  return list.length === 2 ? [list[0]!, list[1]!] : [missing, list[0]!];
}

/** Explicit padding, as (top, left, bottom, right). */
function explicitPadding(node: ImportNode): Padding {
  const pads = node.ints('pads');
  if (pads === null) return [0, 0, 0, 0];
  return pads.length === 2 ? [0, pads[0]!, 0, pads[1]!] : (pads as Padding);
}

interface Window {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
}

/** Padding of a window over `size`, explicit or by `auto_pad`: SAME makes the output size the input's over the stride. */
function paddingOf(node: ImportNode, size: readonly number[], { kernel, stride, dilation }: Window): Padding {
  const mode = node.string('auto_pad', 'NOTSET');
  if (mode === 'NOTSET' || mode === '') return explicitPadding(node);
  if (mode === 'VALID') return [0, 0, 0, 0];
  if (mode !== 'SAME_UPPER' && mode !== 'SAME_LOWER')
    throw new Error(`expected a known auto_pad, received ${mode}`);
  const result: Padding = [0, 0, 0, 0];
  for (const i of [0, 1]) {
    const reach = (kernel[i]! - 1) * dilation[i]! + 1;
    const total = Math.max(0, (Math.ceil(size[i]! / stride[i]!) - 1) * stride[i]! + reach - size[i]!);
    const smaller = Math.floor(total / 2);
    result[i] = mode === 'SAME_UPPER' ? smaller : total - smaller;
    result[2 + i] = total - result[i]!;
  }
  return result;
}

function convolution(node: ImportNode): Value {
  const [x, weight] = [asImage(node.value(0)), asImage(node.value(1))];
  const kernel = weight.shape.slice(2) as Pair;
  const [stride, dilation] = [pair(node, 'strides', 1), pair(node, 'dilations', 1)];
  const padding = paddingOf(node, x.shape.slice(2), { kernel, stride, dilation });
  const y = conv2d(x, weight, node.optional(2), { stride, dilation, padding, groups: node.int('group', 1) });
  return asSignal(y, node.value(0).shape.length);
}

function transposedConvolution(node: ImportNode): Value {
  const [x, weight] = [asImage(node.value(0)), asImage(node.value(1))];
  const kernel = weight.shape.slice(2) as Pair;
  const [stride, dilation] = [pair(node, 'strides', 1), pair(node, 'dilations', 1)];
  const outputPadding = pair(node, 'output_padding', 0);
  const [height, width] = x.shape.slice(2) as Pair;
  const mode = node.string('auto_pad', 'NOTSET');
  const given = node.ints('output_shape');
  let padding = mode === 'VALID' ? ([0, 0, 0, 0] as Padding) : explicitPadding(node);
  if (given !== null || mode.startsWith('SAME')) {
    const target = given
      ? ([1, ...given].slice(-2) as Pair)
      : ([height * stride[0], width * stride[1]] as Pair);
    padding = [0, 0, 0, 0];
    for (const i of [0, 1] as const) {
      const full =
        ([height, width][i]! - 1) * stride[i] + outputPadding[i] + (kernel[i] - 1) * dilation[i] + 1;
      const total = Math.max(0, full - target[i]);
      padding[i] = mode === 'SAME_UPPER' ? Math.floor(total / 2) : total - Math.floor(total / 2);
      padding[(2 + i) as 2 | 3] = total - padding[i];
    }
  }
  const options = { stride, dilation, padding, outputPadding, groups: node.int('group', 1) };
  return asSignal(convTranspose2d(x, weight, node.optional(2), options), node.value(0).shape.length);
}

interface Pooling {
  readonly x: Value;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  /** Rows and columns that `ceil_mode` adds behind the padding. */
  readonly beyond: Pair;
}

function pooling(node: ImportNode): Pooling {
  const x = asImage(node.value(0));
  const [kernel, stride, dilation] = [
    pair(node, 'kernel_shape', 1),
    pair(node, 'strides', 1),
    pair(node, 'dilations', 1),
  ];
  if (dilation[0] !== 1 || dilation[1] !== 1) throw new Error('expected pooling windows without dilation');
  const padding = paddingOf(node, x.shape.slice(2), { kernel, stride, dilation });
  const beyond: Pair = [0, 0];
  if (node.int('ceil_mode', 0) === 1) {
    for (const i of [0, 1] as const) {
      const room = x.shape[2 + i]! + padding[i]! + padding[2 + i]! - kernel[i];
      let count = Math.ceil(room / stride[i]) + 1;
      // The last window must start inside the image or the padding in front of it.
      if ((count - 1) * stride[i] >= x.shape[2 + i]! + padding[i]!) count--;
      beyond[i] = Math.max(0, (count - 1) * stride[i] - room);
    }
  }
  return { x, kernel, stride, padding, beyond };
}

function maximumPool(node: ImportNode): Value {
  if (node.outputCount > 1) throw new Error('expected no indices output');
  const { x, kernel, stride, padding, beyond } = pooling(node);
  const full: Padding = [padding[0], padding[1], padding[2] + beyond[0], padding[3] + beyond[1]];
  return asSignal(maxPool2d(x, { kernel, stride, padding: full }), node.value(0).shape.length);
}

function averagePool(node: ImportNode): Value {
  const { x, kernel, stride, padding, beyond } = pooling(node);
  const countPadding = node.int('count_include_pad', 0) === 1;
  if (countPadding && (beyond[0] > 0 || beyond[1] > 0)) {
    throw new Error('expected count_include_pad without windows beyond the padding (ceil_mode)');
  }
  const full: Padding = [padding[0], padding[1], padding[2] + beyond[0], padding[3] + beyond[1]];
  return asSignal(
    averagePool2d(x, { kernel, stride, padding: full, countPadding }),
    node.value(0).shape.length,
  );
}

function spatialAxes(x: Value): number[] {
  return x.shape.map((_, axis) => axis).slice(2);
}

function batchNormalization(node: ImportNode): Value {
  if (node.int('training_mode', 0) !== 0)
    throw new Error('expected inference mode, received training_mode 1');
  const [weight, bias, mean, variance] = [node.value(1), node.value(2), node.value(3), node.value(4)];
  return batchNorm(node.value(0), { weight, bias, mean, variance }, node.float('epsilon', 1e-5));
}

function layerNormalization(node: ImportNode): Value {
  if (node.outputCount > 1) throw new Error('expected no outputs of mean and deviation');
  const x = node.value(0);
  const axis = normalizeAxis(node.int('axis', -1), x.shape.length);
  const size = elementCount(x.shape.slice(axis));
  const flat = (value: Value) => reshape(expand(value, x.shape.slice(axis)), [size]);
  const rows = reshape(x, [...x.shape.slice(0, axis), size]);
  const bias = node.optional(2);
  const shift = bias ? flat(bias) : zeros([size], x.dtype);
  return reshape(layerNorm(rows, flat(node.value(1)), shift, node.float('epsilon', 1e-5)), x.shape);
}

function groupNormalization(node: ImportNode): Value {
  const x = node.value(0);
  const groups = node.int('num_groups', 1);
  const channels = x.shape[1]!;
  // Operator set 18 has one factor a group, 21 one a channel.
  const perChannel = (value: Value) =>
    value.shape[0] === channels
      ? value
      : reshape(expand(reshape(value, [groups, 1]), [groups, channels / groups]), [channels]);
  return groupNorm(
    x,
    groups,
    perChannel(node.value(1)),
    perChannel(node.value(2)),
    node.float('epsilon', 1e-5),
  );
}

/** Local response normalisation: x / (bias + alpha/size * sum of squares over nearby channels)^beta. */
function localResponse(node: ImportNode): Value {
  const x = node.value(0);
  const size = node.int('size', 1);
  const before = Math.floor((size - 1) / 2);
  const [n, c] = x.shape as [number, number];
  const rows = reshape(mul(x, x), [n, 1, c, elementCount(x.shape.slice(2))]);
  const padded = pad(rows, [0, 0, before, 0], [0, 0, size - 1 - before, 0]);
  const mean = averagePool2d(padded, { kernel: [size, 1], stride: [1, 1] });
  const base = shiftBy(scaleBy(mean, node.float('alpha', 1e-4)), node.float('bias', 1));
  return mul(x, reshape(pow(base, -node.float('beta', 0.75)), x.shape));
}

function globalMaximum(node: ImportNode): Value {
  const x = node.value(0);
  return reduceMax(x, { axes: spatialAxes(x), keepDimensions: true });
}

/** (x - mean)/(sqrt(variance) + 1e-9) over `axes`, as the specification of MeanVarianceNormalization writes it. */
function meanVariance(node: ImportNode): Value {
  const x = node.value(0);
  const over = { axes: node.ints('axes') ?? [0, 2, 3], keepDimensions: true };
  const centred = sub(x, reduceMean(x, over));
  return div(centred, shiftBy(sqrt(reduceMean(mul(centred, centred), over)), 1e-9));
}

/** Importers of operators on images, by ONNX operator type. */
export const SPATIAL_IMPORTERS: Readonly<Record<string, NodeImporter>> = {
  Conv: convolution,
  ConvTranspose: transposedConvolution,
  MaxPool: maximumPool,
  AveragePool: averagePool,
  GlobalAveragePool: (node) =>
    reduceMean(node.value(0), { axes: spatialAxes(node.value(0)), keepDimensions: true }),
  GlobalMaxPool: globalMaximum,
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  InstanceNormalization: (node) =>
    instanceNorm(node.value(0), node.value(1), node.value(2), node.float('epsilon', 1e-5)),
  GroupNormalization: groupNormalization,
  MeanVarianceNormalization: meanVariance,
  LRN: localResponse,
  ...RESIZE_IMPORTERS,
};
