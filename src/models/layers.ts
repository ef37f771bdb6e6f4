/** Layers looked up by name: convolutions, norms and activations, as the published models name their parameters. */

import type { Value } from '../graph/building.ts';
import { conv2d, gelu, groupNorm, hardSwish, layerNorm, quickGelu, relu, silu } from '../graph/building.ts';
import type { Parameters } from './parameters.ts';

/** Sizes of a convolution; `padding` is (top, left, bottom, right) or one number for all sides. */
export interface ConvolutionShape {
  readonly outputs: number;
  /** Height and width of the kernel; 3 when left out. */
  readonly kernel?: number;
  readonly stride?: number;
  /** Half the kernel (size kept at stride 1) when left out. */
  readonly padding?: number | readonly [number, number, number, number];
  readonly groups?: number;
  /** Whether there is a `name.bias`; true when left out. */
  readonly bias?: boolean;
}

/** The convolution `name` (`name.weight` [outputs, C/groups, kernel, kernel], `name.bias`) applied to x [N, C, H, W]. */
export function convolution(parameters: Parameters, x: Value, name: string, shape: ConvolutionShape): Value {
  const { outputs, kernel = 3, stride = 1, padding = (kernel - 1) / 2, groups = 1, bias = true } = shape;
  const weight = parameters.tensor(`${name}.weight`, [outputs, x.shape[1]! / groups, kernel, kernel]);
  const offset = bias ? parameters.tensor(`${name}.bias`, [outputs]) : null;
  return conv2d(x, weight, offset, { stride, padding, groups });
}

/** The group norm `name` applied to x [N, C, ...], channels in `groups` groups. */
export function namedGroupNorm(
  parameters: Parameters,
  x: Value,
  name: string,
  groups: number,
  epsilon: number,
): Value {
  const channels = x.shape[1]!;
  const weight = parameters.tensor(`${name}.weight`, [channels]);
  return groupNorm(x, groups, weight, parameters.tensor(`${name}.bias`, [channels]), epsilon);
}

/** The layer norm `name` applied to the last axis of x. */
export function namedLayerNorm(parameters: Parameters, x: Value, name: string, epsilon: number): Value {
  const size = x.shape[x.shape.length - 1]!;
  const weight = parameters.tensor(`${name}.weight`, [size]);
  return layerNorm(x, weight, parameters.tensor(`${name}.bias`, [size]), epsilon);
}

/** Activation functions by the names that configurations use. */
export const ACTIVATIONS = Object.freeze({
  silu,
  swish: silu,
  gelu,
  quick_gelu: quickGelu,
  relu,
  hard_swish: hardSwish,
});

/** Name of an activation function in a configuration. */
export type ActivationName = keyof typeof ACTIVATIONS;
