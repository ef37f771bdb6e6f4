/** Attribute classifiers: gender, race and age of a face, from a crop of the image around it. */

import { z } from 'zod';
import type { Runtime, Value } from '../graph/index.ts';
import { input } from '../graph/index.ts';
import { parseConfig } from '../models/config.ts';
import { imageClassifier, parseImageClassifierConfig } from '../models/image_classifier.ts';
import type { Box } from './box.ts';
import { isCard } from './cards/card.ts';
import { openCardClassifier } from './cards/open.ts';
import { cropImages, cropMatrices, FACE_CROP_MARGIN, faceWindow } from './crop.ts';
import { DEFAULT_BATCH_SIZE } from './detection.ts';
import type { ImageBatch } from './image_batch.ts';
import { compileBatched, graphsBySize, selectImages } from './image_batch.ts';
import { openModelFolder } from './model_folder.ts';
import { preprocess } from './preprocessing.ts';

/** An attribute and its classes, in the order of the classifier's outputs. */
export interface AttributeHead {
  readonly name: string;
  readonly classes: readonly string[];
}

/** A classifier as a function of graph values, to be used inside larger graphs. */
export interface AttributeModel {
  readonly attributes: readonly AttributeHead[];
  /** Side of the square crops that it looks at, in pixels. */
  readonly side: number;
  /** Side of the crops over the longest side of the face's box that it knows; {@link FACE_CROP_MARGIN} when left out. */
  readonly margin?: number;
  /**
   * Scores before the softmax, one value [N, classes] for each attribute.
   * @param crops [N, 3, side, side] in -1..1
   */
  logits(crops: Value): readonly Value[];
}

/** How faces are cut out for a classifier. */
export interface FaceCropOptions {
  /** Side of the crop over the longest side of the face's box; the classifier's own when left out. */
  readonly margin?: number;
  /** Whether shrinking averages over all source pixels; true when left out. */
  readonly antialias?: boolean;
}

/** Options of {@link createAttributeClassifier}. */
export interface AttributeClassifierOptions extends FaceCropOptions {
  /** Faces that run at once; 8 when left out. */
  readonly batchSize?: number;
}

/** What a classifier says of a batch of images. Rows of images without a face are NaN. */
export interface AttributeScores {
  readonly attributes: readonly AttributeHead[];
  /** Float32 logits of each attribute [N, classes]. */
  readonly logits: readonly Float32Array[];
  /** Softmax of the logits of each attribute [N, classes]. */
  readonly probabilities: readonly Float32Array[];
}

/** Classifies faces in images. */
export interface AttributeClassifier {
  readonly attributes: readonly AttributeHead[];
  /**
   * Classifies one face an image.
   * @param boxes the face of each image, or null where it shows none
   * @throws Error when there is not one box for each image
   */
  classify(images: ImageBatch, boxes: readonly (Box | null)[]): Promise<AttributeScores>;
  /** Gives the classifier's memory back. */
  release(): Promise<void>;
}

const namesSchema = z.looseObject({ classes: z.record(z.string(), z.array(z.string()).min(2)) });

/** A classifier's configuration, and its attributes with the class names that its field `classes` lists. */
function parseNamedClassifier(json: unknown) {
  const classifier = parseImageClassifierConfig(json);
  const { classes } = parseConfig(namesSchema, json, 'image classifier');
  const attributes = Object.entries(classifier.heads).map(([name, count]): AttributeHead => {
    const names = classes[name];
    if (names?.length !== count) {
      throw new Error(
        `image classifier configuration: classes.${name}: expected ${count} names, received ${names ?? 'none'}`,
      );
    }
    return Object.freeze({ name, classes: Object.freeze(names) });
  });
  return { classifier, attributes };
}

/**
 * Opens a classifier as a function of graph values: a folder (config.json, model.safetensors), or a card (.yaml) of someone
 * else's model.
 * @throws Error naming the file that is missing or wrong
 */
