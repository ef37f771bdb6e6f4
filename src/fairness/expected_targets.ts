/** Expected optimal-transport targets of a batch of images: eqs. 4 and 5 of the method (q_i, y_i and c_i). */

import { distancesToClasses } from './assignment.ts';
import { binomialCumulative } from './binomial.ts';
import {
  combinations,
  drawCounts,
  evenCounts,
  multinomialWeights,
  numberOfCountVectors,
  visitCountVectors,
  visitSubsets,
} from './class_counts.ts';
import { createClassTransport } from './class_transport.ts';
import { softmaxRows } from './softmax.ts';
import type { Attribute, TargetDistribution } from './target_distribution.ts';
import { classesOfCell, numberOfCells } from './target_distribution.ts';

/** Most count vectors that are enumerated exactly; beyond, targets are drawn (12 images over 8 classes have 50,388). */
export const MAXIMUM_EXACT_COUNT_VECTORS = 60_000;

/** Number of drawn target sets where no exact form is affordable: a standard error of q of at most .005. */
export const DEFAULT_DRAWS = 10_000;

/** Probabilities of targets closer than this count as equal; then the classifier's own order decides. */
const TARGET_TIE = 1e-9;

/**
 * Which sets of targets u_1..u_N the expectation runs over: `drawn` N times from the target independently (eq. 5), or
 * `even`: the set closest to the target's shares, exactly half and half for instance. Sets that are equally close (the
 * odd image of an odd batch) are averaged.
 */
export type TargetSet = 'drawn' | 'even';

/** What {@link expectedTargets} reads. */
export interface ExpectedTargetsInput {
  /** Classifier logits, one array an attribute of the target, in its order: [images, classes], row-major. */
  readonly logits: readonly Float32Array[];
  /** The distribution D over the attributes' product. */
  readonly target: TargetDistribution;
  /** Sets of targets averaged over; 'drawn' when left out. */
  readonly targetSet?: TargetSet;
  /** Whether classes follow from each attribute's marginal of q (when left out) or from the likeliest joint cell. */
  readonly decide?: 'marginal' | 'joint';
  /** Number of drawn sets where the exact form isn't affordable; {@link DEFAULT_DRAWS} when left out. */
  readonly draws?: number;
  /** Uniform numbers in [0, 1); needed only where sets are drawn. */
  readonly random?: () => number;
}

/** Target classes and confidences of one attribute. */
export interface AttributeTargets {
  /** The attribute. */
  readonly attribute: Attribute;
  /** Marginal of q over the attribute's classes, [images, classes]. */
  readonly probabilities: Float64Array;
  /** Target class y_i of every image, [images]. */
  readonly classes: Int32Array;
  /** Confidence c_i of every image, [images], in 0..1. */
  readonly confidences: Float64Array;
}

/** How an expectation was taken: closed form, all count vectors, fixed sets, or drawn sets. */
export type ExpectationMethod = 'binomial' | 'enumeration' | 'even' | 'monte-carlo';

/** What {@link expectedTargets} finds. */
export interface ExpectedTargets {
  /** q_i over the cells of the joint table, [images, cells]. */
  readonly probabilities: Float64Array;
  /** Targets for every attribute, in the target's order. */
  readonly attributes: readonly AttributeTargets[];
  /** How the expectation was taken. */
  readonly method: ExpectationMethod;
  /** Number of target sets averaged (draws, count vectors or fixed sets); 0 for the closed form. */
  readonly sets: number;
}

/**
 * Expected targets of N images: draws (or enumerates) sets of N target classes, matches each optimally to the images'
 * class probabilities, and averages what each image is assigned. Two classes use the closed form for any ratio: the
 * image of rank r in the logit of class 1 (from 0) is assigned class 1 with probability P(Binomial(N, share_0) <= r).
 * @throws where logits don't fit the target, aren't finite, or draws are needed and `random` is missing
 */
