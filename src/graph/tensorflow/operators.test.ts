/** Operators of TensorFlow.js models against TensorFlow.js itself, and their gradients against finite differences. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { transpose } from '../operators/shape.ts';
import { Runtime } from '../runtime/runtime.ts';
import type { CaseInput } from '../testing/finite_differences.ts';
import { checkCase } from '../testing/finite_differences.ts';
import { away, createRandom, distinct, uniform } from '../testing/random.ts';
import type { PlainAttribute, PlainModel, PlainWeight, TensorFlowEvaluator } from '../testing/tensorflow.ts';
import { loadTensorFlow, modelArtifacts, withModelFile } from '../testing/tensorflow.ts';
import type { Shape } from '../types.ts';
import { elementCount } from '../types.ts';
import { importableTensorFlowOperators, importTensorFlow } from './import.ts';

let runtime: Runtime;
let tensorflow: TensorFlowEvaluator;
beforeAll(async () => {
  runtime = new Runtime({ threads: 1 });
  tensorflow = await loadTensorFlow();
});
afterAll(() => runtime.close());

const weights = (shape: Shape, low = -1, high = 1): PlainWeight => ({
  shape,
  data: Array.from(uniform(low, high)(elementCount(shape), createRandom(`weights ${shape}`))),
});
const whole = (...data: number[]): PlainWeight => ({ shape: [data.length], data, dtype: 'int32' });
const one = (value: number): PlainWeight => ({ shape: [], data: [value], dtype: 'int32' });
const real = (...data: number[]): PlainWeight => ({ shape: data.length === 1 ? [] : [data.length], data });

const IMAGE = [2, 5, 6, 4];
const FLOAT = { T: 'DT_FLOAT' };
const SAME = {
  ...FLOAT,
  strides: [1, 1, 1, 1],
  padding: 'SAME',
  data_format: 'NHWC',
  dilations: [1, 1, 1, 1],
};
const HALVED = { ...SAME, strides: [1, 2, 2, 1] };
const VALID = { ...SAME, padding: 'VALID' };

interface Row {
  readonly op: string;
  readonly x?: Shape;
  /** Further inputs: weights, in order. */
  readonly more?: readonly PlainWeight[];
  /** Weights in front of x. */
  readonly front?: readonly PlainWeight[];
  readonly attributes?: Readonly<Record<string, PlainAttribute>>;
  /** Elements of x; uniform in -1..1 when left out. */
  readonly values?: CaseInput['values'];
  readonly step?: number;
  readonly output?: string;
}

const fused = (...ops: string[]) => {
  const further = ops.filter((name) => name === 'BiasAdd' || name === 'Prelu').length;
  return { ...SAME, fused_ops: ops, num_args: further, epsilon: { float: 0 } };
};
const window = (padding: string, size: number, stride: number) => ({
  ...FLOAT,
  ksize: [1, size, size, 1],
  strides: [1, stride, stride, 1],
  padding,
  data_format: 'NHWC',
});

