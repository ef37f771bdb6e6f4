/** The change of a measure between two evaluations of the same prompts, with its interval. */

import type { AttributeResult, PromptResult } from './attribute_result.ts';
import type { BootstrapInterval, BootstrapOptions, Groups } from './bootstrap.ts';
import { bootstrapInterval } from './bootstrap.ts';
import { withinRange } from './intervals.ts';
import {
  distributionOf,
  largestBias,
  largestTotalVariation,
  pairwiseBias,
  totalVariation,
} from './metrics.ts';

/** Change of one attribute's measures, after minus before; negative is better. */
export interface AttributeChange {
  /** Name of the attribute. */
  readonly attribute: string;
  /** Change of the mean bias. */
  readonly bias: BootstrapInterval;
  /** Change of the mean total variation to the target. */
  readonly totalVariation: BootstrapInterval;
  /** Prompts that both evaluations have, with a face in each. */
  readonly prompts: number;
  /** Whether the attribute was trained; a change of another one is drift. */
  readonly trained?: boolean;
  /** Class names, in the order of `shares`. */
  readonly classes?: readonly string[];
  /** Change of each class's share, mean over prompts [classes]. */
  readonly shares?: readonly BootstrapInterval[];
  /** How far the distribution moved. */
  readonly shift?: DistributionShift;
}

/** Total variation between the mean distributions of an attribute before and after: 0 where nothing moved. */
export interface DistributionShift extends BootstrapInterval {
  /** What would be measured on average if both models drew the same distribution. */
  readonly floor: number;
  /** How often as large a shift would be measured then, by exchanging before and after at random. */
  readonly pValue: number;
}

/**
 * Change from `before` to `after` over the prompts that both have, images resampled within each prompt.
 * @throws where the two don't measure the same attribute and target, or share no prompt with faces
 */
export function compareAttribute(
  before: AttributeResult,
  after: AttributeResult,
  bootstrap: BootstrapOptions,
): AttributeChange {
  const same = before.attribute === after.attribute && String(before.classes) === String(after.classes);
  if (!same || String(before.target) !== String(after.target)) {
    throw new Error(
      `Comparison: expected two results of one attribute and target, received ` +
        `${before.attribute} (${before.target}) and ${after.attribute} (${after.target})`,
    );
  }
  const later = new Map(after.prompts.map((prompt) => [prompt.prompt, prompt]));
  const pairs = before.prompts.flatMap((prompt) => {
    const match = later.get(prompt.prompt);
    return match !== undefined && prompt.faces > 0 && match.faces > 0 ? [[prompt, match] as const] : [];
  });
  if (pairs.length === 0) {
    throw new Error(`Comparison of '${before.attribute}': the evaluations share no prompt with faces`);
  }
  const groups = [...pairs.map(([a]) => classesOf(a)), ...pairs.map(([, b]) => classesOf(b))];
  const classes = before.classes.length;
  const changeOf = (measure: (frequencies: readonly number[]) => number) => (sample: Groups) => {
    const values = sample.map((group) => measure(distributionOf(group, classes).frequencies));
    return values.reduce((sum, v, i) => sum + (i < pairs.length ? -v : v), 0) / pairs.length;
  };
  return {
    attribute: before.attribute,
    bias: withinChange(bootstrapInterval(groups, changeOf(pairwiseBias), bootstrap), largestBias(classes)),
    totalVariation: withinChange(
      bootstrapInterval(
        groups,
        changeOf((frequencies) => totalVariation(frequencies, before.target)),
        bootstrap,
      ),
      largestTotalVariation(before.target),
    ),
    prompts: pairs.length,
  };
}

/** The interval of a change, cut to what a measure that lies in 0..`largest` can change by. */
export function withinChange(interval: BootstrapInterval, largest: number): BootstrapInterval {
  return withinRange(interval, -largest, largest);
}

function classesOf(prompt: PromptResult): number[] {
  return prompt.counts.flatMap((count, k) => new Array<number>(count).fill(k));
}
