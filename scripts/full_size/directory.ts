/** Full-size Stable Diffusion 1.5 with judges of published sizes and random weights, written as a model directory. */

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gaussianNoise } from '../../src/diffusion/noise.ts';
import { writeFaceBank } from '../../src/faces/index.ts';
import { writeCompanion } from '../../src/faces/testing/companions.ts';
import type { Value } from '../../src/graph/index.ts';
import { elementCount, input } from '../../src/graph/index.ts';
import { clipVision, parseClipVisionConfig } from '../../src/models/clip_vision.ts';
import { dinov2, parseDinoV2Config } from '../../src/models/dinov2.ts';
import {
  expectedWeights,
  parseClipTextConfig,
  parseUNetConfig,
  parseVaeConfig,
} from '../../src/models/index.ts';
import { trainableParameters } from '../../src/models/parameters.ts';
import { clipTokenizerFiles } from '../../src/text/clip_vocabulary.ts';
import { float32ToBfloat16, float32ToFloat16 } from '../../src/weights/float16.ts';
import type { TensorToWrite } from '../../src/weights/safetensors_writer.ts';
import { writeSafetensors } from '../../src/weights/safetensors_writer.ts';
import { familyConfigs, PUBLISHED_SIZES } from '../../test/layouts.ts';

/** Element types in which the weights of Stable Diffusion are published. */
export type WeightDtype = 'F16' | 'F32' | 'BF16';

/** CLIP ViT-H/14 (laion2B), the encoder of the image semantics loss. */
const CLIP_HUGE = Object.freeze({
  hidden_size: 1280,
  intermediate_size: 5120,
  num_hidden_layers: 32,
  num_attention_heads: 16,
  hidden_act: 'gelu',
  image_size: 224,
  patch_size: 14,
  projection_dim: 1024,
});

/** DINOv2 ViT-B/14; images are resized to 224, as the preprocessor says. */
const DINO_BASE = Object.freeze({
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  image_size: 518,
  patch_size: 14,
});

/** Backbones about as large as the classifiers (MobileNetV3 Large) and embedders that are used on photographs. */
const MOBILE = Object.freeze({
  type: 'mobile',
  image_size: 224,
  channels: [16, 24, 40, 112, 160],
  blocks: [1, 2, 3, 4, 3],
  groups: 8,
  activation: 'hard_swish',
});
const FACE_COMPANIONS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = Object.freeze({
  face_detector: { type: 'resnet', image_size: 256, channels: [16, 32, 64], blocks: [1, 2, 2], stride: 8 },
  classifier: { ...MOBILE, features: 1280 },
  face_embedder: {
    type: 'resnet',
    image_size: 112,
    channels: [64, 128, 256, 512],
    blocks: [2, 2, 2, 2],
    embedding: 512,
  },
});

/** Faces of a bank, which FairFace and CelebA have tens of thousands of. */
const BANK_FACES = 20_000;
/** File of the bank for the card faceres-embedding. */
export const FACERES_BANK = 'faceres_bank.safetensors';
/** Banks by file, and the size of their embeddings. */
const BANKS = Object.freeze({ 'face_bank.safetensors': 512, [FACERES_BANK]: 1024 });

/** A prime number of random values: tensors are cut out of their repetition, so that no two rows agree. */
const POOL_SIZE = 1_048_583;

/** Tensors of given shapes with random elements: about 1 for scales of norms, of variance 1/fan-in for matrices. */
function randomTensors(
  shapes: ReadonlyMap<string, readonly number[]>,
  dtype: WeightDtype,
  pool: Float32Array,
): Map<string, TensorToWrite> {
  let start = 0;
  return new Map(
    [...shapes].map(([name, shape]): [string, TensorToWrite] => {
      const count = elementCount(shape);
      const first = start % POOL_SIZE;
      start += count;
      const data = () => {
        const isScale = /(norm.*weight|lambda1)$/.test(name);
        const deviation = shape.length > 1 ? 1 / Math.sqrt(elementCount(shape.slice(1))) : 0.02;
        const scale = (value: number) => (isScale ? 1 : 0) + deviation * value;
        // Small tensors take what they need; large ones repeat the whole pool.
        const fits = first + count <= POOL_SIZE;
        const scaled = (fits ? pool.subarray(first, first + count) : pool).map(scale);
        return repeated(inDtype(scaled, dtype), fits ? 0 : first, count);
      };
      return [name, { dtype, shape, data }];
    }),
  );
}

