/** ONNX to graph: imports a model as graph values, so that it can be run, extended and differentiated through. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import type { GraphProto, ModelProto, NodeProto, ValueInfoProto } from 'onnx-buf';
import { ModelProtoSchema } from 'onnx-buf';
import type { Shape, TensorType } from '../types.ts';
import { describeType, elementCount, sameShape } from '../types.ts';
import type { Value } from '../value.ts';
import { input, scope } from '../value.ts';
import { MAXIMUM_MODEL_BYTES } from './encode.ts';
import { ELEMENTWISE_IMPORTERS } from './import/elementwise.ts';
import { fold } from './import/fold.ts';
import { knownFrom, MAXIMUM_KNOWN_ELEMENTS } from './import/known.ts';
import { MOVEMENT_IMPORTERS } from './import/movement.ts';
import type { Imported, NodeImporter } from './import/node.ts';
import { ImportNode, ofKnown, ofValue } from './import/node.ts';
import { SPATIAL_IMPORTERS } from './import/spatial.ts';
import type { ModelSource } from './import/tensor.ts';
import { checkedShape, dataTypeOf, tensorElements, tensorType, tensorValue } from './import/tensor.ts';

/** What takes the place of a model's inputs. */
export interface ImportOptions {
  /** Values for inputs, or for initializers (parameters), by name; other inputs become graph inputs of that name. */
  readonly inputs?: Readonly<Record<string, Value>>;
  /** Shapes of inputs whose dimensions the model leaves open, by name. */
  readonly shapes?: Readonly<Record<string, Shape>>;
}

/** A model as graph values, by the names that the model gives them. */
export interface ImportedModel {
  readonly inputs: Readonly<Record<string, Value>>;
  readonly outputs: Readonly<Record<string, Value>>;
  /** Floating-point initializers: the trained tensors, which can be differentiated by. */
  readonly parameters: Readonly<Record<string, Value>>;
}

/** Most nodes of a model: one that claims more is damaged. */
const MAXIMUM_NODES = 1_000_000;
/** Most levels of subgraphs (If within If ...). */
const MAXIMUM_DEPTH = 16;

const IMPORTERS: Readonly<Record<string, NodeImporter>> = Object.freeze({
  ...ELEMENTWISE_IMPORTERS,
  ...MOVEMENT_IMPORTERS,
  ...SPATIAL_IMPORTERS,
});

/** Domains whose operators of the same name mean the same as the standard's. */
const DOMAINS = new Set(['', 'ai.onnx', 'com.microsoft']);

/** ONNX operator types that {@link importOnnx} knows, sorted. */
export function importableOperators(): string[] {
  return [...new Set([...Object.keys(IMPORTERS), ...SPECIAL])].sort();
}

const SPECIAL: readonly string[] = ['Constant', 'Dropout', 'Identity', 'If', 'Shape', 'Size'];

/**
 * Imports a model. Arithmetic on shapes is done at once, so the graph has static shapes and only operators with
 * gradient rules. Initializers of a file stay in it.
 * @param model path of an .onnx file, or its bytes
 * @throws Error naming the model, and the node with its operator, when something is unknown, malformed or of open shape
 */
export function importOnnx(model: string | Uint8Array, options: ImportOptions = {}): ImportedModel {
  const source = readSource(model);
  const proto = parse(source);
  if (!proto.graph) throw new Error(`${source.name}: expected a model with a graph, received none`);
  const opsets = new Map(proto.opsetImport.map(({ domain, version }) => [domain, Number(version)]));
  return new Importer(source, opsets, options).importModel(proto.graph);
}

/** An input of an ONNX model as its file declares it. */
export interface OnnxInput {
  readonly name: string;
  /** Sizes; a string, possibly empty, where the model leaves one open. */
  readonly dimensions: readonly (number | string)[];
}

/**
 * The tensors that an ONNX model expects, without its initializers.
 * @param model path of an .onnx file, or its bytes
 * @throws Error naming the model when it is malformed
 */
export function onnxInputs(model: string | Uint8Array): OnnxInput[] {
  const source = readSource(model);
  const { graph } = parse(source);
  if (!graph) throw new Error(`${source.name}: expected a model with a graph, received none`);
  const initializers = new Set(graph.initializer.map(({ name }) => name));
  return graph.input
    .filter(({ name }) => !initializers.has(name))
    .map(({ name, type }) => {
      const shape = type?.value.case === 'tensorType' ? type.value.value.shape : undefined;
      const dimensions = (shape?.dim ?? []).map(({ value }) =>
        value.case === 'dimValue' ? Number(value.value) : (value.value ?? ''),
      );
      return { name, dimensions };
    });
}

