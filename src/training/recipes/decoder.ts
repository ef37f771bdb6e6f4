/** Recipe that goes on training an autoencoder's decoder alone, on latents that its encoder made, with attention to faces. */

import type { Value } from '../../graph/index.ts';
import { input } from '../../graph/index.ts';
import type { Parameters, VaeConfig } from '../../models/index.ts';
import { vaeDecode, vaeDownscale } from '../../models/index.ts';
import type { ReconstructionWeights } from './reconstruction.ts';
import { reconstructionLoss } from './reconstruction.ts';

/** Loss of one step and its parts. */
export interface DecoderLoss {
  readonly loss: Value;
  readonly metrics: Readonly<Record<string, Value>>;
}

/**
 * Reconstruction loss of decode(latents).
 * Inputs: `latents` [N, c, h, w] (not scaled), `image` [N, 3, H, W], `weights` [N, 1, H, W] of the pixels.
 */
export function decoderLoss(
  config: VaeConfig,
  parameters: Parameters,
  batchSize: number,
  side: number,
  weights: ReconstructionWeights,
): DecoderLoss {
  const latentSide = side / vaeDownscale(config);
  const latents = input('latents', [batchSize, config.latent_channels, latentSide, latentSide]);
  const image = input('image', [batchSize, 3, side, side]);
  const pixels = input('weights', [batchSize, 1, side, side]);
  const { loss, error } = reconstructionLoss(vaeDecode(config, parameters, latents), image, pixels, weights);
  return { loss, metrics: { error } };
}
