/** Noun phrases around a noun for people: what stands before it and belongs to it. */

import { DETERMINERS } from './lexicon/descriptions.ts';
import type { NumberEntry } from './lexicon/entries.ts';
import { OCCUPATION_ADJECTIVES } from './lexicon/occupations.ts';
import { COLOR_WORDS, CULTURE_NOUNS } from './lexicon/races.ts';
import type { Term } from './terms.ts';

/** What stands before a noun; terms are meant by their index. */
export interface Modifiers {
  /** First term of the noun phrase. */
  readonly from: number;
  readonly determiner: string | null;
  readonly number: NumberEntry | null;
  /** 'A single person', 'a lone hiker'. */
  readonly lone: boolean;
  /** Terms that describe people. */
  readonly attributes: readonly number[];
  /** First term of the compound that ends in the noun ('taxi' in 'old taxi driver'). */
  readonly compoundFrom: number;
}

/** Whether a term is a possessive ending. */
export function isPossessive(term: Term | undefined): boolean {
  return term !== undefined && /^['’]s?$/.test(term.key);
}

/** Whether a term is a punctuation mark or bracket. */
export function isMark(term: Term | undefined): boolean {
  return term === undefined || !/^[\p{L}\p{N}'’]/u.test(term.key);
}

/** Words after a noun that are no part of a compound, though taggers take them for nouns. */
const AFTER_NOUN = /^(?:home|lit|back|outside|inside|today|tomorrow|tonight)$/;

/** Whether a term is used as a noun that names no person. */
export function isThing(term: Term | undefined): boolean {
  if (term === undefined || isMark(term)) return false;
  const kind = term.entry?.kind;
  if (kind === 'animal' || kind === 'body') return true;
  if (kind === 'thing')
    return !/^(?:black and white|all |any |each |one |of |mixed media|young at|years )/.test(term.key);
  return kind === undefined && isNoun(term) && !AFTER_NOUN.test(term.key);
}

const NOUNS_IN_ING =
  /^(?:wedding|evening|morning|clothing|ring|string|spring|wing|pudding|ceiling|meeting|earring|stocking|king)$/;

/** Whether a term is tagged as a noun; words in -ing after a person are what the person does. */
export function isNoun({ partOfSpeech, key }: Term): boolean {
  return (
    (partOfSpeech === 'NOUN' || partOfSpeech === 'PROPN') &&
    (!/[a-z]{2}ing$/.test(key) || NOUNS_IN_ING.test(key))
  );
}

/** Whether a term can stand before a noun as its description. */
export function isDescription(term: Term | undefined): boolean {
  if (term === undefined) return false;
  const kind = term.entry?.kind;
  if (kind !== undefined) return kind === 'attribute' || kind === 'lone';
  return (
    term.partOfSpeech === 'ADJ' || isParticiple(term) || (!isMark(term) && /\p{L}+ \p{L}+ed$/u.test(term.key))
  );
}

function isParticiple({ partOfSpeech, key }: Term): boolean {
  return partOfSpeech === 'VERB' && /(?:ing|ed|en)$/.test(key);
}

/** Reads leftwards from the noun at `head` as far as its phrase reaches, at most to the term after `limit`. */
export function readModifiers(terms: readonly Term[], head: number, limit: number): Modifiers {
  const attributes: number[] = [];
  let determiner: string | null = null;
  let number: NumberEntry | null = null;
  let lone = false;
  let compoundFrom = head;
  let from = head;
  for (let i = head - 1; i > limit; i--) {
    const term = terms[i]!;
    const { entry, key } = term;
    if (DETERMINERS.has(key)) {
      determiner = key;
      from = i;
      break;
    }
    if (entry?.kind === 'number') number ??= entry;
    else if (entry?.kind === 'lone') lone = true;
    else if (entry?.kind === 'attribute') {
      if (describesPerson(terms, i, head)) attributes.unshift(i);
    } else if (entry?.kind === 'person') {
      attributes.unshift(i);
      const joins = entry.gender === undefined && !/^(?:patient|local|adult|juvenile)$/.test(key);
      if (compoundFrom === i + 1 && joins) compoundFrom = i;
    } else if (isPossessive(term)) {
      if (!opensCollective(terms, i, head)) break;
    } else if (!continuesPhrase(terms, i, limit)) break;
    else if (compoundFrom === i + 1 && joinsCompound(term)) compoundFrom = i;
    from = i;
  }
  return Object.freeze({
    from,
    determiner,
    number,
    lone,
    attributes: Object.freeze(attributes),
    compoundFrom,
  });
}

/** 'Women's football team': the team consists of women. */
function opensCollective(terms: readonly Term[], possessive: number, head: number): boolean {
  const owner = terms[possessive - 1]?.entry;
  const noun = terms[head]!.entry;
  return owner?.kind === 'person' && owner.plural && noun?.kind === 'person' && noun.role === 'collective';
}

function continuesPhrase(terms: readonly Term[], i: number, limit: number): boolean {
  const term = terms[i]!;
  if (/^(?:and|or|&|\/)$/.test(term.key)) return isDescription(terms[i - 1]) && isDescription(terms[i + 1]);
  if (term.key === ',')
    return isDescription(terms[i - 1]) && isDescription(terms[i + 1]) && opensWithDeterminer(terms, i, limit);
  if (isMark(term)) return term.key === '"';
  const kind = term.entry?.kind;
  if (kind === 'thing' || kind === 'animal' || kind === 'body') return true;
  if (kind !== undefined) return false;
  if (isParticiple(term)) return isMark(terms[i - 1]) || startsPhrase(terms[i - 1]!);
  return ['ADJ', 'ADV', 'NOUN', 'PROPN'].includes(term.partOfSpeech) || isDescription(term);
}

/** A list of adjectives ('a tall, elegant man') unlike a list of tags ('tall, elegant, man') begins with a determiner. */
function opensWithDeterminer(terms: readonly Term[], comma: number, limit: number): boolean {
  for (let i = comma - 1; i > limit; i--) {
    const term = terms[i]!;
    if (DETERMINERS.has(term.key) || term.entry?.kind === 'number') return true;
    if (term.key !== ',' && !isDescription(term) && term.partOfSpeech !== 'ADV') return false;
  }
  return false;
}

function startsPhrase(term: Term): boolean {
  const kind = term.entry?.kind;
  return (
    DETERMINERS.has(term.key) ||
    kind === 'number' ||
    kind === 'attribute' ||
    term.partOfSpeech === 'ADJ' ||
    term.partOfSpeech === 'ADP' ||
    term.partOfSpeech === 'ADV'
  );
}

function joinsCompound(term: Term): boolean {
  if (isMark(term) || /\d/.test(term.key)) return false;
  return (
    OCCUPATION_ADJECTIVES.has(term.key) || term.entry !== null || isNoun(term) || term.partOfSpeech === 'NOUN'
  );
}

/** Whether an attribute describes the person at `head` rather than a thing between them ('Chinese restaurant owner'). */
function describesPerson(terms: readonly Term[], at: number, head: number): boolean {
  const next = terms[at + 1]!;
  const entry = terms[at]!.entry;
  if (entry?.kind === 'attribute' && entry.race !== undefined && at + 1 < head) {
    if (entry.rule === 'nationality' && CULTURE_NOUNS.has(next.key)) return false;
    if (COLOR_WORDS.has(terms[at]!.key) && next.entry?.kind === 'body') return false;
  }
  return true;
}
