/** Recipe of attribute classifiers: label-smoothed cross-entropy summed over attributes, and accuracy. */

import type { Value } from '../../graph/index.ts';
import {
  add,
  argMax,
  cast,
  equal,
  input,
  logSoftmax,
  mul,
  neg,
  reduceMean,
  reduceSum,
  scalar,
} from '../../graph/index.ts';

/** Scalar loss and one accuracy an attribute. */
export interface ClassificationLoss {
  readonly loss: Value;
  readonly metrics: Readonly<Record<string, Value>>;
}

/**
 * Cross-entropy against the target probabilities that are fed as `NAME.targets` [N, classes], summed over attributes.
 * @param logits by attribute, [N, classes]
 */
export function classificationLoss(logits: Readonly<Record<string, Value>>): ClassificationLoss {
  let loss: Value = scalar(0);
  const metrics: Record<string, Value> = {};
  for (const [name, scores] of Object.entries(logits)) {
    const targets = input(`${name}.targets`, scores.shape);
    loss = add(loss, neg(reduceMean(reduceSum(mul(targets, logSoftmax(scores)), { axes: [1] }))));
    metrics[name] = reduceMean(cast(equal(argMax(scores), argMax(targets)), 'float32'));
  }
  return { loss, metrics };
}

/**
 * Target probabilities of classes: 1 - smoothing on the class, the rest spread evenly.
 * @param labels class indices by attribute, one an image
 * @param classes number of classes by attribute
 */
export function classificationTargets(
  labels: Readonly<Record<string, readonly number[]>>,
  classes: Readonly<Record<string, number>>,
  smoothing: number,
): Record<string, Float32Array> {
  const targets: Record<string, Float32Array> = {};
  for (const [name, indices] of Object.entries(labels)) {
    const count = classes[name]!;
    const rows = new Float32Array(indices.length * count).fill(smoothing / count);
    indices.forEach((label, i) => {
      rows[i * count + label]! += 1 - smoothing;
    });
    targets[`${name}.targets`] = rows;
  }
  return targets;
}
