/** Groups of people as single noun phrases name them, before anything is known of how they belong together. */

import type { Draft, Quantity } from './drafts.ts';
import { attributeFindings, replaceDrafts } from './drafts.ts';
import type { HeadKind } from './heads.ts';
import { headKind } from './heads.ts';
import { PRONOUNS } from './lexicon/descriptions.ts';
import type { PersonEntry } from './lexicon/entries.ts';
import { AGE_SERVANTS, LANGUAGE_TEACHERS } from './lexicon/occupations.ts';
import { ANIMAL_HANDLERS } from './lexicon/things.ts';
import type { Modifiers } from './noun_phrases.ts';
import { readModifiers } from './noun_phrases.ts';
import type { Term } from './terms.ts';
import type { AttributeFinding, Finding } from './types.ts';

const ONE: Quantity = Object.freeze({ least: 1, most: 1, said: false });
const SEVERAL: Quantity = Object.freeze({ least: 2, most: null, said: true });

/** The groups of a prompt in order of place. */
export function findDrafts(prompt: string, terms: readonly Term[]): readonly Draft[] {
  let drafts: readonly Draft[] = Object.freeze([]);
  for (let k = 0; k < terms.length; k++) {
    const kind = headKind(terms, k);
    if (kind === null) continue;
    const limit = drafts.at(-1)?.to ?? -1;
    const draft = createDraft(prompt, terms, k, kind, limit);
    if (draft !== null) drafts = Object.freeze([...drafts, draft]);
  }
  return shareNouns(prompt, terms, drafts);
}

function createDraft(
  prompt: string,
  terms: readonly Term[],
  head: number,
  kind: NonNullable<HeadKind>,
  limit: number,
): Draft | null {
  const term = terms[head]!;
  if (kind === 'pronoun') return pronounDraft(prompt, terms, head);
  const modifiers = readModifiers(terms, head, limit);
  const person = term.entry?.kind === 'person' ? term.entry : null;
  const plural =
    kind === 'several' || (term.entry?.kind === 'attribute' ? term.entry.plural === true : person!.plural);
  const quantity = kind === 'several' ? SEVERAL : quantityOf(modifiers, plural, person);
  if (modifiers.number !== null && isMeasureOfImages(terms, modifiers, head)) return null;
  if (isAnimal(terms, modifiers, head, person) || terms[modifiers.from - 1]?.key === 'like') return null;
  const attributes = [...modifiers.attributes, head].flatMap((i) =>
    findingsAt(prompt, terms, i, head, person),
  );
  const to = nameAfter(terms, head, person);
  const name =
    person?.role === 'name'
      ? finding(prompt, term.start, term.end, term.name ?? person.noun, 'name')
      : to > head
        ? finding(
            prompt,
            terms[head + 1]!.start,
            terms[to]!.end,
            prompt.slice(terms[head + 1]!.start, terms[to]!.end),
            'name',
          )
        : null;
  return Object.freeze({
    head,
    from: modifiers.from,
    to,
    noun: person?.noun ?? '',
    role: person?.role ?? 'generic',
    determiner: modifiers.determiner,
    quantity,
    attributes: Object.freeze(attributes),
    occupation:
      person?.role === 'occupation' || person?.role === 'office'
        ? occupationOf(prompt, terms, modifiers, head, person)
        : null,
    name,
    negated: false,
  });
}

function pronounDraft(prompt: string, terms: readonly Term[], head: number): Draft {
  const term = terms[head]!;
  const gender = PRONOUNS[term.key]!;
  return Object.freeze({
    head,
    from: head,
    to: head,
    noun: '',
    role: 'pronoun',
    determiner: null,
    quantity: ONE,
    attributes: attributeFindings(prompt, term, { gender }, 'pronoun'),
    occupation: null,
    name: null,
    negated: false,
  });
}

function findingsAt(
  prompt: string,
  terms: readonly Term[],
  at: number,
  head: number,
  person: PersonEntry | null,
): readonly AttributeFinding[] {
  const { entry } = terms[at]!;
  if (entry?.kind !== 'person' && entry?.kind !== 'attribute') return [];
  if (entry.kind === 'attribute' && at !== head) {
    if (entry.genericOnly && !isGeneric(person)) return [];
    if (entry.language && LANGUAGE_TEACHERS.has(terms[at + 1]!.key)) return [];
    // 'My older brother' is older than me, not old.
    if (person?.role === 'kin' && /^(?:older|younger|oldest)$/.test(terms[at]!.key)) return [];
  }
  if (entry.kind === 'person' && at !== head && servesAge(entry, person)) return [];
  return attributeFindings(prompt, terms[at]!, entry, entry.rule);
}

