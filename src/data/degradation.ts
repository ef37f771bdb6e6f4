/** Soft faults of generated images, put on training images so that classifiers stay sure of what they see through them. */

import type { Generator } from '../diffusion/noise.ts';
import { gaussianNoise } from '../diffusion/noise.ts';

/** How strong the faults may be. */
export interface DegradationRanges {
  /** Probability of each fault. */
  readonly probability: number;
  /** Smallest resolution that an image is reduced to and enlarged again from, as a share of its side. */
  readonly resolution: number;
  /** Largest standard deviation of added noise, in units of -1..1. */
  readonly noise: number;
}

const TABLE_LENGTH = 1 << 16;
let noiseTable: Float32Array | null = null;

/** Standard normal numbers that noise is cut from at a random place, because fresh ones would cost more than the training. */
function noiseFrom(start: number, index: number): number {
  noiseTable ??= gaussianNoise({ seed: 0, stream: 'degradation' }, TABLE_LENGTH);
  return noiseTable[(start + index) % TABLE_LENGTH]!;
}

/** Bilinear weights of an axis resized from `from` to `to` samples; averages over the source where it shrinks. */
function axisWeights(from: number, to: number): readonly (readonly (readonly [number, number])[])[] {
  const step = from / to;
  const radius = Math.max(1, step);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * step - 0.5;
    const taps: [number, number][] = [];
    for (let j = Math.ceil(centre - radius); j <= centre + radius; j++) {
      const weight = 1 - Math.abs(j - centre) / radius;
      if (weight > 0) taps.push([Math.min(from - 1, Math.max(0, j)), weight]);
    }
    const total = taps.reduce((sum, [, weight]) => sum + weight, 0);
    return taps.map(([j, weight]) => [j, weight / total] as const);
  });
}

/** Resizes a square plane along both axes. */
function resizePlane(plane: Float32Array, from: number, to: number): Float32Array {
  const weights = axisWeights(from, to);
  const wide = new Float32Array(from * to);
  for (let row = 0; row < from; row++) {
    for (let column = 0; column < to; column++) {
      let sum = 0;
      for (const [j, weight] of weights[column]!) sum += weight * plane[row * from + j]!;
      wide[row * to + column] = sum;
    }
  }
  const result = new Float32Array(to * to);
  for (let row = 0; row < to; row++) {
    for (const [j, weight] of weights[row]!) {
      for (let column = 0; column < to; column++) {
        result[row * to + column]! += weight * wide[j * to + column]!;
      }
    }
  }
  return result;
}

/** Reduces an image of a batch of planes [N, 3, side, side] to `lower` pixels a side and enlarges it again: a soft blur. */
export function lowerResolution(batch: Float32Array, position: number, side: number, lower: number): void {
  const area = side * side;
  for (let channel = 0; channel < 3; channel++) {
    const plane = batch.subarray((position * 3 + channel) * area, (position * 3 + channel + 1) * area);
    plane.set(resizePlane(resizePlane(plane, side, lower), lower, side));
  }
}

/** Adds normal noise to an image of a batch of planes [N, 3, side, side] and clamps it to -1..1. */
export function addNoise(
  batch: Float32Array,
  position: number,
  side: number,
  deviation: number,
  random: Generator,
): void {
  const length = 3 * side * side;
  const start = random.integer(TABLE_LENGTH);
  const image = batch.subarray(position * length, (position + 1) * length);
  for (let i = 0; i < length; i++) {
    image[i] = Math.min(1, Math.max(-1, image[i]! + deviation * noiseFrom(start, i)));
  }
}

/** Puts random faults on an image of a batch of planes [N, 3, side, side] in -1..1, each with the given probability. */
export function degradeImage(
  batch: Float32Array,
  position: number,
  side: number,
  ranges: DegradationRanges,
  random: Generator,
): void {
  const [blurred, noisy] = [random.uniform() < ranges.probability, random.uniform() < ranges.probability];
  const share = ranges.resolution + (1 - ranges.resolution) * random.uniform();
  const deviation = ranges.noise * random.uniform();
  if (blurred) lowerResolution(batch, position, side, Math.max(1, Math.round(share * side)));
  if (noisy) addNoise(batch, position, side, deviation, random);
}