function readSource(model: string | Uint8Array): ModelSource {
  if (typeof model !== 'string') return { file: null, bytes: model, name: 'ONNX model' };
  const file = path.resolve(model);
  try {
    return { file, bytes: readFileSync(file), name: path.basename(file) };
  } catch (error) {
    throw new Error(`${model}: expected an ONNX file, ${(error as Error).message}`, { cause: error });
  }
}

function parse(source: ModelSource): ModelProto {
  if (source.bytes.length > MAXIMUM_MODEL_BYTES) {
    throw new Error(
      `${source.name}: expected at most ${MAXIMUM_MODEL_BYTES} bytes, received ${source.bytes.length}`,
    );
  }
  try {
    return fromBinary(ModelProtoSchema, source.bytes);
  } catch (error) {
    throw new Error(
      `${source.name}: expected an ONNX model, received malformed data (${(error as Error).message})`,
      {
        cause: error,
      },
    );
  }
}

type Names = Map<string, Imported>;

class Importer {
  readonly #source: ModelSource;
  readonly #opsets: ReadonlyMap<string, number>;
  readonly #options: ImportOptions;
  #nodes = 0;

  constructor(source: ModelSource, opsets: ReadonlyMap<string, number>, options: ImportOptions) {
    this.#source = source;
    this.#opsets = opsets;
    this.#options = options;
  }