function servesAge({ age, gender }: PersonEntry, person: PersonEntry | null): boolean {
  return age !== undefined && gender === undefined && person !== null && AGE_SERVANTS.has(person.noun);
}

function isGeneric(person: PersonEntry | null): boolean {
  return (
    person === null ||
    ((person.role === 'generic' || person.role === 'collective') && person.rule !== 'gendered title')
  );
}

function quantityOf({ number, lone }: Modifiers, plural: boolean, person: PersonEntry | null): Quantity {
  const members = person?.members;
  if (person?.role === 'collective') {
    const times = number !== null && number.most === number.least ? number.least : plural ? null : 1;
    if (members == null || times === null) return SEVERAL;
    return exactly(members * times);
  }
  if (members != null && number === null) return exactly(members);
  if (number !== null && number.least === number.most) return exactly(number.least);
  if (lone && !plural) return exactly(1);
  return plural ? SEVERAL : ONE;
}

function exactly(count: number): Quantity {
  return Object.freeze({ least: count, most: count, said: true });
}

/** 'A raccoon king' is a raccoon, 'a pig farmer' no pig. */
function isAnimal(
  terms: readonly Term[],
  { from }: Modifiers,
  head: number,
  person: PersonEntry | null,
): boolean {
  if (person === null || ANIMAL_HANDLERS.has(person.noun)) return false;
  return terms.slice(from, head).some(({ entry }) => entry?.kind === 'animal');
}

/** 'Two portrait photos' counts images. */
function isMeasureOfImages(terms: readonly Term[], { from }: Modifiers, head: number): boolean {
  return terms.slice(from, head).some(({ entry }) => entry?.kind === 'image');
}

/** Last term of a group: capitalised words after a title or kin are its name ('Queen Victoria'). */
function nameAfter(terms: readonly Term[], head: number, person: PersonEntry | null): number {
  if (person === null || person.role === 'name' || person.plural || person.role === 'collective') return head;
  let to = head;
  for (let next = terms[to + 1]; next !== undefined && isNamePart(next, to === head); next = terms[to + 1])
    to++;
  return to;
}

function isNamePart({ capitalized, entry, name, partOfSpeech }: Term, first: boolean): boolean {
  if (entry?.kind === 'person' && name !== null) return first;
  return capitalized && entry === null && partOfSpeech === 'PROPN';
}

function occupationOf(
  prompt: string,
  terms: readonly Term[],
  { compoundFrom }: Modifiers,
  head: number,
  { noun }: PersonEntry,
): Finding {
  const first = terms
    .slice(compoundFrom, head)
    .findIndex(({ entry }) => entry?.kind !== 'person' || entry.gender === undefined);
  const from = first < 0 ? head : compoundFrom + first;
  const before = terms
    .slice(from, head)
    .map(({ key }) => key)
    .join(' ')
    .replaceAll(/ (?=['’])/g, '');
  return finding(
    prompt,
    terms[from]!.start,
    terms[head]!.end,
    before === '' ? noun : `${before} ${noun}`,
    'occupation',
  );
}

function finding(prompt: string, start: number, end: number, value: string, rule: string): Finding {
  return Object.freeze({ start, end, text: prompt.slice(start, end), value, rule });
}

/** 'A Black and an Asian man': what the second noun says holds for the first too. */
function shareNouns(prompt: string, terms: readonly Term[], drafts: readonly Draft[]): readonly Draft[] {
  let shared = drafts;
  drafts.forEach((draft, i) => {
    const next = drafts[i + 1];
    const between = terms.slice(draft.to + 1, next?.from).map(({ key }) => key);
    if (draft.noun !== '' || draft.role === 'pronoun' || next === undefined || next.noun === '') return;
    if (between.length !== 1 || !/^(?:and|or|&)$/.test(between[0]!)) return;
    const { entry } = terms[next.head]!;
    if (entry?.kind !== 'person') return;
    const attributes = [
      ...draft.attributes,
      ...attributeFindings(prompt, terms[next.head]!, entry, entry.rule),
    ];
    const named = { noun: next.noun, role: next.role, occupation: next.occupation };
    shared = replaceDrafts(
      shared,
      [draft],
      Object.freeze({ ...draft, ...named, attributes: Object.freeze(attributes) }),
    );
  });
  return shared;
}
