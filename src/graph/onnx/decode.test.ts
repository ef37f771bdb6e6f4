import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { StringStringEntryProtoSchema, TensorProto_DataLocation } from 'onnx-buf';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { gradient } from '../gradient.ts';
import { Runtime } from '../runtime/runtime.ts';
import { OPERATOR_CASES } from '../testing/cases/index.ts';
import type { OperatorCase } from '../testing/finite_differences.ts';
import { buildCase, checkCase, relativeError } from '../testing/finite_differences.ts';
import type { PlainGraph } from '../testing/onnx_model.ts';
import { graphMessage, modelBytes, tensorMessage } from '../testing/onnx_model.ts';
import { createRandom, uniform } from '../testing/random.ts';
import type { TensorData } from '../types.ts';
import { elementCount, isFloating } from '../types.ts';
import type { Value } from '../value.ts';
import { constant, input, topologicalOrder, weight } from '../value.ts';
import { importOnnx } from './decode.ts';
import { encodeModel } from './encode.ts';

let folder: string;
const runtime = new Runtime({ threads: 1 });
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'evenhand-import-'));
});
afterAll(async () => {
  await runtime.close();
  await rm(folder, { recursive: true, force: true });
});

/** Operators that only gradients use and that other exporters do not write. */
const NOT_IMPORTED = new Set(['scatterAdd', 'scatterElementsAdd']);

test.each(Object.entries(OPERATOR_CASES))(
  'what is encoded and imported again has the same values and gradients: %s',
  async (_family, cases) => {
    const outputs: Record<string, Value> = {};
    const feeds: Record<string, TensorData> = {};
    const importable = cases.filter(
      (testCase) =>
        !topologicalOrder(buildCase(testCase).outputs).some((node) => NOT_IMPORTED.has(node.operator.name)),
    );
    for (const [i, testCase] of importable.entries()) {
      const built = buildCase(testCase, `${i}.`);
      const named = Object.fromEntries(built.outputs.map((value, k) => [`y${k}`, value]));
      const values = Object.fromEntries(
        topologicalOrder(built.outputs).flatMap((node) => {
          const leaf = node.attributes as { kind?: string; name?: string } | null;
          return leaf?.kind === 'input' ? [[leaf.name!, node.outputs[0]!]] : [];
        }),
      );
      const { bytes, inputs } = encodeModel(named);
      const again = importOnnx(bytes, {
        inputs: Object.fromEntries(inputs.map(({ name }) => [name, values[name]!])),
      }).outputs;
      const floating = built.outputs.flatMap((value, k) =>
        isFloating(value.dtype) ? [again[`y${k}`]!] : [],
      );
      const gradients = gradient(floating, built.cotangentInputs, built.inputs);
      built.outputs.forEach((value, k) => {
        outputs[`${i}.y${k} expected`] = value;
        outputs[`${i}.y${k}`] = again[`y${k}`]!;
      });
      built.gradients.forEach((value, k) => {
        outputs[`${i}.d${k} expected`] = value;
        outputs[`${i}.d${k}`] = gradients[k]!;
      });
      Object.assign(feeds, built.feeds, built.cotangents);
    }
    const graph = await runtime.compile(outputs);
    const results = await graph.run(Object.fromEntries(graph.inputs.map(({ name }) => [name, feeds[name]!])));
    await graph.release();
    const names = Object.keys(results).filter((name) => !name.endsWith('expected'));
    expect(names.length).toBeGreaterThan(importable.length);
    for (const name of names) {
      const error = relativeError(results[name]!, results[`${name} expected`]!);
      if (error > 2e-3)
        throw new Error(`${importable[Number.parseInt(name, 10)]!.name} (${name}): off by ${error}`);
    }
  },
);

/** One node between inputs and one output, at the given version of the operator set. */
function single(
  opType: string,
  inputs: PlainGraph['inputs'],
  attributes: PlainGraph['nodes'][number][3] = {},
  initializers: PlainGraph['initializers'] = {},
): PlainGraph {
  const names = [...Object.keys(inputs!), ...Object.keys(initializers)];
  return {
    nodes: [[opType, names.map((name) => (name.startsWith('none') ? '' : name)), ['y'], attributes]],
    inputs: inputs!,
    outputs: ['y'],
    initializers: Object.fromEntries(
      Object.entries(initializers).filter(([name]) => !name.startsWith('none')),
    ),
  };
}

