/** Pooling over two spatial axes: maximum, average and global average. */

import { defineOperator, required } from '../operator.ts';
import { elementCount } from '../types.ts';
import type { Value } from '../value.ts';
import { constant } from '../value.ts';
import { mul } from './arithmetic.ts';
import { convTranspose2d } from './convolution.ts';
import { scatterElementsAdd } from './indexing.ts';
import { ONNX_DATA_TYPE } from './logic.ts';
import { reduceMean } from './reduction.ts';
import { reshape, slice } from './shape.ts';

/** Geometry of a pooling window; pairs are (height, width), `padding` is (top, left, bottom, right). */
export interface PoolingOptions {
  readonly kernel: readonly [number, number];
  readonly stride?: readonly [number, number];
  readonly padding?: readonly [number, number, number, number];
}

interface PoolingAttributes {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number, number, number];
}

function resolve(options: PoolingOptions): PoolingAttributes {
  const { kernel, stride = kernel, padding = [0, 0, 0, 0] } = options;
  return { kernel, stride, padding };
}

function pooledShape(x: Value, { kernel, stride, padding }: PoolingAttributes): number[] {
  if (x.shape.length !== 4) throw new Error('expected x [N, C, H, W]');
  const spatial = [0, 1].map((i) => {
    return Math.floor((x.shape[2 + i]! + padding[i]! + padding[2 + i]! - kernel[i]!) / stride[i]!) + 1;
  });
  return [x.shape[0]!, x.shape[1]!, ...spatial];
}

function onnxAttributes({ kernel, stride, padding }: PoolingAttributes) {
  return { kernel_shape: { ints: kernel }, strides: { ints: stride }, pads: { ints: padding } };
}

/** Outputs: the maxima, and the flat int64 index of each in x. */
const maxPoolOperator = defineOperator<PoolingAttributes>({
  name: 'maxPool2d',
  infer(inputs, attributes) {
    const x = required(inputs, 0);
    const shape = pooledShape(x, attributes);
    return [
      { dtype: x.dtype, shape },
      { dtype: 'int64', shape },
    ];
  },
  emit(context, inputs, outputs, node) {
    const attributes = onnxAttributes(node.attributes);
    const [largest, indices] = outputs as [string, string];
    if (context.device !== 'webgpu' || indices === '') {
      context.node('MaxPool', inputs, attributes, indices === '' ? [largest] : [largest, indices]);
      return;
    }
    // The WebGPU provider knows no indices, but takes the node and fails when it runs. It leaves float64 to the processor.
    context.node('MaxPool', inputs, attributes, [largest]);
    const [wide] = context.node('Cast', inputs, { to: { int: ONNX_DATA_TYPE.float64 } });
    const [, found] = context.node('MaxPool', [wide!], attributes, 2);
    context.node('Identity', [found!], {}, [indices]);
  },
  gradient(node, cotangents) {
    const x = node.inputs[0]!;
    const count = elementCount(node.outputs[0]!.shape);
    const indices = reshape(node.outputs[1]!, [count]);
    const flat = scatterElementsAdd(reshape(cotangents[0]!, [count]), indices, [elementCount(x.shape)], 0);
    return [reshape(flat, x.shape)];
  },
});

/** Largest element of each window of x [N, C, H, W]. */
export function maxPool2d(x: Value, options: PoolingOptions): Value {
  return maxPoolOperator([x], resolve(options))[0]!;
}

interface AverageAttributes extends PoolingAttributes {
  readonly countPadding: boolean;
}

const averagePoolOperator = defineOperator<AverageAttributes>({
  name: 'averagePool2d',
  infer(inputs, attributes) {
    const x = required(inputs, 0);
    return [{ dtype: x.dtype, shape: pooledShape(x, attributes) }];
  },
  emit(context, inputs, outputs, node) {
    const attributes = {
      ...onnxAttributes(node.attributes),
      count_include_pad: { int: node.attributes.countPadding ? 1 : 0 },
    };
    context.node('AveragePool', inputs, attributes, outputs);
  },
  gradient(node, cotangents) {
    const x = node.inputs[0]!;
    const { kernel, stride, padding } = node.attributes;
    const channels = x.shape[1]!;
    const shape = [channels, 1, ...kernel];
    const weights = constant(new Array<number>(elementCount(shape)).fill(1), shape, x.dtype);
    const weighted = mul(cotangents[0]!, windowShares(node.outputs[0]!, x, node.attributes));
    const [height, width] = [x.shape[2]!, x.shape[3]!];
    const natural = (i: 0 | 1) => (weighted.shape[2 + i]! - 1) * stride[i] + kernel[i];
    // What the windows do not reach gets no gradient: enlarge the result to the padded image, then cut the padding off.
    const extra = [0, 1].map((i) => Math.max(0, x.shape[2 + i]! + padding[i]! - natural(i as 0 | 1))) as [
      number,
      number,
    ];
    const full = convTranspose2d(weighted, weights, null, { stride, groups: channels, outputPadding: extra });
    return [
      slice(
        full,
        { axis: 2, start: padding[0], end: padding[0] + height },
        { axis: 3, start: padding[1], end: padding[1] + width },
      ),
    ];
  },
});

/** 1 over the number of elements that each window averages: [1, 1, H', W']. */
function windowShares(
  y: Value,
  x: Value,
  { kernel, stride, padding, countPadding }: AverageAttributes,
): Value {
  const axisCounts = [0, 1].map((i) =>
    Array.from({ length: y.shape[2 + i]! }, (_, position) => {
      if (countPadding) return kernel[i]!;
      const start = position * stride[i]! - padding[i]!;
      return Math.min(start + kernel[i]!, x.shape[2 + i]!) - Math.max(start, 0);
    }),
  );
  const shares = axisCounts[0]!.flatMap((rows) => axisCounts[1]!.map((columns) => 1 / (rows * columns)));
  return constant(shares, [1, 1, y.shape[2]!, y.shape[3]!], y.dtype);
}

/** Mean of each window of x [N, C, H, W]; padding counts as zeros only if `countPadding`. */
export function averagePool2d(
  x: Value,
  options: PoolingOptions & { readonly countPadding?: boolean },
): Value {
  return averagePoolOperator([x], { ...resolve(options), countPadding: options.countPadding ?? false })[0]!;
}

/** Mean over all pixels: [N, C, H, W] -> [N, C, 1, 1]. */
export function globalAveragePool2d(x: Value): Value {
  return reduceMean(x, { axes: [2, 3], keepDimensions: true });
}
