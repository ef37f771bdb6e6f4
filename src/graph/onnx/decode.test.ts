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
import { floats, graphMessage, int, ints, modelBytes, single, tensorMessage } from '../testing/onnx_model.ts';
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
  async (family, cases) => {
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
      // Every other one goes through a file: small ones are read into the middle of a shared buffer.
      const file = path.join(folder, `${family}-${i}.onnx`.replaceAll(/[^\w.-]/g, '_'));
      if (i % 2 === 1) await writeFile(file, bytes);
      const again = importOnnx(i % 2 === 1 ? file : bytes, {
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
