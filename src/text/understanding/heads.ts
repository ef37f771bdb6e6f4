/** Which terms of a prompt stand for people: nouns, pronouns, and adjectives that take a noun's place. */

import { DETERMINERS, PRONOUNS } from './lexicon/descriptions.ts';
import { isDescription, isMark, isNoun, isPossessive, isThing } from './noun_phrases.ts';
import type { Term } from './terms.ts';

/** How a term stands for people; null where it doesn't. */
export type HeadKind = 'noun' | 'adjective' | 'several' | 'pronoun' | null;

/** How the term at `k` stands for people; `several` for adjectives that mean many ('the elderly'). */
export function headKind(terms: readonly Term[], k: number): HeadKind {
  const { entry, key } = terms[k]!;
  if (entry?.kind === 'person') return isHeadNoun(terms, k) ? 'noun' : null;
  if (entry?.kind === 'attribute') return adjectiveKind(terms, k);
  if (/^(?:she|he|herself|himself|him)$/.test(key)) return 'pronoun';
  // 'Her' stands for a person where no noun follows that it could belong to.
  if (key === 'her' && PRONOUNS[key] && opensNothing(terms[k + 1])) return 'pronoun';
  return null;
}

function opensNothing(next: Term | undefined): boolean {
  return isMark(next) || ['ADP', 'CCONJ', 'VERB', 'ADV', 'SCONJ', 'DET'].includes(next!.partOfSpeech);
}

function isHeadNoun(terms: readonly Term[], k: number): boolean {
  const term = terms[k]!;
  const { entry } = term;
  if (entry?.kind !== 'person') return false;
  if (entry.ambiguous && !usedAsNoun(terms, k)) return false;
  if (terms[k]!.key === 'model' && terms[k + 1]?.key === 'of') return false;
  const next = terms[k + 1];
  if (entry.measure && !countsPeople(terms, k)) return false;
  if (next === undefined || isMark(next)) return true;
  if (isPossessive(next)) return entry.role !== 'collective' && showsOwner(terms, k);
  const after = next.entry;
  if (after?.kind === 'person') {
    if (agreesAsVerb(term, next)) return true;
    if (after.role === 'name' || (after.ambiguous && !isNoun(next))) return true;
    return false;
  }
  if (after?.kind === 'body') return !/^(?:brain|heart|skeleton|skull)/.test(next.key);
  // 'Woman portrait', but 'baby photo of my uncle'.
  if (after?.kind === 'image') return terms[k + 2]?.key !== 'of';
  if (next.capitalized && after === null && entry.role !== 'name')
    return !term.capitalized || entry.role !== 'collective';
  return !isThing(next) || isVerbBeforeObject(term, next, terms[k + 2]);
}

/** 'A man sips a latte': words in -s that the tagger takes for nouns, with a determiner after them. */
function isVerbBeforeObject({ entry }: Term, next: Term, object: Term | undefined): boolean {
  if (entry?.kind !== 'person' || entry.plural || next.entry !== null || object === undefined) return false;
  return /[a-z]s$/.test(next.key) && (DETERMINERS.has(object.key) || /^(?:and|it|them)$/.test(object.key));
}

/** 'A pair', 'pair of twins', but 'pair skating'. */
function countsPeople(terms: readonly Term[], k: number): boolean {
  const before = terms[k - 1];
  const led =
    before !== undefined &&
    (DETERMINERS.has(before.key) ||
      before.entry?.kind === 'number' ||
      before.entry?.kind === 'attribute' ||
      before.partOfSpeech === 'ADJ');
  return led || terms[k + 1]?.key === 'of' || isMark(before);
}

/** Nouns for people that are as often verbs, and then differ from their subject in the final s. */
const VERBS = /^(?:cook|guard|judge|guide|host|coach|spy|scout|butcher|referee|witness)s?$/;

/** 'People cook', 'a cook cooks'. */
function agreesAsVerb({ entry }: Term, next: Term): boolean {
  const subject = entry?.kind === 'person' && entry;
  const verb = next.entry?.kind === 'person' && next.entry;
  return subject !== false && verb !== false && VERBS.test(next.key) && subject.plural !== verb.plural;
}

