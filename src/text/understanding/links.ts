/** Which noun phrases mean the same people: groups of people, predicates, appositions, names, repeated nouns. */

import type { Draft } from './drafts.ts';
import {
  gendersAgree,
  isSingular,
  mergeDrafts,
  nearestBefore,
  replaceDrafts,
  withAttributes,
} from './drafts.ts';
import { isMark } from './noun_phrases.ts';
import type { Term } from './terms.ts';

const BE = /^(?:is|are|was|were|be|being|'s|becomes|became|remains)$/;
const ROLE = /^as$/;
const BETWEEN = new RegExp(
  `${BE.source}|${ROLE.source}|` +
    '^(?:who|that|which|also|now|once|still|dressed|working|works|worked|work|posing|disguised|employed|portrayed|depicted|' +
    'acting|serving|costumed|shown|dressing|up|seen|cosplaying|named|called)$',
);

/** Joins what belongs together; negated groups stay as they are. */
export function linkDrafts(terms: readonly Term[], drafts: readonly Draft[]): readonly Draft[] {
  return joinRepeated(terms, joinPairs(terms, joinLists(terms, joinCollectives(terms, drafts))));
}

/** 'A group of five friends', 'a family of four'; 'a pair of shoes' is nobody. */
function joinCollectives(terms: readonly Term[], drafts: readonly Draft[]): readonly Draft[] {
  let joined = drafts;
  for (const draft of drafts.toReversed()) {
    if (draft.role !== 'collective' || !/^(?:of|with|full)$/.test(terms[draft.to + 1]?.key ?? '')) continue;
    const of = terms[draft.to + 1]!.key === 'of' ? draft.to + 1 : null;
    if (of === null) continue;
    const inner = joined.find(({ from }) => from === of + 1);
    const number = terms[of + 1]?.entry;
    if (inner !== undefined) {
      const fixed = inner.quantity.most !== null && inner.quantity.said;
      const quantity = fixed ? inner.quantity : draft.quantity;
      const whole = { ...inner, from: draft.from, quantity, determiner: draft.determiner };
      const attributes = Object.freeze([...draft.attributes, ...inner.attributes]);
      joined = replaceDrafts(joined, [draft, inner], Object.freeze({ ...whole, attributes }));
    } else if (number?.kind === 'number') {
      const quantity = Object.freeze({ least: number.least, most: number.most, said: true });
      joined = replaceDrafts(joined, [draft], Object.freeze({ ...draft, to: of + 1, quantity }));
    } else if (isMeasure(terms[draft.head]!)) {
      joined = Object.freeze(joined.filter(({ head }) => head !== draft.head));
    }
  }
  return joined;
}

function isMeasure({ entry }: Term): boolean {
  return entry?.kind === 'person' && entry.measure === true;
}

/**
 * 'Three people: a doctor, a nurse and a patient', 'twins, one boy and one girl': the list says who they are. So does
 * 'both women' after two people.
 */
function joinLists(terms: readonly Term[], drafts: readonly Draft[]): readonly Draft[] {
  let joined = drafts;
  for (const draft of drafts) {
    const { least, most, said } = draft.quantity;
    if (draft.negated || least < 2 || !said) continue;
    const members =
      terms[draft.from]!.key === 'both' ? pairBefore(joined, draft) : listAfter(terms, joined, draft);
    const count = members.reduce((sum, { quantity }) => sum + quantity.least, 0);
    const colon = terms[draft.to + 1]?.key === ':' && most === null && members.length > 1;
    if (members.length < 2 || (count !== least && !colon)) continue;
    joined = Object.freeze(
      joined
        .filter(({ head }) => head !== draft.head)
        .map((other) => (members.includes(other) ? withAttributes(other, draft.attributes) : other)),
    );
  }
  return joined;
}

function pairBefore(drafts: readonly Draft[], { head }: Draft): readonly Draft[] {
  return drafts.filter((draft) => draft.head < head && !draft.negated && isSingular(draft)).slice(-2);
}

/** The groups that follow a group after a colon, comma or bracket, with only commas and conjunctions between them. */
function listAfter(terms: readonly Term[], drafts: readonly Draft[], draft: Draft): readonly Draft[] {
  const members: Draft[] = [];
  if (!/^[:,(–—-]$/.test(terms[draft.to + 1]?.key ?? '')) return members;
  let at = draft.to + 2;
  for (let next = memberAt(drafts, at); next !== undefined; next = memberAt(drafts, at)) {
    members.push(next);
    at = next.to + 1;
    while (/^(?:,|and|&|plus)$/.test(terms[at]?.key ?? '')) at++;
  }
  return members;
}

function memberAt(drafts: readonly Draft[], at: number): Draft | undefined {
  return drafts.find(({ from, negated }) => from === at && !negated);
}

/** Joins neighbours: 'she is a dentist', 'a woman as a firefighter', 'my friend Tom', 'a doctor, a person'. */
function joinPairs(terms: readonly Term[], drafts: readonly Draft[]): readonly Draft[] {
  let joined = drafts;
  for (let i = 0; i + 1 < joined.length; ) {
    const [first, second] = [joined[i]!, joined[i + 1]!];
    const same = !first.negated && !second.negated && meanTheSame(terms, joined, first, second);
    if (same)
      joined = replaceDrafts(joined, [first, second], { ...mergeDrafts(first, second), to: second.to });
    else i++;
  }
  return joined;
}

function meanTheSame(terms: readonly Term[], drafts: readonly Draft[], first: Draft, second: Draft): boolean {
  const between = terms.slice(first.to + 1, Math.max(first.to + 1, second.from));
  if (between.length === 0) return second.role === 'name' && first.role !== 'name' && isSingular(first);
  const keys = between.map(({ key }) => key);
  if (keys.every((key) => BETWEEN.test(key)) && keys.some((key) => BE.test(key) || ROLE.test(key))) {
    return sameSize(first, second) && (keys.includes('as') || gendersAgree(first, second));
  }
  if (keys.length !== 1 || keys[0] !== ',') return false;
  return isApposition(terms, drafts, first, second);
}

function sameSize(first: Draft, second: Draft): boolean {
  return isSingular(first) === isSingular(second);
}

/** A second phrase after a comma that says who the first is, rather than the next of a list. */
function isApposition(
  terms: readonly Term[],
  drafts: readonly Draft[],
  first: Draft,
  second: Draft,
): boolean {
  if (!isSingular(first) || !isSingular(second) || first.quantity.said || !gendersAgree(first, second))
    return false;
  if (/^(?:person|individual|human|human being|adult)$/.test(second.noun)) return true;
  if (endsList(terms, drafts, second)) return false;
  if (isDefinite(first) && /^an?$/.test(second.determiner ?? '')) return true;
  if (first.role === 'name' || first.name !== null)
    return second.determiner !== null || second.role !== 'name';
  if (second.role !== 'generic') return false;
  if (first.role !== 'generic') return true;
  return second.determiner === null && second.noun !== first.noun;
}

/** 'My friend', 'the boss'. */
function isDefinite({ determiner }: Draft): boolean {
  return determiner !== null && /^(?:the|my|your|his|her|our|their|this|that)$/.test(determiner);
}

/** Whether another group follows with a comma or `and`. */
function endsList(terms: readonly Term[], drafts: readonly Draft[], draft: Draft): boolean {
  let at = draft.to + 1;
  while (/^(?:,|and|or|&)$/.test(terms[at]?.key ?? '')) at++;
  return at > draft.to + 1 && drafts.some(({ from }) => from === at);
}

/** 'A pilot stands beside a plane. The pilot is ...': the same noun with `the` means the same person. */
function joinRepeated(terms: readonly Term[], drafts: readonly Draft[]): readonly Draft[] {
  let joined = drafts;
  for (const draft of drafts) {
    if (draft.determiner !== 'the' || !isSingular(draft) || draft.negated || draft.noun === '') continue;
    const same = nearestBefore(
      joined,
      draft.head,
      (other) => isSingular(other) && gendersAgree(other, draft) && repeats(terms, joined, other, draft),
    );
    if (same !== undefined) joined = replaceDrafts(joined, [same, draft], mergeDrafts(same, draft));
  }
  return joined;
}

function repeats(terms: readonly Term[], drafts: readonly Draft[], earlier: Draft, later: Draft): boolean {
  const noun = terms[later.head]!.entry;
  if (noun?.kind === 'person' && noun.noun === headNoun(terms, earlier)) return true;
  const alone = drafts.filter((draft) => draft.head < later.head && !draft.negated).length === 1;
  const newSentence = terms
    .slice(earlier.to + 1, later.from)
    .some((term) => isMark(term) && /[.;!?]/.test(term.key));
  return alone && newSentence && noun?.kind === 'person' && noun.role === 'generic';
}

function headNoun(terms: readonly Term[], { head }: Draft): string {
  const { entry } = terms[head]!;
  return entry?.kind === 'person' ? entry.noun : '';
}
