/** How well a classifier of Portraits knows gender, race and age: accuracy, confusion and calibration. */

import type { AttributeClassifier } from '../../faces/attributes.ts';
import type { Box } from '../../faces/box.ts';
import type { AttributeFigures } from '../../faces/classifier_figures.ts';
import { attributeFigures } from '../../faces/classifier_figures.ts';
import { imageBatch } from '../../faces/image_batch.ts';
import type { Dataset } from '../dataset.ts';
import { faceLabels, type SingleFace, singleFaces } from '../training/faces.ts';
import { imageBatch as planes } from '../training/vae.ts';

/** Figures of a classifier by attribute. */
export interface ClassifierFigures {
  readonly faces: number;
  readonly attributes: Readonly<Record<string, AttributeFigures>>;
}

/** Which boxes are classified and what is done to the pictures before. */
export interface ClassifierMeasurement {
  /** Box of a face; its true box when left out. */
  readonly boxOf?: (face: SingleFace) => Box;
  /** How many faces at most; all when left out. */
  readonly limit?: number;
  /** What is done to pictures [count, 3, size, size] in -1..1 before; nothing when left out. */
  readonly change?: (pictures: Float32Array, count: number) => Float32Array | Promise<Float32Array>;
}

const CHUNK = 256;

/** Classifies the faces of the single portraits of a data set and compares with the truth. */
export async function measureClassifier(
  classifier: AttributeClassifier,
  data: Dataset,
  { boxOf = ({ face }) => face.box, limit, change = (pictures) => pictures }: ClassifierMeasurement = {},
): Promise<ClassifierFigures> {
  const faces = singleFaces(data).slice(0, limit);
  const collected = classifier.attributes.map(
    ({ classes }) => new Float32Array(faces.length * classes.length),
  );
  for (let start = 0; start < faces.length; start += CHUNK) {
    const chunk = faces.slice(start, start + CHUNK);
    const pictures = planes(
      data,
      chunk.map(({ index }) => index),
    );
    const changed = await change(pictures, chunk.length);
    const images = imageBatch(changed, chunk.length, data.size, data.size);
    const { probabilities } = await classifier.classify(images, chunk.map(boxOf));
    probabilities.forEach((rows, axis) => {
      collected[axis]!.set(rows, start * classifier.attributes[axis]!.classes.length);
    });
  }
  const labels = faceLabels(faces);
  const figures = classifier.attributes.map(
    ({ name, classes }, axis) => [name, attributeFigures(classes, collected[axis]!, labels[name]!)] as const,
  );
  return { faces: faces.length, attributes: Object.fromEntries(figures) };
}
