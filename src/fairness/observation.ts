/** What the judges see in a batch of images: the face that counts, and its attributes. */

import type { AttributeClassifier, AttributeHead } from '../faces/attributes.ts';
import type { FaceSelection } from '../faces/box.ts';
import { selectFace } from '../faces/box.ts';
import type { FaceDetector } from '../faces/detection.ts';
import type { ImageBatch } from '../faces/image_batch.ts';

/** Faces and attributes of a batch of images. Rows of images without a face are NaN. */
export interface Observation {
  /** The face that counts of each image, and how many there are. */
  readonly selections: readonly FaceSelection[];
  /** Attributes of the classifier, in its order. */
  readonly attributes: readonly AttributeHead[];
  /** Float32 logits of each attribute [N, classes]. */
  readonly logits: readonly Float32Array[];
  /** Probabilities of each attribute [N, classes]. */
  readonly probabilities: readonly Float32Array[];
}

/** Detects and classifies the largest face of each image. */
export async function observe(
  images: ImageBatch,
  detector: FaceDetector,
  classifier: AttributeClassifier,
): Promise<Observation> {
  const found = await detector.detect(images);
  const selections = found.map((faces) => selectFace(faces, images));
  const boxes = selections.map(({ face }) => face?.box ?? null);
  return { selections, ...(await classifier.classify(images, boxes)) };
}

/**
 * Observations of parts of a batch, joined in order: what several workers saw of their images.
 * @throws Error when there are none
 */
export function joinObservations(parts: readonly Observation[]): Observation {
  const [first] = parts;
  if (first === undefined) throw new Error('observations: expected at least one part, received none');
  const join = (rows: (part: Observation) => readonly Float32Array[]) =>
    first.attributes.map((_, axis) => {
      const arrays = parts.map((part) => rows(part)[axis]!);
      const joined = new Float32Array(arrays.reduce((length, array) => length + array.length, 0));
      let offset = 0;
      for (const array of arrays) {
        joined.set(array, offset);
        offset += array.length;
      }
      return joined;
    });
  return {
    selections: parts.flatMap(({ selections }) => selections),
    attributes: first.attributes,
    logits: join(({ logits }) => logits),
    probabilities: join(({ probabilities }) => probabilities),
  };
}

/** Position of the largest element of row `row` of [rows, width]; null where the row is NaN. */
export function largestClass(rows: Float32Array, row: number, width: number): number | null {
  let best: number | null = null;
  for (let k = 0; k < width; k++) {
    const value = rows[row * width + k]!;
    if (Number.isNaN(value)) return null;
    if (best === null || value > rows[row * width + best]!) best = k;
  }
  return best;
}