/** A step between the kinks of what a fused activation makes of sums, which no choice of x keeps away from. */
const SMALL = 1 / 256;
const KINK = { values: away([0], 0.08) };
const LITTLE = [1, 3, 4, 2];
const OPERATORS: readonly (readonly [name: string, row: Row])[] = [
  [
    'Conv2D, SAME at stride 2, an even kernel',
    { op: 'Conv2D', more: [weights([4, 2, 4, 3])], attributes: HALVED },
  ],
  ['Conv2D, VALID', { op: 'Conv2D', more: [weights([3, 3, 4, 2])], attributes: VALID }],
  [
    'Conv2D, dilated',
    { op: 'Conv2D', more: [weights([3, 3, 4, 2])], attributes: { ...SAME, dilations: [1, 2, 2, 1] } },
  ],
  [
    'Conv2D, explicit padding',
    {
      op: 'Conv2D',
      more: [weights([3, 3, 4, 2])],
      attributes: { ...SAME, padding: 'EXPLICIT', explicit_paddings: [0, 0, 2, 1, 0, 1, 0, 0] },
    },
  ],
  [
    'DepthwiseConv2dNative',
    { op: 'DepthwiseConv2dNative', more: [weights([3, 3, 4, 2])], attributes: HALVED },
  ],
  [
    '_FusedConv2D, bias and Relu6',
    {
      op: '_FusedConv2D',
      x: LITTLE,
      more: [weights([3, 3, 2, 3]), weights([3])],
      attributes: fused('BiasAdd', 'Relu6'),
      step: SMALL,
    },
  ],
  [
    '_FusedConv2D, bias and Prelu',
    {
      op: '_FusedConv2D',
      x: LITTLE,
      more: [weights([2, 3, 2, 2]), weights([2]), weights([2], 0.1, 0.4)],
      attributes: fused('BiasAdd', 'Prelu'),
      step: SMALL,
    },
  ],
  [
    'FusedDepthwiseConv2dNative',
    {
      op: 'FusedDepthwiseConv2dNative',
      x: LITTLE,
      more: [weights([3, 3, 2, 1]), weights([2])],
      attributes: fused('BiasAdd', 'Relu'),
      step: SMALL,
    },
  ],
  [
    '_FusedMatMul',
    {
      op: '_FusedMatMul',
      x: [3, 5],
      more: [weights([5, 4]), weights([4])],
      attributes: fused('BiasAdd', 'Relu'),
      step: SMALL,
    },
  ],
  [
    'MatMul, turned',
    { op: 'MatMul', x: [3, 5], more: [weights([4, 5])], attributes: { ...FLOAT, transpose_b: true } },
  ],
  [
    'MatMul, both turned',
    {
      op: 'MatMul',
      x: [5, 3],
      more: [weights([4, 5])],
      attributes: { ...FLOAT, transpose_a: true, transpose_b: true },
    },
  ],
  [
    'BatchMatMul, turned',
    { op: 'BatchMatMul', x: [2, 3, 5], more: [weights([2, 4, 5])], attributes: { ...FLOAT, adj_y: true } },
  ],
  ['MaxPool, SAME', { op: 'MaxPool', attributes: window('SAME', 3, 2), values: distinct(0.3) }],
  ['MaxPool, VALID', { op: 'MaxPool', attributes: window('VALID', 2, 2), values: distinct(0.3) }],
  ['AvgPool, SAME leaves the padding out', { op: 'AvgPool', attributes: window('SAME', 3, 2) }],
  ['BiasAdd', { op: 'BiasAdd', more: [weights([4])], attributes: FLOAT }],
  ['AddV2 of a row', { op: 'AddV2', more: [weights([6, 1])], attributes: FLOAT }],
  ['Mul of a channel', { op: 'Mul', more: [weights([4])], attributes: FLOAT }],
  ['Sub', { op: 'Sub', more: [weights([])], attributes: FLOAT }],
  ['RealDiv', { op: 'RealDiv', more: [weights([4], 1, 2)], attributes: FLOAT }],
  ['Minimum', { op: 'Minimum', more: [real(0.2)], attributes: FLOAT, values: away([0.2], 0.08) }],
  ['Maximum', { op: 'Maximum', more: [weights([4], -0.1, 0.1)], attributes: FLOAT, values: away([0], 0.2) }],
  ['SquaredDifference', { op: 'SquaredDifference', more: [weights([4])], attributes: FLOAT }],
  ['Pow', { op: 'Pow', more: [real(1.5)], attributes: FLOAT, values: uniform(0.5, 2) }],
  ['Relu', { op: 'Relu', attributes: FLOAT, ...KINK }],
  ['Relu6', { op: 'Relu6', attributes: FLOAT, values: away([0, 6], 0.08, -2, 9) }],
  ['Elu', { op: 'Elu', attributes: FLOAT, ...KINK }],
  ['Selu', { op: 'Selu', attributes: FLOAT, ...KINK }],
  ['LeakyRelu', { op: 'LeakyRelu', attributes: { ...FLOAT, alpha: { float: 0.3 } }, ...KINK }],
  ['Prelu', { op: 'Prelu', more: [weights([4], 0.1, 0.4)], attributes: FLOAT, ...KINK }],
  ['Sigmoid', { op: 'Sigmoid', attributes: FLOAT }],
  ['Tanh', { op: 'Tanh', attributes: FLOAT }],
  ['Softplus', { op: 'Softplus', attributes: FLOAT }],
  ['Exp', { op: 'Exp', attributes: FLOAT }],
  ['Log', { op: 'Log', attributes: FLOAT, values: uniform(0.5, 2) }],
  ['Abs', { op: 'Abs', attributes: FLOAT, ...KINK }],
  ['Reciprocal', { op: 'Reciprocal', attributes: FLOAT, values: uniform(0.5, 2) }],
  [
    'ClipByValue',
    { op: 'ClipByValue', more: [real(-0.4), real(0.3)], attributes: FLOAT, values: away([-0.4, 0.3], 0.08) },
  ],
  [
    'Cast to whole numbers, towards zero',
    { op: 'Cast', attributes: { SrcT: 'DT_FLOAT', DstT: 'DT_INT32' }, values: uniform(-3, 3) },
  ],
  [
    'Cast to truth',
    {
      op: 'Cast',
      attributes: { SrcT: 'DT_FLOAT', DstT: 'DT_BOOL' },
      values: (count) => Array.from({ length: count }, (_, i) => ((i % 3) - 1) / 2),
    },
  ],
  ['Rsqrt', { op: 'Rsqrt', attributes: FLOAT, values: uniform(0.5, 2) }],
  ['Sqrt', { op: 'Sqrt', attributes: FLOAT, values: uniform(0.5, 2) }],
  ['Square', { op: 'Square', attributes: FLOAT }],
  ['Neg', { op: 'Neg', attributes: FLOAT }],
  ['Softmax of images', { op: 'Softmax', attributes: FLOAT }],
  [
    'FusedBatchNormV3',
    {
      op: 'FusedBatchNormV3',
      more: [weights([4], 0.5, 2), weights([4]), weights([4], -2, 2), weights([4], 0.5, 3)],
      attributes: { ...FLOAT, epsilon: { float: 1e-3 }, data_format: 'NHWC', is_training: false },
    },
  ],
  [
    'Mean over rows and columns',
    { op: 'Mean', more: [whole(1, 2)], attributes: { ...FLOAT, keep_dims: false } },
  ],
  [
    'Mean over rows, which leaves columns in front',
    { op: 'Mean', more: [whole(1)], attributes: { ...FLOAT, keep_dims: false } },
  ],
  ['Sum, axes kept', { op: 'Sum', more: [whole(-1, 1)], attributes: { ...FLOAT, keep_dims: true } }],
  [
    'Max over channels',
    { op: 'Max', more: [whole(3)], attributes: { ...FLOAT, keep_dims: false }, values: distinct(0.3) },
  ],
  ['ArgMax over channels', { op: 'ArgMax', more: [one(3)], attributes: FLOAT, values: distinct(0.3) }],
  ['ArgMax over columns', { op: 'ArgMax', more: [one(-2)], attributes: FLOAT, values: distinct(0.3) }],
  [
    'Pad',
    {
      op: 'Pad',
      more: [{ shape: [4, 2], data: [0, 0, 1, 2, 0, 1, 0, 3], dtype: 'int32' }],
      attributes: FLOAT,
    },
  ],
  [
    'PadV2',
    {
      op: 'PadV2',
      more: [{ shape: [4, 2], data: [0, 0, 1, 2, 0, 1, 0, 3], dtype: 'int32' }, real(0.5)],
      attributes: FLOAT,
    },
  ],
  ['Reshape', { op: 'Reshape', more: [whole(2, -1, 8)], attributes: FLOAT }],
  ['Squeeze', { op: 'Squeeze', x: [2, 1, 3, 1], attributes: { ...FLOAT, squeeze_dims: [1] } }],
  ['ExpandDims', { op: 'ExpandDims', x: [2, 3], more: [one(-1)], attributes: FLOAT }],
  ['Transpose', { op: 'Transpose', more: [whole(3, 0, 2, 1)], attributes: FLOAT }],
  [
    'StridedSlice with masks',
    {
      op: 'StridedSlice',
      more: [whole(0, 1, 4), whole(1, -1, 3), whole(1, 2, 3)],
      attributes: {
        ...FLOAT,
        begin_mask: 4,
        end_mask: 5,
        ellipsis_mask: 0,
        new_axis_mask: 0,
        shrink_axis_mask: 0,
      },
    },
  ],
  [
    'StridedSlice that drops axes',
    {
      op: 'StridedSlice',
      more: [whole(1, 1, -1), whole(2, 3, 0), whole(1, 1, 1)],
      attributes: {
        ...FLOAT,
        begin_mask: 0,
        end_mask: 0,
        ellipsis_mask: 0,
        new_axis_mask: 0,
        shrink_axis_mask: 5,
      },
    },
  ],
  [
    'StridedSlice backwards, behind an ellipsis',
    {
      op: 'StridedSlice',
      more: [whole(0, 3), whole(0, 0), whole(1, -1)],
      attributes: {
        ...FLOAT,
        begin_mask: 0,
        end_mask: 2,
        ellipsis_mask: 1,
        new_axis_mask: 0,
        shrink_axis_mask: 0,
      },
    },
  ],
  ['Slice', { op: 'Slice', more: [whole(0, 1, 2, 1), whole(2, 3, -1, 2)], attributes: FLOAT }],
  [
    'SplitV',
    { op: 'SplitV', more: [whole(1, 3), one(3)], attributes: { ...FLOAT, num_split: 2 }, output: 'y:1' },
  ],
  ['Split', { op: 'Split', front: [one(3)], attributes: { ...FLOAT, num_split: 2 }, output: 'y:1' }],
  ['ConcatV2', { op: 'ConcatV2', more: [weights([2, 5, 6, 3]), one(3)], attributes: { ...FLOAT, N: 2 } }],
  ['Pack', { op: 'Pack', x: [2, 3], more: [weights([2, 3])], attributes: { ...FLOAT, axis: 1, N: 2 } }],
  ['GatherV2', { op: 'GatherV2', more: [whole(2, 0, 2), one(3)], attributes: FLOAT }],
  ['ResizeBilinear', { op: 'ResizeBilinear', more: [whole(7, 9)], attributes: FLOAT }],
  [
    'ResizeBilinear, half-pixel centres',
    { op: 'ResizeBilinear', more: [whole(8, 4)], attributes: { ...FLOAT, half_pixel_centers: true } },
  ],
  [
    'ResizeBilinear, corners aligned',
    { op: 'ResizeBilinear', more: [whole(9, 3)], attributes: { ...FLOAT, align_corners: true } },
  ],
  ['ResizeNearestNeighbor', { op: 'ResizeNearestNeighbor', more: [whole(10, 9)], attributes: FLOAT }],
];

