/** Measures of how the people in generated images are distributed: frequencies, bias, distance to a target, faces missed. */

export { pairwiseBias, totalVariation } from '../fairness/bias.ts';

/** The largest bias over so many classes: that of images of one class, which differs from all others in K - 1 pairs of K (K - 1) / 2. */
export function largestBias(classes: number): number {
  return 2 / classes;
}

/** The largest total variation to a target: that of images of the class which the target wants least. */
export function largestTotalVariation(shares: readonly number[]): number {
  return 1 - Math.min(...shares);
}

/** Class of an image that shows no face. */
export const NO_FACE = -1;

/** Distribution of one attribute over the images of one prompt. */
export interface Distribution {
  /** Images generated. */
  readonly images: number;
  /** Images with a face: the ones that frequencies are taken over. */
  readonly faces: number;
  /** Share of images without a face, 0..1; 0 where there are no images. */
  readonly noFaceRate: number;
  /** Images of each class, [classes]. */
  readonly counts: readonly number[];
  /** Share of each class among the images with a face, [classes]; all NaN where no image has one. */
  readonly frequencies: readonly number[];
}

/** Mean and spread of a measure over prompts. */
export interface Summary {
  /** Number of prompts that have the measure. */
  readonly count: number;
  /** Mean over them; NaN where there are none. */
  readonly mean: number;
  /** Standard deviation over them with n - 1; 0 for a single prompt, NaN for none. */
  readonly standardDeviation: number;
}

/**
 * Counts and frequencies of a prompt's images.
 * @param predicted class of the largest face of every image, or {@link NO_FACE}
 * @param classes number of classes of the attribute
 * @throws where a prediction isn't a class
 */
export function distributionOf(predicted: ArrayLike<number>, classes: number): Distribution {
  const counts = new Array<number>(classes).fill(0);
  let faces = 0;
  for (let image = 0; image < predicted.length; image++) {
    const k = predicted[image]!;
    if (k === NO_FACE) continue;
    if (!Number.isInteger(k) || k < 0 || k >= classes) {
      throw new Error(`Image ${image}: expected a class from 0 to ${classes - 1} or -1, received ${k}`);
    }
    counts[k]!++;
    faces++;
  }
  const images = predicted.length;
  return {
    images,
    faces,
    noFaceRate: images === 0 ? 0 : (images - faces) / images,
    counts,
    frequencies: counts.map((count) => count / faces),
  };
}

/** Mean and standard deviation of the values that are numbers; a prompt without a face has NaN and is left out. */
export function summarize(values: readonly number[]): Summary {
  const known = values.filter((value) => !Number.isNaN(value));
  const count = known.length;
  const mean = known.reduce((sum, value) => sum + value, 0) / count;
  const squares = known.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const standardDeviation = count === 0 ? Number.NaN : count === 1 ? 0 : Math.sqrt(squares / (count - 1));
  return { count, mean, standardDeviation };
}

/**
 * Joint class of each image over several attributes, row-major with the last attribute fastest; an image that lacks one
 * of the classes has none.
 * @param predicted one array an attribute, [images]
 * @param sizes number of classes of each attribute
 */
export function jointClasses(predicted: readonly ArrayLike<number>[], sizes: readonly number[]): Int32Array {
  return Int32Array.from({ length: predicted[0]!.length }, (_, image) =>
    predicted.reduce((cell, classes, axis) => {
      const k = classes[image]!;
      return cell === NO_FACE || k === NO_FACE ? NO_FACE : cell * sizes[axis]! + k;
    }, 0),
  );
}
