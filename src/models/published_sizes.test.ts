/** The published models, by the number of their parameters: every layer is there, with the right sizes. */

import { describe, expect, test } from 'vitest';
import type { Value } from '../graph/index.ts';
import { elementCount, input } from '../graph/index.ts';
import { clipText, parseClipTextConfig } from './clip_text.ts';
import { clipVision, parseClipVisionConfig } from './clip_vision.ts';
import { dinov2, parseDinoV2Config } from './dinov2.ts';
import { imageClassifier, parseImageClassifierConfig } from './image_classifier.ts';
import type { Parameters } from './parameters.ts';
import { trainableParameters } from './parameters.ts';
import { parseUNetConfig, unet } from './unet.ts';
import { parseVaeConfig, vaeDecode, vaeEncode } from './vae.ts';

const unetLayout = {
  block_out_channels: [320, 640, 1280, 1280],
  down_block_types: [...new Array(3).fill('CrossAttnDownBlock2D'), 'DownBlock2D'],
  up_block_types: ['UpBlock2D', ...new Array(3).fill('CrossAttnUpBlock2D')],
  layers_per_block: 2,
};
const stableDiffusion1 = { ...unetLayout, cross_attention_dim: 768, attention_head_dim: 8 };
const stableDiffusion2 = {
  ...unetLayout,
  cross_attention_dim: 1024,
  attention_head_dim: [5, 10, 20, 20],
  use_linear_projection: true,
};
const autoencoder = { block_out_channels: [128, 256, 512, 512], layers_per_block: 2 };
const textLarge = {
  vocab_size: 49408,
  hidden_size: 768,
  intermediate_size: 3072,
  num_hidden_layers: 12,
  num_attention_heads: 12,
};
const visionHuge = {
  hidden_size: 1280,
  intermediate_size: 5120,
  num_hidden_layers: 32,
  num_attention_heads: 16,
  patch_size: 14,
  projection_dim: 1024,
  hidden_act: 'gelu',
};
const dinoBase = {
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  image_size: 518,
  patch_size: 14,
};

function buildUNet(json: object, parameters: Parameters): Value {
  const config = parseUNetConfig(json);
  const context = input('context', [1, 77, config.cross_attention_dim]);
  return unet(config, parameters, input('latents', [1, 4, 64, 64]), input('timesteps', [1]), context);
}

function buildVae(parameters: Parameters): Value {
  const config = parseVaeConfig(autoencoder);
  vaeEncode(config, parameters, input('image', [1, 3, 512, 512]));
  return vaeDecode(config, parameters, input('latents', [1, 4, 64, 64]));
}

function mobileNet(heads: Readonly<Record<string, number>>, parameters: Parameters) {
  const config = parseImageClassifierConfig({ type: 'mobilenet_v3_large', heads });
  return imageClassifier(config, parameters, input('image', [2, 3, 224, 224]));
}

describe('published models', () => {
  test.each([
    ['U-Net of Stable Diffusion 1.5', 859_520_964, (p: Parameters) => buildUNet(stableDiffusion1, p)],
    ['U-Net of Stable Diffusion 2.1', 865_910_724, (p: Parameters) => buildUNet(stableDiffusion2, p)],
    ['autoencoder of Stable Diffusion', 83_653_863, buildVae],
    [
      'text encoder of CLIP ViT-L/14',
      123_060_480,
      (p: Parameters) => clipText(parseClipTextConfig(textLarge), p, { ids: input('ids', [1, 77], 'int64') }),
    ],
    [
      'image encoder of CLIP ViT-H/14 with its projection',
      632_076_800,
      (p: Parameters) => clipVision(parseClipVisionConfig(visionHuge), p, input('x', [1, 3, 224, 224])),
    ],
    [
      // 768 fewer than in the file, which also holds the mask token of training.
      'DINOv2 ViT-B/14',
      86_580_480 - 768,
      (p: Parameters) => dinov2(parseDinoV2Config(dinoBase), p, input('x', [1, 3, 224, 224])),
    ],
    ['MobileNetV3-Large of torchvision', 5_483_032, (p: Parameters) => mobileNet({ classes: 1000 }, p)],
    [
      'MobileNetV3-Large with three heads of FairFace',
      5_483_032 - 1281 * (1000 - 18),
      (p: Parameters) => mobileNet({ gender: 2, race: 7, age: 9 }, p),
    ],
  ] as [string, number, (parameters: Parameters) => unknown][])('%s has %i parameters', (_, count, build) => {
    const { parameters, values } = trainableParameters();
    build(parameters);
    const total = [...values.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
    expect(total).toBe(count);
  });

  test('MobileNetV3-Large has the published shapes', () => {
    const { parameters, values } = trainableParameters();
    const { features, logits } = mobileNet({ classes: 1000 }, parameters);
    expect([features.shape, logits.classes!.shape]).toEqual([
      [2, 1280],
      [2, 1000],
    ]);
    const shapeOf = (name: string) => values.get(name)?.shape;
    expect(shapeOf('stem.conv.weight')).toEqual([16, 3, 3, 3]);
    // No expansion where there is nothing to expand, and squeezing to a quarter, in multiples of 8.
    expect(shapeOf('blocks.0.expand.conv.weight')).toBeUndefined();
    expect(shapeOf('blocks.0.depthwise.conv.weight')).toEqual([16, 1, 3, 3]);
    expect(shapeOf('blocks.2.squeeze.reduce.weight')).toBeUndefined();
    expect(shapeOf('blocks.3.depthwise.conv.weight')).toEqual([72, 1, 5, 5]);
    expect(shapeOf('blocks.3.squeeze.reduce.weight')).toEqual([24, 72, 1, 1]);
    expect(shapeOf('blocks.4.squeeze.reduce.weight')).toEqual([32, 120, 1, 1]);
    expect(shapeOf('blocks.14.project.conv.weight')).toEqual([160, 960, 1, 1]);
    expect(shapeOf('tail.conv.weight')).toEqual([960, 160, 1, 1]);
    expect(shapeOf('features.weight')).toEqual([1280, 960]);
  });
});