export function loadAttributeModel(path: string): AttributeModel {
  return isCard(path) ? openCardClassifier(path) : openFolder(path);
}

function openFolder(folder: string): AttributeModel {
  const { config, parameters, preprocessing, check } = openModelFolder(folder, parseNamedClassifier);
  const { classifier, attributes } = config;
  const side = classifier.image_size;
  check((tracked) => imageClassifier(classifier, tracked, input('images', [1, 3, side, side])));
  return Object.freeze({
    attributes: Object.freeze(attributes),
    side,
    logits(crops: Value) {
      const { logits } = imageClassifier(classifier, parameters, preprocess(crops, preprocessing, side));
      return attributes.map(({ name }) => logits[name]!);
    },
  });
}

/** A classifier that runs: crops the faces, classifies them and takes the softmax. */
export function createAttributeClassifier(
  runtime: Runtime,
  model: AttributeModel,
  options: AttributeClassifierOptions = {},
): AttributeClassifier {
  const { antialias = true, batchSize = DEFAULT_BATCH_SIZE } = options;
  const { attributes, side } = model;
  const margin = options.margin ?? model.margin ?? FACE_CROP_MARGIN;
  const graphs = graphsBySize(({ height, width }) =>
    compileBatched(runtime, batchSize, (batch) => {
      const images = input('images', [batch, 3, height, width]);
      const rows = input('rows', [batch, side, height]);
      const columns = input('columns', [batch, width, side]);
      const logits = model.logits(cropImages(images, rows, columns));
      return Object.fromEntries(attributes.map(({ name }, i) => [`logits.${name}`, logits[i]!]));
    }),
  );
  return {
    attributes,
    async classify(images, boxes) {
      if (boxes.length !== images.count) {
        throw new Error(`classify: expected ${images.count} boxes, received ${boxes.length}`);
      }
      const shown = boxes.flatMap((box, image) => (box === null ? [] : [image]));
      const logits = attributes.map(({ classes }) =>
        new Float32Array(images.count * classes.length).fill(Number.NaN),
      );
      if (shown.length > 0) {
        const windows = shown.map((image) => faceWindow(boxes[image]!, margin));
        const faces = shown.length === images.count ? images : selectImages(images, shown);
        const graph = await graphs.at(images);
        const outputs = await graph.run(shown.length, {
          images: faces.data,
          ...cropMatrices(windows, images, { side, antialias }),
        });
        attributes.forEach(({ name, classes: { length } }, axis) => {
          const rows = outputs[`logits.${name}`] as Float32Array;
          shown.forEach((image, i) => {
            logits[axis]!.set(rows.subarray(i * length, (i + 1) * length), image * length);
          });
        });
      }
      const probabilities = logits.map((rows, axis) => softmaxOf(rows, attributes[axis]!.classes.length));
      return { attributes, logits, probabilities };
    },
    release: graphs.release,
  };
}

/**
 * Opens a classifier's folder or card and prepares it to run.
 * @throws Error naming the file that is missing or wrong
 */
export function loadAttributeClassifier(
  runtime: Runtime,
  path: string,
  options: AttributeClassifierOptions = {},
): AttributeClassifier {
  return createAttributeClassifier(runtime, loadAttributeModel(path), options);
}

function softmaxOf(logits: Float32Array, classes: number): Float32Array {
  const probabilities = new Float32Array(logits.length);
  for (let row = 0; row < logits.length; row += classes) {
    const scores = logits.subarray(row, row + classes);
    const largest = scores.reduce((most, score) => Math.max(most, score), Number.NEGATIVE_INFINITY);
    const powers = Array.from(scores, (score) => Math.exp(score - largest));
    const sum = powers.reduce((total, power) => total + power, 0);
    powers.forEach((power, k) => {
      probabilities[row + k] = power / sum;
    });
  }
  return probabilities;
}
