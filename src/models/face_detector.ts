/** A small detector of faces: for every cell of a grid a score, a box and five landmarks, without anchors. */

import { z } from 'zod';
import type { Value } from '../graph/building.ts';
import { add, reshape, resizeNearest, scale, scope, shift, softplus } from '../graph/building.ts';
import { imageToTokens } from './attention_layer.ts';
import { parseConfig } from './config.ts';
import { backboneFields, checkBackbone, imageBackbone, stageStride } from './image_backbone.ts';
import { ACTIVATIONS, convolution, namedGroupNorm } from './layers.ts';
import type { Parameters } from './parameters.ts';

const EPSILON = 1e-5;
/** Added to every score, so that an untrained detector sees almost no faces (Lin et al. 2017, section 3.3). */
const PRIOR_LOGIT = -4;
/** Landmarks of a face: right eye, left eye, nose, right and left corner of the mouth, as they lie in the picture from the left. */
export const LANDMARKS = 5;

const schema = z.looseObject({
  ...backboneFields,
  /** Pixels between neighbouring cells. */
  stride: z.union([z.literal(4), z.literal(8)]).default(8),
  /** Channels of the layers between backbone and outputs. */
  width: z.int().positive().default(32),
});

/** Configuration of a detector: the backbone, the grid and the width of its last layers. */
export type FaceDetectorConfig = Readonly<z.output<typeof schema>>;

/**
 * Checks a parsed config.json of a face detector.
 * @throws Error naming each field that is missing or does not fit, or when no stage has the stride
 */
export function parseFaceDetectorConfig(json: unknown): FaceDetectorConfig {
  const config = parseConfig(schema, json, 'face detector');
  checkBackbone(config, 'face detector');
  const strides = config.channels.map((_, stage) => stageStride(config, stage));
  const refuse = (field: string, expected: string, received: unknown) => {
    throw new Error(`face detector configuration: ${field}: expected ${expected}, received ${received}`);
  };
  const last = strides[strides.length - 1]!;
  if (!strides.includes(config.stride)) refuse('stride', `one of the stages' ${strides}`, config.stride);
  if (config.image_size % last !== 0) refuse('image_size', `a multiple of ${last}`, config.image_size);
  if (config.width % config.groups !== 0) refuse('width', `a multiple of ${config.groups}`, config.width);
  return config;
}

/** What a detector computes, for cells row by row; a cell's centre is ((column + 1/2) stride, (row + 1/2) stride). */
export interface FaceDetectorOutputs {
  /** Log-odds that the cell lies in the middle of a face [N, cells]. */
  readonly logits: Value;
  /** Pixels from the cell's centre to the left, top, right and bottom edge of the face [N, cells, 4]. */
  readonly distances: Value;
  /** x and y of five landmarks in pixels from the cell's centre [N, cells, 10]. */
  readonly landmarks: Value;
}

/**
 * Looks for faces.
 * @param image [N, in_channels, image_size, image_size] in -1..1
 * @throws Error when the images have another size
 */
export function faceDetector(
  config: FaceDetectorConfig,
  parameters: Parameters,
  image: Value,
): FaceDetectorOutputs {
  return scope('face_detector', () => {
    const map = pyramid(config, parameters, imageBackbone(config, parameters, image));
    const layer = convolution(parameters, map, 'head.conv', { outputs: config.width, bias: false });
    const normalized = namedGroupNorm(parameters, layer, 'head.norm', config.groups, EPSILON);
    const x = ACTIVATIONS[config.activation](normalized);
    const cells = (name: string, outputs: number) =>
      imageToTokens(convolution(parameters, x, name, { outputs, kernel: 1 }));
    const scores = cells('score', 1);
    return {
      logits: shift(reshape(scores, scores.shape.slice(0, 2)), PRIOR_LOGIT),
      distances: scale(softplus(cells('box', 4)), config.stride),
      landmarks: scale(cells('landmarks', 2 * LANDMARKS), config.stride),
    };
  });
}

/** Coarse stages enlarged and added to finer ones, down to the stage of the grid (Lin et al. 2017, feature pyramids). */
function pyramid(config: FaceDetectorConfig, parameters: Parameters, stages: readonly Value[]): Value {
  const { width: outputs } = config;
  const lateral = (stage: number) =>
    convolution(parameters, stages[stage]!, `lateral.${stage}`, { outputs, kernel: 1 });
  let x = lateral(stages.length - 1);
  for (let stage = stages.length - 2; stageStride(config, stage) >= config.stride; stage--) {
    const finer = lateral(stage);
    x = add(finer, resizeNearest(x, finer.shape[2]!, finer.shape[3]!));
  }
  return x;
}
