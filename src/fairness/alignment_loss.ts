/** Numeric reference of the distributional alignment loss: eq. 6 of the method with its logit gradient, in float64. */

import { softmaxRows } from './softmax.ts';

/** Confidences closer than this to the threshold count as reaching it (c is a sum of rounded probabilities). */
const THRESHOLD_TOLERANCE = 1e-9;

/** What {@link alignmentLoss} reads: one attribute of a batch. */
export interface AlignmentLossInput {
  /** Classifier logits, [images, classes] row-major. */
  readonly logits: ArrayLike<number>;
  /** Number of classes. */
  readonly classes: number;
  /** Target class y_i of every image, [images]. */
  readonly targets: ArrayLike<number>;
  /** Confidence c_i of every image, [images]. */
  readonly confidences: ArrayLike<number>;
  /** The confidence threshold C, in 0..1. */
  readonly threshold: number;
  /** N of eq. 6: images with a face over the whole batch, all workers together; the images given, when left out. */
  readonly totalImages?: number;
}

/** What {@link alignmentLoss} finds. */
export interface AlignmentLoss {
  /** (1/N) sum_i 1[c_i >= C] * crossentropy(h(x_i), y_i), natural logarithm. */
  readonly loss: number;
  /** d loss / d logits, [images, classes]; rows of images below the threshold are 0. */
  readonly gradient: Float64Array;
  /** Cross-entropy of every image, whether it counts or not, [images]. */
  readonly crossEntropies: Float64Array;
  /** 1 for images that count, 0 for those below the threshold, [images]. */
  readonly mask: Uint8Array;
}

/** Mask of eq. 6: 1 where the confidence reaches the threshold, else 0. */
export function confidenceMask(confidences: ArrayLike<number>, threshold: number): Uint8Array {
  return Uint8Array.from(confidences, (c) => (c >= threshold - THRESHOLD_TOLERANCE ? 1 : 0));
}

/**
 * The distributional alignment loss of one attribute (eq. 6). Targets and confidences are constants: no gradient flows
 * through them. Several attributes add their losses.
 * @throws where the arrays' lengths don't fit or a target isn't a class
 */
export function alignmentLoss(input: AlignmentLossInput): AlignmentLoss {
  const { logits, classes, targets, confidences, threshold } = input;
  const images = targets.length;
  if (logits.length !== images * classes || confidences.length !== images) {
    throw new Error(
      `Alignment loss: expected ${images} x ${classes} logits and ${images} confidences, ` +
        `received ${logits.length} and ${confidences.length}`,
    );
  }
  const totalImages = input.totalImages ?? images;
  const { probabilities, logProbabilities } = softmaxRows(logits, classes);
  const mask = confidenceMask(confidences, threshold);
  const crossEntropies = new Float64Array(images);
  const gradient = new Float64Array(images * classes);
  let sum = 0;
  for (let image = 0; image < images; image++) {
    const target = targets[image]!;
    if (!Number.isInteger(target) || target < 0 || target >= classes) {
      throw new Error(
        `Alignment loss: the target of image ${image} must be 0..${classes - 1}, received ${target}`,
      );
    }
    crossEntropies[image] = -logProbabilities[image * classes + target]!;
    if (!mask[image]) continue;
    sum += crossEntropies[image]!;
    for (let k = 0; k < classes; k++) {
      const expected = k === target ? 1 : 0;
      gradient[image * classes + k] = (probabilities[image * classes + k]! - expected) / totalImages;
    }
  }
  return { loss: images === 0 ? 0 : sum / totalImages, gradient, crossEntropies, mask };
}
