/** Prompts of an audit apart from those that name what the audit would measure. */

import type { PromptSet } from '../evaluate/prompt_set.ts';
import type { TargetDistribution } from '../fairness/index.ts';
import { namedClasses, overriddenAttributes } from '../fairness/overridden_attributes.ts';
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
  const overridden = new Map(measured.map(({ prompt }) => [prompt, overriddenAttributes(prompt, target)]));
  const left = measured.filter(({ prompt }) => overridden.get(prompt)!.length === 0);
  const [first] = measured;
  if (left.length === 0 && first !== undefined) {
    throw new Error(
      `prompts: expected some that leave ${overridden.get(first.prompt)!.join(' and ')} open, ` +
        `received only such as '${first.prompt}'`,
    );
  }
  const named = measured
    .filter(({ prompt }) => overridden.get(prompt)!.length > 0)
    .map(({ prompt }) => ({ prompt, attributes: namedClasses(prompt, known) }));
  const obedient = named.flatMap(({ prompt, attributes }) =>
    attributes === null ? [] : [{ prompt, attributes }],
  );
  const dropped = named.filter(({ attributes }) => attributes === null);
  return {
    measured: left,
    explicit: [...explicit, ...obedient],
    notes: [
      ...noteOfPrompts('measured for obedience, for they name what the target would decide', obedient),
      ...noteOfPrompts('left out, for they name what the target would decide', dropped),
    ],
  };
}
