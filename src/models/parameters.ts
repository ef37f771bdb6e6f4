/** Where a model's parameters come from: files, graph inputs that are trained, or files with a LoRA on top. */

import type { Shape, Value } from '../graph/building.ts';
import { add, input, linear, matmul, reshape, sameShape, scale } from '../graph/building.ts';

/** Sizes of a linear layer and whether it has a bias. */
export interface LinearShape {
  readonly inputs: number;
  readonly outputs: number;
  readonly bias: boolean;
  /** The weight is stored as that of a 1x1 convolution, [outputs, inputs, 1, 1]. */
  readonly pointwise?: boolean;
}

/** The parameters of a model under construction, looked up by the names that its published weights use. */
export interface Parameters {
  /**
   * The parameter `name` as a float32 value of `shape`.
   * @throws Error naming the parameter when it is missing or of another shape
   */
  tensor(name: string, shape: Shape): Value;
  /** Whether there is a parameter `name`. */
  has(name: string): boolean;
  /** The linear layer `name` (`name.weight` [outputs, inputs], `name.bias` [outputs]) applied to x [..., inputs]. */
  linear(x: Value, name: string, shape: LinearShape): Value;
  /** The parameters under `prefix.`, by the rest of their names. */
  in(prefix: string): Parameters;
}

/** What finds one tensor by its full name; `shape` is what the model expects. */
export type TensorLookup = (name: string, shape: Shape) => Value;

/**
 * Parameters that a look-up function supplies.
 * @param lookup called with full names; throws when the name is missing
 * @param has whether a full name exists
 */
export function parametersFrom(lookup: TensorLookup, has: (name: string) => boolean): Parameters {
  function at(prefix: string): Parameters {
    const full = (name: string) => `${prefix}${name}`;
    const parameters: Parameters = {
      tensor(name, shape) {
        const value = lookup(full(name), shape);
        if (!sameShape(value.shape, shape)) {
          throw new Error(`parameter ${full(name)}: expected shape [${shape}], received [${value.shape}]`);
        }
        return value;
      },
      has: (name) => has(full(name)),
      linear(x, name, { inputs, outputs, bias, pointwise = false }) {
        const shape = pointwise ? [outputs, inputs, 1, 1] : [outputs, inputs];
        const weight = reshape(parameters.tensor(`${name}.weight`, shape), [outputs, inputs]);
        return linear(x, weight, bias ? parameters.tensor(`${name}.bias`, [outputs]) : null);
      },
      in: (name) => at(`${full(name)}.`),
    };
    return parameters;
  }
  return at('');
}

/** Parameters that are graph inputs, with the list of those asked for: what training from scratch optimises. */
export interface TrainableParameters {
  readonly parameters: Parameters;
  /** Every parameter asked for so far, by full name; a graph input of the same name. */
  readonly values: ReadonlyMap<string, Value>;
}

/**
 * Parameters that enter the graph as inputs named like the parameters themselves.
 * @param prefix put before every input name, to tell several models apart in one graph
 * @param has which optional parameters exist; all when left out
 */
export function trainableParameters(
  prefix = '',
  has: (name: string) => boolean = () => true,
): TrainableParameters {
  const values = new Map<string, Value>();
  const lookup: TensorLookup = (name, shape) => {
    const known = values.get(name);
    if (known) return known;
    const value = input(`${prefix}${name}`, shape);
    values.set(name, value);
    return value;
  };
  return { parameters: parametersFrom(lookup, has), values };
}

/** The two factors of one LoRA: W' = W + (alpha/rank) up down. */
export interface LoraFactors {
  /** [rank, inputs] */
  readonly down: Value;
  /** [outputs, rank] */
  readonly up: Value;
  /** alpha/rank */
  readonly scale: number;
}

/**
 * Parameters whose linear layers have low-rank updates (Hu et al., LoRA): x W^T + (alpha/rank) (x down^T) up^T.
 * @param base the model's own parameters
 * @param factors the update of the layer of this full module path, or `null` for none
 */
export function withLora(
  base: Parameters,
  factors: (modulePath: string, shape: LinearShape) => LoraFactors | null,
): Parameters {
  function at(inner: Parameters, prefix: string): Parameters {
    return {
      tensor: (name, shape) => inner.tensor(name, shape),
      has: (name) => inner.has(name),
      linear(x, name, shape) {
        const plain = inner.linear(x, name, shape);
        const update = factors(`${prefix}${name}`, shape);
        if (update === null) return plain;
        const low = linear(x, update.down, null);
        return add(plain, scale(linear(low, update.up, null), update.scale));
      },
      in: (name) => at(inner.in(name), `${prefix}${name}.`),
    };
  }
  return at(base, '');
}

/** The weight [outputs, inputs] of a layer with its low-rank update merged in: W + (alpha/rank) up down. */
export function mergedWeight(weight: Value, { down, up, scale: factor }: LoraFactors): Value {
  return add(weight, scale(matmul(up, down), factor));
}