const ints = (...data: number[]) => ({ shape: [data.length], data, dtype: 'int64' as const });
const int = (value: number) => ({ shape: [], data: [value], dtype: 'int64' as const });
const floats = (...data: number[]) => ({ shape: [data.length], data });
const float = (value: number) => ({ shape: [], data: [value] });
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

/** A classifier with convolution, batch norm, pooling and a dense layer, as an exporter writes it. */
function classifier(): PlainGraph {
  const random = createRandom('classifier');
  const tensor = (...shape: number[]) => ({
    shape,
    data: Array.from(uniform(-0.5, 0.5)(elementCount(shape), random)),
  });
  return {
    nodes: [
      ['Conv', ['image', 'w1', 'b1'], ['c1'], { pads: [1, 1, 1, 1], strides: [2, 2] }],
      ['BatchNormalization', ['c1', 'gain', 'shift', 'mean', 'variance'], ['n1']],
      ['LeakyRelu', ['n1'], ['r1'], { alpha: 0.1 }],
      ['GlobalAveragePool', ['r1'], ['p1']],
      ['Flatten', ['p1'], ['f1']],
      ['Gemm', ['f1', 'w2', 'b2'], ['logits'], { transB: 1 }],
      ['Softmax', ['logits'], ['probabilities'], { axis: 1 }],
    ],
    inputs: { image: ['batch', 3, 6, 6] },
    outputs: ['probabilities'],
    initializers: {
      w1: tensor(4, 3, 3, 3),
      b1: tensor(4),
      gain: floats(1, 0.5, 2, 1.5),
      shift: tensor(4),
      mean: tensor(4),
      variance: floats(1, 0.5, 2, 1.5),
      w2: tensor(3, 4),
      b2: tensor(3),
    },
  };
}

test('an imported classifier is differentiated by its image and by a parameter', async () => {
  const bytes = modelBytes(classifier());
  const testCase: OperatorCase = {
    name: 'imported classifier',
    inputs: [
      [1, 3, 6, 6],
      [3, 4],
    ],
    build: (image, w2) => importOnnx(bytes, { inputs: { image: image!, w2: w2! } }).outputs.probabilities!,
  };
  const { gradientError } = await checkCase(runtime, testCase);
  expect(gradientError).toBeGreaterThan(0);
});

test('initializers are parameters, by their names', () => {
  const { parameters, inputs, outputs } = importOnnx(modelBytes(classifier()), {
    shapes: { image: [2, 3, 6, 6] },
  });
  expect(Object.keys(parameters)).toEqual(['w1', 'b1', 'gain', 'shift', 'mean', 'variance', 'w2', 'b2']);
  expect(inputs.image).toMatchObject({ dtype: 'float32', shape: [2, 3, 6, 6] });
  const [dw] = gradient([outputs.probabilities!], [constant([1, 1, 1, 1, 1, 1], [2, 3])], [parameters.w1!]);
  expect(dw!.shape).toEqual([4, 3, 3, 3]);
});

test('initializers of a file are referred to where they are', async () => {
  const file = path.join(folder, 'classifier.onnx');
  const bytes = modelBytes(classifier());
  await writeFile(file, bytes);
  const shapes = { image: [1, 3, 6, 6] };
  const fromFile = importOnnx(file, { shapes });
  expect(fromFile.parameters.w1!.node.attributes).toMatchObject({
    kind: 'weight',
    region: { file, length: 432 },
  });
  const feeds = { image: new Float32Array(108).fill(0.3) };
  const evaluate = async (outputs: Readonly<Record<string, Value>>) => {
    const graph = await runtime.compile(outputs);
    const { probabilities } = await graph.run(feeds);
    await graph.release();
    return probabilities;
  };
  expect(await evaluate(fromFile.outputs)).toEqual(await evaluate(importOnnx(bytes, { shapes }).outputs));
});

