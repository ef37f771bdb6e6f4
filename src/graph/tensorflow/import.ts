/** TensorFlow.js to graph: imports a graph model as graph values, so that it can be run, extended and differentiated through. */

import type { Shape } from '../types.ts';
import { describeType } from '../types.ts';
import type { Value } from '../value.ts';
import { input, scope } from '../value.ts';
import { ELEMENTWISE_IMPORTERS } from './elementwise.ts';
import type { TensorFlowFile, TensorFlowNode } from './file.ts';
import { parseReference, readTensorFlow } from './file.ts';
import { MOVEMENT_IMPORTERS } from './movement.ts';
import type { NodeImporter } from './node.ts';
import { ModelNode } from './node.ts';
import { foldShape, wholeNumbers } from './shapes.ts';
import { SPATIAL_IMPORTERS } from './spatial.ts';
import type { Tensor } from './tensor.ts';
import { ofKnown, ofPlain, ofPlanes } from './tensor.ts';

/** How a graph model is imported. */
export interface TensorFlowOptions {
  /** Values for inputs by name; other inputs become graph inputs of that name. */
  readonly inputs?: Readonly<Record<string, Value>>;
  /** Images at once, where an input leaves their number open or says 1; 1 when left out. */
  readonly batch?: number;
  /** Shapes of inputs whose other sizes are open, by name, as the model means them ([N, H, W, C]). */
  readonly shapes?: Readonly<Record<string, Shape>>;
  /** Order of axes of images that go in and come out: [N, H, W, C] (when left out) or [N, C, H, W]. */
  readonly layout?: 'channelsLast' | 'channelsFirst';
  /** Nodes or outputs of the signature, by name, whose values are wanted; all that the signature names when left out. */
  readonly outputs?: readonly string[];
}

/** A graph model as graph values. */
export interface ImportedTensorFlow {
  readonly inputs: Readonly<Record<string, Value>>;
  /** By the names that were asked for, or else of the nodes, without `:0`. */
  readonly outputs: Readonly<Record<string, Value>>;
}

const IMPORTERS: Readonly<Record<string, NodeImporter>> = Object.freeze({
  ...ELEMENTWISE_IMPORTERS,
  ...MOVEMENT_IMPORTERS,
  ...SPATIAL_IMPORTERS,
});

const SPECIAL: readonly string[] = ['Const', 'Identity', 'Placeholder', 'Shape', 'StopGradient'];

/** TensorFlow operators that {@link importTensorFlow} knows, sorted. */
export function importableTensorFlowOperators(): string[] {
  return [...Object.keys(IMPORTERS), ...SPECIAL].sort();
}

/**
 * Imports a TensorFlow.js graph model: static shapes, weights as constants, only operators with gradient rules. Images are
 * computed with channels first throughout; axes are exchanged only where the model asks for it.
 * @param model path of model.json, or what {@link readTensorFlow} made of it
 * @throws Error naming the model, and the node with its operator, when something is unknown, malformed or of open shape
 */
export function importTensorFlow(
  model: string | TensorFlowFile,
  options: TensorFlowOptions = {},
): ImportedTensorFlow {
  return new Importer(typeof model === 'string' ? readTensorFlow(model) : model, options).importModel();
}

/** An input of a graph model as its file declares it. */
export interface TensorFlowInput {
  readonly name: string;
  /** Sizes; -1 where the model leaves one open. */
  readonly dimensions: readonly number[];
}

/** The inputs of a graph model. */
export function tensorFlowInputs({ nodes }: TensorFlowFile): TensorFlowInput[] {
  return [...nodes.values()]
    .filter(({ op }) => op === 'Placeholder')
    .map((node) => ({ name: node.name, dimensions: declaredShape(node) ?? [] }));
}

interface ShapeAttribute {
  readonly shape?: {
    readonly dim?: readonly { readonly size?: string | number }[];
    readonly unknownRank?: boolean;
  };
}

function declaredShape(node: TensorFlowNode): number[] | null {
  const shape = (node.attr.shape as ShapeAttribute | undefined)?.shape;
  if (shape === undefined || shape.unknownRank) return null;
  return (shape.dim ?? []).map(({ size }) => Number(size ?? -1));
}

class Importer {
  readonly #model: TensorFlowFile;
  readonly #options: TensorFlowOptions;
  readonly #inputs: Record<string, Value> = Object.create(null);
  readonly #made = new Map<string, readonly Tensor[]>();
  readonly #batch: number;

  constructor(model: TensorFlowFile, options: TensorFlowOptions) {
    this.#model = model;
    this.#options = options;
    const given = Object.values(options.inputs ?? {})[0];
    this.#batch = options.batch ?? given?.shape[0] ?? 1;
  }

