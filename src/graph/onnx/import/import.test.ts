import { afterAll, expect, test } from 'vitest';
import { Runtime } from '../../runtime/runtime.ts';
import { relativeError } from '../../testing/finite_differences.ts';
import type { PlainGraph } from '../../testing/onnx_model.ts';
import { float, floats, graphMessage, int, ints, modelBytes, single } from '../../testing/onnx_model.ts';
import { createRandom, uniform } from '../../testing/random.ts';
import { elementCount } from '../../types.ts';
import type { Value } from '../../value.ts';
import { importOnnx } from '../decode.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const NONE = floats();
const IMAGE = [1, 2, 5, 7];

// ONNX Runtime, running the model as it is, says what is right.
const AGAINST_ONNX_RUNTIME: readonly [name: string, graph: PlainGraph, opset?: number][] = [
  ['Conv of a signal', single('Conv', { x: [1, 2, 9], w: [3, 2, 3] }, { strides: [2], pads: [1, 0] })],
  [
    'Conv, SAME_UPPER',
    single('Conv', { x: IMAGE, w: [3, 2, 4, 2] }, { auto_pad: 'SAME_UPPER', strides: [2, 3] }),
  ],
  [
    'Conv, SAME_LOWER',
    single('Conv', { x: IMAGE, w: [3, 2, 4, 2] }, { auto_pad: 'SAME_LOWER', strides: [2, 3] }),
  ],
  [
    'Conv, VALID, dilated',
    single('Conv', { x: IMAGE, w: [3, 2, 2, 2] }, { auto_pad: 'VALID', dilations: [2, 3] }),
  ],
  [
    'Conv, depthwise',
    single('Conv', { x: IMAGE, w: [4, 1, 3, 3], b: [4] }, { group: 2, pads: [1, 1, 1, 1] }),
  ],
  [
    'ConvTranspose of a signal',
    single(
      'ConvTranspose',
      { x: [1, 2, 4], w: [2, 3, 3] },
      { strides: [2], output_padding: [1], pads: [1, 1] },
    ),
  ],
  [
    'ConvTranspose, output_shape',
    single('ConvTranspose', { x: [1, 2, 3, 3], w: [2, 3, 3, 3] }, { strides: [2, 2], output_shape: [6, 6] }),
  ],
  [
    'ConvTranspose, SAME_UPPER',
    single(
      'ConvTranspose',
      { x: [1, 2, 3, 3], w: [2, 3, 3, 3] },
      { strides: [2, 2], auto_pad: 'SAME_UPPER' },
    ),
  ],
  [
    'MaxPool, ceil_mode',
    single('MaxPool', { x: IMAGE }, { kernel_shape: [3, 2], strides: [2, 2], ceil_mode: 1 }),
  ],
  [
    'MaxPool, SAME_UPPER',
    single('MaxPool', { x: IMAGE }, { kernel_shape: [3, 3], strides: [2, 2], auto_pad: 'SAME_UPPER' }),
  ],
  [
    'MaxPool of a signal',
    single('MaxPool', { x: [1, 2, 9] }, { kernel_shape: [3], strides: [2], pads: [1, 1] }),
  ],
  [
    'AveragePool, padding counted',
    single('AveragePool', { x: IMAGE }, { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 }),
  ],
  [
    'AveragePool, ceil_mode',
    single('AveragePool', { x: IMAGE }, { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }),
  ],
  ['GlobalAveragePool', single('GlobalAveragePool', { x: IMAGE })],
  ['GlobalMaxPool', single('GlobalMaxPool', { x: IMAGE })],
  ['LRN', single('LRN', { x: [1, 5, 2, 3] }, { size: 3, alpha: 0.5, beta: 0.6, bias: 1.5 })],
  ['MeanVarianceNormalization', single('MeanVarianceNormalization', { x: IMAGE })],
  ['LayerNormalization from axis 1', single('LayerNormalization', { x: [2, 3, 4], w: [3, 4] }, { axis: 1 })],
  ['LayerNormalization with bias', single('LayerNormalization', { x: [2, 3, 4], w: [4], b: [4] })],
  ['InstanceNormalization', single('InstanceNormalization', { x: IMAGE, w: [2], b: [2] })],
  [
    'GroupNormalization, one factor a channel',
    single('GroupNormalization', { x: [1, 4, 2, 3], w: [4], b: [4] }, { num_groups: 2 }),
    21,
  ],
  [
    'GroupNormalization, one factor a group',
    single('GroupNormalization', { x: [1, 4, 2, 3], w: [2], b: [2] }, { num_groups: 2 }),
    18,
  ],
  [
    'BatchNormalization',
    single('BatchNormalization', { x: IMAGE, w: [2], b: [2], m: [2] }, {}, { v: floats(0.5, 2) }),
  ],
  ['Gemm', single('Gemm', { a: [4, 2], b: [3, 4], c: [3] }, { transA: 1, transB: 1, alpha: 0.5, beta: 2.5 })],
  ['MatMul of a vector and a matrix', single('MatMul', { a: [3], b: [3, 2] })],
  ['MatMul of a matrix and a vector', single('MatMul', { a: [2, 2, 3], b: [3] })],
  ['Softmax of old', single('Softmax', { x: [2, 3, 4] }, { axis: 1 }), 11],
  ['Softmax', single('Softmax', { x: [2, 3, 4] }, { axis: 1 })],
  ['LogSoftmax', single('LogSoftmax', { x: [2, 3, 4] })],
  ['Clip of old', single('Clip', { x: [2, 9] }, { min: -0.25, max: 0.5 }), 7],
  ['Clip below only', single('Clip', { x: [2, 9] }, {}, { low: float(-0.25) })],
  ['Clip above only', single('Clip', { x: [2, 9] }, {}, { none: NONE, high: float(0.25) })],
  ['HardSigmoid', single('HardSigmoid', { x: [9] })],
  ['HardSwish', single('HardSwish', { x: [9] })],
  ['Elu', single('Elu', { x: [9] }, { alpha: 0.7 })],
  ['Selu', single('Selu', { x: [9] })],
  ['Softsign', single('Softsign', { x: [9] })],
  ['Mish', single('Mish', { x: [9] }), 18],
  ['Gelu', single('Gelu', { x: [9] }), 20],
  ['Gelu, tanh', single('Gelu', { x: [9] }, { approximate: 'tanh' }), 20],
  ['QuickGelu', single('com.microsoft:QuickGelu', { x: [9] }, { alpha: 1.5 })],
  ['FastGelu', single('com.microsoft:FastGelu', { x: [9] })],
  ['PRelu', single('PRelu', { x: [2, 3, 2], slope: [3, 1] })],
  ['Min of three', single('Min', { a: [2, 3], b: [3], c: [2, 1] })],
  ['Mean of three', single('Mean', { a: [2, 3], b: [3], c: [2, 1] })],
  ['Sum of one', single('Sum', { a: [2, 3] })],
  ['Pow', single('Pow', { x: [4] }, {}, { e: float(3) })],
  ['ReduceMean of old', single('ReduceMean', { x: [2, 3, 4] }, { axes: [0, -1], keepdims: 0 })],
  ['ReduceMean', single('ReduceMean', { x: [2, 3, 4] }, {}, { axes: ints(1) }), 18],
  ['ReduceSum, none named', single('ReduceSum', { x: [2, 3] }, { noop_with_empty_axes: 1 })],
  ['ReduceL1', single('ReduceL1', { x: [2, 3] }, { axes: [1] })],
  ['ReduceL2', single('ReduceL2', { x: [2, 3] }, { axes: [1] })],
  ['ReduceSumSquare', single('ReduceSumSquare', { x: [2, 3] }, { axes: [1] })],
  ['ReduceLogSumExp', single('ReduceLogSumExp', { x: [2, 3] }, { axes: [1] })],
  ['ArgMax, kept', single('ArgMax', { x: [3, 4] }, { axis: 1 })],
  ['Reshape with 0 and -1', single('Reshape', { x: [2, 3, 4] }, {}, { shape: ints(0, -1) })],
  ['Flatten', single('Flatten', { x: [2, 3, 4] }, { axis: 2 })],
  ['Flatten from behind', single('Flatten', { x: [2, 3, 4] }, { axis: -1 })],
  ['Transpose, reversed', single('Transpose', { x: [2, 3, 4] })],
  ['Squeeze of old', single('Squeeze', { x: [1, 3, 1] }, { axes: [-1] }), 11],
  ['Squeeze all', single('Squeeze', { x: [1, 3, 1] })],
  ['Unsqueeze', single('Unsqueeze', { x: [2, 3] }, {}, { axes: ints(-1, 0) })],
  ['Slice of old', single('Slice', { x: [5, 6] }, { starts: [1, -3], ends: [4, 1000] }), 9],
  [
    'Slice backwards to the front',
    single('Slice', { x: [5, 6] }, {}, { s: ints(3), e: ints(-1000), a: ints(1), t: ints(-2) }),
  ],
  ['Slice to the end', single('Slice', { x: [5, 6] }, {}, { s: ints(-4), e: ints(2 ** 53), a: ints(-1) })],
  ['Concat', single('Concat', { a: [2, 1], b: [2, 3] }, { axis: -1 })],
  ['Pad', single('Pad', { x: [2, 3] }, {}, { p: ints(1, 0, 0, 2), v: float(0.5) })],
  ['Pad of old', single('Pad', { x: [2, 3] }, { pads: [1, 0, 0, 2], value: 1.5 }), 10],
  ['Pad, negative', single('Pad', { x: [4, 5] }, {}, { p: ints(-1, 2, 1, -2) })],
  ['Pad, reflect', single('Pad', { x: [4, 5] }, { mode: 'reflect' }, { p: ints(2, 3, 1, 4) })],
  [
    'Pad, edge, some axes',
    single('Pad', { x: [4, 5] }, { mode: 'edge' }, { p: ints(2, 3), none: NONE, a: ints(1) }),
    18,
  ],
  ['Tile', single('Tile', { x: [2, 3] }, {}, { r: ints(2, 3) })],
  ['Expand both ways', single('Expand', { x: [3, 1] }, {}, { s: ints(2, 1, 4) })],
  ['Gather with negative indices', single('Gather', { x: [4, 3] }, { axis: 1 }, { i: ints(0, -1, 2) })],
  [
    'GatherElements',
    single(
      'GatherElements',
      { x: [2, 3] },
      { axis: 1 },
      { i: { shape: [2, 2], data: [0, 2, 1, 1], dtype: 'int64' } },
    ),
  ],
  ['DepthToSpace', single('DepthToSpace', { x: [1, 8, 2, 3] }, { blocksize: 2 })],
  ['DepthToSpace, CRD', single('DepthToSpace', { x: [1, 8, 2, 3] }, { blocksize: 2, mode: 'CRD' })],
  ['SpaceToDepth', single('SpaceToDepth', { x: [1, 2, 4, 6] }, { blocksize: 2 })],
  ['Trilu, lower', single('Trilu', { x: [3, 4] }, { upper: 0 }, { k: int(1) })],
  [
    'Where',
    {
      nodes: [
        ['Greater', ['x', 'z'], ['c']],
        ['Where', ['c', 'x', 'z'], ['y']],
      ],
      inputs: { x: [2, 3], z: [3] },
      outputs: ['y'],
    },
  ],
  ['Dropout', single('Dropout', { x: [2, 3] })],
  ...(['asymmetric', 'half_pixel', 'pytorch_half_pixel', 'align_corners'] as const).flatMap((mode) =>
    (['nearest', 'linear', 'cubic'] as const).map((kind): [string, PlainGraph] => [
      `Resize, ${kind}, ${mode}`,
      single(
        'Resize',
        { x: [1, 2, 4, 5] },
        { mode: kind, coordinate_transformation_mode: mode },
        { none1: NONE, none2: NONE, sizes: ints(1, 2, 7, 3) },
      ),
    ]),
  ),
  ...['floor', 'ceil', 'round_prefer_floor', 'round_prefer_ceil'].map((mode): [string, PlainGraph] => [
    `Resize, nearest, ${mode}`,
    single(
      'Resize',
      { x: [1, 1, 4, 5] },
      { nearest_mode: mode },
      { none1: NONE, scales: floats(1, 1, 1.6, 0.7) },
    ),
  ]),
  [
    'Resize, cubic, outside excluded',
    single(
      'Resize',
      { x: [1, 1, 4, 5] },
      { mode: 'cubic', exclude_outside: 1, cubic_coeff_a: -0.5 },
      { none1: NONE, scales: floats(1, 1, 1.6, 0.7) },
    ),
  ],
  [
    'Upsample of old',
    single('Upsample', { x: [1, 1, 2, 3] }, { mode: 'nearest' }, { s: floats(1, 1, 2, 3) }),
    9,
  ],
  [
    'Split into three',
    {
      nodes: [
        ['Split', ['x'], ['a', 'b', 'c'], { axis: 1 }],
        ['Concat', ['c', 'a', 'b'], ['y'], { axis: 1 }],
      ],
      inputs: { x: [2, 6] },
      outputs: ['y'],
    },
  ],
  [
    'Split by sizes',
    {
      nodes: [
        ['Split', ['x', 's'], ['a', 'b'], { axis: 1 }],
        ['Concat', ['b', 'a'], ['y'], { axis: 1 }],
      ],
      inputs: { x: [2, 6] },
      outputs: ['y'],
      initializers: { s: ints(4, 2) },
    },
  ],
  [
    'a reshape whose target is computed from the shape',
    {
      nodes: [
        ['Shape', ['x'], ['s']],
        ['Constant', [], ['zero'], { value: int(0) }],
        ['Gather', ['s', 'zero'], ['batch']],
        ['Constant', [], ['axis'], { value: ints(0) }],
        ['Unsqueeze', ['batch', 'axis'], ['b']],
        ['Slice', ['s', 'one', 'three'], ['rest']],
        ['ReduceProd', ['rest'], ['pixels'], { keepdims: 1 }],
        ['Div', ['pixels', 'two'], ['half']],
        ['Concat', ['b', 'half', 'minus'], ['target'], { axis: 0 }],
        ['Reshape', ['x', 'target'], ['y']],
      ],
      inputs: { x: [2, 3, 4] },
      outputs: ['y'],
      initializers: { one: ints(1), three: ints(3), two: ints(2), minus: ints(-1) },
    },
  ],
  [
    'positions and masks made from the shape',
    {
      nodes: [
        ['Shape', ['x'], ['s'], { start: 1, end: 2 }],
        ['Squeeze', ['s'], ['n']],
        ['Range', ['from', 'n', 'by'], ['range']],
        ['Cast', ['range'], ['positions'], { to: 1 }],
        ['ConstantOfShape', ['s'], ['fill'], { value: floats(0.5) }],
        ['Greater', ['positions', 'fill'], ['mask']],
        ['Expand', ['positions', 's'], ['wide']],
        ['Where', ['mask', 'wide', 'fill'], ['chosen']],
        ['Sqrt', ['chosen'], ['root']],
        ['Add', ['x', 'root'], ['y']],
      ],
      inputs: { x: [2, 5] },
      outputs: ['y'],
      initializers: { from: int(0), by: int(1) },
    },
  ],
  [
    'a branch chosen by the shape',
    {
      nodes: [
        ['Size', ['x'], ['size']],
        ['Equal', ['size', 'six'], ['is']],
        [
          'If',
          ['is'],
          ['y'],
          {
            then_branch: { graph: graphMessage({ nodes: [['Neg', ['x'], ['a']]], outputs: ['a'] }) },
            else_branch: { graph: graphMessage({ nodes: [['Exp', ['x'], ['b']]], outputs: ['b'] }) },
          },
        ],
      ],
      inputs: { x: [2, 3] },
      outputs: ['y'],
      initializers: { six: int(6) },
    },
  ],
];

test.each(AGAINST_ONNX_RUNTIME)('%s agrees with ONNX Runtime', async (name, graph, opset) => {
  const bytes = modelBytes(graph, opset);
  const { inputs, outputs } = importOnnx(bytes);
  const random = createRandom(name);
  const feeds = Object.fromEntries(
    Object.values(inputs).map((value, i) => [
      Object.keys(inputs)[i]!,
      Float32Array.from(uniform(-2, 2)(elementCount(value.shape), random)),
    ]),
  );
  const types = (values: Readonly<Record<string, Value>>) =>
    Object.entries(values).map(([key, { dtype, shape }]) => ({ name: key, dtype, shape }));
  const original = await runtime.load({
    bytes,
    inputs: types(inputs),
    outputs: types(outputs),
    externalRoot: null,
    weights: [],
  });
  const expected = await original.run(feeds);
  const imported = await runtime.compile(outputs);
  const actual = await imported.run(
    Object.fromEntries(imported.inputs.map((one) => [one.name, feeds[one.name]!])),
  );
  expect(relativeError(actual.y!, expected.y!)).toBeLessThan(1e-5);
  await original.release();
  await imported.release();
});