/** A model whose only initializer lies in another file. */
function externalModel(entries: Readonly<Record<string, string>>) {
  const graph = graphMessage({ nodes: [['Add', ['x', 'w'], ['y']]], inputs: { x: [2] }, outputs: ['y'] });
  const tensor = tensorMessage('w', floats(0, 0));
  tensor.rawData = new Uint8Array();
  tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
  tensor.externalData = Object.entries(entries).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value }),
  );
  graph.initializer.push(tensor);
  return modelBytes(graph);
}

test('external data are read from beside the model', async () => {
  const models = path.join(folder, 'models');
  await mkdir(models);
  await writeFile(path.join(models, 'weights.bin'), Buffer.from(Float32Array.of(9, 1.5, -2, 9).buffer));
  await writeFile(
    path.join(models, 'm.onnx'),
    externalModel({ location: 'weights.bin', offset: '4', length: '8' }),
  );
  const { outputs } = importOnnx(path.join(models, 'm.onnx'));
  const graph = await runtime.compile(outputs);
  expect((await graph.run({ x: Float32Array.of(1, 1) })).y).toEqual(Float32Array.of(2.5, -1));
  await graph.release();
});

test.each([
  [
    'outside the folder',
    { location: '../weights.bin' },
    /expected external data inside .*, received location "\.\.\/weights\.bin"/,
  ],
  [
    'by an absolute path',
    { location: '/etc/passwd' },
    /expected external data inside .*, received location "\/etc\/passwd"/,
  ],
  ['of no name', {}, /expected external data inside/],
  [
    'in a missing file',
    { location: 'missing.bin' },
    /expected external data at .*missing\.bin, found no file/,
  ],
  [
    'beyond the end',
    { location: 'hostile.onnx', offset: '100000' },
    /expected at least 100008 bytes in .*hostile\.onnx, found/,
  ],
  [
    'at a negative place',
    { location: 'hostile.onnx', offset: '-8' },
    /expected a whole number as offset of external data, received "-8"/,
  ],
  [
    'of another length',
    { location: 'hostile.onnx', length: '4' },
    /expected 8 bytes of external data for float32\[2\], received 4/,
  ],
])('external data %s are refused', async (_what, entries, message) => {
  const file = path.join(folder, 'hostile.onnx');
  await writeFile(file, externalModel(entries));
  expect(() => importOnnx(file)).toThrow(message);
  expect(() => importOnnx(file)).toThrow(/^hostile\.onnx: initializer w: /);
});

const relu = single('Relu', { x: [2] });
const withInitializer = (dims: bigint[], raw: Uint8Array, dataType = 1) => {
  const graph = graphMessage(relu);
  const tensor = tensorMessage('w', floats());
  Object.assign(tensor, { dims, rawData: raw, dataType });
  graph.initializer.push(tensor);
  return modelBytes(graph);
};

