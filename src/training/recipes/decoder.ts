/** Recipe that goes on training an autoencoder's decoder alone, on latents that its encoder made, with attention to faces. */

import type { Value } from '../../graph/index.ts';
import { abs, add, input, mul, reduceMean, scale, slice, sub } from '../../graph/index.ts';
import type { Parameters, VaeConfig } from '../../models/index.ts';
import { vaeDecode, vaeDownscale } from '../../models/index.ts';

/** Loss of one step and its parts. */
export interface DecoderLoss {
  readonly loss: Value;
  readonly metrics: Readonly<Record<string, Value>>;
}

/**
 * Mean of w |x - decode(z)| plus `edges` times that of w |dx - d decode| over neighbouring pixels.
 * Inputs: `latents` [N, c, h, w] (not scaled), `image` [N, 3, H, W], `weights` [N, 1, H, W] with mean about 1.
 */
export function decoderLoss(
  config: VaeConfig,
  parameters: Parameters,
  batchSize: number,
  side: number,
  edges: number,
): DecoderLoss {
  const latentSide = side / vaeDownscale(config);
  const latents = input('latents', [batchSize, config.latent_channels, latentSide, latentSide]);
  const image = input('image', [batchSize, 3, side, side]);
  const weights = input('weights', [batchSize, 1, side, side]);
  const difference = sub(vaeDecode(config, parameters, latents), image);
  const size = abs(difference);
  const along = (axis: number) => {
    const step = abs(sub(slice(difference, { axis, start: 1 }), slice(difference, { axis, end: -1 })));
    return reduceMean(mul(step, slice(weights, { axis, start: 1 })));
  };
  const loss = add(reduceMean(mul(size, weights)), scale(add(along(2), along(3)), edges));
  return { loss, metrics: { error: reduceMean(size) } };
}
