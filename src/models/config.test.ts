/** Messages about configurations that the models refuse. */

import { describe, expect, test } from 'vitest';
import { parseUNetConfig } from './unet.ts';
import { unetLevels } from './unet_config.ts';
import { parseVaeConfig } from './vae.ts';

const vae = { block_out_channels: [8, 16], layers_per_block: 1, norm_num_groups: 4 };

const unet = {
  block_out_channels: [8, 16],
  down_block_types: ['CrossAttnDownBlock2D', 'DownBlock2D'],
  up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D'],
  cross_attention_dim: 32,
};

describe('configurations', () => {
  test('the autoencoder fills in the defaults of diffusers', () => {
    const config = parseVaeConfig(vae);
    expect(config).toMatchObject({ latent_channels: 4, scaling_factor: 0.18215, act_fn: 'silu' });
    expect(Object.isFrozen(config)).toBe(true);
  });

  test.each([
    [
      'a missing field',
      { layers_per_block: 1 },
      /AutoencoderKL configuration: block_out_channels: .*received nothing/,
    ],
    ['an unsupported activation', { ...vae, act_fn: 'mish' }, /act_fn: .*"silu".*received "mish"/],
    [
      'an unknown block',
      { ...vae, down_block_types: ['AttnDownEncoderBlock2D'] },
      /down_block_types.0: .*AttnDown/,
    ],
    [
      'too few blocks',
      { ...vae, up_block_types: ['UpDecoderBlock2D'] },
      /up_block_types: expected 2 .*received 1/,
    ],
    ['something that is no object', 3, /AutoencoderKL configuration: config: .*received 3/],
  ])('the autoencoder refuses %s', (_, json, message) => {
    expect(() => parseVaeConfig(json)).toThrow(message);
  });

  test('the U-Net takes attention_head_dim as the number of heads, one or one a level', () => {
    const heads = (json: object) =>
      unetLevels(parseUNetConfig({ ...unet, ...json })).map((level) => level.heads);
    expect(heads({})).toEqual([8, 8]);
    expect(heads({ attention_head_dim: [2, 4] })).toEqual([2, 4]);
    expect(heads({ attention_head_dim: 4, num_attention_heads: 2 })).toEqual([2, 2]);
  });

  test.each([
    [
      'another block type',
      { down_block_types: ['AttnDownBlock2D', 'DownBlock2D'] },
      /down_block_types.0: .*received "AttnDownBlock2D"/,
    ],
    ['class embeddings', { class_embed_type: 'timestep' }, /class_embed_type: .*received "timestep"/],
    ['added conditions (SDXL)', { addition_embed_type: 'text_time' }, /addition_embed_type: .*"text_time"/],
    [
      'a list of the wrong length',
      { attention_head_dim: [1, 2, 3] },
      /attention_head_dim: expected 2 entries, received 3/,
    ],
  ])('the U-Net refuses %s', (_, change, message) => {
    expect(() => parseUNetConfig({ ...unet, ...change })).toThrow(message);
  });
});
