/** TensorFlow.js graph models on disk: the nodes of model.json, and the weights of its shards as plain elements. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { fromHalf } from '../half.ts';
import { checkedShape } from '../onnx/import/tensor.ts';
import type { DataType, Shape } from '../types.ts';
import { elementCount } from '../types.ts';

const attributeSchema = z.looseObject({});
const nodeSchema = z.looseObject({
  name: z.string(),
  op: z.string(),
  input: z.array(z.string()).default([]),
  attr: z.record(z.string(), attributeSchema).default({}),
});
const quantizationSchema = z.looseObject({
  dtype: z.enum(['uint8', 'uint16', 'float16']),
  scale: z.number().optional(),
  min: z.number().optional(),
});
const weightSchema = z.looseObject({
  name: z.string(),
  shape: z.array(z.number()),
  dtype: z.enum(['float32', 'int32', 'bool', 'uint8']),
  quantization: quantizationSchema.optional(),
});
const signatureSchema = z.looseObject({
  outputs: z.record(z.string(), z.looseObject({ name: z.string().optional() })).optional(),
});
const modelSchema = z.looseObject({
  format: z.literal('graph-model').optional(),
  modelTopology: z.looseObject({ node: z.array(nodeSchema).min(1), signature: signatureSchema.optional() }),
  weightsManifest: z.array(z.looseObject({ paths: z.array(z.string()), weights: z.array(weightSchema) })),
  signature: signatureSchema.optional(),
  userDefinedMetadata: z.looseObject({ signature: signatureSchema.optional() }).optional(),
});

type WeightEntry = z.output<typeof weightSchema>;

/** One node of a TensorFlow graph as its file writes it. */
export type TensorFlowNode = z.output<typeof nodeSchema>;

/** Elements of a weight, in row-major order. */
export interface WeightElements {
  readonly dtype: DataType;
  readonly shape: Shape;
  readonly data: Float32Array | Int32Array | Uint8Array;
}

/** A graph model that was read. */
export interface TensorFlowFile {
  /** Name for messages. */
  readonly name: string;
  readonly nodes: ReadonlyMap<string, TensorFlowNode>;
  readonly weights: ReadonlyMap<string, WeightElements>;
  /** References `node` or `node:index` of the outputs that its signature names; of nodes that no other reads, without one. */
  readonly outputs: readonly string[];
  /** References of the outputs by the names that its signature gives them. */
  readonly signature: ReadonlyMap<string, string>;
  /** Absolute paths of model.json and of its shards. */
  readonly files: readonly string[];
}

/**
 * Reads a graph model with its weights.
 * @param file path of its model.json
 * @throws Error naming the file, and the weight or field, where something is missing, malformed or of another format
 */
export function readTensorFlow(file: string): TensorFlowFile {
  const absolute = path.resolve(file);
  const name = path.basename(absolute);
  const model = parseModel(absolute, name);
  const { node } = model.modelTopology;
  const weights = new Map<string, WeightElements>();
  const files = [absolute];
  for (const { paths, weights: entries } of model.weightsManifest) {
    const shards = paths.map((each) => shardPath(absolute, name, each));
    files.push(...shards);
    for (const [key, elements] of readGroup(name, shards, entries)) weights.set(key, elements);
  }
  const nodes = new Map(node.map((each) => [each.name, each]));
  if (nodes.size !== node.length) throw new Error(`${name}: expected nodes of different names`);
  const signature = model.signature ?? model.userDefinedMetadata?.signature ?? model.modelTopology.signature;
  const named = new Map(
    Object.entries(signature?.outputs ?? {}).map(([key, { name: tensor }]) => [key, tensor ?? key]),
  );
  const outputs = named.size > 0 ? [...named.values()] : terminalNodes(node);
  return { name, nodes, weights, outputs, signature: named, files };
}

function parseModel(file: string, name: string): z.output<typeof modelSchema> {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`${file}: expected the model.json of a graph model, ${(error as Error).message}`, {
      cause: error,
    });
  }
  const result = modelSchema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Error(
    `${name}: expected a TensorFlow.js graph model, received one with a fault at ${issue!.path.join('.')}: ${issue!.message}`,
  );
}

function shardPath(model: string, name: string, shard: string): string {
  const folder = path.dirname(model);
  const file = path.resolve(folder, shard);
  const inside = path.relative(folder, file);
  if (inside === '' || path.isAbsolute(shard) || inside.split(path.sep)[0] === '..') {
    throw new Error(`${name}: expected weight files inside ${folder}, received "${shard}"`);
  }
  return file;
}

