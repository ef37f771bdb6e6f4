/** What a prompt says of its people itself, against a target that would have it otherwise. */

import { namesAttributes, peopleOf } from '../text/understanding/index.ts';
import type { TargetDistribution } from './target_distribution.ts';
import { marginalTarget, wantsOneClass } from './target_distribution.ts';

/** Attributes that prompts are understood to name. */
const UNDERSTOOD = Object.freeze(['gender', 'race', 'age'] as const);

/**
 * Attributes that a prompt names itself and of which the target wants several classes: 'a male nurse' under half women and half
 * men. Such a prompt is no sample of the target and is never trained towards it; under a target of men alone it is.
 * @returns names of attributes in the target's order; none for a prompt that leaves open what the target decides
 */
export function overriddenAttributes(prompt: string, target: TargetDistribution): string[] {
  const named = namesAttributes(prompt);
  return target.attributes
    .map(({ name }) => name)
    .filter(
      (name) =>
        UNDERSTOOD.some((understood) => understood === name && named[understood]) &&
        !wantsOneClass(marginalTarget(target, name).shares),
    );
}

/**
 * Those of some prompts that name what their own target would decide.
 * @throws Error where all of them do, and nothing is left to train on or to measure
 */
export function overriddenPrompts(
  prompts: readonly string[],
  targetOf: (prompt: string) => TargetDistribution,
): ReadonlySet<string> {
  const named = new Map(
    prompts
      .map((prompt) => [prompt, overriddenAttributes(prompt, targetOf(prompt))] as const)
      .filter(([, attributes]) => attributes.length > 0),
  );
  const [first] = prompts;
  if (first !== undefined && prompts.every((prompt) => named.has(prompt))) {
    throw new Error(
      `prompts: expected some that leave ${named.get(first)!.join(' and ')} open, received only such as '${first}': ` +
        'what a prompt says itself is not overridden; give such prompts a target of what they say, or none',
    );
  }
  return new Set(named.keys());
}

/**
 * The classes that a prompt names, where a classifier has classes of those names and the prompt speaks of one person, or of
 * several alike: { gender: 'male' } for 'a male nurse'.
 * @returns by attribute; null where something is named that no class stands for, or denied
 */
export function namedClasses(
  prompt: string,
  known: readonly { readonly name: string; readonly classes: readonly string[] }[],
): Readonly<Record<string, string>> | null {
  const { groups, negated } = peopleOf(prompt);
  const [found = []] = groups.map(({ attributes }) => attributes);
  if (groups.length !== 1 || found.length === 0 || negated.length > 0) return null;
  const classes: Record<string, string> = {};
  for (const { attribute, value } of found) {
    const names = known.find(({ name }) => name === attribute)?.classes ?? [];
    const className = names.find((each) => each.toLowerCase() === value);
    if (className === undefined || (classes[attribute] ?? className) !== className) return null;
    classes[attribute] = className;
  }
  return Object.freeze(classes);
}
