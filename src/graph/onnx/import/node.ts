/** What the import of one ONNX node can ask for: its inputs, as values or known numbers, and its attributes. */

import type { AttributeProto, GraphProto, NodeProto } from 'onnx-buf';
import { AttributeProto_AttributeType } from 'onnx-buf';
import type { Value } from '../../value.ts';
import type { Known } from './known.ts';
import { knownFrom, knownValue } from './known.ts';
import type { ModelSource } from './tensor.ts';
import { tensorElements, tensorType } from './tensor.ts';

/** A tensor of the model being imported: a graph value, a known small tensor, or both. */
export interface Imported {
  readonly known: Known | null;
  /** The graph value; known tensors become constants when they are asked for. */
  readonly value: () => Value;
}

/** An imported tensor that only the runtime knows. */
export function ofValue(value: Value): Imported {
  return { known: null, value: () => value };
}

/** An imported tensor whose elements are known. */
export function ofKnown(tensor: Known): Imported {
  let made: Value | undefined;
  return {
    known: tensor,
    value: () => {
      made ??= knownValue(tensor);
      return made;
    },
  };
}

/** One node of the model with its inputs looked up. */
export class ImportNode {
  readonly opType: string;
  readonly domain: string;
  readonly opset: number;
  readonly source: ModelSource;
  /** How many outputs the node names. */
  readonly outputCount: number;
  readonly inputs: readonly (Imported | null)[];
  readonly #attributes: ReadonlyMap<string, AttributeProto>;

  /** Wraps `node`; `opset` is the version of its domain that the model imports. */
  constructor(node: NodeProto, inputs: readonly (Imported | null)[], opset: number, source: ModelSource) {
    this.opType = node.opType;
    this.domain = node.domain;
    this.opset = opset;
    this.source = source;
    this.outputCount = node.output.length;
    this.inputs = inputs;
    this.#attributes = new Map(node.attribute.map((attribute) => [attribute.name, attribute]));
  }

  /** The input at `position`. */
  value(position: number): Value {
    const input = this.inputs[position];
    if (!input) throw new Error(`expected an input at position ${position}, received none`);
    return input.value();
  }

  /** The input at `position`, or `null` when it was left out. */
  optional(position: number): Value | null {
    return this.inputs[position]?.value() ?? null;
  }

  /** Elements of an input that must be known now, such as a shape; `null` when it was left out. */
  known(position: number): Known | null {
    const input = this.inputs[position];
    if (!input) return null;
    if (input.known === null) {
      throw new Error(
        `expected input ${position} to be a constant, received a tensor that is known only at run time`,
      );
    }
    return input.known;
  }

  /** Numbers given as an attribute (older operator sets) or as an input that must be known (newer ones). */
  numbers(attribute: string, position: number): readonly number[] | null {
    return this.ints(attribute) ?? this.known(position)?.data ?? null;
  }

  /** Whether the node has an attribute of this name. */
  has(name: string): boolean {
    return this.#attributes.has(name);
  }

  /** An integer attribute, or `missing`. */
  int(name: string, missing: number): number {
    return Number(this.#attribute(name, AttributeProto_AttributeType.INT)?.i ?? missing);
  }

  /** A list of integers, or `null`. */
  ints(name: string): number[] | null {
    return this.#attribute(name, AttributeProto_AttributeType.INTS)?.ints.map(Number) ?? null;
  }

  /** A float attribute, or `missing`. */
  float(name: string, missing: number): number {
    return this.#attribute(name, AttributeProto_AttributeType.FLOAT)?.f ?? missing;
  }

  /** A list of floats, or `null`. */
  floats(name: string): readonly number[] | null {
    return this.#attribute(name, AttributeProto_AttributeType.FLOATS)?.floats ?? null;
  }

  /** A text attribute, or `missing`. */
  string(name: string, missing: string): string {
    const attribute = this.#attribute(name, AttributeProto_AttributeType.STRING);
    return attribute ? new TextDecoder().decode(attribute.s) : missing;
  }

  /** A tensor attribute, or `null`. */
  tensor(name: string): Known | null {
    const tensor = this.#attribute(name, AttributeProto_AttributeType.TENSOR)?.t;
    if (!tensor) return null;
    const { dtype, shape } = tensorType(tensor);
    return knownFrom(dtype, shape, tensorElements(tensor));
  }

  /** A subgraph attribute, or `null`. */
  graph(name: string): GraphProto | null {
    return this.#attribute(name, AttributeProto_AttributeType.GRAPH)?.g ?? null;
  }

  #attribute(name: string, type: AttributeProto_AttributeType): AttributeProto | undefined {
    const attribute = this.#attributes.get(name);
    if (attribute && attribute.type !== type) {
      throw new Error(`attribute ${name}: expected type ${type}, received type ${attribute.type}`);
    }
    return attribute;
  }
}

/** Imports one kind of node: its outputs in order, or a single one. */
export type NodeImporter = (node: ImportNode) => Value | readonly Value[];
