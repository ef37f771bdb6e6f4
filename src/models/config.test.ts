/** Messages about configurations that the models refuse. */

import { describe, expect, test } from 'vitest';
import { parseVaeConfig } from './vae.ts';

const vae = { block_out_channels: [8, 16], layers_per_block: 1, norm_num_groups: 4 };

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
});
