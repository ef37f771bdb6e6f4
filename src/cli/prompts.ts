/** Prompt lists by the names that configurations give them: families of Portraits, a text file, or the prompts themselves. */

import { existsSync, readFileSync } from 'node:fs';
import { closestName } from '../fairness/closest_name.ts';
import { CLASS_WORDS, namedOccupations } from '../portraits/prompts/explicit.ts';
import type { Family } from '../portraits/prompts/index.ts';
import { promptEntries } from '../portraits/prompts/index.ts';
import { UsageError } from './errors.ts';

/** Families by the names of their lists. */
const LISTS: Readonly<Record<string, Family>> = Object.freeze({
  occupations: 'occupation',
  sports: 'sport',
  styled: 'styled',
  descriptors: 'descriptor',
});

/** Names of the prompt lists that ship with Portraits, each with a training and a test split. */
export const PROMPT_LISTS: readonly string[] = Object.freeze(Object.keys(LISTS));

/**
 * The prompts that a configuration means.
 * @param choice name of a list; a word that names a class and `occupations`, such as `female occupations`; `list+list` for several;
 * path of a text file with one prompt a line; or prompts themselves
 * @param split which part of a shipped list: prompts to train on, or prompts held out for measuring
 * @throws UsageError when there is neither such a list nor such a file, or no prompt in it
 */
export function resolvePrompts(choice: string | readonly string[], split: 'train' | 'test'): string[] {
  if (typeof choice !== 'string') return [...choice];
  if (existsSync(choice)) return promptsOfFile(choice);
  return choice.split('+').flatMap((part) => {
    const name = part.trim();
    const family = LISTS[name];
    if (family !== undefined) return promptEntries(family, split).map(({ prompt }) => prompt);
    const word = CLASS_WORDS.find((each) => name === `${each} occupations`);
    if (word !== undefined) return namedOccupations(word, split);
    const closest = closestName(name, [...PROMPT_LISTS, ...CLASS_WORDS.map((each) => `${each} occupations`)]);
    const hint = closest === undefined ? '' : `; did you mean ${closest}?`;
    throw new UsageError(
      `prompts: expected ${PROMPT_LISTS.join(', ')}, occupations after one of ${CLASS_WORDS.join(', ')}, ` +
        `or a text file, received ${name}${hint}`,
    );
  });
}

/** Prompts of a text file, one a line, without empty lines. */
export function promptsOfFile(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`prompts: cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
  const prompts = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (prompts.length === 0) throw new UsageError(`${file}: expected a prompt a line, received none`);
  return prompts;
}

/** What was done with some prompts and which they are, the first three of them; nothing where there are none. */
export function noteOfPrompts(what: string, prompts: readonly string[]): string[] {
  if (prompts.length === 0) return [];
  const shown = prompts.slice(0, 3).map((prompt) => `'${prompt}'`);
  const more = prompts.length > shown.length ? ` and ${prompts.length - shown.length} more` : '';
  return [`${what}: ${shown.join(', ')}${more}`];
}

/** `count` of the items, spread evenly over the list; all where there are fewer. */
export function spreadItems<Item>(items: readonly Item[], count: number): Item[] {
  if (count >= items.length) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.floor(((i + 0.5) * items.length) / count)]!);
}