function inDtype(values: Float32Array, dtype: WeightDtype): Float32Array | Uint16Array {
  if (dtype === 'F32') return values;
  return dtype === 'F16' ? float32ToFloat16(values) : float32ToBfloat16(values);
}

function repeated<T extends Float32Array | Uint16Array>(pool: T, first: number, count: number): T {
  const result = new (pool.constructor as new (length: number) => T)(count);
  for (let done = 0; done < count; ) {
    const from = (first + done) % pool.length;
    const length = Math.min(pool.length - from, count - done);
    result.set(pool.subarray(from, from + length), done);
    done += length;
  }
  return result;
}

/** Shapes of the parameters that `build` asks for. */
function shapesOf(
  build: (parameters: ReturnType<typeof trainableParameters>['parameters']) => unknown,
): Map<string, readonly number[]> {
  const { parameters, values } = trainableParameters();
  build(parameters);
  return new Map([...values].map(([name, { shape }]: [string, Value]) => [name, shape]));
}

/**
 * Writes Stable Diffusion 1.5 (U-Net of 860M, autoencoder of 84M, text encoder of 123M parameters), CLIP ViT-H/14 and
 * DINOv2 ViT-B/14 in `dtype`, and face models in float32, all with random weights.
 */
export function writeFullSizeDirectory(folder: string, dtype: WeightDtype): void {
  const write = (name: string, text: string) => {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  };
  const json = (name: string, content: object) => write(name, JSON.stringify(content));
  const pool = gaussianNoise({ seed: 1, stream: 'full size' }, POOL_SIZE);
  const component = (
    name: string,
    file: string,
    config: object,
    shapes: ReadonlyMap<string, readonly number[]>,
  ) => {
    json(`${name}/config.json`, config);
    writeSafetensors(path.join(folder, name, file), randomTensors(shapes, dtype, pool));
  };
  const { unet, vae, text } = familyConfigs(1, PUBLISHED_SIZES[1]);
  const diffusion = 'diffusion_pytorch_model.safetensors';
  component('unet', diffusion, unet, expectedWeights('unet', parseUNetConfig(unet)));
  component('vae', diffusion, vae, expectedWeights('vae', parseVaeConfig(vae)));
  component(
    'text_encoder',
    'model.safetensors',
    text,
    expectedWeights('textEncoder', parseClipTextConfig(text)),
  );
  const side = 224;
  const images = input('images', [1, 3, side, side]);
  component(
    'clip',
    'model.safetensors',
    CLIP_HUGE,
    shapesOf((p) => clipVision(parseClipVisionConfig(CLIP_HUGE), p, images)),
  );
  component(
    'dino',
    'model.safetensors',
    DINO_BASE,
    shapesOf((p) => dinov2(parseDinoV2Config(DINO_BASE), p, images)),
  );
  const preprocessing = {
    size: { height: side, width: side },
    do_resize: true,
    do_normalize: true,
    image_mean: [0.48, 0.46, 0.41],
    image_std: [0.27, 0.26, 0.28],
  };
  for (const name of ['clip', 'dino']) json(`${name}/preprocessor_config.json`, preprocessing);
  for (const [name, overrides] of Object.entries(FACE_COMPANIONS)) writeCompanion(folder, name, overrides);
  for (const [name, dimension] of Object.entries(BANKS)) {
    const embeddings = gaussianNoise({ seed: 8 }, BANK_FACES * dimension);
    writeFaceBank(path.join(folder, name), { embeddings, dimension });
  }
  const { vocabJson, mergesTxt } = clipTokenizerFiles();
  write('tokenizer/vocab.json', vocabJson);
  write('tokenizer/merges.txt', mergesTxt);
  json('scheduler/scheduler_config.json', {
    _class_name: 'PNDMScheduler',
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    set_alpha_to_one: false,
    skip_prk_steps: true,
    steps_offset: 1,
  });
  json('model_index.json', {
    _class_name: 'StableDiffusionPipeline',
    scheduler: ['diffusers', 'PNDMScheduler'],
    text_encoder: ['transformers', 'CLIPTextModel'],
    tokenizer: ['transformers', 'CLIPTokenizer'],
    unet: ['diffusers', 'UNet2DConditionModel'],
    vae: ['diffusers', 'AutoencoderKL'],
  });
}
