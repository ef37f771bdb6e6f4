/** Normalisations: layer, group, instance and batch norm, and the L2 norm of vectors. */

import type { EmitContext } from '../operator.ts';
import { defineOperator, required } from '../operator.ts';
import { elementCount } from '../types.ts';
import type { Value } from '../value.ts';
import { scalar } from '../value.ts';
import { add, div, maximum, mul, scale, shift, sub, sumTo } from './arithmetic.ts';
import { reduceMean, reduceSum } from './reduction.ts';
import { reshape } from './shape.ts';
import { neg, sqrt } from './unary.ts';

interface LayerNormAttributes {
  readonly epsilon: number;
}

/**
 * Layer norm of the last axis. WebGPU's works the variance out as mean of squares minus square of the mean, which
 * loses all digits where the mean is much larger than the deviation: there the mean is taken off before.
 */
function emitLayerNorm(
  context: EmitContext,
  inputs: readonly string[],
  outputs: readonly string[],
  epsilon: number,
): void {
  const attributes = { axis: { int: -1 }, epsilon: { float: epsilon } };
  const [y, mean, inverse] = outputs as [string, string, string];
  const used = (names: readonly string[]) => names.slice(0, names.findLastIndex((name) => name !== '') + 1);
  if (context.device !== 'webgpu') {
    context.node('LayerNormalization', inputs, attributes, used(outputs));
    return;
  }
  const axes = context.constant([-1], [1], 'int64');
  const [centre] = context.node('ReduceMean', [inputs[0]!, axes], { keepdims: { int: 1 } });
  const [centred] = context.node('Sub', [inputs[0]!, centre!]);
  const rest = mean === '' ? '' : `${mean}/rest`;
  context.node('LayerNormalization', [centred!, ...inputs.slice(1)], attributes, used([y, rest, inverse]));
  if (mean !== '') context.node('Add', [centre!, rest], {}, [mean]);
}

/** Outputs: y as x, and mean and inverse standard deviation [..., 1]. */
const layerNormOperator = defineOperator<LayerNormAttributes>({
  name: 'layerNorm',
  infer(inputs) {
    const [x, weight, bias] = [required(inputs, 0), required(inputs, 1), required(inputs, 2)];
    const size = x.shape[x.shape.length - 1];
    for (const value of [weight, bias]) {
      if (value.shape.length !== 1 || value.shape[0] !== size)
        throw new Error(`expected weight and bias [${size}]`);
    }
    const moments = { dtype: x.dtype, shape: [...x.shape.slice(0, -1), 1] };
    return [x, moments, moments];
  },
  emit(context, inputs, outputs, node) {
    emitLayerNorm(context, inputs, outputs, node.attributes.epsilon);
  },
  gradient(node, cotangents, needs) {
    const [x, weight] = node.inputs as readonly Value[];
    const [, mean, inverse] = node.outputs;
    const g = cotangents[0];
    if (cotangents[1] || cotangents[2]) throw new Error('layerNorm: its moments carry no gradient');
    if (!g) return [];
    const normalized = mul(sub(x!, mean!), inverse!);
    const last = { axes: [x!.shape.length - 1], keepDimensions: true };
    let dx: Value | undefined;
    if (needs[0]) {
      const inner = mul(g, weight!);
      const centred = sub(inner, reduceMean(inner, last));
      dx = mul(sub(centred, mul(normalized, reduceMean(mul(inner, normalized), last))), inverse!);
    }
    return [
      dx,
      needs[1] ? sumTo(mul(g, normalized), weight!.shape) : undefined,
      needs[2] ? sumTo(g, weight!.shape) : undefined,
    ];
  },
});

/**
 * Layer norm over the last axis: (x - mean)/sqrt(variance + epsilon) * weight + bias.
 * @param x [..., size]
 * @param weight [size]
 * @param bias [size]
 */
export function layerNorm(x: Value, weight: Value, bias: Value, epsilon: number): Value {
  return layerNormOperator([x, weight, bias], { epsilon })[0]!;
}

