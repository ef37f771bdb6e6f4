/** A classifier of several attributes of an image at once: one backbone, one linear head an attribute. */

import { z } from 'zod';
import type { Value } from '../graph/building.ts';
import { globalAveragePool2d, reshape, scope } from '../graph/building.ts';
import { parseConfig } from './config.ts';
import { backboneFeatures, backboneFields, checkBackbone, imageBackbone } from './image_backbone.ts';
import { ACTIVATIONS } from './layers.ts';
import { mobileNetV3Features, mobileNetV3Fields, mobileNetV3Large } from './mobilenet_v3.ts';
import type { Parameters } from './parameters.ts';

const headFields = {
  /**
   * Size of the feature vector: a linear layer and an activation on the means. When left out, the means themselves, and as
   * published for MobileNetV3-Large.
   */
  features: z.int().positive().optional(),
  /** Number of classes by attribute. */
  heads: z.record(z.string(), z.int().min(2)),
};

const schema = z.discriminatedUnion('type', [
  z.looseObject({ ...backboneFields, ...headFields }),
  z.looseObject({ ...mobileNetV3Fields, ...headFields }),
]);

/** Configuration of a classifier: the backbone, the size of the feature vector, and the attributes. */
export type ImageClassifierConfig = Readonly<z.output<typeof schema>>;

/**
 * Checks a parsed config.json of a classifier.
 * @throws Error naming each field that is missing or does not fit
 */
export function parseImageClassifierConfig(json: unknown): ImageClassifierConfig {
  const config = parseConfig(schema, json, 'image classifier');
  if (config.type !== 'mobilenet_v3_large') checkBackbone(config, 'image classifier');
  return config;
}

/** What a classifier computes. */
export interface ImageClassifierOutputs {
  /** Feature vectors [N, size]. */
  readonly features: Value;
  /** Scores before the softmax, by attribute [N, classes]. */
  readonly logits: Readonly<Record<string, Value>>;
}

/**
 * Classifies images.
 * @param image [N, in_channels, image_size, image_size] in -1..1
 * @throws Error when the images have another size
 */
export function imageClassifier(
  config: ImageClassifierConfig,
  parameters: Parameters,
  image: Value,
): ImageClassifierOutputs {
  return scope('image_classifier', () => {
    const map = featureMap(config, parameters, image);
    const means = reshape(globalAveragePool2d(map), map.shape.slice(0, 2));
    const features = featureVectors(config, parameters, means);
    const inputs = features.shape[1]!;
    const logits: Record<string, Value> = {};
    for (const [name, outputs] of Object.entries(config.heads)) {
      logits[name] = parameters.linear(features, `heads.${name}`, { inputs, outputs, bias: true });
    }
    return { features, logits };
  });
}

function featureMap(config: ImageClassifierConfig, parameters: Parameters, image: Value): Value {
  if (config.type === 'mobilenet_v3_large') return mobileNetV3Large(config, parameters, image);
  const stages = imageBackbone(config, parameters, image);
  return backboneFeatures(config, parameters, stages[stages.length - 1]!);
}

function featureVectors(config: ImageClassifierConfig, parameters: Parameters, means: Value): Value {
  const isLarge = config.type === 'mobilenet_v3_large';
  const outputs = config.features ?? (isLarge ? mobileNetV3Features(config) : undefined);
  if (outputs === undefined) return means;
  const shape = { inputs: means.shape[1]!, outputs, bias: true };
  const activation = ACTIVATIONS[isLarge ? 'hard_swish' : config.activation];
  return activation(parameters.linear(means, 'features', shape));
}