test.each([
  [
    'no protobuf',
    () => new Uint8Array([0xff, 0xff, 0xff, 0xff]),
    /^ONNX model: expected an ONNX model, received malformed data/,
  ],
  [
    'a cut model',
    () => modelBytes(classifier()).slice(0, 400),
    /^ONNX model: expected an ONNX model, received malformed data/,
  ],
  ['nothing', () => new Uint8Array(), /expected a model with a graph/],
  [
    'an unknown operator',
    () => modelBytes(single('com.example:Frobnicate', { x: [2] })),
    /^ONNX model: node node0 \(Frobnicate\): the operator com\.example\.Frobnicate is not supported$/,
  ],
  [
    'an operator named like a property of objects',
    () => modelBytes(single('constructor', { x: [2] })),
    /the operator constructor is not supported/,
  ],
  [
    'an input that nothing makes',
    () => modelBytes({ ...relu, nodes: [['Relu', ['z'], ['y']]] }),
    /node node0 \(Relu\): expected a tensor z made by an earlier node, found none/,
  ],
  [
    'an output that nothing makes',
    () => modelBytes({ ...relu, outputs: ['z'] }),
    /expected a tensor z made by an earlier node/,
  ],
  [
    'an open shape',
    () => modelBytes(single('Relu', { x: ['batch', 3] })),
    /input x: expected a shape for float32\[batch,3\] in the option shapes/,
  ],
  [
    'too many elements',
    () => withInitializer([2n ** 40n, 2n ** 40n], new Uint8Array(4)),
    /initializer w: expected up to 32 dimensions/,
  ],
  [
    'a negative dimension',
    () => withInitializer([-1n], new Uint8Array(4)),
    /initializer w: expected up to 32 dimensions/,
  ],
  [
    'too few bytes',
    () => withInitializer([4n], new Uint8Array(4)),
    /initializer w: expected 16 bytes for float32\[4\], received 4/,
  ],
  [
    'elements of a type without counterpart',
    () => withInitializer([4n], new Uint8Array(4), 17),
    /initializer w: expected elements of .*, received ONNX type 17/,
  ],
  [
    'an attribute of the wrong type',
    () => modelBytes(single('LeakyRelu', { x: [2] }, { alpha: 'much' })),
    /attribute alpha: expected type/,
  ],
  [
    'a shape known only at run time',
    () =>
      modelBytes({
        ...single('Reshape', { x: [2], s: [1] }),
        nodes: [
          ['Cast', ['s'], ['t'], { to: 7 }],
          ['Reshape', ['x', 't'], ['y']],
        ],
      }),
    /expected input 1 to be a constant/,
  ],
  [
    'a constant that would fill the memory',
    () =>
      modelBytes({
        nodes: [
          ['ConstantOfShape', ['s'], ['c']],
          ['Add', ['x', 'c'], ['y']],
        ],
        inputs: { x: [1] },
        outputs: ['y'],
        initializers: { s: ints(1e6, 1e6) },
      }),
    /expected at most 65536 known elements/,
  ],
  [
    'an endless range',
    () =>
      modelBytes({
        nodes: [['Range', ['a', 'b', 'c'], ['y']]],
        outputs: ['y'],
        initializers: { a: int(0), b: int(1), c: int(0) },
      }),
    /expected at most 65536 known elements/,
  ],
  [
    'shapes that do not fit',
    () => modelBytes(single('Add', { a: [2], b: [3] })),
    /node node0 \(Add\): add in node0: expected shapes that broadcast together/,
  ],
])('%s is refused', (_what, bytes, message) => {
  expect(() => importOnnx(bytes())).toThrow(message);
});

test('inputs that do not fit the model are refused', () => {
  const bytes = modelBytes(single('Relu', { x: ['batch', 3] }));
  const wrong = (options: Parameters<typeof importOnnx>[1]) => () => importOnnx(bytes, options);
  expect(wrong({ inputs: { x: input('x', [2, 4]) } })).toThrow(
    'input x: expected float32[batch,3], received float32[2,4]',
  );
  expect(wrong({ inputs: { x: input('x', [2, 3], 'int64') } })).toThrow('received int64[2,3]');
  expect(wrong({ shapes: { x: [2] } })).toThrow('input x: expected float32[batch,3], received [2]');
  expect(wrong({ shapes: { x: [1, 3], z: [1] } })).toThrow('ONNX model: expected inputs x, received z');
});

test('a missing file is named', () => {
  expect(() => importOnnx(path.join(folder, 'none.onnx'))).toThrow(
    /none\.onnx: expected an ONNX file, ENOENT/,
  );
});

test('a float16 weight cast to float32 is imported in place', async () => {
  const file = path.join(folder, 'half.bin');
  await writeFile(file, Buffer.from(Uint16Array.of(0x3c00, 0xc000).buffer));
  const value = weight('half', [2], 'float16', { file, offset: 0, length: 4 });
  expect(value.dtype).toBe('float16');
  const model = modelBytes({
    nodes: [
      ['Cast', ['w'], ['wide'], { to: 1 }],
      ['Mul', ['x', 'wide'], ['y']],
    ],
    inputs: { x: [2] },
    outputs: ['y'],
    initializers: { w: { shape: [2], data: [1, -2], dtype: 'float16' } },
  });
  const graph = await runtime.compile(importOnnx(model).outputs);
  expect((await graph.run({ x: Float32Array.of(3, 4) })).y).toEqual(Float32Array.of(3, -8));
  await graph.release();
});