interface GroupNormAttributes {
  readonly groups: number;
  readonly epsilon: number;
}

/** Outputs: y as x, and mean and inverse standard deviation [N, groups, 1]. */
const groupNormOperator = defineOperator<GroupNormAttributes>({
  name: 'groupNorm',
  infer(inputs, { groups }) {
    const [x, weight, bias] = [required(inputs, 0), required(inputs, 1), required(inputs, 2)];
    const channels = x.shape[1]!;
    if (x.shape.length < 3 || channels % groups !== 0) {
      throw new Error(`expected [N, channels, ...] with channels divisible by ${groups} groups`);
    }
    for (const value of [weight, bias]) {
      if (value.shape.length !== 1 || value.shape[0] !== channels)
        throw new Error(`expected weight and bias [${channels}]`);
    }
    const moments = { dtype: x.dtype, shape: [x.shape[0]!, groups, 1] };
    return [x, moments, moments];
  },
  emit(context, inputs, outputs, node) {
    const x = node.inputs[0]!;
    const { groups, epsilon } = node.attributes;
    const channels = x.shape[1]!;
    const count = elementCount(x.shape) / (x.shape[0]! * groups);
    const shapeOf = (shape: readonly number[]) => context.constant(shape, [shape.length], 'int64');
    const [rows] = context.node('Reshape', [inputs[0]!, shapeOf([x.shape[0]!, groups, count])]);
    const ones = context.constant(new Float32Array(count).fill(1), [count], x.dtype);
    const normalized = `${outputs[0]}/normalized`;
    emitLayerNorm(context, [rows!, ones], [normalized, outputs[1]!, outputs[2]!], epsilon);
    const [full] = context.node('Reshape', [normalized, shapeOf(x.shape)]);
    const column = shapeOf([1, channels, ...x.shape.slice(2).map(() => 1)]);
    const [weight] = context.node('Reshape', [inputs[1]!, column]);
    const [bias] = context.node('Reshape', [inputs[2]!, column]);
    const [scaled] = context.node('Mul', [full!, weight!]);
    context.node('Add', [scaled!, bias!], {}, [outputs[0]!]);
  },
  gradient: groupNormGradient,
});

/**
 * With n elements a group, r the inverse standard deviation and m the mean, sums over a channel's pixels give
 * P_c = sum g, Q_c = sum g (x - m) r; then dbias = sum_N P, dweight = sum_N Q, and
 * dx = r w g - r/n sum_group(w P) - r (x - m) r/n sum_group(w Q): two passes over the pixels, the rest is small.
 */
function groupNormGradient(
  node: {
    readonly inputs: readonly (Value | null)[];
    readonly outputs: readonly Value[];
    readonly attributes: GroupNormAttributes;
  },
  cotangents: readonly (Value | undefined)[],
  needs: readonly boolean[],
): (Value | undefined)[] {
  const [x, weight] = node.inputs as readonly Value[];
  const [, mean, inverse] = node.outputs;
  const g = cotangents[0];
  if (cotangents[1] || cotangents[2]) throw new Error('groupNorm: its moments carry no gradient');
  if (!g) return [];
  const { groups } = node.attributes;
  const [batch, channels] = [x!.shape[0]!, x!.shape[1]!];
  const pixels = elementCount(x!.shape) / (batch * channels);
  const perGroup = channels / groups;
  const flat = [batch, groups, perGroup, pixels];
  const [xs, gs] = [reshape(x!, flat), reshape(g, flat)];
  const column = [batch, groups, 1, 1];
  const [m, r] = [reshape(mean!, column), reshape(inverse!, column)];
  const overPixels = { axes: [3], keepDimensions: true };
  const sumG = reduceSum(gs, overPixels);
  const sumGx = reduceSum(mul(gs, xs), overPixels);
  const sumNormalized = mul(sub(sumGx, mul(sumG, m)), r);
  const w = reshape(weight!, [1, groups, perGroup, 1]);
  let dx: Value | undefined;
  if (needs[0]) {
    const overGroup = { axes: [2], keepDimensions: true };
    const slope = scale(
      mul(mul(r, r), reduceSum(mul(w, sumNormalized), overGroup)),
      -1 / (perGroup * pixels),
    );
    const offset = sub(
      scale(mul(r, reduceSum(mul(w, sumG), overGroup)), -1 / (perGroup * pixels)),
      mul(slope, m),
    );
    dx = reshape(add(mul(gs, mul(w, r)), add(mul(xs, slope), offset)), x!.shape);
  }
  const overBatch = (value: Value) => reshape(reduceSum(value, { axes: [0] }), [channels]);
  return [dx, needs[1] ? overBatch(sumNormalized) : undefined, needs[2] ? overBatch(sumG) : undefined];
}

