/** Pronouns: whom they mean, and what their gender says about that person. */

import type { Draft } from './drafts.ts';
import {
  attributeFindings,
  gendersAgree,
  gendersOf,
  isSingular,
  mergeDrafts,
  nearestBefore,
  replaceDrafts,
  withAttributes,
} from './drafts.ts';
import { PRONOUNS } from './lexicon/descriptions.ts';
import { isDescription, isMark } from './noun_phrases.ts';
import type { Term } from './terms.ts';

/** Joins `she`, `he` and so on to the person whom they mean, where the prompt names one before. */
export function resolvePronouns(terms: readonly Term[], drafts: readonly Draft[]): readonly Draft[] {
  let resolved = drafts;
  for (const draft of drafts) {
    if (draft.head !== draft.from || !PRONOUNS[terms[draft.head]!.key]) continue;
    const meant = antecedent(resolved, draft.head, draft);
    if (meant !== undefined) resolved = replaceDrafts(resolved, [meant, draft], mergeDrafts(meant, draft));
    else if (followsAnimal(terms, draft.head))
      resolved = Object.freeze(resolved.filter(({ head }) => head !== draft.head));
  }
  return resolved;
}

/**
 * The person whom a pronoun of `like`'s gender means: the nearest before it who is named with that gender, else the
 * nearest whose gender isn't named.
 */
function antecedent(drafts: readonly Draft[], at: number, like: Draft): Draft | undefined {
  const suits = (draft: Draft) => draft.head !== like.head && isSingular(draft) && gendersAgree(draft, like);
  return (
    nearestBefore(drafts, at, (draft) => suits(draft) && gendersOf(draft).length > 0) ??
    nearestBefore(drafts, at, suits)
  );
}

function followsAnimal(terms: readonly Term[], at: number): boolean {
  return terms.slice(0, at).some(({ entry }) => entry?.kind === 'animal');
}

/** Gives the gender of `his` and `her` to the person whom they mean. */
export function applyPossessives(
  prompt: string,
  terms: readonly Term[],
  drafts: readonly Draft[],
): readonly Draft[] {
  let applied = drafts;
  for (let k = 0; k < terms.length; k++) {
    const term = terms[k]!;
    if (term.key !== 'his' && term.key !== 'her') continue;
    if (applied.some(({ head }) => head === k)) continue;
    const noun = possessed(terms, k);
    if (noun?.entry?.kind === 'animal' && followsAnimal(terms, k) && applied.every(({ head }) => head > k))
      continue;
    const gender = PRONOUNS[term.key]!;
    const findings = attributeFindings(prompt, term, { gender }, 'pronoun');
    const like = pronounLike(k, findings);
    const meant = antecedent(applied, k, like) ?? laterPerson(terms, applied, k, like);
    if (meant !== undefined) {
      if (!closerAnimal(terms, meant, k, noun))
        applied = replaceDrafts(applied, [meant], withAttributes(meant, findings));
    } else if (noun?.entry?.kind === 'body' && !followsAnimal(terms, k))
      applied = replaceDrafts(applied, [], like);
  }
  return applied;
}

function pronounLike(k: number, attributes: Draft['attributes']): Draft {
  const quantity = Object.freeze({ least: 1, most: 1, said: false });
  return Object.freeze({
    head: k,
    from: k,
    to: k,
    noun: '',
    role: 'pronoun',
    determiner: null,
    quantity,
    attributes,
    occupation: null,
    name: null,
    negated: false,
  });
}

/** What the possessive at `k` belongs to. */
function possessed(terms: readonly Term[], k: number): Term | undefined {
  let i = k + 1;
  while (isDescription(terms[i]) && terms[i + 1] !== undefined && !isMark(terms[i + 1])) i++;
  return terms[i];
}

/** 'A woman and a lioness with her cubs': animals have young, paws and tails of their own. */
function closerAnimal(terms: readonly Term[], { to }: Draft, k: number, noun: Term | undefined): boolean {
  const animal = terms.slice(to + 1, k).some(({ entry }) => entry?.kind === 'animal');
  return (
    animal &&
    (noun?.entry?.kind === 'animal' || /^(?:paws?|tail|fur|claws|nest|den|bone|prey)$/.test(noun?.key ?? ''))
  );
}

/** 'In her studio, an artist ...': the first person after it, where the prompt begins with the pronoun's phrase. */
function laterPerson(
  terms: readonly Term[],
  drafts: readonly Draft[],
  k: number,
  like: Draft,
): Draft | undefined {
  const [first] = drafts.filter(({ head, negated }) => head > k && !negated);
  if (first === undefined || first.from <= k + 1 || !isSingular(first) || !gendersAgree(first, like))
    return undefined;
  const comma = terms.slice(k, first.from).some(({ key }) => key === ',');
  return comma && k <= 2 ? first : undefined;
}
