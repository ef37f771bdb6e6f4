/** Prompts of an evaluation by the names that configurations give them: shipped lists as families, files, or entries. */

import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { ExplicitPrompt } from '../evaluate/obedience.ts';
import { requireKnown } from '../evaluate/obedience.ts';
import type { PromptSet } from '../evaluate/prompt_set.ts';
import { parsePromptSet } from '../evaluate/prompt_set.ts';
import { knownExplicitPrompts } from '../portraits/prompts/explicit.ts';
import { asUsage, UsageError } from './errors.ts';
import { PROMPT_LISTS, promptsOfFile, resolvePrompts } from './prompts.ts';

/** Every list that ships with Portraits. */
const ALL_LISTS = 'all';

/**
 * The prompts that a configuration means: those that are measured, and those among them that name attributes.
 * @param choice name of a shipped list (its held-out part), `list+list`, `all`; path of a text file with a prompt a line, or
 * of a YAML or JSON file as {@link parsePromptSet} reads it; or such a document's content
 * @throws UsageError when there is neither such a list nor such a file, or something else stands in it
 */
export function resolvePromptSet(choice: unknown): PromptSet {
  if (typeof choice !== 'string') return asUsage(() => parsePromptSet(choice, 'prompts'));
  if (!existsSync(choice)) {
    const names = choice === ALL_LISTS ? PROMPT_LISTS : choice.split('+').map((name) => name.trim());
    const families = names.map((name) => [name, resolvePrompts(name, 'test')] as const);
    return asUsage(() => parsePromptSet(Object.fromEntries(families), 'prompts'));
  }
  if (!/\.(ya?ml|json)$/i.test(choice)) return asUsage(() => parsePromptSet(promptsOfFile(choice), choice));
  return asUsage(() => parsePromptSet(parse(readFileSync(choice, 'utf8')), choice));
}

/**
 * The explicit prompts that a configuration means.
 * @param choice `shipped` for those that fit the classifier, `none`, a file or entries as in {@link resolvePromptSet}
 * @param among explicit prompts that stand among the measured ones
 * @param known attributes of the classifier
 * @throws UsageError when a prompt names nothing, or something that the classifier does not know
 */
export function resolveExplicitPrompts(
  choice: unknown,
  among: readonly ExplicitPrompt[],
  known: readonly { readonly name: string; readonly classes: readonly string[] }[],
): ExplicitPrompt[] {
  const own = choice === 'shipped' || choice === 'none' ? null : resolvePromptSet(choice);
  const plain = own?.measured[0];
  if (plain !== undefined) {
    throw new UsageError(
      `explicit prompts: expected the attributes that '${plain.prompt}' names, received none; ` +
        'write {prompt: ..., attributes: {gender: male}}',
    );
  }
  const chosen = [...among, ...(own?.explicit ?? [])];
  asUsage(() => requireKnown(chosen, known));
  // A user's own prompts take the place of the shipped ones.
  return choice === 'shipped' && chosen.length === 0 ? knownExplicitPrompts(known) : chosen;
}
