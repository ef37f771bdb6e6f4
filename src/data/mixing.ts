/** Mixtures of training images and of their targets, so that a classifier answers by degrees between two classes. */

import type { Generator } from '../diffusion/noise.ts';

/** Which images of a batch are mixed with which, and how much of its own each keeps. */
export interface Mixture {
  /** For each image the position of the one it is mixed with; its own where it stays as it is. */
  readonly partners: Int32Array;
  /** Share of the own image in the mixture, 0..1; 1 where it stays as it is. */
  readonly shares: Float32Array;
}

/**
 * Share by share at every pixel (mixup, Zhang et al. 2018, https://arxiv.org/abs/1710.09412) or side by side along a line in a
 * random direction (CutMix, Yun et al. 2019, https://arxiv.org/abs/1905.04899), each half of the time: mixes images of a batch
 * of planes [N, 3, side, side] in place. Partners enter as they were before any mixing.
 * @param partnerOf position of the image to mix into image i, or i for none; asked for images that are to be mixed
 * @param probability of mixing an image
 * @returns shares, uniform in 0..1 for what was mixed; of a cut, the share of the area
 */
export function mixImages(
  batch: Float32Array,
  side: number,
  partnerOf: (position: number, random: Generator) => number,
  probability: number,
  random: Generator,
): Mixture {
  const area = side * side;
  const length = 3 * area;
  const count = batch.length / length;
  const originals = batch.slice();
  const partners = Int32Array.from({ length: count }, (_, i) => i);
  const shares = new Float32Array(count).fill(1);
  for (let i = 0; i < count; i++) {
    if (random.uniform() >= probability) continue;
    const partner = partnerOf(i, random);
    const [share, isCut, angle] = [random.uniform(), random.uniform() < 0.5, random.uniform() * 2 * Math.PI];
    if (partner === i) continue;
    partners[i] = partner;
    shares[i] = share;
    const own = isCut ? halfPlane(side, share, angle) : null;
    for (let at = 0; at < length; at++) {
      const weight = own === null ? share : own[at % area]!;
      batch[i * length + at] =
        weight * originals[i * length + at]! + (1 - weight) * originals[partner * length + at]!;
    }
  }
  return { partners, shares };
}

/** 1 on the `share` of a square's pixels that lies farthest in a direction, 0 elsewhere [side * side]. */
function halfPlane(side: number, share: number, angle: number): Uint8Array {
  const [x, y] = [Math.cos(angle), Math.sin(angle)];
  const heights = Float64Array.from(
    { length: side * side },
    (_, at) => x * (at % side) + y * Math.floor(at / side),
  );
  const kept = Math.round(share * heights.length);
  const threshold = kept === 0 ? Number.POSITIVE_INFINITY : heights.toSorted()[heights.length - kept]!;
  return Uint8Array.from(heights, (height) => (height >= threshold ? 1 : 0));
}

/**
 * Mixes target probabilities [N, classes] as {@link mixImages} mixed the images: w own + (1 - w) partner's, where
 * w = s^k / (s^k + (1 - s)^k) for the share s and the sharpness k. At 1 the weight is the share; above 1 what is mostly of one
 * class counts as it more surely, and only what is near the middle stays undecided.
 * @returns the mixed rows in a new array
 */
export function mixTargets(
  targets: Float32Array,
  { partners, shares }: Mixture,
  sharpness: number,
): Float32Array {
  const classes = targets.length / shares.length;
  const weights = shares.map((share) => share ** sharpness / (share ** sharpness + (1 - share) ** sharpness));
  return targets.map((own, at) => {
    const i = Math.floor(at / classes);
    return weights[i]! * own + (1 - weights[i]!) * targets[partners[i]! * classes + (at % classes)]!;
  });
}