export function expectedTargets(input: ExpectedTargetsInput): ExpectedTargets {
  const { logits, target, targetSet = 'drawn', decide = 'marginal' } = input;
  const { attributes } = target;
  const images = countImages(logits, attributes);
  const rows = logits.map((values, axis) => softmaxRows(values, attributes[axis]!.classes.length));
  const preferences = addPerCell(
    rows.map((row) => row.logProbabilities),
    attributes,
    images,
  );
  const twoClasses = target.shares.length === 2;
  const { probabilities, method, sets } =
    twoClasses && targetSet === 'drawn'
      ? { probabilities: rankTargets(logits[0]!, target.shares), method: 'binomial' as const, sets: 0 }
      : transportTargets(
          input,
          rows.map((row) => row.probabilities),
          preferences,
          images,
        );
  const decided = attributes.map((attribute, axis) => {
    const marginal = marginalize(probabilities, attributes, axis, images);
    return { attribute, probabilities: marginal, ...largest(marginal, rows[axis]!.logProbabilities, images) };
  });
  if (decide === 'marginal') return { probabilities, attributes: decided, method, sets };

  const joint = largest(probabilities, preferences, images);
  const fromJoint = decided.map((targets, axis) => ({
    ...targets,
    classes: joint.classes.map((cell) => classesOfCell(attributes, cell)[axis]!),
    confidences: joint.confidences.slice(),
  }));
  return { probabilities, attributes: fromJoint, method, sets };
}

/** Checks the logits and returns the number of images. */
function countImages(logits: readonly Float32Array[], attributes: readonly Attribute[]): number {
  if (logits.length !== attributes.length) {
    const names = attributes.map((attribute) => attribute.name).join(', ');
    throw new Error(`Targets: expected logits for each of ${names}, received ${logits.length} arrays`);
  }
  const counts = logits.map((values, axis) => values.length / attributes[axis]!.classes.length);
  attributes.forEach(({ name, classes }, axis) => {
    if (!Number.isInteger(counts[axis]!) || counts[axis] !== counts[0]) {
      throw new Error(
        `Targets, '${name}': expected ${counts[0]} images x ${classes.length} logits, received ${logits[axis]!.length} logits`,
      );
    }
    const bad = logits[axis]!.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      const image = Math.floor(bad / classes.length);
      throw new Error(`Targets, '${name}': a logit of image ${image} is ${logits[axis]![bad]}`);
    }
  });
  return counts[0]!;
}

/** Closed form for two classes. Ranks compare logit differences in float64; equal ones keep the images' order. */
function rankTargets(logits: Float32Array, shares: readonly number[]): Float64Array {
  const images = logits.length / 2;
  const margin = (image: number) => logits[2 * image + 1]! - logits[2 * image]!;
  const order = Array.from({ length: images }, (_, image) => image).sort((a, b) => margin(a) - margin(b));
  const first = binomialCumulative(images, shares[0]!);
  const probabilities = new Float64Array(2 * images);
  order.forEach((image, rank) => {
    probabilities[2 * image + 1] = first[rank]!;
    probabilities[2 * image] = 1 - first[rank]!;
  });
  return probabilities;
}

/** Averages optimal assignments over target sets, over the cells that the target gives a share. */
function transportTargets(
  input: ExpectedTargetsInput,
  classProbabilities: readonly Float64Array[],
  preferences: Float64Array,
  images: number,
): { probabilities: Float64Array; method: ExpectationMethod; sets: number } {
  const { target } = input;
  const cells = target.shares.length;
  const support = target.shares.flatMap((share, cell) => (share > 0 ? [cell] : []));
  const shares = support.map((cell) => target.shares[cell]!);
  const sizes = target.attributes.map((attribute) => attribute.classes.length);
  const costs = selectColumns(distancesToClasses(classProbabilities, sizes), cells, support);
  const gains = selectColumns(preferences, cells, support);
  const transport = createClassTransport(costs, gains, support.length);
  const probabilities = new Float64Array(images * cells);
  const add = (counts: Int32Array, weight: number) => {
    transport.moveTo(counts);
    for (let image = 0; image < images; image++) {
      probabilities[image * cells + support[transport.classes[image]!]!]! += weight;
    }
  };
  const average =
    (input.targetSet ?? 'drawn') === 'even'
      ? averageEvenSets(images, shares, input, add)
      : averageDrawnSets(images, shares, input, add);
  return { probabilities, ...average };
}

type AddSet = (counts: Int32Array, weight: number) => void;

function averageDrawnSets(images: number, shares: number[], input: ExpectedTargetsInput, add: AddSet) {
  const vectors = numberOfCountVectors(images, shares.length);
  if (vectors <= MAXIMUM_EXACT_COUNT_VECTORS) {
    const weigh = multinomialWeights(images, shares);
    visitCountVectors(images, shares.length, (counts) => add(counts, weigh(counts)));
    return { method: 'enumeration' as const, sets: vectors };
  }
  const { draws, random } = requireDraws(input, `${images} images over ${shares.length} classes`);
  addDrawn(draws, () => drawCounts(images, shares, random), add);
  return { method: 'monte-carlo' as const, sets: draws };
}

