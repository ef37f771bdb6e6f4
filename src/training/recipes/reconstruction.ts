/** How far decoded images are from their originals: absolute, squared and edge error, weighted pixel by pixel. */

import type { Value } from '../../graph/index.ts';
import { abs, add, mul, reduceMean, scale, slice, sub } from '../../graph/index.ts';

/** Weights of the parts of a reconstruction's loss; the absolute error has 1. */
export interface ReconstructionWeights {
  /** Absolute error of neighbouring pixels' differences: keeps outlines sharp. */
  readonly edges: number;
  /** Squared error: small things of high contrast, such as eyes, count more. */
  readonly squares: number;
}

/** Loss and the part of it that is logged. */
export interface ReconstructionLoss {
  readonly loss: Value;
  /** Mean absolute error, pixels not weighted. */
  readonly error: Value;
}

/**
 * mean w |d| + squares * mean w d^2 + edges * (mean w |d_x| + mean w |d_y|), with d = decoded - image and d_x, d_y the
 * differences of horizontal and vertical neighbours in it.
 * @param decoded images [N, 3, H, W]
 * @param image originals [N, 3, H, W]
 * @param pixels w [N, 1, H, W]
 */
export function reconstructionLoss(
  decoded: Value,
  image: Value,
  pixels: Value,
  weights: ReconstructionWeights,
): ReconstructionLoss {
  const difference = sub(decoded, image);
  const size = abs(difference);
  const along = (axis: number) => {
    const step = abs(sub(slice(difference, { axis, start: 1 }), slice(difference, { axis, end: -1 })));
    return reduceMean(mul(step, slice(pixels, { axis, start: 1 })));
  };
  const edges = scale(add(along(2), along(3)), weights.edges);
  const squares = scale(reduceMean(mul(mul(difference, difference), pixels)), weights.squares);
  return { loss: add(add(reduceMean(mul(size, pixels)), squares), edges), error: reduceMean(size) };
}