const BYTES: Readonly<Record<string, number>> = Object.freeze({
  float32: 4,
  int32: 4,
  bool: 1,
  uint8: 1,
  uint16: 2,
  float16: 2,
});

function readGroup(
  name: string,
  shards: readonly string[],
  entries: readonly WeightEntry[],
): [string, WeightElements][] {
  const bytes = Buffer.concat(
    shards.map((shard) => {
      try {
        return readFileSync(shard);
      } catch (error) {
        throw new Error(`${name}: expected weights at ${shard}, ${(error as Error).message}`, {
          cause: error,
        });
      }
    }),
  );
  let offset = 0;
  const decoded = entries.map((entry): [string, WeightElements] => {
    const where = `${name}: weight ${entry.name}`;
    const shape = checkedShape(entry.shape);
    const length = elementCount(shape) * BYTES[entry.quantization?.dtype ?? entry.dtype]!;
    if (offset + length > bytes.length) {
      throw new Error(
        `${where}: expected bytes ${offset} to ${offset + length}, received ${bytes.length} in ${shards.join(', ')}`,
      );
    }
    // A copy, so that elements of several bytes start at an aligned address.
    const part = new Uint8Array(bytes.subarray(offset, offset + length)).buffer;
    offset += length;
    return [entry.name, { dtype: storedType(entry), shape, data: decodeWeight(where, entry, part) }];
  });
  if (offset !== bytes.length) {
    throw new Error(
      `${name}: expected ${offset} bytes of weights, received ${bytes.length} in ${shards.join(', ')}`,
    );
  }
  return decoded;
}

function storedType({ dtype }: WeightEntry): DataType {
  return dtype === 'uint8' ? 'int32' : dtype;
}

/** Number of half-precision words there are. */
const HALF_WORDS = 65_536;

let halves: Float32Array | null = null;

/** What every half-precision word stands for. */
function halfTable(): Float32Array {
  halves ??= Float32Array.from({ length: HALF_WORDS }, (_, word) => fromHalf(word));
  return halves;
}

/** Elements as they were before quantisation: half precision, or whole numbers q that stand for scale * q + min. */
function decodeWeight(
  where: string,
  { dtype, quantization }: WeightEntry,
  bytes: ArrayBuffer,
): WeightElements['data'] {
  if (quantization === undefined) {
    if (dtype === 'float32') return new Float32Array(bytes);
    if (dtype === 'int32') return new Int32Array(bytes);
    return dtype === 'bool' ? new Uint8Array(bytes) : Int32Array.from(new Uint8Array(bytes));
  }
  const { dtype: packed, scale, min } = quantization;
  if (packed === 'float16') {
    if (dtype !== 'float32')
      throw new Error(`${where}: expected float32 packed as float16, received ${dtype}`);
    const words = new Uint16Array(bytes);
    const decode = words.length > HALF_WORDS ? halfTable() : null;
    return Float32Array.from(words, decode === null ? fromHalf : (word) => decode[word]!);
  }
  if (scale === undefined || min === undefined) {
    throw new Error(`${where}: expected scale and min of its ${packed} quantisation, received none`);
  }
  const whole = packed === 'uint8' ? new Uint8Array(bytes) : new Uint16Array(bytes);
  const element = (q: number) => q * scale + min;
  if (dtype === 'float32') return Float32Array.from(whole, element);
  if (dtype === 'int32') return Int32Array.from(whole, (q) => Math.round(element(q)));
  throw new Error(`${where}: expected float32 or int32 packed as ${packed}, received ${dtype}`);
}

/** Node and output index of a reference: `name`, `name:index` or `^name` (a control input, which carries nothing). */
export function parseReference(reference: string): { readonly node: string; readonly index: number } {
  const match = /^\^?(.*?)(?::(\d+))?$/s.exec(reference)!;
  return { node: match[1]!, index: Number(match[2] ?? 0) };
}

function terminalNodes(nodes: readonly TensorFlowNode[]): string[] {
  const read = new Set(nodes.flatMap(({ input }) => input.map((each) => parseReference(each).node)));
  return nodes
    .filter(({ name, op }) => !read.has(name) && op !== 'Const' && op !== 'NoOp')
    .map(({ name }) => name);
}
