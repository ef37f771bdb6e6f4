/** Prompts of an audit apart from those that name what the audit would measure. */

import type { PromptSet } from '../evaluate/prompt_set.ts';
import type { TargetDistribution } from '../fairness/index.ts';
import { namedClasses, overriddenPrompts } from '../fairness/overridden_attributes.ts';
import { noteOfPrompts } from './prompts.ts';

/** A prompt set whose measured prompts leave open what the target decides. */
export interface PartedPrompts extends PromptSet {
  /** What was set apart, in words. */
  readonly notes: readonly string[];
}

/**
 * Sets measured prompts apart that name an attribute of the target: 'a male nurse' says nothing about who nurses are drawn as.
 * Where the classifier knows what they name, they are measured for obedience, and otherwise left out.
 * @param known attributes of the classifier
 * @throws Error where no prompt would be left to measure
 */
export function partPrompts(
  { measured, explicit }: PromptSet,
  target: TargetDistribution,
  known: readonly { readonly name: string; readonly classes: readonly string[] }[],
): PartedPrompts {
  const overridden = overriddenPrompts(
    measured.map(({ prompt }) => prompt),
    () => target,
  );
  const named = [...overridden].map((prompt) => ({ prompt, attributes: namedClasses(prompt, known) }));
  const obedient = named.flatMap(({ prompt, attributes }) =>
    attributes === null ? [] : [{ prompt, attributes }],
  );
  const dropped = named.filter(({ attributes }) => attributes === null).map(({ prompt }) => prompt);
  return {
    measured: measured.filter(({ prompt }) => !overridden.has(prompt)),
    explicit: [...explicit, ...obedient],
    notes: [
      ...noteOfPrompts(
        'measured for obedience, for they name what the target would decide',
        obedient.map(({ prompt }) => prompt),
      ),
      ...noteOfPrompts('left out, for they name what the target would decide', dropped),
    ],
  };
}
