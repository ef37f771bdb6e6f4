/** From what the judges see to what each image is asked for: target classes, their masks, and the weights of its losses. */

import { createGenerator } from '../diffusion/noise.ts';
import type { Face } from '../faces/box.ts';
import { confidenceMask } from './alignment_loss.ts';
import type { ExpectationMethod, ExpectedTargets, TargetSet } from './expected_targets.ts';
import { DEFAULT_DRAWS, expectedTargets } from './expected_targets.ts';
import type { Observation } from './observation.ts';
import { largestClass } from './observation.ts';
import type { Box, RegionWeights } from './region_weights.ts';
import { regionWeights } from './region_weights.ts';
import type { TargetDistribution } from './target_distribution.ts';

/** Ratios of the regional weights of one attribute (section 3 of the method). */
export interface AttributeRatios {
  /** lambda_2 / lambda_1: weight outside the face where the target differs from the original's class. */
  readonly ratio2: number;
  /** lambda_3 / lambda_2: the further factor on the face. */
  readonly ratio3: number;
}

/** Constants of the losses that don't change during a run. */
export interface LossWeights {
  /** Confidence threshold C of eq. 6, in 0..1. */
  readonly threshold: number;
  /** lambda_img,1: full weight of the image semantics loss. */
  readonly lambda1: number;
  /** lambda_face: weight of the face realism loss. */
  readonly lambdaFace: number;
  /** Ratios by attribute name, for every attribute that a target may have. */
  readonly ratios: Readonly<Record<string, AttributeRatios>>;
  /** What an image without a confident target counts as for the regional weights; 'asDisagree' when left out. */
  readonly noTarget?: 'asDisagree' | 'asAgree';
  /**
   * What a face is drawn to: the nearest real face (when left out), or the original image's own face where target and
   * original agree and the original is confident.
   */
  readonly faceTarget?: 'nearest' | 'own';
  /** Least probability of the original's class, in every attribute, for 'own'; .9 when left out. */
  readonly ownConfidence?: number;
  /** Sets of targets averaged over; 'drawn' when left out. */
  readonly targetSet?: TargetSet;
  /** Classes from the marginals of q (when left out) or from its likeliest joint cell. */
  readonly decide?: 'marginal' | 'joint';
  /** Number of drawn target sets where no exact form is affordable. */
  readonly draws?: number;
  /** Seed of the drawn target sets; 0 when left out. */
  readonly seed?: number;
}

/** Target of one attribute of one image. */
export interface ImageTarget {
  /** Target class y_i, or null where the image shows no face. */
  readonly class: number | null;
  /** Confidence c_i in 0..1; 0 without a face. */
  readonly confidence: number;
  /** Whether there is a target and its confidence reaches the threshold. */
  readonly confident: boolean;
  /** Class of the frozen model's image, or null where it shows no face. */
  readonly originalClass: number | null;
}

/** What one image is asked for. */
export interface ImageAssignment {
  /** By attribute name. */
  readonly targets: Readonly<Record<string, ImageTarget>>;
  /** Weights of the image semantics loss. */
  readonly weights: RegionWeights;
  /** Whether the image shows a face, so that it takes part in the alignment and realism losses. */
  readonly hasFace: boolean;
  /** Whether the face is drawn to the original image's own face. */
  readonly useOwn: boolean;
}

/** What a batch of images is asked for. */
export interface TargetAssignment {
  readonly images: readonly ImageAssignment[];
  /** Number n of images with a face in the whole batch: the divisor of the alignment and realism losses. */
  readonly faces: number;
  /** Number N of images in the whole batch: the divisor of the image semantics loss. */
  readonly count: number;
  /** How the expectation over target sets was taken; null when no image shows a face. */
  readonly method: ExpectationMethod | null;
  /** Number of target sets averaged. */
  readonly sets: number;
  /** Address of the random numbers that drew the sets. */
  readonly draw: { readonly seed: number; readonly iteration: number };
}

/**
 * Assigns targets and weights to the images of a whole batch. Only images with a face get targets.
 * @param observed the generated images
 * @param originals the frozen model's images from the same noise, in the same order
 * @param target the distribution over attributes of the classifier that this prompt is to follow
 * @param iteration addresses the random numbers, together with the seed
 * @throws Error naming the attribute that the classifier lacks or whose classes differ, or that has no ratios
 */