  importModel(): ImportedTensorFlow {
    const { name, nodes, outputs, signature } = this.#model;
    for (const key of [
      ...Object.keys(this.#options.inputs ?? {}),
      ...Object.keys(this.#options.shapes ?? {}),
    ]) {
      if (nodes.get(key)?.op === 'Placeholder') continue;
      const known = tensorFlowInputs(this.#model).map((each) => each.name);
      throw new Error(`${name}: expected inputs ${known.join(', ')}, received ${key}`);
    }
    const wanted = this.#options.outputs ?? outputs;
    const first = this.#options.layout === 'channelsFirst';
    const named = wanted.map((reference) => {
      const isNode = nodes.has(parseReference(reference).node);
      const tensor = this.#tensor(isNode ? reference : (signature.get(reference) ?? reference), null);
      const value = first && tensor.shape.length === 4 ? tensor.planes() : tensor.plain();
      return [reference.replace(/:0$/, ''), value] as const;
    });
    return { inputs: this.#inputs, outputs: Object.fromEntries(named) };
  }

  /** The tensor that a reference means; nodes are imported as they are needed, without recursion. */
  #tensor(reference: string, reader: string | null): Tensor {
    const { node: root, index } = parseReference(reference);
    const stack = [root];
    const open = new Set<string>();
    while (stack.length > 0) {
      const current = stack[stack.length - 1]!;
      const node = this.#model.nodes.get(current);
      if (!node) {
        const by = reader === null ? 'as an output' : `that node ${reader} reads`;
        throw new Error(`${this.#model.name}: expected a node ${current} ${by}, found none`);
      }
      const missing = dataInputs(node).filter((each) => !this.#made.has(each));
      if (this.#made.has(current) || missing.length === 0) {
        if (!this.#made.has(current)) this.#made.set(current, this.#import(node));
        stack.pop();
        open.delete(current);
      } else if (open.has(current)) {
        throw new Error(`${this.#model.name}: node ${current} (${node.op}): expected a graph without cycles`);
      } else {
        open.add(current);
        stack.push(...missing);
      }
    }
    const tensor = this.#made.get(root)![index];
    if (!tensor) throw new Error(`${this.#model.name}: node ${root}: output ${index} is not supported`);
    return tensor;
  }

  #import(node: TensorFlowNode): readonly Tensor[] {
    const where = `${this.#model.name}: node ${node.name} (${node.op})`;
    try {
      return scope(node.name, () => this.#importNode(node));
    } catch (error) {
      throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
    }
  }

  #importNode(proto: TensorFlowNode): readonly Tensor[] {
    if (proto.op === 'Placeholder') return [this.#placeholder(proto)];
    if (proto.op === 'Const') {
      const elements = this.#model.weights.get(proto.name);
      if (!elements) throw new Error('expected a weight of this name, found none');
      return [ofKnown(elements)];
    }
    const inputs = proto.input
      .filter((each) => !each.startsWith('^'))
      .map((each) => this.#tensor(each, proto.name));
    const node = new ModelNode(proto, inputs, this.#batch);
    if (proto.op === 'Identity' || proto.op === 'StopGradient') return [node.tensor(0)];
    if (proto.op === 'Shape') return [ofKnown(wholeNumbers(node.tensor(0).shape))];
    const folded = foldShape(node);
    if (folded) return [ofKnown(folded)];
    const importer = Object.hasOwn(IMPORTERS, proto.op) ? IMPORTERS[proto.op] : undefined;
    if (!importer) throw new Error(`the operator ${proto.op} is not supported`);
    const result = importer(node);
    return 'shape' in result ? [result] : result;
  }

  #placeholder(node: TensorFlowNode): Tensor {
    const declared = declaredShape(node);
    const planes = this.#options.layout === 'channelsFirst';
    const given = this.#options.inputs?.[node.name];
    const type = (node.attr.dtype as { type?: string | number } | undefined)?.type ?? 'DT_FLOAT';
    const dtype = type === 'DT_INT32' || type === 3 ? 'int32' : 'float32';
    const open = this.#options.shapes?.[node.name] ?? declared;
    if (open === null) throw new Error('expected a shape in the option shapes, the model leaves it open');
    const shape = open.map((size, axis) => (axis === 0 && (size === -1 || size === 1) ? this.#batch : size));
    if (shape.includes(-1)) throw new Error(`expected a shape for [${shape}] in the option shapes`);
    const channelsFirst = planes && shape.length === 4;
    const lying = channelsFirst ? [shape[0]!, shape[3]!, shape[1]!, shape[2]!] : shape;
    if (given && (given.dtype !== dtype || given.shape.join() !== lying.join())) {
      throw new Error(`expected ${dtype}[${lying}], received ${describeType(given)}`);
    }
    const value = given ?? input(node.name, lying, dtype);
    this.#inputs[node.name] = value;
    return channelsFirst ? ofPlanes(value) : ofPlain(value);
  }
}

function dataInputs({ op, input: inputs }: TensorFlowNode): string[] {
  if (op === 'Const' || op === 'Placeholder') return [];
  return inputs.filter((each) => !each.startsWith('^')).map((each) => parseReference(each).node);
}
