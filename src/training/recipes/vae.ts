/** Recipe of the latent autoencoder: sharp reconstructions with a lightly regularised latent space. */

import type { Value } from '../../graph/index.ts';
import { abs, add, exp, input, mul, reduceMean, scale, shift, slice, sub } from '../../graph/index.ts';
import type { Parameters, VaeConfig } from '../../models/index.ts';
import { vaeDecode, vaeDownscale, vaeEncode, vaeSample } from '../../models/index.ts';

/** What one step of the recipe minimises, and its parts. */
export interface VaeLoss {
  readonly loss: Value;
  readonly metrics: Readonly<Record<string, Value>>;
}

/** Weights of the parts of the loss. */
export interface VaeLossWeights {
  /** Absolute error of neighbouring pixels' differences: keeps outlines sharp. */
  readonly edges: number;
  /** Kullback-Leibler divergence of the latents from the standard normal, per latent element. */
  readonly divergence: number;
}

/** Mean absolute difference between the horizontal and vertical differences of two images [N, 3, H, W]. */
function edgeError(a: Value, b: Value): Value {
  const difference = sub(a, b);
  const along = (axis: number) =>
    reduceMean(abs(sub(slice(difference, { axis, start: 1 }), slice(difference, { axis, end: -1 }))));
  return add(along(2), along(3));
}

/**
 * |x - decode(sample)| + edges * |dx - d decode| + divergence * KL (Kingma and Welling), each a mean over elements.
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
  const error = reduceMean(abs(sub(decoded, image)));
  const { mean, logvar } = moments;
  const divergence = scale(reduceMean(shift(sub(add(mul(mean, mean), exp(logvar)), logvar), -1)), 0.5);
  const loss = add(
    add(error, scale(edgeError(decoded, image), weights.edges)),
    scale(divergence, weights.divergence),
  );
  return { loss, metrics: { error, divergence } };
}
