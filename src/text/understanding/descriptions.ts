/** Descriptions that stand apart from the noun: after 'is', after 'of' and 'with', as tags between commas, ages. */

import type { Draft } from './drafts.ts';
import {
  attributeFindings,
  gendersAgree,
  isSingular,
  nearestBefore,
  replaceDrafts,
  withAttributes,
} from './drafts.ts';
import type { AgeEntry, AttributeEntry } from './lexicon/entries.ts';
import { ANCESTRY_NOUNS, COLOR_WORDS } from './lexicon/races.ts';
import { isNegated } from './negation.ts';
import { isMark, isThing } from './noun_phrases.ts';
import type { Term } from './terms.ts';
import type { Finding } from './types.ts';

/** Groups with the descriptions that stand apart from them, and the descriptions that the prompt denies. */
export interface Described {
  readonly drafts: readonly Draft[];
  readonly negated: readonly Finding[];
}

const VERB =
  /^(?:is|are|was|were|be|being|'s|looks?|looking|seems?|appears?|isn't|aren't|wasn't|weren't|becomes|both)$/;
const SMALL =
  /^(?:not|very|quite|rather|also|both|either|neither|nor|and|or|really|extremely|clearly|visibly|visually|about|almost|nearly|around|only|just|approximately|roughly|now)$/;

/** Attaches every description that belongs to no noun phrase. */
export function describeDrafts(prompt: string, terms: readonly Term[], drafts: readonly Draft[]): Described {
  let described = drafts;
  const negated: Finding[] = [];
  for (let k = 0; k < terms.length; k++) {
    const { entry } = terms[k]!;
    if (entry?.kind !== 'attribute' && entry?.kind !== 'age') continue;
    if (
      described.some(
        ({ from, to, attributes }) =>
          (from <= k && k <= to) || attributes.some(({ start }) => start === terms[k]!.start),
      )
    ) {
      continue;
    }
    const findings = attributeFindings(prompt, terms[k]!, entry, entry.rule);
    const owner =
      entry.kind === 'age'
        ? ownerOfAge(terms, described, k, entry, findings)
        : ownerOf(terms, described, k, entry);
    if (owner === null) continue;
    if (isNegated(terms, k - 1) || isListedAfterNegation(terms, k)) {
      negated.push(...findings);
    } else if (owner === 'new') described = replaceDrafts(described, [], tagDraft(k, findings));
    else described = replaceDrafts(described, [owner], withAttributes(owner, findings));
  }
  return Object.freeze({ drafts: described, negated: Object.freeze(negated) });
}

/** 'Neither young nor old'. */
function isListedAfterNegation(terms: readonly Term[], k: number): boolean {
  return /^n?or$/.test(terms[k - 1]?.key ?? '') && isNegated(terms, k - 3);
}

function ownerOf(
  terms: readonly Term[],
  drafts: readonly Draft[],
  k: number,
  entry: AttributeEntry,
): Draft | 'new' | null {
  const before = nearestBefore(drafts, k);
  if (isAncestry(terms, k)) return before ?? null;
  if (isThing(terms[k + 1])) return null;
  if (
    /^(?:of|dark|light|fair|pale|olive|tan|brown|black|white) (?:colou?r|skin|complexion)/.test(terms[k]!.key)
  )
    return before ?? null;
  const subject = subjectOf(terms, drafts, k);
  if (subject !== null) return subject;
  if (!isTag(terms, k)) return null;
  const one =
    nearestBefore(drafts, k, isSingular) ??
    before ??
    drafts.find((draft) => !draft.negated && draft.head > k);
  if (one !== undefined) return one;
  const names = entry.gender !== undefined || entry.age !== undefined || !COLOR_WORDS.has(terms[k]!.key);
  return names && drafts.length === 0 && speaksOfPeople(terms, entry) ? 'new' : null;
}

/** Tags alone mean a person where one of them is a gender, or a person's age. */
function speaksOfPeople(terms: readonly Term[], entry: AttributeEntry): boolean {
  if (entry.gender !== undefined || entry.rule === 'years of age') return true;
  return terms.some((term) => term.entry?.kind === 'attribute' && term.entry.gender !== undefined);
}

/** 'Of Asian descent', 'with East Asian features'. */
function isAncestry(terms: readonly Term[], k: number): boolean {
  let i = k + 1;
  while (
    i < terms.length &&
    (terms[i]!.entry?.kind === 'attribute' || /^(?:and|or|facial)$/.test(terms[i]!.key))
  )
    i++;
  const noun = terms[i];
  if (noun === undefined || !ANCESTRY_NOUNS.has(noun.key)) return false;
  return !(noun.key === 'background' && COLOR_WORDS.has(terms[k]!.key));
}

/** Whom a description after 'is', 'looks' and so on is about; null where it follows no such verb. */
function subjectOf(terms: readonly Term[], drafts: readonly Draft[], k: number): Draft | null {
  let i = k - 1;
  while (
    i >= 0 &&
    (SMALL.test(terms[i]!.key) ||
      terms[i]!.entry?.kind === 'negator' ||
      terms[i]!.entry?.kind === 'attribute')
  ) {
    if (VERB.test(terms[i]!.key)) break;
    i--;
  }
  if (i < 0 || !VERB.test(terms[i]!.key)) return null;
  while (i > 0 && VERB.test(terms[i - 1]!.key)) i--;
  if (/^(?:who|that|which)$/.test(terms[i - 1]?.key ?? '')) i--;
  if (/^(?:she|he)$/.test(terms[i - 1]?.key ?? '')) return nearestBefore(drafts, i + 1) ?? null;
  return drafts.find(({ to, negated }) => !negated && to === i - 1) ?? null;
}

/** Whether a description stands between marks, alone or with others. */
function isTag(terms: readonly Term[], k: number): boolean {
  return endsAtMark(terms, k, -1) && endsAtMark(terms, k, 1);
}

function endsAtMark(terms: readonly Term[], k: number, step: 1 | -1): boolean {
  for (let i = k + step; ; i += step) {
    const term = terms[i];
    if (term === undefined || isMark(term)) return true;
    const kind = term.entry?.kind;
    if (kind !== 'attribute' && kind !== 'age' && kind !== 'negator' && !SMALL.test(term.key)) return false;
  }
}

function ownerOfAge(
  terms: readonly Term[],
  drafts: readonly Draft[],
  k: number,
  entry: AgeEntry,
  findings: Draft['attributes'],
): Draft | 'new' | null {
  if (entry.adjacent) {
    if (isThing(terms[k + 1])) return null;
    const at = terms[k - 1]?.key === 'aged' ? k - 2 : k - 1;
    return drafts.find(({ to, negated }) => !negated && to === at) ?? null;
  }
  const agrees = (draft: Draft) => gendersAgree(draft, { ...draft, attributes: findings });
  const before =
    nearestBefore(drafts, k, agrees) ??
    drafts.find((draft) => !draft.negated && draft.head > k && agrees(draft));
  if (before !== undefined) return before;
  return null;
}

function tagDraft(k: number, attributes: Draft['attributes']): Draft {
  return Object.freeze({
    head: k,
    from: k,
    to: k,
    noun: '',
    role: 'generic',
    determiner: null,
    quantity: Object.freeze({ least: 1, most: 1, said: false }),
    attributes,
    occupation: null,
    name: null,
    negated: false,
  });
}
