/** Values and nodes: a graph is the set of frozen nodes reachable from its output values; there is no graph object. */

import { toBfloat16, toHalf } from './half.ts';
import type { OperatorDefinition } from './operator.ts';
import type { DataType, Shape, TensorData, TensorType } from './types.ts';
import { BYTES_PER_ELEMENT, describeType, elementCount } from './types.ts';

/** One output of a node: a tensor of static type that other nodes take as input. */
export interface Value extends TensorType {
  readonly node: GraphNode;
  /** Position among the node's outputs. */
  readonly index: number;
}

/** One application of an operator to values. `null` stands for an omitted optional input. */
export interface GraphNode<Attributes = unknown> {
  readonly operator: OperatorDefinition<Attributes>;
  readonly inputs: readonly (Value | null)[];
  readonly attributes: Attributes;
  readonly outputs: readonly Value[];
  /** Where in the model the node was made, for example `unet.down_blocks.0`; used in messages and profiles. */
  readonly scope: string;
  /** Creation order; a node's inputs always have smaller numbers. */
  readonly id: number;
}

/** Bytes of a weight inside a file: the graph refers to them and never copies them. */
export interface FileRegion {
  /** Absolute path of the file. */
  readonly file: string;
  /** First byte, from the start of the file. */
  readonly offset: number;
  /** Number of bytes. */
  readonly length: number;
}

let scopes: readonly string[] = [];
let nextId = 0;

/**
 * Names the nodes that `build` makes: scopes nest, joined by dots.
 * @returns what `build` returns
 */
export function scope<T>(name: string, build: () => T): T {
  const outer = scopes;
  scopes = [...outer, name];
  try {
    return build();
  } finally {
    scopes = outer;
  }
}

/**
 * Applies an operator: runs its shape rule and makes the node.
 * @returns the node's outputs, one a tensor type that the shape rule names
 * @throws Error naming operator and scope when the shape rule refuses the inputs
 */
export function applyOperator<Attributes>(
  operator: OperatorDefinition<Attributes>,
  inputs: readonly (Value | null)[],
  attributes: Attributes,
): readonly Value[] {
  const path = scopes.join('.');
  let types: readonly TensorType[];
  try {
    types = operator.infer(inputs, attributes);
  } catch (error) {
    const where = path === '' ? '' : ` in ${path}`;
    const received = inputs.map((value) => (value === null ? 'none' : describeType(value))).join(', ');
    throw new Error(`${operator.name}${where}: ${(error as Error).message} (inputs: ${received})`, {
      cause: error,
    });
  }
  const outputs: Value[] = [];
  const node: GraphNode<Attributes> = Object.freeze({
    operator,
    inputs: Object.freeze([...inputs]),
    attributes,
    outputs,
    scope: path,
    id: nextId++,
  });
  types.forEach((type, index) => {
    outputs.push(
      Object.freeze({
        node: node as GraphNode,
        index,
        dtype: type.dtype,
        shape: Object.freeze([...type.shape]),
      }),
    );
  });
  Object.freeze(outputs);
  return outputs;
}

/** Attributes of a leaf node: what the value is and where its data come from. */
export type LeafAttributes =
  | { readonly kind: 'input'; readonly name: string; readonly type: TensorType }
  | { readonly kind: 'constant'; readonly type: TensorType; readonly data: TensorData }
  | {
      readonly kind: 'weight';
      readonly name: string;
      readonly type: TensorType;
      readonly region: FileRegion;
    };

function leafOperator(name: string): OperatorDefinition<LeafAttributes> {
  return {
    name,
    infer: (_inputs, attributes) => [attributes.type],
    emit: () => {
      throw new Error(`${name}: leaves are written by the encoder`);
    },
    gradient: 'zero',
  };
}

const inputOperator = leafOperator('input');
const constantOperator = leafOperator('constant');
const weightOperator = leafOperator('weight');

/** The leaf attributes of a value made by {@link input}, {@link constant} or {@link weight}; `null` for others. */
export function leafOf(value: Value): LeafAttributes | null {
  const operator: unknown = value.node.operator;
  const isLeaf = operator === inputOperator || operator === constantOperator || operator === weightOperator;
  return isLeaf ? (value.node.attributes as LeafAttributes) : null;
}

