/** The people of a prompt: groups with number, gender, race, age, occupation and activity, and what is denied. */

import { findActivity } from './activities.ts';
import { describeDrafts } from './descriptions.ts';
import type { Draft } from './drafts.ts';
import { isSingular } from './drafts.ts';
import { findDrafts } from './groups.ts';
import { linkDrafts } from './links.ts';
import { markNegated } from './negation.ts';
import { applyPossessives, resolvePronouns } from './pronouns.ts';
import { isStyleName } from './style_names.ts';
import type { Term } from './terms.ts';
import type { Finding, People, PeopleCount, PersonGroup } from './types.ts';

/** Finds the people of a prompt among its terms. */
export function findPeople(prompt: string, terms: readonly Term[]): People {
  const pictured = findDrafts(prompt, terms).filter(
    ({ from, name }) => name === null || !isStyleName(terms, from),
  );
  const linked = linkDrafts(terms, markNegated(terms, pictured));
  const resolved = applyPossessives(prompt, terms, resolvePronouns(terms, linked));
  const described = describeDrafts(prompt, terms, resolved);
  const present = described.drafts.filter(({ negated }) => !negated);
  const groups = markAlone(terms, present).map((draft) => finish(prompt, terms, draft));
  return Object.freeze({
    groups: Object.freeze(groups),
    count: countPeople(terms, groups, described.drafts),
    negated: Object.freeze([...deniedPeople(prompt, terms, described.drafts), ...described.negated]),
  });
}

/** 'A woman alone', and `solo` as a tag, say that there is one person. */
function markAlone(terms: readonly Term[], drafts: readonly Draft[]): readonly Draft[] {
  const [only] = drafts;
  if (drafts.length !== 1 || !isSingular(only!)) return drafts;
  if (!terms.some(({ entry }) => entry?.kind === 'alone')) return drafts;
  return [Object.freeze({ ...only!, quantity: Object.freeze({ least: 1, most: 1, said: true }) })];
}

function finish(prompt: string, terms: readonly Term[], draft: Draft): PersonGroup {
  const start = terms[draft.from]!.start;
  const end = terms[Math.max(draft.to, draft.head)]!.end;
  const { least, most, said } = draft.quantity;
  return Object.freeze({
    start,
    end,
    text: prompt.slice(start, end),
    count: Object.freeze({ least, most, explicit: said }),
    attributes: draft.attributes,
    occupation: draft.occupation,
    activity: findActivity(prompt, terms, draft.to),
    name: draft.name,
  });
}

function countPeople(
  terms: readonly Term[],
  groups: readonly PersonGroup[],
  all: readonly Draft[],
): PeopleCount | null {
  if (groups.length === 0) {
    const nobody = all.length > 0 || terms.some(({ entry }) => entry?.kind === 'nobody');
    return nobody ? Object.freeze({ least: 0, most: 0, explicit: true }) : null;
  }
  const least = groups.reduce((sum, { count }) => sum + count.least, 0);
  const most = groups.reduce<number | null>(
    (sum, { count }) => (sum === null || count.most === null ? null : sum + count.most),
    0,
  );
  return Object.freeze({ least, most, explicit: most !== 1 || groups.some(({ count }) => count.explicit) });
}

function deniedPeople(prompt: string, terms: readonly Term[], drafts: readonly Draft[]): readonly Finding[] {
  return drafts
    .filter(({ negated }) => negated)
    .flatMap(({ from, to, noun, attributes }): Finding[] => {
      const [start, end] = [terms[from]!.start, terms[to]!.end];
      const people = { start, end, text: prompt.slice(start, end), value: noun, rule: 'negation' };
      return [Object.freeze(people), ...attributes];
    });
}
