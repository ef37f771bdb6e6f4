/** Which attributes a prompt names itself, so that samplers and audits can set it apart. */

import type { AttributeFinding } from './types.ts';
import { peopleOf } from './understand.ts';

/** Whether a prompt names each attribute. */
export interface NamedAttributes {
  readonly gender: boolean;
  readonly race: boolean;
  readonly age: boolean;
  /** Whether it says how many people there are, other than by naming one person. */
  readonly people: boolean;
}

/**
 * Which of gender, race, age and number of people a prompt names. Denied attributes ('not a man') count as named: such a
 * prompt isn't neutral either.
 */
export function namesAttributes(prompt: string): NamedAttributes {
  const { groups, count, negated } = peopleOf(prompt);
  const names = (attribute: AttributeFinding['attribute']) =>
    groups.some(({ attributes }) => attributes.some((found) => found.attribute === attribute)) ||
    negated.some((found) => 'attribute' in found && found.attribute === attribute);
  return Object.freeze({
    gender: names('gender'),
    race: names('race'),
    age: names('age'),
    people: count?.explicit ?? false,
  });
}
