/** What the import of one TensorFlow node can ask for: its inputs and its attributes. */

import type { TensorFlowNode, WeightElements } from './file.ts';
import type { Tensor } from './tensor.ts';

/** An attribute as protobuf's JSON writes it; text is base64 or a list of bytes, whole numbers may be text. */
interface RawAttribute {
  readonly i?: number | string;
  readonly f?: number | string;
  readonly b?: boolean;
  readonly s?: string | readonly number[];
  readonly type?: string | number;
  readonly list?: {
    readonly i?: readonly (number | string)[];
    readonly s?: readonly (string | readonly number[])[];
  };
}

function textOf(raw: string | readonly number[]): string {
  return Buffer.from(raw as string, typeof raw === 'string' ? 'base64' : undefined).toString('utf8');
}

/** One node with its inputs looked up. */
export class ModelNode {
  readonly op: string;
  readonly inputs: readonly Tensor[];
  /** Images that run at once where the model was written for one; 1 where it was written for any number. */
  readonly batch: number;
  readonly #attributes: Readonly<Record<string, RawAttribute>>;

  /** Wraps `node`, whose inputs without control inputs are `inputs`. */
  constructor(node: TensorFlowNode, inputs: readonly Tensor[], batch: number) {
    this.op = node.op;
    this.inputs = inputs;
    this.batch = batch;
    this.#attributes = node.attr as Readonly<Record<string, RawAttribute>>;
  }

  /** The input at `position`. */
  tensor(position: number): Tensor {
    const tensor = this.inputs[position];
    if (!tensor) throw new Error(`expected an input at position ${position}, received none`);
    return tensor;
  }

  /** Elements of an input that must be known while importing, such as a shape. */
  known(position: number): WeightElements {
    const { known } = this.tensor(position);
    if (known === null) {
      throw new Error(
        `expected input ${position} to be a constant, received a tensor that is known only at run time`,
      );
    }
    return known;
  }

  /** Numbers of an input that must be known while importing. */
  numbers(position: number): number[] {
    return Array.from(this.known(position).data);
  }

  /** A whole-number attribute, or `missing`. */
  int(name: string, missing: number): number {
    return Number(this.#attributes[name]?.i ?? missing);
  }

  /** A list of whole numbers, empty when left out. */
  ints(name: string): number[] {
    return (this.#attributes[name]?.list?.i ?? []).map(Number);
  }

  /** A real attribute, or `missing`. */
  float(name: string, missing: number): number {
    return Number(this.#attributes[name]?.f ?? missing);
  }

  /** A truth value; false when left out. */
  flag(name: string): boolean {
    return this.#attributes[name]?.b ?? false;
  }

  /** A text attribute, or `missing`. */
  text(name: string, missing: string): string {
    const raw = this.#attributes[name]?.s;
    return raw === undefined ? missing : textOf(raw);
  }

  /** A list of texts, empty when left out. */
  texts(name: string): string[] {
    return (this.#attributes[name]?.list?.s ?? []).map(textOf);
  }

  /** An element type (`DT_FLOAT`), or `missing`. */
  type(name: string, missing: string): string {
    return String(this.#attributes[name]?.type ?? missing);
  }
}

/** Imports one kind of node: its outputs in order, or a single one. */
export type NodeImporter = (node: ModelNode) => Tensor | readonly Tensor[];
