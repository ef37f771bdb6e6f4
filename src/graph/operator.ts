/** What an operator is: its shape rule, its emission as ONNX nodes and its gradient rule, side by side. */

import type { DataType, Shape, TensorData, TensorType } from './types.ts';
import type { GraphNode, Value } from './value.ts';
import { applyOperator } from './value.ts';

/** An attribute of an ONNX node. Integers and floats are told apart by the wrapper. */
export type OnnxAttribute =
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly string: string };

/** What emission may ask for while an operator lowers itself to ONNX nodes. */
export interface EmitContext {
  /** Name of the execution provider that will run the graph: `cpu`, `webgpu`, `cuda`, `dml` or `coreml`. */
  readonly device: string;
  /**
   * Adds an ONNX node.
   * @param outputs names of its outputs, or how many fresh ones to make (1 when left out)
   * @returns the output names
   */
  node(
    opType: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, OnnxAttribute>>,
    outputs?: readonly string[] | number,
    domain?: string,
  ): string[];
  /** Adds a small constant tensor and returns its name; equal constants are written once. */
  constant(data: readonly number[] | TensorData, shape: Shape, dtype?: DataType): string;
}

/**
 * A gradient rule: cotangents of a node's outputs to cotangents of its inputs.
 * @param node the node; its inputs and outputs are values that the rule may use again
 * @param cotangents one for each output; `undefined` where nothing flows back
 * @param needs for each input, whether its cotangent is wanted; others may be left `undefined`
 */
export type GradientRule<Attributes> = (
  node: GraphNode<Attributes>,
  cotangents: readonly (Value | undefined)[],
  needs: readonly boolean[],
) => readonly (Value | undefined)[];

/** An operator: everything the engine knows of it in one object. */
export interface OperatorDefinition<Attributes = unknown> {
  readonly name: string;
  /** Shape rule: types of the outputs, or an error that says what was expected. */
  infer(inputs: readonly (Value | null)[], attributes: Attributes): readonly TensorType[];
  /** Writes the node as ONNX nodes that produce `outputs` from `inputs` (`''` for omitted inputs and unused outputs). */
  emit(
    context: EmitContext,
    inputs: readonly string[],
    outputs: readonly string[],
    node: GraphNode<Attributes>,
  ): void;
  /** Reverse-mode rule; `'zero'` where the derivative vanishes everywhere; absent where none is known. */
  readonly gradient?: GradientRule<Attributes> | 'zero';
}

const definitions: OperatorDefinition[] = [];

/** Every operator that {@link defineOperator} has made so far, in the order of definition. */
export function definedOperators(): readonly OperatorDefinition[] {
  return definitions;
}

/**
 * Makes an operator from its definition.
 * @returns a function that applies it to inputs and attributes and returns all output values
 */
export function defineOperator<Attributes>(
  definition: OperatorDefinition<Attributes>,
): (inputs: readonly (Value | null)[], attributes: Attributes) => readonly Value[] {
  Object.freeze(definition);
  definitions.push(definition as unknown as OperatorDefinition);
  return function apply(inputs, attributes) {
    return applyOperator(definition, inputs, attributes);
  };
}

/**
 * The input at `position`, which must be there.
 * @throws Error when it was omitted
 */
export function required(inputs: readonly (Value | null)[], position: number): Value {
  const value = inputs[position];
  if (!value) throw new Error(`expected an input at position ${position}, received none`);
  return value;
}
