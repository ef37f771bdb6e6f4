/** TensorFlow.js models for tests: small ones written on the spot, and TensorFlow.js itself to say what they compute. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Shape } from '../types.ts';
import { elementCount } from '../types.ts';

/** An attribute of a node: whole numbers, truth values, and texts in a list; a real number as `{ float }`. */
export type PlainAttribute =
  | number
  | boolean
  | string
  | readonly number[]
  | readonly string[]
  | { readonly float: number };

/** A weight; elements are those of its storage where it is quantised. */
export interface PlainWeight {
  readonly shape: Shape;
  readonly data: readonly number[];
  readonly dtype?: 'float32' | 'int32' | 'bool';
  readonly quantization?: {
    readonly dtype: 'uint8' | 'uint16' | 'float16';
    readonly scale?: number;
    readonly min?: number;
  };
}

/** A node that computes something. */
export interface PlainNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly attributes?: Readonly<Record<string, PlainAttribute>>;
}

/** A graph model. */
export interface PlainModel {
  /** Shapes of its inputs by name. */
  readonly inputs: Readonly<Record<string, Shape>>;
  readonly weights?: Readonly<Record<string, PlainWeight>>;
  readonly nodes: readonly PlainNode[];
  readonly outputs: readonly string[];
  /** References of the outputs by the names of the signature; the nodes' own when left out. */
  readonly signature?: Readonly<Record<string, string>>;
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

function attributeMessage(value: PlainAttribute): unknown {
  if (typeof value === 'number') return { i: String(value) };
  if (typeof value === 'boolean') return { b: value };
  if (typeof value === 'string') return value.startsWith('DT_') ? { type: value } : { s: base64(value) };
  if (Array.isArray(value)) {
    const list = value as readonly (number | string)[];
    return typeof list[0] === 'string'
      ? { list: { s: list.map((each) => base64(String(each))) } }
      : { list: { i: list.map(String) } };
  }
  return { f: (value as { float: number }).float };
}

const messages = (attributes: PlainNode['attributes'] = {}) =>
  Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, attributeMessage(value)]));

function bytesOf({ data, dtype = 'float32', quantization }: PlainWeight): Uint8Array {
  const packed = quantization?.dtype ?? dtype;
  const typed =
    packed === 'float32'
      ? Float32Array.from(data)
      : packed === 'int32'
        ? Int32Array.from(data)
        : packed === 'uint16' || packed === 'float16'
          ? Uint16Array.from(data)
          : Uint8Array.from(data);
  return new Uint8Array(typed.buffer);
}

/** Parts of a graph model's files. */
export interface ModelArtifacts {
  readonly modelTopology: unknown;
  readonly weightSpecs: readonly unknown[];
  readonly weightData: ArrayBuffer;
}

/** The messages and bytes of a model. */
export function modelArtifacts({ inputs, weights = {}, nodes }: PlainModel): ModelArtifacts {
  const constants = Object.entries(weights);
  const shapeMessage = (shape: Shape) => ({ shape: { dim: shape.map((size) => ({ size: String(size) })) } });
  const typed = (dtype: string) => ({
    type: dtype === 'int32' ? 'DT_INT32' : dtype === 'bool' ? 'DT_BOOL' : 'DT_FLOAT',
  });
  const node = [
    ...Object.entries(inputs).map(([name, shape]) => ({
      name,
      op: 'Placeholder',
      attr: { dtype: typed('float32'), shape: shapeMessage(shape) },
    })),
    ...constants.map(([name, { dtype = 'float32', shape }]) => ({
      name,
      op: 'Const',
      attr: {
        dtype: typed(dtype),
        value: { tensor: { dtype: typed(dtype).type, tensorShape: shapeMessage(shape).shape } },
      },
    })),
    ...nodes.map(({ name, op, inputs: input, attributes }) => ({
      name,
      op,
      input,
      attr: messages(attributes),
    })),
  ];
  const weightSpecs = constants.map(([name, { shape, dtype = 'float32', quantization }]) => ({
    name,
    shape,
    dtype,
    ...(quantization ? { quantization: { original_dtype: dtype, ...quantization } } : {}),
  }));
  const all = Buffer.concat(constants.map(([, weight]) => bytesOf(weight)));
  return { modelTopology: { node, versions: {} }, weightSpecs, weightData: new Uint8Array(all).buffer };
}