/**
 * Group norm: channels in `groups` groups, each sample and group normalised over its channels and pixels.
 * @param x [N, channels, ...]
 * @param weight [channels]
 * @param bias [channels]
 */
export function groupNorm(x: Value, groups: number, weight: Value, bias: Value, epsilon: number): Value {
  return groupNormOperator([x, weight, bias], { groups, epsilon })[0]!;
}

/** Instance norm: {@link groupNorm} with one channel a group. */
export function instanceNorm(x: Value, weight: Value, bias: Value, epsilon: number): Value {
  return groupNorm(x, x.shape[1]!, weight, bias, epsilon);
}

/** Statistics and affine parameters of a batch norm, each [channels]. */
export interface BatchNormParameters {
  readonly weight: Value;
  readonly bias: Value;
  readonly mean: Value;
  readonly variance: Value;
}

/**
 * Batch norm with given statistics (inference): (x - mean)/sqrt(variance + epsilon) * weight + bias per channel.
 * @param x [N, channels, ...]
 */
export function batchNorm(x: Value, parameters: BatchNormParameters, epsilon: number): Value {
  const factor = div(parameters.weight, sqrt(shift(parameters.variance, epsilon)));
  const offset = sub(parameters.bias, mul(parameters.mean, factor));
  const column = [1, x.shape[1]!, ...x.shape.slice(2).map(() => 1)];
  return add(mul(x, reshape(factor, column)), reshape(offset, column));
}

/**
 * Batch norm with the statistics of the batch itself (training).
 * @param x [N, channels, ...]
 * @returns the normalised value, and the batch's mean and (biased) variance per channel [channels] for running averages
 */
export function batchNormTraining(
  x: Value,
  weight: Value,
  bias: Value,
  epsilon: number,
): { readonly y: Value; readonly mean: Value; readonly variance: Value } {
  const channels = x.shape[1]!;
  const axes = x.shape.map((_, axis) => axis).filter((axis) => axis !== 1);
  const mean = reduceMean(x, { axes, keepDimensions: true });
  const centred = sub(x, mean);
  const variance = reduceMean(mul(centred, centred), { axes, keepDimensions: true });
  const column = mean.shape;
  const factor = div(reshape(weight, column), sqrt(shift(variance, epsilon)));
  const y = add(mul(centred, factor), reshape(bias, column));
  return { y, mean: reshape(mean, [channels]), variance: reshape(variance, [channels]) };
}

/** x divided by its Euclidean length along `axis`, the length taken as at least `epsilon`. */
export function normalizeL2(x: Value, axis = -1, epsilon = 1e-12): Value {
  const position = axis < 0 ? axis + x.shape.length : axis;
  const square = reduceSum(mul(x, x), { axes: [position], keepDimensions: true });
  return div(x, sqrt(maximum(square, scalar(epsilon * epsilon, x.dtype))));
}

/** Cosine of the angle between vectors along the last axis: [..., size] x [..., size] -> [...]. */
export function cosineSimilarity(a: Value, b: Value): Value {
  return reduceSum(mul(normalizeL2(a), normalizeL2(b)), { axes: [a.shape.length - 1] });
}

/** 1 minus the {@link cosineSimilarity}. */
export function cosineDistance(a: Value, b: Value): Value {
  return shift(neg(cosineSimilarity(a, b)), 1);
}
