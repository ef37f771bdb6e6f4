/** How many images show no face, how many show several, and of how many faces the classifier is uncertain. */

import type { Interval } from './intervals.ts';
import { newcombeDifference, wilsonInterval } from './intervals.ts';

/** A share of images with its interval. */
export interface Rate {
  /** Images that count. */
  readonly count: number;
  /** Images in all. */
  readonly images: number;
  /** Their share, 0..1; NaN without images. */
  readonly rate: number;
  /** Wilson's interval; null without images. */
  readonly interval: Interval | null;
}

/** Rates over a model's images. */
export interface FaceRates {
  /** Images without a face. */
  readonly noFace: Rate;
  /** Images with more than one face; the largest one was judged. */
  readonly severalFaces: Rate;
}

/** Share of `count` of `images`, with Wilson's interval. */
export function rateOf(count: number, images: number, level?: number): Rate {
  const interval = images === 0 ? null : wilsonInterval(count, images, level);
  return { count, images, rate: count / images, interval };
}

/**
 * Rates over prompts.
 * @param prompts number of faces of every image, prompt by prompt
 */
export function faceRates(prompts: readonly ArrayLike<number>[], level?: number): FaceRates {
  const faces = prompts.flatMap((counts) => Array.from(counts));
  return {
    noFace: rateOf(faces.filter((count) => count === 0).length, faces.length, level),
    severalFaces: rateOf(faces.filter((count) => count > 1).length, faces.length, level),
  };
}

/** Probability of a face's likeliest class below which the classifier counts as uncertain of it. */
export const CERTAIN = 0.8;

/**
 * Share of the faces of whose class the classifier is uncertain, by attribute. A bias counts each face for its likeliest class; a model
 * that draws faces between two classes would have it low without showing more people of either.
 * @param prompts by attribute, probability of the likeliest class of every image, NaN without a face, prompt by prompt
 */
export function uncertainRates(
  prompts: readonly Readonly<Record<string, ArrayLike<number>>>[],
  level?: number,
): Record<string, Rate> {
  const names = Object.keys(prompts[0] ?? {});
  return Object.fromEntries(
    names.map((name) => {
      const found = prompts
        .flatMap((prompt) => Array.from(prompt[name]!))
        .filter((each) => !Number.isNaN(each));
      return [name, rateOf(found.filter((each) => each < CERTAIN).length, found.length, level)];
    }),
  );
}

/** Change of a rate, after minus before. */
export interface RateChange extends Interval {
  /** The difference of the rates. */
  readonly estimate: number;
}

/**
 * Difference of two rates with Newcombe's interval for independent images; images from the same noise resemble each other,
 * which makes it wider than needed. Null where one of them has no images.
 */
export function rateChange(before: Rate, after: Rate, level?: number): RateChange | null {
  if (before.images === 0 || after.images === 0) return null;
  const counts = ({ count, images }: Rate) => ({ successes: count, trials: images });
  return {
    estimate: after.rate - before.rate,
    ...newcombeDifference(counts(after), counts(before), level),
  };
}

/** {@link rateChange} of each rate by its name; one that is missing afterwards counts as without images. */
export function rateChanges<Name extends string>(
  before: Readonly<Record<Name, Rate>>,
  after: Readonly<Partial<Record<Name, Rate>>>,
): Record<Name, RateChange | null> {
  const names = Object.keys(before) as Name[];
  const changes = names.map((name) => [name, rateChange(before[name], after[name] ?? rateOf(0, 0))] as const);
  return Object.fromEntries(changes) as Record<Name, RateChange | null>;
}
