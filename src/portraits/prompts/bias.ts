/** The bias of a distribution over the 16 groups, by attribute. */

export { pairwiseBias } from '../../fairness/bias.ts';

import { AGES, GENDERS, RACES } from '../scene.ts';

/** The attribute combinations over which bias is measured. */
export type BiasAttribute = 'gender' | 'race' | 'age' | 'gender-race';

/** Sums a 16-long table (`groupIndex` order) to one attribute or to gender x race (gender-major). */
export function marginal(table: ArrayLike<number>, attribute: BiasAttribute): Float64Array {
  const sizes = { gender: GENDERS.length, race: RACES.length, age: AGES.length, 'gender-race': 8 };
  const sums = new Float64Array(sizes[attribute]);
  for (let group = 0; group < table.length; group++) {
    const place =
      attribute === 'gender'
        ? group >> 3
        : attribute === 'race'
          ? (group >> 1) & 3
          : attribute === 'age'
            ? group & 1
            : group >> 1;
    sums[place]! += table[group]!;
  }
  return sums;
}
