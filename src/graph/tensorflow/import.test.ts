/** TensorFlow.js models: weights, shapes, what is refused, and whole models against TensorFlow.js itself. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gradient } from '../gradient.ts';
import { toHalf } from '../half.ts';
import { Runtime } from '../runtime/runtime.ts';
import { relativeError } from '../testing/finite_differences.ts';
import type {
  ModelArtifacts,
  PlainModel,
  PlainNode,
  PlainWeight,
  TensorFlowEvaluator,
} from '../testing/tensorflow.ts';
import { loadTensorFlow, withModelFile } from '../testing/tensorflow.ts';
import type { Shape } from '../types.ts';
import { elementCount } from '../types.ts';
import { constant, input } from '../value.ts';
import { importTensorFlow } from './import.ts';

let runtime: Runtime;
let tensorflow: TensorFlowEvaluator;
beforeAll(async () => {
  runtime = new Runtime({ threads: 1 });
  tensorflow = await loadTensorFlow();
});
afterAll(() => runtime.close());

const whole = (...data: number[]): PlainWeight => ({ shape: [data.length], data, dtype: 'int32' });
const one = (value: number): PlainWeight => ({ shape: [], data: [value], dtype: 'int32' });

describe('weights', () => {
  const half = [0.5, -2, 1.25, 0].map(toHalf);
  test.each<[string, PlainWeight, number[]]>([
    ['half precision', { shape: [4], data: half, quantization: { dtype: 'float16' } }, [0.5, -2, 1.25, 0]],
    [
      'eight bits',
      { shape: [4], data: [0, 10, 128, 255], quantization: { dtype: 'uint8', scale: 0.25, min: -8 } },
      [-8, -5.5, 24, 55.75],
    ],
    [
      'sixteen bits',
      { shape: [4], data: [0, 1, 30000, 65535], quantization: { dtype: 'uint16', scale: 0.5, min: 1 } },
      [1, 1.5, 15001, 32768.5],
    ],
  ])('of %s are what they stood for', async (_, weight, expected) => {
    const model: PlainModel = {
      inputs: { x: [4] },
      // A first weight of an odd number of bytes, so that the other one starts between two elements.
      weights: { first: { shape: [3], data: [1, 0, 1], dtype: 'bool' }, w: weight },
      nodes: [{ name: 'y', op: 'AddV2', inputs: ['x', 'w'] }],
      outputs: ['y'],
    };
    const { outputs } = withModelFile(model, (file) => importTensorFlow(file));
    const executable = await runtime.compile(outputs);
    const { y } = await executable.run({ x: new Float32Array(4) });
    expect(Array.from(y as Float32Array)).toEqual(expected);
  });
});

describe('shapes', () => {
  test('computed by the model are known while importing', async () => {
    const model: PlainModel = {
      inputs: { x: [-1, 4, 3] },
      weights: { zero: whole(0), two: whole(1), ones: whole(1), rest: one(-1), six: one(6) },
      nodes: [
        { name: 'shape', op: 'Shape', inputs: ['x'] },
        {
          name: 'batch',
          op: 'StridedSlice',
          inputs: ['shape', 'zero', 'two', 'ones'],
          attributes: { shrink_axis_mask: 1 },
        },
        { name: 'target', op: 'Pack', inputs: ['batch', 'rest', 'six'], attributes: { axis: 0, N: 3 } },
        { name: 'same', op: 'Identity', inputs: ['x', '^shape'] },
        { name: 'y', op: 'Reshape', inputs: ['same:0', 'target'] },
      ],
      outputs: ['y'],
    };
    const { outputs } = withModelFile(model, (file) => importTensorFlow(file, { batch: 5 }));
    expect(outputs.y!.shape).toEqual([5, 2, 6]);
  });

  test('of one image are read as shapes of several', () => {
    const model: PlainModel = {
      inputs: { x: [1, 4, 3] },
      weights: { target: whole(1, 6, 2) },
      nodes: [{ name: 'y', op: 'Reshape', inputs: ['x', 'target'] }],
      outputs: ['y'],
    };
    const { outputs } = withModelFile(model, (file) => importTensorFlow(file, { batch: 7 }));
    expect(outputs.y!.shape).toEqual([7, 6, 2]);
  });

  test('outputs may be asked for by the names of the signature, and of nodes', () => {
    const model: PlainModel = {
      inputs: { x: [2, 3] },
      nodes: [
        { name: 'deep', op: 'Relu', inputs: ['x'] },
        { name: 'Identity_1', op: 'Tanh', inputs: ['deep'] },
      ],
      outputs: ['Identity_1'],
      signature: { score: 'Identity_1:0', deep: 'Identity_1:0' },
    };
    const outputs = withModelFile(model, (file) => {
      expect(Object.keys(importTensorFlow(file).outputs)).toContain('Identity_1');
      return importTensorFlow(file, { outputs: ['score', 'deep'] }).outputs;
    });
    expect(outputs.score!.node.operator.name).toBe('tanh');
    expect(outputs.deep!.node.operator.name).not.toBe('tanh');
    expect(() => withModelFile(model, (file) => importTensorFlow(file, { outputs: ['age'] }))).toThrow(
      /expected a node age as an output, found none/,
    );
  });
});

describe('refused', () => {
  const plain: PlainModel = {
    inputs: { x: [2, 3] },
    nodes: [{ name: 'top', op: 'Relu', inputs: ['x'] }],
    outputs: ['top'],
  };
  const refusedNode = (
    op: string,
    shape: Shape,
    attributes: PlainNode['attributes'],
    x: Shape,
  ): PlainModel => ({
    inputs: { x },
    weights: { w: { shape, data: new Array<number>(elementCount(shape)).fill(1) } },
    nodes: [{ name: 'y', op, inputs: ['x', 'w'], ...(attributes ? { attributes } : {}) }],
    outputs: ['y'],
  });
  test.each<[string, PlainModel, RegExp]>([
    [
      'an unknown operator',
      { ...plain, nodes: [{ name: 'top', op: 'Rfft', inputs: ['x'] }] },
      /^model\.json: node top \(Rfft\): the operator Rfft is not supported$/,
    ],
    [
      'an unknown fused operator',
      refusedNode('_FusedMatMul', [5, 4], { fused_ops: ['Gelu'] }, [3, 5]),
      /node y \(_FusedMatMul\): the fused operator Gelu is not supported/,
    ],
    [
      'a node that is not there',
      { ...plain, nodes: [{ name: 'top', op: 'Relu', inputs: ['nowhere'] }] },
      /expected a node nowhere/,
    ],
    [
      'a cycle',
      {
        ...plain,
        nodes: [
          { name: 'top', op: 'Relu', inputs: ['turn'] },
          { name: 'turn', op: 'Neg', inputs: ['top'] },
        ],
      },
      /expected a graph without cycles/,
    ],
    [
      'channels first',
      refusedNode('Conv2D', [3, 3, 4, 2], { data_format: 'NCHW', padding: 'SAME' }, [1, 5, 5, 4]),
      /node y \(Conv2D\): expected data_format NHWC, received NCHW/,
    ],
    [
      'a shape known only at run time',
      { ...plain, nodes: [{ name: 'top', op: 'Reshape', inputs: ['x', 'x'] }] },
      /node top \(Reshape\): expected input 1 to be a constant/,
    ],
    [
      'quantisation without a scale',
      { ...plain, weights: { w: { shape: [1], data: [1], quantization: { dtype: 'uint8' } } } },
      /weight w: expected scale and min/,
    ],
  ])('%s', (_, model, message) => {
    expect(() => withModelFile(model, (file) => importTensorFlow(file))).toThrow(message);
  });

  test('values of another shape, and unknown inputs', () => {
    const with_ = (inputs: Record<string, ReturnType<typeof input>>) => () =>
      withModelFile(plain, (file) => importTensorFlow(file, { inputs }));
    expect(with_({ x: input('x', [2, 4]) })).toThrow(
      /node x \(Placeholder\): expected float32\[2,3\], received float32\[2,4\]/,
    );
    expect(with_({ z: input('z', [2, 3]) })).toThrow('expected inputs x, received z');
  });

  test('what is no graph model', () => {
    expect(() => importTensorFlow(fileURLToPath(import.meta.url))).toThrow(
      'expected the model.json of a graph model',
    );
  });
});

describe('models of @vladmandic/human', () => {
  const file = (name: string) =>
    fileURLToPath(new URL(`../../../node_modules/@vladmandic/human/models/${name}.json`, import.meta.url));

  function artifacts(name: string): ModelArtifacts {
    const json = JSON.parse(readFileSync(file(name), 'utf8'));
    const [group] = json.weightsManifest;
    const bytes = readFileSync(path.join(path.dirname(file(name)), group.paths[0]));
    return {
      modelTopology: json.modelTopology,
      weightSpecs: group.weights,
      weightData: new Uint8Array(bytes).buffer,
    };
  }

  test.each([
    ['antispoof', 'conv2d_input', [1, 128, 128, 3], 1],
    ['blazeface', 'input', [1, 256, 256, 3], 1],
    ['faceres', 'input_1', [1, 224, 224, 3], 255],
  ] as const)('%s computes what TensorFlow.js computes', async (name, key, shape, white) => {
    const data = Float32Array.from(
      { length: elementCount(shape) },
      (_, i) => (white / 2) * (1 + Math.sin(i / 97)),
    );
    const { outputs } = importTensorFlow(file(name));
    const executable = await runtime.compile(outputs);
    const results = await executable.run({ [key]: data });
    const names = Object.keys(outputs);
    const expected = tensorflow.run(artifacts(name), { [key]: { shape, data } }, names);
    names.forEach((output, i) => {
      expect(relativeError(results[output]!, expected[i]!)).toBeLessThan(2e-5);
    });
    await executable.release();
  });

  test('faceres differentiates: gender moves along its gradient', async () => {
    const images = input('images', [2, 3, 224, 224]);
    const options = {
      inputs: { input_1: images },
      layout: 'channelsFirst',
      outputs: ['gender_pred/BiasAdd'],
    } as const;
    const { outputs } = importTensorFlow(file('faceres'), options);
    const score = outputs['gender_pred/BiasAdd']!;
    const [slope] = gradient([score], [constant([1, 1], [2, 1])], [images]);
    const executable = await runtime.compile({ score, slope: slope! });
    const area = 224 * 224;
    const at = Float32Array.from({ length: 2 * 3 * area }, (_, i) => {
      const [x, y] = [i % 224, Math.floor((i % area) / 224)];
      return 127 + 60 * Math.sin(x / 30) + 50 * Math.cos(y / 25);
    });
    const { slope: found } = await executable.run({ images: at });
    // Only the first image moves.
    const first = (found as Float32Array).map((each, i) => (i < 3 * area ? each : 0));
    const step = 5e-4 / first.reduce((sum, each) => sum + each * each, 0);
    const scores = async (way: number) =>
      (await executable.run({ images: at.map((value, i) => value + way * step * first[i]!) }))
        .score as Float32Array;
    const [up, down] = [await scores(1), await scores(-1)];
    expect((up[0]! - down[0]!) / 1e-3).toBeCloseTo(1, 1);
    expect(up[1]).toBe(down[1]);
    await executable.release();
  });
});
