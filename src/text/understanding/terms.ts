/** Terms of a prompt: tokens joined to the longest phrases that the lexicon knows, ages, and names. */

import { findAges } from './ages.ts';
import type { Entry, PersonEntry } from './lexicon/entries.ts';
import { LEXICON, LONGEST_PHRASE } from './lexicon/index.ts';
import { FIRST_NAMES, TITLES } from './lexicon/names.ts';
import { CHESS_PIECES, CHESS_WORDS } from './lexicon/things.ts';
import { lexiconKey } from './lexicon/word_list.ts';
import { isWord } from './tokens.ts';
import type { Token } from './types.ts';

/** A token, or several that mean one thing together. */
export interface Term {
  readonly start: number;
  readonly end: number;
  /** Lower case, spaces for hyphens. */
  readonly key: string;
  readonly partOfSpeech: string;
  readonly capitalized: boolean;
  /** What the lexicon says; null where it says nothing. */
  readonly entry: Entry | null;
  /** A name without its title; null for terms that are no names. */
  readonly name: string | null;
}

/** Makes the terms of a prompt, in order. */
export function findTerms(prompt: string, tokens: readonly Token[]): readonly Term[] {
  const ages = findAges(prompt);
  const chess = tokens.some(({ text }) => CHESS_WORDS.has(text.toLowerCase()));
  const terms: Term[] = [];
  for (let i = 0; i < tokens.length; ) {
    const age = ages.find(({ start }) => start === tokens[i]!.start);
    const phrase = phraseTerm(tokens, i);
    const match = (age && followsFittingNoun(age.entry, terms.at(-1))
      ? ageTerm(tokens, i, age.end, age.entry)
      : null) ??
      tagTerm(tokens, i) ??
      nameTerm(tokens, i, phrase) ??
      phrase ?? { count: 1, term: term(tokens, i, 1, numeral(tokens[i]!)) };
    const piece = chess && CHESS_PIECES.has(match.term.key);
    terms.push(
      piece ? Object.freeze({ ...match.term, entry: Object.freeze({ kind: 'thing' }) }) : match.term,
    );
    i += match.count;
  }
  return Object.freeze(terms);
}

interface Match {
  readonly count: number;
  readonly term: Term;
}

function term(
  tokens: readonly Token[],
  from: number,
  count: number,
  entry: Entry | null,
  name?: string,
): Term {
  const first = tokens[from]!;
  const last = tokens[from + count - 1]!;
  const texts = tokens.slice(from, from + count).map(({ text }) => text);
  return Object.freeze({
    start: first.start,
    end: last.end,
    key: lexiconKey(texts.join(' ')),
    partOfSpeech: last.partOfSpeech,
    capitalized: /^\p{Lu}/u.test(first.text),
    entry,
    name: name ?? null,
  });
}

function ageTerm(tokens: readonly Token[], from: number, end: number, entry: Entry): Match {
  let count = 1;
  while (from + count < tokens.length && tokens[from + count]!.start < end) count++;
  return { count, term: term(tokens, from, count, entry) };
}

/** 'A man of 70' tells an age; 'a family of four' and 'a bowl of seven apples' tell numbers. */
function followsFittingNoun(age: Entry, before: Term | undefined): boolean {
  if (age.kind !== 'age' || !age.adjacent) return true;
  const noun = before?.entry;
  return noun?.kind === 'person' && noun.role !== 'collective';
}

function numeral({ text }: Token): Entry | null {
  const value = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  return value > 0 ? Object.freeze({ kind: 'number', least: value, most: value }) : null;
}

/** Tags of anime collections, such as `1girl` and `2boys`. */
function tagTerm(tokens: readonly Token[], at: number): Match | null {
  const tag = /^(\d+)(girl|boy)s?$/i.exec(tokens[at]!.text);
  if (tag === null) return null;
  const members = Number(tag[1]);
  const entry: PersonEntry = {
    kind: 'person',
    role: 'generic',
    noun: tag[2]!.toLowerCase(),
    plural: members > 1,
    members,
    age: 'young',
    gender: tag[2]!.toLowerCase() === 'girl' ? 'female' : 'male',
    rule: 'tag with a number',
  };
  return { count: 1, term: term(tokens, at, 1, Object.freeze(entry)) };
}

/** A name: a first name and the capitalised words after it, or a title and capitalised words. */
function nameTerm(tokens: readonly Token[], at: number, phrase: Match | null): Match | null {
  if (phrase?.term.entry?.kind === 'animal' || phrase?.term.entry?.kind === 'thing') return null;
  const first = tokens[at]!;
  if (!isCapitalized(first)) return null;
  const title = TITLES[first.text.toLowerCase()];
  let after = at + (title === undefined ? 0 : 1);
  if (title === undefined && !FIRST_NAMES.has(first.text.toLowerCase())) return null;
  const begin = after;
  // The first word is part of the name even where the lexicon knows it ('Mrs. Brown').
  if (after < tokens.length && isCapitalized(tokens[after]!)) after++;
  while (after > begin && after < tokens.length && isNamePart(tokens[after]!)) after++;
  if (after === begin) return null;
  const name = tokens
    .slice(begin, after)
    .map(({ text }) => text)
    .join(' ');
  const entry: PersonEntry = {
    kind: 'person',
    role: 'name',
    noun: name,
    plural: false,
    rule: title ? 'title before a name' : 'name',
    ...(title ? { gender: title } : {}),
  };
  return { count: after - at, term: term(tokens, at, after - at, Object.freeze(entry), name) };
}

function isCapitalized(token: Token): boolean {
  return /^\p{Lu}/u.test(token.text);
}

/** A capitalised word that the lexicon doesn't know as something else. */
function isNamePart(token: Token): boolean {
  return isCapitalized(token) && isWord(token) && !LEXICON.has(lexiconKey(token.text));
}

function phraseTerm(tokens: readonly Token[], from: number): Match | null {
  for (let count = Math.min(LONGEST_PHRASE, tokens.length - from); count > 0; count--) {
    const key = phraseKey(tokens, from, count);
    const entry = key === null ? undefined : LEXICON.get(key);
    if (entry === undefined) continue;
    const colors = key === 'black and white' && describesPeople(tokens[from + count]);
    if (!colors) return { count, term: term(tokens, from, count, entry) };
  }
  return null;
}

function phraseKey(tokens: readonly Token[], from: number, count: number): string | null {
  const texts = tokens.slice(from, from + count).map(({ text }) => text);
  return count === 1 || texts.every((text) => /^[\p{L}\p{N}'’]/u.test(text))
    ? lexiconKey(texts.join(' ')).replaceAll(/ (?='s?(?: |$))/g, '')
    : null;
}

/** 'Black and white children', unlike a black and white photo, are Black children and White children. */
function describesPeople(token: Token | undefined): boolean {
  const entry = token === undefined ? undefined : LEXICON.get(lexiconKey(token.text));
  return entry?.kind === 'person' && entry.plural;
}
