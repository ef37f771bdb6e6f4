/** Groups of people while they are being put together: which terms they take up, and what those say. */

import type { Attributes, PersonRole } from './lexicon/entries.ts';
import type { Term } from './terms.ts';
import type { AttributeFinding, Finding } from './types.ts';

/** A number of people as one group's words give it. */
export interface Quantity {
  readonly least: number;
  readonly most: number | null;
  /** Whether a numeral or an equivalent word says it. */
  readonly said: boolean;
}

/** A group under construction; terms are meant by their index. */
export interface Draft {
  /** Term of the noun. */
  readonly head: number;
  /** First and last term. */
  readonly from: number;
  readonly to: number;
  /** Singular of the noun; empty for pronouns and adjectives that stand for a person. */
  readonly noun: string;
  readonly role: PersonRole | 'pronoun';
  /** Determiner that begins it; null for none. */
  readonly determiner: string | null;
  readonly quantity: Quantity;
  readonly attributes: readonly AttributeFinding[];
  readonly occupation: Finding | null;
  readonly name: Finding | null;
  readonly negated: boolean;
}

/** Everything that an entry says about a person, found at one term. */
export function attributeFindings(
  prompt: string,
  { start, end }: Pick<Term, 'start' | 'end'>,
  { gender, race, age }: Attributes,
  rule: string,
): readonly AttributeFinding[] {
  const place = { start, end, text: prompt.slice(start, end), rule };
  return Object.freeze([
    ...(gender === undefined
      ? []
      : [Object.freeze({ ...place, attribute: 'gender', value: gender } as const)]),
    ...(race === undefined ? [] : [Object.freeze({ ...place, attribute: 'race', value: race } as const)]),
    ...(age === undefined ? [] : [Object.freeze({ ...place, attribute: 'age', value: age } as const)]),
  ]);
}

/** Whether a group is one person. */
export function isSingular({ quantity }: Draft): boolean {
  return quantity.most === 1;
}

/** The genders that a group's words name. */
export function gendersOf({ attributes }: Draft): readonly string[] {
  return attributes.flatMap((finding) => (finding.attribute === 'gender' ? [finding.value] : []));
}

/** Whether two groups can be the same as far as their genders go. */
export function gendersAgree(a: Draft, b: Draft): boolean {
  const [first, second] = [gendersOf(a), gendersOf(b)];
  return first.length === 0 || second.length === 0 || first.some((gender) => second.includes(gender));
}

/** A group with more attributes, in order of place and without the same one twice. */
export function withAttributes(draft: Draft, added: readonly AttributeFinding[]): Draft {
  const attributes = [...draft.attributes];
  for (const finding of added) {
    const known = attributes.some(
      (other) =>
        other.attribute === finding.attribute &&
        other.start === finding.start &&
        other.value === finding.value,
    );
    if (!known) attributes.push(finding);
  }
  attributes.sort((a, b) => a.start - b.start);
  return Object.freeze({ ...draft, attributes: Object.freeze(attributes) });
}

/** One group out of two that mean the same people; the place of the earlier is kept. */
export function mergeDrafts(first: Draft, second: Draft): Draft {
  const specific =
    first.role === 'pronoun' || (first.role === 'generic' && second.role !== 'generic') ? second : first;
  const said = [first, second].find(({ quantity }) => quantity.said) ?? first;
  return withAttributes(
    Object.freeze({
      ...first,
      noun: specific.noun,
      role: specific.role,
      quantity: said.quantity,
      occupation: first.occupation ?? second.occupation,
      name: first.name ?? second.name,
    }),
    second.attributes,
  );
}

/** The drafts with `changed` in the place of those with the heads `removed`; order of place. */
export function replaceDrafts(
  drafts: readonly Draft[],
  removed: readonly Draft[],
  changed: Draft,
): readonly Draft[] {
  const heads = new Set(removed.map(({ head }) => head));
  return Object.freeze(
    [...drafts.filter(({ head }) => !heads.has(head)), changed].sort((a, b) => a.head - b.head),
  );
}

/** The nearest group before a term that satisfies a condition. */
export function nearestBefore(
  drafts: readonly Draft[],
  at: number,
  suits: (draft: Draft) => boolean = () => true,
): Draft | undefined {
  return drafts.findLast((draft) => draft.head < at && !draft.negated && suits(draft));
}
