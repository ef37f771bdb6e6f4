/** People, dates and places that a prompt names. */

import { DATE_PATTERNS } from './lexicon/dates.ts';
import { NOT_PLACES, PLACES } from './lexicon/places.ts';
import { lexiconKey } from './lexicon/word_list.ts';
import { tagText } from './part_of_speech.ts';
import type { Term } from './terms.ts';
import { isWord } from './tokens.ts';
import type { Entity, PersonGroup, Token } from './types.ts';

const LONGEST_PLACE = Math.max(...[...PLACES].map((place) => place.split(' ').length));

/** Entities in order of place, without overlaps: names of people first, then dates, then places. */
export function findEntities(
  prompt: string,
  tokens: readonly Token[],
  terms: readonly Term[],
  groups: readonly PersonGroup[],
): readonly Entity[] {
  const taken: Entity[] = [];
  for (const entity of [...people(prompt, terms, groups), ...dates(prompt), ...places(prompt, tokens)]) {
    if (!taken.some(({ start, end }) => entity.start < end && start < entity.end)) taken.push(entity);
  }
  return Object.freeze(taken.sort((a, b) => a.start - b.start));
}

function entity(prompt: string, kind: Entity['kind'], start: number, end: number, rule: string): Entity {
  const text = prompt.slice(start, end);
  return Object.freeze({ kind, start, end, text, value: text.replaceAll(/\s+/g, ' '), rule });
}

function people(prompt: string, terms: readonly Term[], groups: readonly PersonGroup[]): Entity[] {
  const named = groups.flatMap(({ name }) =>
    name === null ? [] : [entity(prompt, 'person', name.start, name.end, 'name in the picture')],
  );
  const others = terms
    .filter(({ name }) => name !== null)
    .map(({ start, end, entry }) =>
      entity(prompt, 'person', start, end, entry?.kind === 'person' ? entry.rule : 'name'),
    );
  return [...named, ...others];
}

function dates(prompt: string): Entity[] {
  const own = DATE_PATTERNS.flatMap(([expression, rule]) =>
    [...prompt.matchAll(expression)].map((match) =>
      entity(prompt, 'date', match.index, match.index + match[0].length, rule),
    ),
  );
  const tagged = tagText(prompt)
    .dates.filter(({ start, end }) => /\d{3}|[A-Z]/.test(prompt.slice(start, end)))
    .map(({ start, end }) => entity(prompt, 'date', start, end, 'wink-nlp'));
  return [...own, ...tagged];
}

/** Known places, and capitalised words after 'in', 'at', 'from' and 'near' that nothing else explains. */
function places(prompt: string, tokens: readonly Token[]): Entity[] {
  const found: Entity[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const count = knownPlace(prompt, tokens, i) ?? unknownPlace(tokens, i);
    if (count === null) continue;
    const rule = knownPlace(prompt, tokens, i) === null ? 'capital after a preposition' : 'known place';
    found.push(entity(prompt, 'place', tokens[i]!.start, tokens[i + count - 1]!.end, rule));
    i += count - 1;
  }
  return found;
}

function knownPlace(prompt: string, tokens: readonly Token[], at: number): number | null {
  if (!/^\p{Lu}/u.test(tokens[at]!.text)) return null;
  for (let count = Math.min(LONGEST_PLACE, tokens.length - at); count > 0; count--) {
    const key = lexiconKey(
      prompt.slice(tokens[at]!.start, tokens[at + count - 1]!.end).replaceAll(/\s+/g, ' '),
    );
    // 'US' and 'UK' are written in capitals; 'Us' is a pronoun.
    if (PLACES.has(key) && (key.length > 2 || tokens[at]!.text === key.toUpperCase())) return count;
  }
  return null;
}

function unknownPlace(tokens: readonly Token[], at: number): number | null {
  const before = tokens[at - 1]?.text.toLowerCase() ?? '';
  if (!/^(?:in|at|from|near|to)$/.test(before)) return null;
  let end = at;
  while (end < tokens.length && isPlaceWord(tokens[end]!)) end++;
  return end > at ? end - at : null;
}

function isPlaceWord(token: Token): boolean {
  return (
    /^\p{Lu}\p{Ll}+$/u.test(token.text) &&
    isWord(token) &&
    token.partOfSpeech === 'PROPN' &&
    !NOT_PLACES.has(token.text.toLowerCase())
  );
}
