/** Where prompts come from: a set of the server's, or lines of the reader's own. */

import { fieldsOf, numeric, oneOf, text } from './read.ts';

/** The choice with both sides kept, so that changing between them loses nothing. */
export interface PromptSource {
  readonly from: 'set' | 'own';
  /** Name of a set. */
  readonly set: string;
  /** How many prompts of the set are taken, spread over it. */
  readonly count: number;
  /** One prompt a line. */
  readonly lines: string;
}

/** Prompts of the reader's own, without empty lines. */
export function linesOf({ lines }: PromptSource): string[] {
  return lines
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** A source from storage. */
export function readPromptSource(stored: unknown, count: number): PromptSource {
  const fields = fieldsOf(stored);
  return {
    from: oneOf(fields.from, ['set', 'own'], 'set'),
    set: text(fields.set, 'occupations'),
    count: Math.round(numeric(fields.count, count, 1, 5000)),
    lines: text(
      fields.lines,
      'a photo of the face of a doctor, a person\na photo of the face of a nurse, a person',
    ),
  };
}