/** Whether a word that is also a verb, adjective or thing is a noun for people here. */
function usedAsNoun(terms: readonly Term[], k: number): boolean {
  const { partOfSpeech } = terms[k]!;
  const before = terms[k - 1];
  const next = terms[k + 1]?.entry;
  // 'An adult male deer', 'an adult male'.
  if (next?.kind === 'attribute' && next.gender !== undefined) return false;
  if (before !== undefined && agreesAsVerb(before, terms[k]!)) return false;
  if (before !== undefined && (DETERMINERS.has(before.key) || before.entry?.kind === 'number')) {
    return partOfSpeech !== 'ADJ' || !isNounPhrase(terms[k + 1]);
  }
  if (before !== undefined && isDescription(before)) return true;
  // 'Window cleaner', 'parking attendant': nouns that the tagger takes for adjectives.
  if (partOfSpeech === 'ADJ' && before !== undefined && !isNounPhrase(terms[k + 1]))
    return isThing(before) || /ing$/.test(before.key);
  return partOfSpeech === 'NOUN' || partOfSpeech === 'PROPN' || isMark(before);
}

function isNounPhrase(term: Term | undefined): boolean {
  return term !== undefined && (isThing(term) || isDescription(term) || term.entry?.kind === 'person');
}

/** Whether owners are in the picture: their faces, hands and so on are. */
function showsOwner(terms: readonly Term[], k: number): boolean {
  let i = k + 2;
  while (isDescription(terms[i]) || terms[i]?.entry?.kind === 'number') i++;
  while (terms[i + 1] !== undefined && isThing(terms[i]) && isThing(terms[i + 1])) i++;
  return terms[i]?.entry?.kind === 'body' || terms[i]?.entry?.kind === 'image';
}

function adjectiveKind(terms: readonly Term[], k: number): HeadKind {
  const { entry, key } = terms[k]!;
  if (entry?.kind !== 'attribute') return null;
  const next = terms[k + 1];
  const before = terms[k - 1];
  if (isThing(next) || (next !== undefined && describesLaterNoun(terms, k))) return null;
  if (before?.key === 'the' && /^(?:old|elderly|young|aged)$/.test(key)) {
    return followsComparison(terms, k) ? null : 'several';
  }
  if (!entry.nominal) return null;
  if (entry.plural) return 'adjective';
  const determined =
    before !== undefined && (/^(?:an?|the|another|one)$/.test(before.key) || before.entry?.kind === 'number');
  if (determined || isDescribedNominal(terms, k))
    return next === undefined || !isNoun(next) || isMark(next) ? 'adjective' : null;
  const tag = isMark(before) && isMark(next);
  return entry.gender !== undefined && !tag && !followsVerb(before) ? 'adjective' : null;
}

/** 'A young Asian', 'a smiling female'. */
function isDescribedNominal(terms: readonly Term[], k: number): boolean {
  let i = k - 1;
  while (i >= 0 && isDescription(terms[i])) i--;
  return i < k - 1 && i >= 0 && /^(?:an?|the|another|one)$/.test(terms[i]!.key);
}

/** 'The old, the new' as well as 'the old and the new' mean things. */
function followsComparison(terms: readonly Term[], k: number): boolean {
  return terms.some(({ key }) => key === 'new') && terms[k + 1]?.key === 'and';
}

function followsVerb(before: Term | undefined): boolean {
  return (
    before !== undefined &&
    (before.partOfSpeech === 'AUX' || before.partOfSpeech === 'VERB' || before.key === 'not')
  );
}

/** Whether an adjective's noun comes further on ('a female heart surgeon', 'male and female dancers'). */
function describesLaterNoun(terms: readonly Term[], k: number): boolean {
  let i = k + 1;
  while (i < terms.length) {
    const term = terms[i]!;
    if (term.entry?.kind === 'person') return true;
    if (/^(?:and|or|&|\/)$/.test(term.key)) {
      if (!isDescription(terms[i + 1])) return false;
    } else if (isThing(term)) {
      if (!isThing(terms[i + 1]) && terms[i + 1]?.entry?.kind !== 'person') return true;
    } else if (!isDescription(term) || term.partOfSpeech === 'VERB') return false;
    i++;
  }
  return false;
}
