/** Bias of a distribution over classes and its distance to a target: the measures that training and evaluation share. */

/**
 * bias(P): the mean over the K(K-1)/2 pairs of classes of |freq(i) - freq(j)| (paragraph 0124 of the specification).
 * 0 for equal frequencies, 2/K where all images are of one class.
 * @param frequencies shares that sum to one, [classes], at least two
 */
export function pairwiseBias(frequencies: ArrayLike<number>): number {
  const classes = frequencies.length;
  let sum = 0;
  for (let i = 0; i < classes; i++) {
    for (let j = i + 1; j < classes; j++) sum += Math.abs(frequencies[i]! - frequencies[j]!);
  }
  return sum / ((classes * (classes - 1)) / 2);
}

/**
 * Total variation distance: half the sum of |freq(k) - share(k)|, 0 for equal distributions and 1 for disjoint ones.
 * @throws where the two have different lengths
 */
export function totalVariation(frequencies: ArrayLike<number>, shares: ArrayLike<number>): number {
  if (frequencies.length !== shares.length) {
    throw new Error(`Total variation: expected ${shares.length} frequencies, received ${frequencies.length}`);
  }
  let sum = 0;
  for (let k = 0; k < shares.length; k++) sum += Math.abs(frequencies[k]! - shares[k]!);
  return sum / 2;
}
