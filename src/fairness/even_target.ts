/** What the fixed sets of targets of so many images ask for, against the target itself. */

import { evenShares } from './class_counts.ts';
import { targetInWords } from './target_description.ts';
import type { TargetDistribution } from './target_distribution.ts';
import { createTarget, marginalTarget } from './target_distribution.ts';

/** Difference of a class's share from which on it is worth a word. */
const NOTICEABLE = 0.01;

/**
 * Why `targetSet: even` with so many images asks for something else than the target, in words: 20 images cannot have 16 cells of
 * which half hold 9.375% each, and the nearest set of them has 20% where 25% are asked for.
 * @returns null where every attribute's shares are within a hundredth
 */
export function evenTargetFault(target: TargetDistribution, images: number): string | null {
  const { attributes, shares } = target;
  const nearest = createTarget(attributes, [...evenShares(images, shares)]);
  const differs = attributes.some(({ name }) => {
    const [wanted, found] = [target, nearest].map((each) => marginalTarget(each, name).shares);
    return wanted!.some((share, k) => Math.abs(share - found![k]!) > NOTICEABLE);
  });
  if (!differs) return null;
  return `the even sets of ${images} images ask for ${targetInWords(nearest)}, in place of ${targetInWords(target)}`;
}
