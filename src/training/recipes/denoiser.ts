/** Recipe of the U-Net: predict the noise, or v, of noisy latents given the prompt's encoding (specification 0099-0103). */

import { createGenerator, gaussianNoise } from '../../diffusion/noise.ts';
import type { Prediction } from '../../diffusion/schedulers/prediction.ts';
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
 * Weighted mean squared error of the prediction.
 * Inputs: `noisy` and `target` [N, 4, h, w], `timesteps` [N], `weights` [N].
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
  const difference = sub(predicted, input('target', shape));
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
  /** What the U-Net learns to predict. */
  readonly prediction: Prediction;
  /**
   * Signal-to-noise ratio beyond which a timestep counts less. Noise: weight min(snr, gamma)/snr (Hang et al., Min-SNR).
   * v, whose squared error is that of the clean latents times snr + 1: min(snr, gamma) + 1 over snr + 1, so that the noisy
   * timesteps, where a scene's content is decided, keep their whole weight.
   */
  readonly gamma: number;
}

/** Weight of the squared error at a signal-to-noise ratio, see {@link DenoisingNoise}. */
function lossWeight(snr: number, gamma: number, prediction: Prediction): number {
  const offset = prediction === 'epsilon' ? 0 : 1;
  return (Math.min(snr, gamma) + offset) / (snr + offset);
}

/**
 * The inputs of one step: z_t = sqrt(abar) z + sqrt(1 - abar) eps at timesteps spread evenly over the batch, jittered; the
 * target is eps or v = sqrt(abar) eps - sqrt(1 - abar) z.
 * @param latents clean latents [N, 4, h, w], scaled
 */
export function denoisingBatch(
  latents: Float32Array,
  batchSize: number,
  step: number,
  settings: DenoisingNoise,
): Tensors {
  const { seed, alphasCumprod, gamma, prediction } = settings;
  const random = createGenerator({ seed, index: step, stream: 'timesteps' });
  const noise = gaussianNoise({ seed, index: step, stream: 'denoising noise' }, latents.length);
  const noisy = new Float32Array(latents.length);
  const target = prediction === 'epsilon' ? noise : new Float32Array(latents.length);
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
    weights[n] = lossWeight(snr, gamma, prediction);
    for (let i = n * size; i < (n + 1) * size; i++) {
      noisy[i] = signal * latents[i]! + sigma * noise[i]!;
      if (prediction === 'v_prediction') target[i] = signal * noise[i]! - sigma * latents[i]!;
    }
  }
  return { noisy, target, timesteps, weights };
}