  importModel(graph: GraphProto): ImportedModel {
    const names: Names = new Map();
    const given = this.#options.inputs ?? {};
    const parameters = this.#addInitializers(graph, names, given);
    const inputs: Record<string, Value> = Object.create(null);
    for (const info of graph.input) {
      // Before IR version 4, initializers are listed among the inputs too.
      if (names.has(info.name)) continue;
      inputs[info.name] = this.#input(info, given[info.name]);
      names.set(info.name, ofValue(inputs[info.name]!));
    }
    for (const name of [...Object.keys(given), ...Object.keys(this.#options.shapes ?? {})]) {
      if (names.has(name)) continue;
      throw new Error(
        `${this.#source.name}: expected inputs ${Object.keys(inputs).join(', ')}, received ${name}`,
      );
    }
    const outputs = this.#run(graph, names, 0);
    const named = graph.output.map(({ name }, i) => [name, outputs[i]!.value()] as const);
    return { inputs, outputs: Object.fromEntries(named), parameters };
  }

  #addInitializers(
    graph: GraphProto,
    names: Names,
    given: Readonly<Record<string, Value>>,
  ): Record<string, Value> {
    // Names are the model's own: one may be `__proto__`.
    const parameters: Record<string, Value> = Object.create(null);
    if (graph.sparseInitializer.length > 0)
      throw new Error(`${this.#source.name}: expected no sparse initializers`);
    for (const tensor of graph.initializer) {
      const where = `${this.#source.name}: initializer ${tensor.name}`;
      try {
        const type = tensorType(tensor);
        const replaced = given[tensor.name];
        if (replaced) checkType(replaced, type);
        const value = replaced ?? tensorValue(tensor, this.#source);
        const embedded =
          tensor.externalData.length === 0 && elementCount(type.shape) <= MAXIMUM_KNOWN_ELEMENTS;
        const elements =
          embedded && !replaced ? knownFrom(type.dtype, type.shape, tensorElements(tensor)) : null;
        names.set(tensor.name, { known: elements, value: () => value });
        if (type.dtype.startsWith('float')) parameters[tensor.name] = value;
      } catch (error) {
        throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
      }
    }
    return parameters;
  }

  #input(info: ValueInfoProto, given: Value | undefined): Value {
    const where = `${this.#source.name}: input ${info.name}`;
    if (info.type?.value.case !== 'tensorType') throw new Error(`${where}: expected a tensor`);
    const { elemType, shape } = info.type.value.value;
    const dtype = dataTypeOf(elemType);
    const dimensions = shape?.dim.map((dimension) =>
      dimension.value.case === 'dimValue' ? Number(dimension.value.value) : (dimension.value.value ?? '?'),
    );
    const wanted = given?.shape ?? this.#options.shapes?.[info.name];
    const fits =
      wanted === undefined ||
      dimensions === undefined ||
      (wanted.length === dimensions.length &&
        dimensions.every((size, axis) => typeof size === 'string' || size === wanted[axis]));
    if (!fits || (given && given.dtype !== dtype)) {
      const received = given ? describeType(given) : `[${wanted}]`;
      throw new Error(`${where}: expected ${dtype}[${dimensions}], received ${received}`);
    }
    if (given) return given;
    const full = wanted ?? dimensions;
    if (!full?.every((size) => typeof size === 'number')) {
      throw new Error(`${where}: expected a shape for ${dtype}[${dimensions ?? '...'}] in the option shapes`);
    }
    return input(info.name, checkedShape(full), dtype);
  }

  /** Imports the nodes of a graph in order; the outer graph's names are visible. */
  #run(graph: GraphProto, names: Names, depth: number): Imported[] {
    if (depth > MAXIMUM_DEPTH)
      throw new Error(`${this.#source.name}: expected at most ${MAXIMUM_DEPTH} nested graphs`);
    this.#nodes += graph.node.length;
    if (this.#nodes > MAXIMUM_NODES)
      throw new Error(`${this.#source.name}: expected at most ${MAXIMUM_NODES} nodes`);
    graph.node.forEach((node, position) => {
      const label = node.name === '' ? `${position}` : node.name;
      const where = `${this.#source.name}: node ${label} (${node.opType})`;
      let results: readonly Imported[];
      try {
        results = scope(label, () => this.#importNode(node, names, depth));
      } catch (error) {
        const message = (error as Error).message;
        throw new Error(message.startsWith(this.#source.name) ? message : `${where}: ${message}`, {
          cause: error,
        });
      }
      node.output.forEach((name, i) => {
        if (name === '') return;
        const result = results[i];
        if (!result) throw new Error(`${where}: output ${i} is not supported`);
        names.set(name, result);
      });
    });
    return graph.output.map(({ name }) => lookUp(names, name));
  }

  #importNode(proto: NodeProto, names: Names, depth: number): readonly Imported[] {
    const inputs = proto.input.map((name) => (name === '' ? null : lookUp(names, name)));
    const domain = proto.domain === 'ai.onnx' ? '' : proto.domain;
    const opset = this.#opsets.get(domain) ?? this.#opsets.get('ai.onnx') ?? 1;
    const node = new ImportNode(proto, inputs, opset, this.#source);
    const special = this.#importSpecial(node, names, depth);
    if (special) return special;
    const folded = fold(node);
    if (folded) return folded.map(ofKnown);
    const importer = Object.hasOwn(IMPORTERS, node.opType) ? IMPORTERS[node.opType] : undefined;
    if (!importer || !DOMAINS.has(proto.domain)) {
      const full = proto.domain === '' ? node.opType : `${proto.domain}.${node.opType}`;
      throw new Error(`the operator ${full} is not supported`);
    }
    const result = importer(node);
    return ('node' in result ? [result] : result).map(ofValue);
  }

  /** Nodes that pass tensors through, or ask for nothing but a shape. */
  #importSpecial(node: ImportNode, names: Names, depth: number): readonly Imported[] | null {
    switch (node.opType) {
      case 'Identity':
      case 'Dropout':
        return [node.inputs[0]!];
      case 'Constant':
        return [ofKnown(constantOf(node))];
      case 'Shape':
      case 'Size': {
        const { shape } = node.inputs[0]!.known ?? node.value(0);
        if (node.opType === 'Size')
          return [ofKnown({ dtype: 'int64', shape: [], data: [elementCount(shape)] })];
        const part = shape.slice(node.int('start', 0), node.has('end') ? node.int('end', 0) : undefined);
        return [ofKnown({ dtype: 'int64', shape: [part.length], data: part })];
      }
      case 'If': {
        const branch = node.graph(node.known(0)!.data[0] ? 'then_branch' : 'else_branch');
        if (!branch) throw new Error('expected a then_branch and an else_branch');
        const inner: Names = new Map(names);
        this.#addInitializers(branch, inner, {});
        return this.#run(branch, inner, depth + 1);
      }
      default:
        return null;
    }
  }
}

function constantOf(node: ImportNode) {
  const tensor = node.tensor('value');
  if (tensor) return tensor;
  if (node.has('value_float'))
    return { dtype: 'float32' as const, shape: [], data: [node.float('value_float', 0)] };
  if (node.has('value_int')) return { dtype: 'int64' as const, shape: [], data: [node.int('value_int', 0)] };
  const [floats, ints] = [node.floats('value_floats'), node.ints('value_ints')];
  if (floats) return { dtype: 'float32' as const, shape: [floats.length], data: floats };
  if (ints) return { dtype: 'int64' as const, shape: [ints.length], data: ints };
  throw new Error('expected a constant of numbers');
}

function lookUp(names: Names, name: string): Imported {
  const found = names.get(name);
  if (!found) throw new Error(`expected a tensor ${name} made by an earlier node, found none`);
  return found;
}

function checkType(value: Value, type: TensorType): void {
  if (value.dtype === type.dtype && sameShape(value.shape, type.shape)) return;
  throw new Error(`expected ${describeType(type)}, received ${describeType(value)}`);
}
