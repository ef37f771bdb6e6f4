/** Small companion models with random weights, written as folders, for tests. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gaussianNoise } from '../../diffusion/noise.ts';
import { elementCount, input } from '../../graph/index.ts';
import { clipVision, parseClipVisionConfig } from '../../models/clip_vision.ts';
import { dinov2, parseDinoV2Config } from '../../models/dinov2.ts';
import { faceDetector, parseFaceDetectorConfig } from '../../models/face_detector.ts';
import { faceEmbedder, parseFaceEmbedderConfig } from '../../models/face_embedder.ts';
import { imageClassifier, parseImageClassifierConfig } from '../../models/image_classifier.ts';
import type { Parameters } from '../../models/parameters.ts';
import { trainableParameters } from '../../models/parameters.ts';
import type { TensorToWrite } from '../../weights/safetensors_writer.ts';
import { writeSafetensors } from '../../weights/safetensors_writer.ts';

const BACKBONE = {
  type: 'resnet',
  image_size: 16,
  channels: [8, 16],
  blocks: [1, 1],
  groups: 4,
  activation: 'silu',
};

const VISION = {
  hidden_size: 16,
  intermediate_size: 32,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  hidden_act: 'gelu',
  image_size: 16,
  patch_size: 4,
  projection_dim: 12,
};

const DINO = {
  hidden_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  image_size: 16,
  patch_size: 4,
  mlp_ratio: 2,
};

/** Classes of the companions' classifier. */
export const CLASSES = Object.freeze({
  gender: ['female', 'male'],
  race: ['wmelh', 'asian', 'black', 'indian'],
  age: ['young', 'old'],
});

/** What each companion's folder holds and how its graph is built. */
const COMPANIONS: Readonly<
  Record<string, { readonly config: Record<string, unknown>; build(parameters: Parameters): unknown }>
> = {
  face_detector: {
    config: { ...BACKBONE, stride: 4, width: 8 },
    build(parameters) {
      faceDetector(parseFaceDetectorConfig(this.config), parameters, square(this.config.image_size));
    },
  },
  classifier: {
    config: { ...BACKBONE, heads: { gender: 2, race: 4, age: 2 }, classes: CLASSES },
    build(parameters) {
      imageClassifier(parseImageClassifierConfig(this.config), parameters, square(this.config.image_size));
    },
  },
  face_embedder: {
    config: { ...BACKBONE, embedding: 10 },
    build(parameters) {
      faceEmbedder(parseFaceEmbedderConfig(this.config), parameters, square(this.config.image_size));
    },
  },
  clip: {
    config: VISION,
    build(parameters) {
      clipVision(parseClipVisionConfig(this.config), parameters, square(this.config.image_size));
    },
  },
  dino: {
    config: DINO,
    build(parameters) {
      dinov2(parseDinoV2Config(this.config), parameters, square(this.config.image_size));
    },
  },
};

function square(side: unknown) {
  return input('images', [1, 3, side as number, side as number]);
}

/**
 * Writes `directory/NAME/config.json` and `model.safetensors` with random float32 weights: norms and scales around 1, others
 * normal with the deviation that keeps activations of order 1.
 * @param name one of face_detector, classifier, face_embedder, clip, dino
 * @param overrides fields of the configuration that replace the small ones
 * @returns the folder
 */
export function writeCompanion(
  directory: string,
  name: string,
  overrides: Readonly<Record<string, unknown>> = {},
): string {
  const companion = COMPANIONS[name]!;
  const config = { ...companion.config, ...overrides };
  const { parameters, values } = trainableParameters();
  companion.build.call({ ...companion, config }, parameters);
  const tensors = new Map<string, TensorToWrite>();
  [...values].forEach(([tensor, { shape }], index) => {
    const noise = gaussianNoise({ seed: 7, index, stream: name }, elementCount(shape));
    const around = /(norm.*weight|lambda1)$/.test(tensor) ? 1 : 0;
    const deviation = shape.length > 1 ? 1 / Math.sqrt(elementCount(shape.slice(1))) : 0.1;
    tensors.set(tensor, { dtype: 'F32', shape, data: noise.map((value) => around + deviation * value) });
  });
  const folder = join(directory, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  writeSafetensors(join(folder, 'model.safetensors'), tensors);
  return folder;
}

/** Smooth random images [count, 3, height, width] in -1..1: sums of a few waves. */
export function smoothImages(count: number, height: number, width: number, seed: number): Float32Array {
  const data = new Float32Array(count * 3 * height * width);
  const waves = 3;
  for (let plane = 0; plane < count * 3; plane++) {
    const noise = gaussianNoise({ seed, index: plane, stream: 'waves' }, waves * 3);
    for (let pixel = 0; pixel < height * width; pixel++) {
      const [x, y] = [(pixel % width) / width, Math.floor(pixel / width) / height];
      let value = 0;
      for (let k = 0; k < waves * 3; k += 3) {
        value += Math.sin(8 * (noise[k]! * x + noise[k + 1]! * y) + 3 * noise[k + 2]!) / waves;
      }
      data[plane * height * width + pixel] = 0.9 * value;
    }
  }
  return data;
}