function averageEvenSets(images: number, shares: number[], input: ExpectedTargetsInput, add: AddSet) {
  const { certain, tied, extra } = evenCounts(images, shares);
  const withExtra = (winners: readonly number[]) => {
    const counts = certain.slice();
    for (const k of winners) counts[k]!++;
    return counts;
  };
  const sets = combinations(tied.length, extra);
  if (sets <= MAXIMUM_EXACT_COUNT_VECTORS) {
    visitSubsets(tied, extra, (winners) => add(withExtra(winners), 1 / sets));
    return { method: 'even' as const, sets };
  }
  const { draws, random } = requireDraws(input, `${extra} left-over images among ${tied.length} classes`);
  const drawWinners = () => {
    const pool = [...tied];
    return Array.from({ length: extra }, () => pool.splice(Math.floor(random() * pool.length), 1)[0]!);
  };
  addDrawn(draws, () => withExtra(drawWinners()), add);
  return { method: 'monte-carlo' as const, sets: draws };
}

function requireDraws(input: ExpectedTargetsInput, where: string): { draws: number; random: () => number } {
  const { draws = DEFAULT_DRAWS, random } = input;
  if (random === undefined) {
    throw new Error(`Targets of ${where} must be drawn: expected a generator 'random', received none`);
  }
  if (!Number.isInteger(draws) || draws < 1) {
    throw new Error(`Targets: expected a whole number of draws from 1, received ${draws}`);
  }
  return { draws, random };
}

/** Adds each distinct drawn vector once, in lexicographic order, so that the transport moves in short steps. */
function addDrawn(draws: number, draw: () => Int32Array, add: AddSet): void {
  const seen = new Map<string, { counts: Int32Array; times: number }>();
  for (let i = 0; i < draws; i++) {
    const counts = draw();
    const key = String.fromCharCode(...counts);
    const entry = seen.get(key);
    if (entry) entry.times++;
    else seen.set(key, { counts, times: 1 });
  }
  for (const key of [...seen.keys()].sort()) {
    const { counts, times } = seen.get(key)!;
    add(counts, times / draws);
  }
}

/** [images, cells] sums over the attributes of [images, classes] arrays. */
function addPerCell(
  values: readonly Float64Array[],
  attributes: readonly Attribute[],
  images: number,
): Float64Array {
  const cells = numberOfCells(attributes);
  const sums = new Float64Array(images * cells);
  for (let cell = 0; cell < cells; cell++) {
    classesOfCell(attributes, cell).forEach((k, axis) => {
      const size = attributes[axis]!.classes.length;
      for (let image = 0; image < images; image++) {
        sums[image * cells + cell]! += values[axis]![image * size + k]!;
      }
    });
  }
  return sums;
}

/** Marginal of [images, cells] over one attribute, [images, classes]. */
function marginalize(
  joint: Float64Array,
  attributes: readonly Attribute[],
  axis: number,
  images: number,
): Float64Array {
  const cells = numberOfCells(attributes);
  const size = attributes[axis]!.classes.length;
  const marginal = new Float64Array(images * size);
  for (let cell = 0; cell < cells; cell++) {
    const k = classesOfCell(attributes, cell)[axis]!;
    for (let image = 0; image < images; image++) {
      marginal[image * size + k]! += joint[image * cells + cell]!;
    }
  }
  return marginal;
}

/** The columns `kept` of a row-major matrix of `width` columns. */
function selectColumns(matrix: Float64Array, width: number, kept: readonly number[]): Float64Array {
  const rows = matrix.length / width;
  const selected = new Float64Array(rows * kept.length);
  for (let row = 0; row < rows; row++) {
    kept.forEach((column, index) => {
      selected[row * kept.length + index] = matrix[row * width + column]!;
    });
  }
  return selected;
}

/** Largest entry of every row; within 1e-9 the one that the classifier prefers, then the first. */
function largest(
  values: Float64Array,
  preferences: Float64Array,
  images: number,
): { classes: Int32Array; confidences: Float64Array } {
  const classes = new Int32Array(images);
  const confidences = new Float64Array(images);
  const width = images === 0 ? 0 : values.length / images;
  for (let image = 0; image < images; image++) {
    const row = values.subarray(image * width, (image + 1) * width);
    const most = row.reduce((a, b) => Math.max(a, b), 0);
    let best = -1;
    row.forEach((value, k) => {
      if (value < most - TARGET_TIE) return;
      const prefers = (other: number) =>
        preferences[image * width + k]! > preferences[image * width + other]!;
      if (best < 0 || prefers(best)) best = k;
    });
    classes[image] = best;
    confidences[image] = Math.min(1, most);
  }
  return { classes, confidences };
}