/** Writes a model into a temporary folder, hands its model.json to `use`, and removes it. */
export function withModelFile<T>(model: PlainModel, use: (file: string) => T): T {
  const folder = mkdtempSync(path.join(tmpdir(), 'evenhand-tensorflow-'));
  try {
    const { modelTopology, weightSpecs, weightData } = modelArtifacts(model);
    const half = Math.floor(weightData.byteLength / 2);
    writeFileSync(path.join(folder, 'a.bin'), new Uint8Array(weightData, 0, half));
    writeFileSync(path.join(folder, 'b.bin'), new Uint8Array(weightData, half));
    const file = path.join(folder, 'model.json');
    const { signature = Object.fromEntries(model.outputs.map((name) => [name, name])) } = model;
    const outputs = Object.fromEntries(Object.entries(signature).map(([key, name]) => [key, { name }]));
    const weightsManifest = [{ paths: ['a.bin', 'b.bin'], weights: weightSpecs }];
    writeFileSync(
      file,
      JSON.stringify({ format: 'graph-model', modelTopology, signature: { outputs }, weightsManifest }),
    );
    return use(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface TfTensor {
  readonly shape: readonly number[];
  dataSync(): Float32Array;
}

interface TfModel {
  execute(inputs: Record<string, TfTensor>, outputs: readonly string[]): TfTensor | TfTensor[];
}

interface TensorFlowJs {
  setBackend(name: string): Promise<boolean>;
  tensor(data: Float32Array, shape: readonly number[]): TfTensor;
  loadGraphModelSync(artifacts: unknown): TfModel;
}

/** TensorFlow.js on the CPU, in JavaScript: an evaluator that shares no code with this project. */
export interface TensorFlowEvaluator {
  /** Computes outputs of a model. */
  run(
    model: ModelArtifacts,
    feeds: Readonly<Record<string, { readonly shape: Shape; readonly data: ArrayLike<number> }>>,
    outputs: readonly string[],
  ): Float32Array[];
}

/**
 * Loads the TensorFlow.js that comes with the development dependency @vladmandic/human: a build for browsers, which is shown
 * as much of one as it asks for while it loads.
 */
export async function loadTensorFlow(): Promise<TensorFlowEvaluator> {
  const scope = globalThis as Record<string, unknown>;
  const before = ['window', 'document', 'location'].map((name) => [name, scope[name]] as const);
  Object.assign(scope, {
    window: globalThis,
    document: { createElement: () => ({ getContext: () => null }), addEventListener: () => {} },
    location: { href: '', search: '' },
  });
  // A path in a variable: the build has no types.
  const build = new URL('../../../node_modules/@vladmandic/human/dist/tfjs.esm.js', import.meta.url).href;
  let tf: TensorFlowJs;
  try {
    tf = (await import(/* @vite-ignore */ build)) as TensorFlowJs;
    await tf.setBackend('cpu');
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete scope[name];
      else scope[name] = value;
    }
  }
  return {
    run(model, feeds, outputs) {
      const inputs = Object.entries(feeds).map(([name, { shape, data }]) => {
        if (data.length !== elementCount(shape))
          throw new Error(`${name}: expected [${shape}], received ${data.length}`);
        return [name, tf.tensor(Float32Array.from(data), shape)] as const;
      });
      const results = tf
        .loadGraphModelSync({ format: 'graph-model', ...model })
        .execute(Object.fromEntries(inputs), outputs);
      return (Array.isArray(results) ? results : [results]).map((tensor) => tensor.dataSync());
    },
  };
}