/** A tensor that the caller feeds at every run, by `name`. */
export function input(name: string, shape: Shape, dtype: DataType = 'float32'): Value {
  const type = { dtype, shape: [...shape] };
  return applyOperator(inputOperator, [], { kind: 'input', name, type } as LeafAttributes)[0]!;
}

/**
 * A tensor whose elements stand in the graph itself.
 * @param data elements in row-major order; plain numbers are converted to `dtype`
 * @throws Error when the number of elements does not fit the shape
 */
export function constant(
  data: readonly number[] | TensorData,
  shape: Shape,
  dtype: DataType = 'float32',
): Value {
  if (data.length !== elementCount(shape)) {
    throw new Error(
      `constant: expected ${elementCount(shape)} elements for [${shape}], received ${data.length}`,
    );
  }
  const attributes: LeafAttributes = {
    kind: 'constant',
    type: { dtype, shape: [...shape] },
    data: toTensorData(data, dtype),
  };
  return applyOperator(constantOperator, [], attributes)[0]!;
}

/** A scalar constant of `dtype`. */
export function scalar(value: number, dtype: DataType = 'float32'): Value {
  return constant([value], [], dtype);
}

/**
 * A trained tensor that stays in its file: the graph holds only its place.
 * @throws Error when the region's length does not fit type and shape
 */
export function weight(name: string, shape: Shape, dtype: DataType, region: FileRegion): Value {
  const expected = elementCount(shape) * BYTES_PER_ELEMENT[dtype];
  if (region.length !== expected) {
    throw new Error(
      `weight ${name}: expected ${expected} bytes for ${dtype}[${shape}], received ${region.length} in ${region.file}`,
    );
  }
  const attributes: LeafAttributes = {
    kind: 'weight',
    name,
    type: { dtype, shape: [...shape] },
    region: Object.freeze({ ...region }),
  };
  return applyOperator(weightOperator, [], attributes)[0]!;
}

/**
 * Elements of `data` stored as the typed array of `dtype` (a typed array of the right kind passes through).
 * The 16-bit floats are raw words in a Uint16Array; plain numbers and other arrays are rounded to them.
 */
export function toTensorData(data: readonly number[] | TensorData, dtype: DataType): TensorData {
  switch (dtype) {
    case 'float32':
      return data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number>);
    case 'float64':
      return data instanceof Float64Array ? data : Float64Array.from(data as ArrayLike<number>);
    case 'int32':
      return data instanceof Int32Array ? data : Int32Array.from(data as ArrayLike<number>);
    case 'int64':
      return data instanceof BigInt64Array
        ? data
        : BigInt64Array.from(data as ArrayLike<number>, (element) => BigInt(element));
    case 'uint8':
    case 'bool':
      return data instanceof Uint8Array ? data : Uint8Array.from(data as ArrayLike<number>);
    case 'float16':
      return data instanceof Uint16Array ? data : Uint16Array.from(data as ArrayLike<number>, toHalf);
    case 'bfloat16':
      return data instanceof Uint16Array ? data : Uint16Array.from(data as ArrayLike<number>, toBfloat16);
  }
}

/**
 * Nodes between leaves and `outputs`, inputs before users.
 * @returns every node reachable from `outputs`, each once, in an order in which it can be executed
 */
export function topologicalOrder(outputs: readonly Value[]): GraphNode[] {
  const order: GraphNode[] = [];
  const done = new Set<GraphNode>();
  const stack: { node: GraphNode; next: number }[] = [];
  for (const output of outputs) {
    if (done.has(output.node)) continue;
    done.add(output.node);
    stack.push({ node: output.node, next: 0 });
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      if (top.next < top.node.inputs.length) {
        const value = top.node.inputs[top.next++];
        if (value && !done.has(value.node)) {
          done.add(value.node);
          stack.push({ node: value.node, next: 0 });
        }
      } else {
        order.push(top.node);
        stack.pop();
      }
    }
  }
  return order;
}
