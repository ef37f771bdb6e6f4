/** Recipe of the U-Net: predict the noise that was mixed into latents, given the prompt's encoding (specification 0099-0103). */

import { createGenerator, gaussianNoise } from '../../diffusion/noise.ts';
import type { Tensors, Value } from '../../graph/index.ts';
import { input, mul, reduceMean, sub } from '../../graph/index.ts';
import type { Parameters, UNetConfig } from '../../models/index.ts';
import { unet } from '../../models/index.ts';

/** Scalar loss and further scalars to log. */
export interface DenoisingLoss {
  readonly loss: Value;
  readonly metrics: Readonly<Record<string, Value>>;
}

/**
 * Weighted mean squared error of the predicted noise.
 * Inputs: `noisy` and `noise` [N, 4, h, w], `timesteps` [N], `weights` [N].
 * @param context prompt encodings [N, tokens, width]
 */
export function denoisingLoss(
  config: UNetConfig,
  parameters: Parameters,
  context: Value,
  latentSide: number,
): DenoisingLoss {
  const batch = context.shape[0]!;
  const shape = [batch, config.in_channels, latentSide, latentSide];
  const predicted = unet(config, parameters, input('noisy', shape), input('timesteps', [batch]), context);
  const difference = sub(predicted, input('noise', shape));
  const perImage = reduceMean(mul(difference, difference), { axes: [1, 2, 3] });
  return {
    loss: reduceMean(mul(perImage, input('weights', [batch]))),
    metrics: { error: reduceMean(perImage) },
  };
}

/** Settings of the noise that latents are mixed with. */
export interface DenoisingNoise {
  readonly seed: number;
  /** Products of (1 - beta) up to each timestep, float64. */
  readonly alphasCumprod: ArrayLike<number>;
  /** Largest signal-to-noise ratio that counts fully: weight min(snr, gamma)/snr (Hang et al., Min-SNR). */
  readonly gamma: number;
}

/**
 * The inputs of one step: z_t = sqrt(abar) z + sqrt(1 - abar) eps at timesteps spread evenly over the batch, jittered.
 * @param latents clean latents [N, 4, h, w], scaled
 */
export function denoisingBatch(
  latents: Float32Array,
  batchSize: number,
  step: number,
  settings: DenoisingNoise,
): Tensors {
  const { seed, alphasCumprod, gamma } = settings;
  const random = createGenerator({ seed, index: step, stream: 'timesteps' });
  const noise = gaussianNoise({ seed, index: step, stream: 'denoising noise' }, latents.length);
  const noisy = new Float32Array(latents.length);
  const timesteps = new Float32Array(batchSize);
  const weights = new Float32Array(batchSize);
  const size = latents.length / batchSize;
  const count = alphasCumprod.length;
  for (let n = 0; n < batchSize; n++) {
    // Stratified: one timestep from each of batchSize equal intervals lowers the variance of the loss.
    const t = Math.min(count - 1, Math.floor(((n + random.uniform()) / batchSize) * count));
    const alpha = alphasCumprod[t]!;
    const [signal, sigma] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)];
    const snr = alpha / (1 - alpha);
    timesteps[n] = t;
    weights[n] = Math.min(snr, gamma) / snr;
    for (let i = n * size; i < (n + 1) * size; i++) noisy[i] = signal * latents[i]! + sigma * noise[i]!;
  }
  return { noisy, noise, timesteps, weights };
}