export function assignTargets(
  observed: Observation,
  originals: Observation,
  target: TargetDistribution,
  options: LossWeights,
  iteration = 0,
): TargetAssignment {
  const { selections } = observed;
  if (originals.selections.length !== selections.length) {
    throw new Error(
      `targets: expected an original for each of ${selections.length} images, received ${originals.selections.length}`,
    );
  }
  const axes = target.attributes.map((attribute) => axisOf(observed, attribute, options));
  const shown = selections.flatMap(({ face }, image) => (face === null ? [] : [image]));
  const seed = options.seed ?? 0;
  const expected = shown.length === 0 ? null : expectedOf(observed, shown, axes, target, options, iteration);
  const rowOf = new Map(shown.map((image, row) => [image, row]));
  const images = selections.map(({ face }, image): ImageAssignment => {
    const targets = target.attributes.map(({ name, classes }, i) => {
      const originalClass = largestClass(originals.logits[axes[i]!]!, image, classes.length);
      return [name, targetOf(expected, i, rowOf.get(image), originalClass, options.threshold)] as const;
    });
    const originalFace = originals.selections[image]!.face;
    return Object.freeze({
      targets: Object.freeze(Object.fromEntries(targets)),
      weights: weightsOf(face, originalFace, targets, options),
      hasFace: face !== null,
      useOwn: originalFace !== null && usesOwn(originals, image, axes, targets, options),
    });
  });
  return Object.freeze({
    images: Object.freeze(images),
    faces: shown.length,
    count: images.length,
    method: expected?.method ?? null,
    sets: expected?.sets ?? 0,
    draw: Object.freeze({ seed, iteration }),
  });
}

/** The assignment of the images from `start` to before `end`, with the divisors of the whole batch. */
export function sliceAssignment(assignment: TargetAssignment, start: number, end: number): TargetAssignment {
  return Object.freeze({ ...assignment, images: Object.freeze(assignment.images.slice(start, end)) });
}

/** Position of a target's attribute among those of the classifier. */
function axisOf(
  { attributes }: Observation,
  { name, classes }: TargetDistribution['attributes'][number],
  { ratios }: LossWeights,
): number {
  const axis = attributes.findIndex((attribute) => attribute.name === name);
  const known = attributes[axis];
  if (known === undefined) {
    const names = attributes.map((attribute) => attribute.name).join(', ');
    throw new Error(`targets: the classifier has no attribute '${name}'; it has ${names}`);
  }
  if (known.classes.join() !== classes.join()) {
    throw new Error(
      `targets, '${name}': expected the classifier's classes ${known.classes.join(', ')}, received ${classes.join(', ')}`,
    );
  }
  if (!Object.hasOwn(ratios, name)) throw new Error(`targets, '${name}': expected ratios, received none`);
  return axis;
}

function expectedOf(
  observed: Observation,
  shown: readonly number[],
  axes: readonly number[],
  target: TargetDistribution,
  options: LossWeights,
  iteration: number,
): ExpectedTargets {
  const logits = axes.map((axis, i) => {
    const width = target.attributes[i]!.classes.length;
    const rows = new Float32Array(shown.length * width);
    shown.forEach((image, row) => {
      rows.set(observed.logits[axis]!.subarray(image * width, (image + 1) * width), row * width);
    });
    return rows;
  });
  const generator = createGenerator({ seed: options.seed ?? 0, index: iteration, stream: 'targets' });
  return expectedTargets({
    logits,
    target,
    targetSet: options.targetSet ?? 'drawn',
    decide: options.decide ?? 'marginal',
    draws: options.draws ?? DEFAULT_DRAWS,
    random: generator.uniform,
  });
}

function targetOf(
  expected: ExpectedTargets | null,
  attribute: number,
  row: number | undefined,
  originalClass: number | null,
  threshold: number,
): ImageTarget {
  if (expected === null || row === undefined) {
    return Object.freeze({ class: null, confidence: 0, confident: false, originalClass });
  }
  const { classes, confidences } = expected.attributes[attribute]!;
  const confidence = confidences[row]!;
  const confident = confidenceMask([confidence], threshold)[0] === 1;
  return Object.freeze({ class: classes[row]!, confidence, confident, originalClass });
}

function weightsOf(
  face: Face | null,
  originalFace: Face | null,
  targets: readonly (readonly [string, ImageTarget])[],
  { ratios, lambda1, noTarget = 'asDisagree' }: LossWeights,
): RegionWeights {
  const regionOf = (each: Face | null): Box | null => {
    if (each === null) return null;
    const [left, top, right, bottom] = each.box;
    return { left, top, right, bottom };
  };
  return regionWeights({
    face: regionOf(face),
    originalFace: regionOf(originalFace),
    attributes: targets.map(([name, { class: wanted, confident, originalClass }]) => ({
      target: wanted,
      confident,
      originalClass,
      ...ratios[name]!,
    })),
    lambda1,
    noTarget,
  });
}

/** Whether every attribute's target is confident and equal to the class that the original confidently shows. */
function usesOwn(
  originals: Observation,
  image: number,
  axes: readonly number[],
  targets: readonly (readonly [string, ImageTarget])[],
  { faceTarget = 'nearest', ownConfidence = 0.9 }: LossWeights,
): boolean {
  if (faceTarget !== 'own') return false;
  return targets.every(([, { class: wanted, confident, originalClass }], i) => {
    if (!confident || wanted === null || wanted !== originalClass) return false;
    const axis = axes[i]!;
    const width = originals.attributes[axis]!.classes.length;
    return originals.probabilities[axis]![image * width + wanted]! >= ownConfidence;
  });
}
