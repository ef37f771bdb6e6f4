/** Embedding of diffusion timesteps: sines and cosines of many frequencies, then a small network. */

import type { Value } from '../graph/building.ts';
import { concat, constant, cos, mul, reshape, scope, silu, sin } from '../graph/building.ts';
import type { Parameters } from './parameters.ts';

/** Longest wavelength over 2 pi, in timesteps (Vaswani et al. 2017, section 3.5). */
const LONGEST_PERIOD = 10_000;

/**
 * Sinusoidal embedding: for i < size/2 the angle t * 10000^(-i / (size/2 - frequencyShift)).
 * @param timesteps [N] float32
 * @param size even number of values a timestep
 * @param cosinesFirst cosines in the first half and sines in the second; else the other way round
 * @returns [N, size]
 */
export function sinusoidalEmbedding(
  timesteps: Value,
  size: number,
  cosinesFirst: boolean,
  frequencyShift: number,
): Value {
  const half = size / 2;
  const frequencies = Array.from(
    { length: half },
    (_, i) => LONGEST_PERIOD ** (-i / (half - frequencyShift)),
  );
  const angles = mul(reshape(timesteps, [-1, 1]), constant(frequencies, [1, half]));
  return concat(cosinesFirst ? [cos(angles), sin(angles)] : [sin(angles), cos(angles)], 1);
}

/**
 * The network on top: linear_1 - SiLU - linear_2.
 * @param embedding [N, C]
 * @returns [N, size]
 */
export function timeEmbeddingNetwork(parameters: Parameters, embedding: Value, size: number): Value {
  return scope('time_embedding', () => {
    const inputs = embedding.shape[1]!;
    const hidden = silu(parameters.linear(embedding, 'linear_1', { inputs, outputs: size, bias: true }));
    return parameters.linear(hidden, 'linear_2', { inputs: size, outputs: size, bias: true });
  });
}
