/** Every lexicon of people in one table. */

import { DESCRIPTION_WORDS } from './descriptions.ts';
import type { Entry } from './entries.ts';
import { OCCUPATIONS } from './occupations.ts';
import { PERSONS } from './persons.ts';
import { RACE_WORDS } from './races.ts';
import { THINGS } from './things.ts';

/** Entries by key; of two with the same key the later table counts. */
export const LEXICON: ReadonlyMap<string, Entry> = new Map<string, Entry>([
  ...THINGS.filter(([, { kind }]) => kind !== 'thing'),
  ...OCCUPATIONS,
  ...PERSONS,
  ...RACE_WORDS,
  ...DESCRIPTION_WORDS,
  ...THINGS.filter(([, { kind }]) => kind === 'thing'),
]);

/** Most words that one key has. */
export const LONGEST_PHRASE = Math.max(...[...LEXICON.keys()].map((key) => key.split(' ').length));