function singleModel({
  op,
  x = IMAGE,
  front = [],
  more = [],
  attributes = {},
  output = 'y',
}: Row): PlainModel {
  const named = [...front, ...more].map((weight, i) => [`w${i}`, weight] as const);
  const names = named.map(([name]) => name);
  const inputs = [...names.slice(0, front.length), 'x', ...names.slice(front.length)];
  return {
    inputs: { x },
    weights: Object.fromEntries(named),
    nodes: [{ name: 'y', op, inputs, attributes }],
    outputs: [output],
  };
}

describe('operators', () => {
  test.each(OPERATORS)('%s', async (name, row) => {
    const model = singleModel(row);
    const { x: shape } = model.inputs as { x: Shape };
    const planes = shape.length === 4;
    await checkCase(runtime, {
      name,
      inputs: [{ shape, ...(row.values ? { values: row.values } : {}) }],
      ...(row.step ? { step: row.step, tolerance: 2e-3 } : {}),
      build(x) {
        // With channels first, as a model's images are computed; the result is compared in the model's own order.
        const given = planes ? transpose(x!, [0, 3, 1, 2]) : x!;
        const layout = planes ? 'channelsFirst' : 'channelsLast';
        const { outputs } = withModelFile(model, (file) =>
          importTensorFlow(file, { inputs: { x: given }, layout }),
        );
        const y = outputs[model.outputs[0]!]!;
        return planes && y.shape.length === 4 ? transpose(y, [0, 2, 3, 1]) : y;
      },
      reference: (x) => tensorflow.run(modelArtifacts(model), { x }, model.outputs)[0]!,
    });
  });

  test('every operator that is offered has a row, or is read by one of the tests below', () => {
    const rows = new Set(OPERATORS.map(([, { op }]) => op));
    const others = ['Const', 'Placeholder', 'Identity', 'Shape', 'StopGradient'];
    const alike = {
      Add: 'AddV2',
      AddN: 'AddV2',
      Div: 'RealDiv',
      BatchMatMulV2: 'BatchMatMul',
      FusedBatchNorm: 'FusedBatchNormV3',
      FusedBatchNormV2: 'FusedBatchNormV3',
      LogSoftmax: 'Softmax',
      Min: 'Max',
    };
    const known = [...rows, ...others, ...Object.keys(alike)].sort();
    expect(known).toEqual(importableTensorFlowOperators());
  });
});
