/** A small classifier of several attributes of an image at once: one backbone, one linear head an attribute. */

import { z } from 'zod';
import type { Value } from '../graph/building.ts';
import { globalAveragePool2d, reshape, scope } from '../graph/building.ts';
import { parseConfig } from './config.ts';
import { backboneFeatures, backboneFields, checkBackbone, imageBackbone } from './image_backbone.ts';
import { ACTIVATIONS } from './layers.ts';
import type { Parameters } from './parameters.ts';

const schema = z.looseObject({
  ...backboneFields,
  /** Size of the feature vector: a linear layer and an activation on the means; the means themselves when left out. */
  features: z.int().positive().optional(),
  /** Number of classes by attribute. */
  heads: z.record(z.string(), z.int().min(2)),
});

/** Configuration of a classifier: the backbone, the size of the feature vector, and the attributes. */
export type ImageClassifierConfig = Readonly<z.output<typeof schema>>;

/**
 * Checks a parsed config.json of a classifier.
 * @throws Error naming each field that is missing or does not fit
 */
export function parseImageClassifierConfig(json: unknown): ImageClassifierConfig {
  const config = parseConfig(schema, json, 'image classifier');
  checkBackbone(config, 'image classifier');
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
    const stages = imageBackbone(config, parameters, image);
    const map = backboneFeatures(config, parameters, stages[stages.length - 1]!);
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

function featureVectors(config: ImageClassifierConfig, parameters: Parameters, means: Value): Value {
  if (config.features === undefined) return means;
  const shape = { inputs: means.shape[1]!, outputs: config.features, bias: true };
  return ACTIVATIONS[config.activation](parameters.linear(means, 'features', shape));
}
