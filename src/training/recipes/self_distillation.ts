/** DINO (Caron et al.): a student matches a moving-average teacher's view of another crop; no labels. */

import type { Value } from '../../graph/index.ts';
import {
  add,
  constant,
  div,
  exp,
  gelu,
  input,
  linear,
  log,
  logSoftmax,
  matmul,
  mul,
  neg,
  normalizeL2,
  reduceMax,
  reduceMean,
  reduceSum,
  scalar,
  scale,
  sub,
  transposeLast,
} from '../../graph/index.ts';
import type { Parameters } from '../../models/index.ts';

/** Sizes of the projection head. */
export interface DistillationHead {
  readonly inputs: number;
  readonly hidden: number;
  readonly bottleneck: number;
  readonly prototypes: number;
}

/** Scores of the prototypes for features [N, inputs]: two-layer head, normalised bottleneck, normalised prototypes. */
export function prototypeScores(head: DistillationHead, parameters: Parameters, features: Value): Value {
  const hidden = gelu(
    parameters.linear(features, 'head.0', { inputs: head.inputs, outputs: head.hidden, bias: true }),
  );
  const low = parameters.linear(hidden, 'head.2', {
    inputs: head.hidden,
    outputs: head.bottleneck,
    bias: true,
  });
  const prototypes = parameters.tensor('prototypes.weight', [head.prototypes, head.bottleneck]);
  return linear(normalizeL2(low), normalizeL2(prototypes), null);
}

/**
 * Teacher's assignments: Sinkhorn-Knopp turns sharpened scores into a matrix whose prototypes are used equally often
 * (Caron et al., SwAV; used by DINOv2 in place of centring, and without state).
 * @param scores [N, prototypes]
 * @returns probabilities [N, prototypes]; rows sum to 1
 */
export function balancedAssignments(scores: Value, temperature: number, iterations = 3): Value {
  const sharp = scale(scores, 1 / temperature);
  let q = exp(sub(sharp, reduceMax(sharp)));
  for (let i = 0; i < iterations; i++) {
    q = div(q, reduceSum(q, { axes: [0], keepDimensions: true }));
    q = div(q, reduceSum(q, { axes: [1], keepDimensions: true }));
  }
  return q;
}

/** Mean over rows of -sum target log softmax(scores / temperature). */
export function distillationLoss(scores: Value, targets: Value, temperature: number): Value {
  return neg(reduceMean(reduceSum(mul(targets, logSoftmax(scale(scores, 1 / temperature))), { axes: [1] })));
}

/**
 * Minus the mean logarithm of each row's distance to its nearest other row, rows divided by their lengths (KoLeo of Sablayrolles
 * et al., "Spreading vectors for similarity search"; DINOv2 adds it): small where features lie apart from each other.
 * @param features [N, size], N at least 2
 */
export function crowdingLoss(features: Value): Value {
  const [count] = features.shape as [number, number];
  const rows = normalizeL2(features);
  const itself = new Float32Array(count * count);
  for (let i = 0; i < count; i++) itself[i * (count + 1)] = 4;
  const others = sub(matmul(rows, transposeLast(rows)), constant(itself, [count, count]));
  const nearest = reduceMax(others, { axes: [1] });
  const squaredDistance = scale(sub(scalar(1), nearest), 2);
  return scale(reduceMean(log(add(squaredDistance, scalar(1e-6)))), -0.5);
}

/** What a network makes of a view. */
export interface SeenView {
  /** Features of the images [N, size]. */
  readonly features: Value;
  /** Scores of the prototypes for them [N, prototypes]. */
  readonly scores: Value;
}

/** Constants of {@link twoViewLoss}. */
export interface TwoViewSettings {
  readonly temperatures: { readonly student: number; readonly teacher: number };
  /** Weight of {@link crowdingLoss} of the student's features. */
  readonly spread: number;
}

/** Two views of the same images and the symmetric loss between them: student of one against teacher of the other. */
export function twoViewLoss(
  student: (view: Value) => SeenView,
  teacher: (view: Value) => SeenView,
  batchSize: number,
  side: number,
  { temperatures, spread }: TwoViewSettings,
): Value {
  const views = ['first', 'second'].map((name) => input(name, [batchSize, 3, side, side]));
  const targets = views.map((view) => balancedAssignments(teacher(view).scores, temperatures.teacher));
  const losses = views.map((view, i) => {
    const { features, scores } = student(view);
    const matching = distillationLoss(scores, targets[1 - i]!, temperatures.student);
    return spread === 0 ? matching : add(matching, scale(crowdingLoss(features), spread));
  });
  return scale(add(losses[0]!, losses[1]!), 0.5);
}
