/** The image losses and their gradients with respect to the pixels as one graph. */

import { alignFaces } from '../faces/alignment.ts';
import type { AttributeModel } from '../faces/attributes.ts';
import type { FaceBank } from '../faces/bank.ts';
import { cropImages } from '../faces/crop.ts';
import type { FaceEmbedder } from '../faces/embedding.ts';
import type { ImageSize } from '../faces/image_batch.ts';
import type { Value } from '../graph/index.ts';
import { add, cosineDistance, gradient, input, mul, scalar } from '../graph/index.ts';
import type { ImageEncoder } from './image_encoder.ts';
import { crossEntropies, faceDistances, weightedSum } from './losses.ts';

/** The models that judge images. A part of the loss whose model is missing is left out. */
export interface JudgeModels {
  /** Classifier of the attributes. */
  readonly classifier: AttributeModel;
  /** Face embedder and the bank of real faces; null leaves the face realism loss out. */
  readonly face: { readonly embedder: FaceEmbedder; readonly bank: FaceBank | null } | null;
  /** Encoders of the image semantics loss; none leaves it out. */
  readonly encoders: readonly ImageEncoder[];
}

/** Sum of values of equal shape; null for none. */
function sum(values: readonly Value[]): Value | null {
  return values.length === 0 ? null : values.reduce((total, value) => add(total, value));
}

/**
 * The graph of the losses of `batch` images. Its inputs:
 * - `images` [N, 3, height, width] in -1..1;
 * - `crop.rows` [N, side, height], `crop.columns` [N, width, side] of the face crops;
 * - for each attribute `target.NAME` [N, classes] one-hot and `align.NAME` [N], the weight of its cross-entropy;
 * - `align.indices` int32 and `align.weights` [N, 4 side side] of the aligned faces, `face.own` [N, dimension],
 *   `face.useOwn` [N] and `face.weight` [N];
 * - for each encoder `original.NAME` [N, dimension], its embedding of the frozen model's image; `image.weight` [N], and
 *   `image.map` [N, 1, height, width], by which the pixel gradient of the image semantics loss is multiplied.
 *
 * Its outputs: `crossEntropy.NAME` [N], `face.distance` [N], `face.nearest` [N] int64 (with a bank), `distance.NAME` [N] for
 * each encoder, and `gradient` [N, 3, height, width] of
 * sum_i align_i crossEntropy_i + face.weight_i face_i + map_i * (d/dx of image.weight_i sum of distances_i).
 * @param separate whether `gradient.align`, `gradient.face` and `gradient.image` (before the map) are outputs too
 */
export function imageLossGraph(
  { classifier, face, encoders }: JudgeModels,
  batch: number,
  { height, width }: ImageSize,
  separate = false,
): Record<string, Value> {
  const images = input('images', [batch, 3, height, width]);
  const outputs: Record<string, Value> = {};
  const pixelGradient = (loss: Value) => gradient([loss], [scalar(1)], [images])[0]!;
  const parts: Record<string, Value> = {};

  const crops = cropImages(
    images,
    input('crop.rows', [batch, classifier.side, height]),
    input('crop.columns', [batch, width, classifier.side]),
  );
  const logits = classifier.logits(crops);
  const aligned = classifier.attributes.map(({ name, classes }, axis) => {
    const entropies = crossEntropies(logits[axis]!, input(`target.${name}`, [batch, classes.length]));
    outputs[`crossEntropy.${name}`] = entropies;
    return weightedSum(entropies, input(`align.${name}`, [batch]));
  });
  parts.align = sum(aligned)!;

  if (face !== null) {
    const { side, dimension } = face.embedder;
    const samples = [batch, 4 * side * side];
    const faces = alignFaces(
      images,
      input('align.indices', samples, 'int32'),
      input('align.weights', samples),
    );
    const own = input('face.own', [batch, dimension]);
    const useOwn = input('face.useOwn', [batch]);
    const { distances, nearest } = faceDistances(face.embedder.embed(faces), {
      bank: face.bank,
      own,
      useOwn,
    });
    outputs['face.distance'] = distances;
    if (nearest !== null) outputs['face.nearest'] = nearest;
    parts.face = weightedSum(distances, input('face.weight', [batch]));
  }

  if (encoders.length > 0) {
    const weights = input('image.weight', [batch]);
    const semantics = encoders.map(({ name, dimension, encode }) => {
      const distances = cosineDistance(encode(images), input(`original.${name}`, [batch, dimension]));
      outputs[`distance.${name}`] = distances;
      return weightedSum(distances, weights);
    });
    parts.image = sum(semantics)!;
  }

  return {
    ...outputs,
    ...gradients(parts, input('image.map', [batch, 1, height, width]), separate, pixelGradient),
  };
}

function gradients(
  parts: Readonly<Record<string, Value>>,
  map: Value,
  separate: boolean,
  pixelGradient: (loss: Value) => Value,
): Record<string, Value> {
  const { image, ...unmapped } = parts;
  const mapped = image === undefined ? null : pixelGradient(image);
  const others = separate
    ? Object.entries(unmapped).map(([name, loss]) => [name, pixelGradient(loss)] as const)
    : [['faces', pixelGradient(sum(Object.values(unmapped))!)] as const];
  const terms = others.map(([, value]) => value);
  const total = sum(mapped === null ? terms : [...terms, mul(mapped, map)])!;
  if (!separate) return { gradient: total };
  const each = mapped === null ? others : [...others, ['image', mapped] as const];
  return { gradient: total, ...Object.fromEntries(each.map(([name, value]) => [`gradient.${name}`, value])) };
}
