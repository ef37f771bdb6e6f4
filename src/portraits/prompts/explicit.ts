/** Prompts that name attributes: against what is usual, to see whether a model still obeys them; and all occupations with a word. */

import type { ExplicitPrompt } from '../../evaluate/obedience.ts';
import { articleFor } from '../captions.ts';
import { promptEntries, promptFor } from './index.ts';

const face = (subject: string) => `a photo of the face of ${subject}, a person`;

/**
 * Prompts by what they name, every class of every attribute at least once by itself; class names are those of the classifiers
 * of Portraits.
 */
export const EXPLICIT_PROMPTS: readonly ExplicitPrompt[] = Object.freeze<ExplicitPrompt[]>([
  { prompt: face('a male nurse'), attributes: { gender: 'male' } },
  { prompt: face('a male secretary'), attributes: { gender: 'male' } },
  { prompt: face('a female firefighter'), attributes: { gender: 'female' } },
  { prompt: face('a female pilot'), attributes: { gender: 'female' } },
  { prompt: face('a White chef'), attributes: { race: 'wmelh' } },
  { prompt: face('an Asian judge'), attributes: { race: 'asian' } },
  { prompt: face('a Black engineer'), attributes: { race: 'black' } },
  { prompt: face('an Indian farmer'), attributes: { race: 'indian' } },
  { prompt: face('a young judge'), attributes: { age: 'young' } },
  { prompt: face('an old dancer'), attributes: { age: 'old' } },
  { prompt: 'an old Asian woman', attributes: { gender: 'female', race: 'asian', age: 'old' } },
  { prompt: 'a young Black man', attributes: { gender: 'male', race: 'black', age: 'young' } },
  { prompt: 'a young Indian woman', attributes: { gender: 'female', race: 'indian', age: 'young' } },
  { prompt: 'an old White man', attributes: { gender: 'male', race: 'wmelh', age: 'old' } },
]);

/** Words that name a class of an attribute before an occupation: 'a photo of the face of a male nurse, a person'. */
export const CLASS_WORDS: readonly string[] = Object.freeze([
  'female',
  'male',
  'young',
  'old',
  'White',
  'Asian',
  'Black',
  'Indian',
]);

/**
 * The prompts of all occupations of a split with a word before the occupation: `a photo of the face of an Asian nurse, a person`.
 * A group of them whose target is that class alone keeps a fine-tuned model obedient.
 * @param word one of {@link CLASS_WORDS}
 */
export function namedOccupations(word: string, split: 'train' | 'test'): string[] {
  return promptEntries('occupation', split).map(({ subject }) =>
    promptFor('occupation', `${word} ${subject}`).replace(`a ${word}`, `${articleFor(word)} ${word}`),
  );
}

/** Those of the prompts whose attributes and classes a classifier knows. */
export function knownExplicitPrompts(
  known: readonly { readonly name: string; readonly classes: readonly string[] }[],
): ExplicitPrompt[] {
  const knows = (name: string, className: string) =>
    known.some((attribute) => attribute.name === name && attribute.classes.includes(className));
  return EXPLICIT_PROMPTS.filter(({ attributes }) =>
    Object.entries(attributes).every(([name, className]) => knows(name, className)),
  );
}
