/** What people in a prompt do: a verb in -ing or in the present, with what it is done to. */

import { DETERMINERS } from './lexicon/descriptions.ts';
import { isMark } from './noun_phrases.ts';
import type { Term } from './terms.ts';
import type { Finding } from './types.ts';

const MOST_TERMS = 6;
const AUXILIARY =
  /^(?:is|are|was|were|be|being|'s|who|that|wearing|smiling|looking|dressed|working|called|named)$/;

/** The activity of the people whose noun phrase ends at term `to`; null where none follows. */
export function findActivity(prompt: string, terms: readonly Term[], to: number): Finding | null {
  for (let i = to + 1; i <= to + 3; i++) {
    const term = terms[i];
    if (term === undefined || isMark(term)) return null;
    if (AUXILIARY.test(term.key)) continue;
    if (!isActivityVerb(term)) return null;
    const end = objectEnd(terms, i);
    const words = terms.slice(i, end + 1).filter(({ key }) => !DETERMINERS.has(key));
    const [start, stop] = [term.start, terms[end]!.end];
    return Object.freeze({
      start,
      end: stop,
      text: prompt.slice(start, stop),
      value: words
        .map(({ key }) => key)
        .join(' ')
        .replaceAll(/ (?=['’])/g, ''),
      rule: 'verb after people',
    });
  }
  return null;
}

function isActivityVerb({ partOfSpeech, key, entry }: Term): boolean {
  return entry === null && (partOfSpeech === 'VERB' || /[a-z]{2}ing$/.test(key)) && !/ed$/.test(key);
}

/** Last term of what the verb at `at` acts on. */
function objectEnd(terms: readonly Term[], at: number): number {
  let end = at;
  for (let i = at + 1; i <= at + MOST_TERMS; i++) {
    const term = terms[i];
    if (
      term === undefined ||
      isMark(term) ||
      ['ADP', 'CCONJ', 'SCONJ', 'VERB', 'AUX', 'PRON'].includes(term.partOfSpeech)
    ) {
      if (term === undefined || !DETERMINERS.has(term.key)) break;
    }
    if (!DETERMINERS.has(term!.key)) end = i;
  }
  return end;
}
