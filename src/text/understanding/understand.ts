/** Understands a prompt: who and what it describes, in which style, and what the user wants. */

import { isCommand, parseCommand } from './command.ts';
import { findEntities } from './entities.ts';
import { findIntent, intentOfCommand } from './intent.ts';
import { findPeople } from './people.ts';
import { findStyles } from './styles.ts';
import { findTerms } from './terms.ts';
import { tokenize } from './tokens.ts';
import type { People, Understanding } from './types.ts';

/**
 * Understands a sentence, a list of tags, or a structured command. What it finds is reported, and never changes what is
 * drawn. Places are characters of `input`.
 * @throws CommandSyntaxError for a structured command that can't be followed
 */
export function understand(input: string): Understanding {
  const parsed = isCommand(input) ? parseCommand(input) : null;
  const prompt = parsed?.promptInPlace ?? input;
  const tokens = tokenize(prompt);
  const terms = findTerms(prompt, tokens);
  const people = findPeople(prompt, terms);
  return Object.freeze({
    prompt: parsed === null ? input : parsed.command.prompt,
    tokens,
    entities: findEntities(prompt, tokens, terms, people.groups),
    people,
    styles: findStyles(prompt, tokens),
    intent: parsed === null ? findIntent(input) : intentOfCommand(parsed.command),
    command: parsed?.command ?? null,
  });
}

/** The people of a prompt, for whoever needs nothing else: prompt samplers and audits. */
export function peopleOf(prompt: string): People {
  return findPeople(prompt, findTerms(prompt, tokenize(prompt)));
}
