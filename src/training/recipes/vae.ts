/** Recipe of the latent autoencoder: sharp reconstructions with a lightly regularised latent space. */

import type { Value } from '../../graph/index.ts';
import { add, exp, input, mul, reduceMean, scale, shift, sub } from '../../graph/index.ts';
import type { Parameters, VaeConfig } from '../../models/index.ts';
import { vaeDecode, vaeDownscale, vaeEncode, vaeSample } from '../../models/index.ts';
import type { ReconstructionWeights } from './reconstruction.ts';
import { reconstructionLoss } from './reconstruction.ts';

/** What one step of the recipe minimises, and its parts. */
export interface VaeLoss {
  readonly loss: Value;
  readonly metrics: Readonly<Record<string, Value>>;
}

/** Weights of the parts of the loss. */
export interface VaeLossWeights extends ReconstructionWeights {
  /** Kullback-Leibler divergence of the latents from the standard normal, per latent element. */
  readonly divergence: number;
}

/**
 * Reconstruction loss of decode(sample) + divergence * KL (Kingma and Welling), the latter a mean over elements.
 * Inputs: `image` [N, 3, side, side], `noise` of the latents' shape, `weights` [N, 1, side, side] of the pixels.
 * @param batchSize images a step
 * @param side image side in pixels
 */
export function vaeLoss(
  config: VaeConfig,
  parameters: Parameters,
  batchSize: number,
  side: number,
  weights: VaeLossWeights,
): VaeLoss {
  const image = input('image', [batchSize, 3, side, side]);
  const latentSide = side / vaeDownscale(config);
  const noise = input('noise', [batchSize, config.latent_channels, latentSide, latentSide]);
  const moments = vaeEncode(config, parameters, image);
  const decoded = vaeDecode(config, parameters, vaeSample(moments, noise));
  const pixels = input('weights', [batchSize, 1, side, side]);
  const { loss, error } = reconstructionLoss(decoded, image, pixels, weights);
  const { mean, logvar } = moments;
  const divergence = scale(reduceMean(shift(sub(add(mul(mean, mean), exp(logvar)), logvar), -1)), 0.5);
  return { loss: add(loss, scale(divergence, weights.divergence)), metrics: { error, divergence } };
}
