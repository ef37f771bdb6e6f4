/** A small network that turns aligned faces into unit vectors, close together for the same person. */

import { z } from 'zod';
import type { Value } from '../graph/building.ts';
import { linear, mul, normalizeL2, oneHot, reduceSum, scale, scope, sub } from '../graph/building.ts';
import { parseConfig } from './config.ts';
import { backboneFeatures, backboneFields, checkBackbone, imageBackbone } from './image_backbone.ts';
import type { Parameters } from './parameters.ts';

const schema = z.looseObject({
  ...backboneFields,
  /** Length of the embedding vectors. */
  embedding: z.int().positive().default(128),
});

/** Configuration of an embedder: the backbone and the length of the vectors. */
export type FaceEmbedderConfig = Readonly<z.output<typeof schema>>;

/**
 * Checks a parsed config.json of a face embedder.
 * @throws Error naming each field that is missing or does not fit
 */
export function parseFaceEmbedderConfig(json: unknown): FaceEmbedderConfig {
  const config = parseConfig(schema, json, 'face embedder');
  checkBackbone(config, 'face embedder');
  return config;
}

/**
 * Embeds faces. The last feature map is pooled with learned weights for each channel and place, because faces are aligned
 * and a place has a meaning (Chen et al. 2018, MobileFaceNets).
 * @param faces aligned faces [N, in_channels, image_size, image_size] in -1..1
 * @returns [N, embedding], of length 1
 * @throws Error when the images have another size
 */
export function faceEmbedder(config: FaceEmbedderConfig, parameters: Parameters, faces: Value): Value {
  return scope('face_embedder', () => {
    const stages = imageBackbone(config, parameters, faces);
    const map = backboneFeatures(config, parameters, stages[stages.length - 1]!);
    const places = parameters.tensor('pool.weight', map.shape.slice(1));
    const pooled = reduceSum(mul(map, places), { axes: [2, 3] });
    const shape = { inputs: pooled.shape[1]!, outputs: config.embedding, bias: true };
    return normalizeL2(parameters.linear(pooled, 'embedding', shape));
  });
}

/** Constants of {@link cosFaceLogits}. */
export interface CosFaceOptions {
  /** Taken off the cosine of the right class. */
  readonly margin: number;
  /** Factor of the cosines, so that the softmax can become sharp. */
  readonly scale: number;
}

/**
 * Scores for a cross-entropy over persons that leaves a margin between them (Wang et al. 2018, CosFace, equation 4).
 * @param embeddings unit vectors [N, size]
 * @param persons one vector a person [persons, size], of any length
 * @param labels right person of each embedding [N] int64
 * @returns scale * (cosine - margin where the person is the right one) [N, persons]
 */
export function cosFaceLogits(
  embeddings: Value,
  persons: Value,
  labels: Value,
  options: CosFaceOptions,
): Value {
  const cosines = linear(embeddings, normalizeL2(persons), null);
  const margins = scale(oneHot(labels, persons.shape[0]!), options.margin);
  return scale(sub(cosines, margins), options.scale);
}
