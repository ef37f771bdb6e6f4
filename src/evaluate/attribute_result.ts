/** The measured distribution of one attribute (or a joint table of several) over an evaluation's prompts. */

import type { TargetDistribution } from '../fairness/target_distribution.ts';
import { nameOfCell } from '../fairness/target_distribution.ts';
import type { BootstrapOptions } from './bootstrap.ts';
import { bootstrapIntervals } from './bootstrap.ts';
import type { Interval } from './intervals.ts';
import { DEFAULT_LEVEL, withinRange } from './intervals.ts';
import type { Summary } from './metrics.ts';
import {
  distributionOf,
  largestBias,
  largestTotalVariation,
  NO_FACE,
  pairwiseBias,
  summarize,
  totalVariation,
} from './metrics.ts';
import { expectedBias, expectedTotalVariation } from './noise_floor.ts';

/** Predictions for the images of one prompt. */
export interface PromptPredictions {
  /** The prompt. */
  readonly prompt: string;
  /** Class (or row-major joint cell) of the largest face of every image; -1 where there is no face. */
  readonly classes: ArrayLike<number>;
}

/** Measures of one prompt; NaN where no image has a face. */
export interface PromptResult {
  /** The prompt. */
  readonly prompt: string;
  /** Images generated. */
  readonly images: number;
  /** Images with a face. */
  readonly faces: number;
  /** Images of each class, [classes]. */
  readonly counts: readonly number[];
  /** Share of each class among images with a face, [classes]. */
  readonly frequencies: readonly number[];
  /** bias(P). */
  readonly bias: number;
  /** Total variation to the target. */
  readonly totalVariation: number;
}

/** A measure over prompts: its mean and spread, interval of the mean, and what a model on target would measure. */
export interface Measure extends Summary {
  /** Interval of the mean, from images resampled within prompts; null where no prompt has a face. */
  readonly interval: Interval | null;
  /** Expectation of the mean for a model exactly on target, with these numbers of faces; null without faces. */
  readonly floor: number | null;
}

/** Result of one attribute over all prompts. */
export interface AttributeResult {
  /** Name: 'gender', or 'gender x race' for a joint table. */
  readonly attribute: string;
  /** Class names (joined names for a joint table). */
  readonly classes: readonly string[];
  /** Target shares, [classes]. */
  readonly target: readonly number[];
  /** Confidence level of the intervals, .95 for instance. */
  readonly level: number;
  /** bias(P) over prompts. */
  readonly bias: Measure;
  /** Total variation to the target over prompts. */
  readonly totalVariation: Measure;
  /** Share of images without a face, over all prompts, 0..1. */
  readonly noFaceRate: number;
  /** Images over all prompts. */
  readonly images: number;
  /** Images with a face over all prompts. */
  readonly faces: number;
  /** Frequencies over all prompts' images together, [classes]. */
  readonly frequencies: readonly number[];
  /** Measures prompt by prompt. */
  readonly prompts: readonly PromptResult[];
}

/**
 * Measures one attribute over an evaluation's prompts.
 * @param predictions predicted classes, prompt by prompt
 * @param target the chosen target; a joint one takes joint cells as classes
 * @param bootstrap options of the intervals, with their random generator
 * @throws where a prediction isn't a class of the target, naming the prompt
 */
export function measureAttribute(
  predictions: readonly PromptPredictions[],
  target: TargetDistribution,
  bootstrap: BootstrapOptions,
): AttributeResult {
  const shares = target.shares;
  const prompts = predictions.map(({ prompt, classes }): PromptResult => {
    try {
      const { noFaceRate: _, ...distribution } = distributionOf(classes, shares.length);
      const { frequencies } = distribution;
      const distance = totalVariation(frequencies, shares);
      return { prompt, ...distribution, bias: pairwiseBias(frequencies), totalVariation: distance };
    } catch (error) {
      throw new Error(`Prompt '${prompt}': ${(error as Error).message}`, { cause: error });
    }
  });
  const groups = predictions
    .map(({ classes }) => Array.from(classes).filter((k) => k !== NO_FACE))
    .filter((group) => group.length > 0);
  const intervals = groups.length === 0 ? [null, null] : meanIntervals(groups, shares, bootstrap);
  const measure = (
    values: readonly number[],
    interval: Interval | null,
    largest: number,
    floorAt: (shares: readonly number[], images: number) => number,
  ): Measure => ({
    ...summarize(values),
    interval: interval && withinRange(interval, 0, largest),
    floor: groups.length === 0 ? null : meanFloor(groups, (images) => floorAt(shares, images)),
  });
  const everything = distributionOf(
    predictions.flatMap(({ classes }) => Array.from(classes)),
    shares.length,
  );
  return {
    attribute: target.attributes.map((attribute) => attribute.name).join(' x '),
    classes: shares.map((_, cell) => nameOfCell(target.attributes, cell)),
    target: shares,
    level: bootstrap.level ?? DEFAULT_LEVEL,
    bias: measure(
      prompts.map((prompt) => prompt.bias),
      intervals[0] ?? null,
      largestBias(shares.length),
      expectedBias,
    ),
    totalVariation: measure(
      prompts.map((prompt) => prompt.totalVariation),
      intervals[1] ?? null,
      largestTotalVariation(shares),
      expectedTotalVariation,
    ),
    noFaceRate: everything.noFaceRate,
    images: everything.images,
    faces: everything.faces,
    frequencies: everything.frequencies,
    prompts,
  };
}

/** Intervals of the mean bias and of the mean total variation to `shares`, from the same resamples. */
function meanIntervals(
  groups: readonly (readonly number[])[],
  shares: readonly number[],
  bootstrap: BootstrapOptions,
): Interval[] {
  const means = (sample: readonly (readonly number[])[]) => {
    let [bias, distance] = [0, 0];
    for (const group of sample) {
      const { frequencies } = distributionOf(group, shares.length);
      bias += pairwiseBias(frequencies);
      distance += totalVariation(frequencies, shares);
    }
    return [bias / sample.length, distance / sample.length];
  };
  return bootstrapIntervals(groups, means, bootstrap).map(({ low, high }) => ({ low, high }));
}

function meanFloor(groups: readonly (readonly number[])[], floorAt: (images: number) => number): number {
  const known = new Map<number, number>();
  const floors = groups.map(({ length }) => {
    if (!known.has(length)) known.set(length, floorAt(length));
    return known.get(length)!;
  });
  return floors.reduce((sum, floor) => sum + floor, 0) / floors.length;
}
