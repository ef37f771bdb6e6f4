/** What the loss graph is fed with besides the images: targets, weights, alignments and pixel weights as tensors. */

import { alignmentGather } from '../faces/alignment.ts';
import type { AttributeModel } from '../faces/attributes.ts';
import type { ImageBatch } from '../faces/image_batch.ts';
import type { TensorData } from '../graph/index.ts';
import type { JudgeModels } from './loss_graph.ts';
import type { Observation } from './observation.ts';
import { weightMap } from './region_weights.ts';
import type { ImageAssignment, TargetAssignment } from './target_assignment.ts';

/** The frozen model's images as the loss needs them. */
export interface OriginalImages extends Observation {
  /** Embeddings [N, dimension] by the names of the encoders. */
  readonly features: Readonly<Record<string, Float32Array>>;
  /** Embeddings of their own faces [N, dimension]; zeros without a face, null unless faces are drawn to them. */
  readonly own: Float32Array | null;
}

/** One-hot targets and the weights 1[confident]/n of the cross-entropies, for every attribute of the classifier. */
export function alignmentWeights(
  { attributes }: AttributeModel,
  { images, faces }: TargetAssignment,
): Record<string, Float32Array> {
  const feeds: Record<string, Float32Array> = {};
  for (const { name, classes } of attributes) {
    const targets = new Float32Array(images.length * classes.length);
    const weights = new Float32Array(images.length);
    images.forEach((image, i) => {
      const target = image.targets[name];
      if (target === undefined || target.class === null) return;
      targets[i * classes.length + target.class] = 1;
      if (target.confident) weights[i] = 1 / faces;
    });
    feeds[`target.${name}`] = targets;
    feeds[`align.${name}`] = weights;
  }
  return feeds;
}

/** Where aligned faces are sampled, what they are compared with, and the weights lambda_face/n. */
export function facesFeeds(
  { embedder, bank }: NonNullable<JudgeModels['face']>,
  images: ImageBatch,
  observed: Observation,
  originals: OriginalImages,
  { images: assigned, faces }: TargetAssignment,
  lambdaFace: number,
): Record<string, TensorData> & { readonly 'face.weight': Float32Array } {
  const { indices, weights, aligned } = alignmentGather(
    observed.selections.map(({ face }) => face),
    images,
    embedder.side,
  );
  const { dimension } = embedder;
  const own = originals.own ?? new Float32Array(images.count * dimension);
  const useOwn = Float32Array.from(assigned, (image, i) => {
    const row = own.subarray(i * dimension, (i + 1) * dimension);
    return image.useOwn && row.some((value) => value !== 0) ? 1 : 0;
  });
  const weight = Float32Array.from(useOwn, (usesOwn, i) =>
    aligned[i] === 1 && assigned[i]!.hasFace && (usesOwn === 1 || bank !== null) ? lambdaFace / faces : 0,
  );
  return {
    'align.indices': indices,
    'align.weights': weights,
    'face.own': own,
    'face.useOwn': useOwn,
    'face.weight': weight,
  };
}

/** Weights of L_img for each pixel [N, 1, height, width], and their mean over each image. */
export function pixelWeights(
  images: readonly ImageAssignment[],
  { height, width }: ImageBatch,
): { readonly map: Float32Array; readonly means: Float64Array } {
  const area = height * width;
  const map = new Float32Array(images.length * area);
  const means = new Float64Array(images.length);
  images.forEach(({ weights }, i) => {
    const pixels = weightMap(weights, width, height);
    map.set(pixels, i * area);
    means[i] = pixels.reduce((sum, weight) => sum + weight, 0) / area;
  });
  return { map, means };
}
