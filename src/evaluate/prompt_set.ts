/** Prompts of an evaluation from a document of the user's own: plain, in families, or with the attributes that they name. */

import { z } from 'zod';
import type { ExplicitPrompt } from './obedience.ts';

/** A prompt whose images are measured. */
export interface MeasuredPrompt {
  readonly prompt: string;
  /** Name of the family that it is measured with. */
  readonly family: string;
}

/** Prompts of an evaluation. */
export interface PromptSet {
  /** Prompts that leave attributes open. */
  readonly measured: readonly MeasuredPrompt[];
  /** Prompts that name attributes. */
  readonly explicit: readonly ExplicitPrompt[];
}

/** Family of prompts that are in none. */
export const DEFAULT_FAMILY = 'prompts';

/** Form of one prompt in a document: its text, or the text with a family or named attributes. */
export const promptSchema = z.union([
  z.string().min(1),
  z.strictObject({
    prompt: z.string().min(1),
    family: z.string().min(1).optional(),
    /** Classes by attribute that the prompt names, { gender: male }: its images are measured for obedience alone. */
    attributes: z.record(z.string(), z.string()).optional(),
  }),
]);

const listSchema = z.array(promptSchema).min(1);
const documentSchema = z.union([listSchema, z.record(z.string(), listSchema)]);

/**
 * Sorts the prompts of a parsed document: a list of prompts, or lists by family. A prompt is a text, or
 * { prompt, family, attributes } with the last two optional; those with attributes are explicit.
 * @param source name of the document for errors
 * @throws Error naming the entry that is wrong, or a prompt that stands there twice
 */
export function parsePromptSet(document: unknown, source: string): PromptSet {
  const parsed = documentSchema.safeParse(document);
  if (!parsed.success) {
    throw new Error(
      `${source}: expected a list of prompts, or lists by family; a prompt is a text or {prompt, family, attributes}: ` +
        `${describeFault(document)}`,
    );
  }
  const lists = Array.isArray(parsed.data)
    ? [[DEFAULT_FAMILY, parsed.data] as const]
    : Object.entries(parsed.data);
  const entries = lists.flatMap(([family, list]) =>
    list.map((entry) =>
      typeof entry === 'string' ? { prompt: entry, family } : { ...entry, family: entry.family ?? family },
    ),
  );
  const seen = new Set<string>();
  for (const { prompt } of entries) {
    if (seen.has(prompt)) throw new Error(`${source}: expected each prompt once, received '${prompt}' twice`);
    seen.add(prompt);
  }
  const named = entries.flatMap((entry) => {
    const attributes = 'attributes' in entry ? (entry.attributes ?? {}) : {};
    return [{ ...entry, attributes }];
  });
  return {
    measured: named
      .filter(({ attributes }) => Object.keys(attributes).length === 0)
      .map(({ prompt, family }) => ({ prompt, family })),
    explicit: named
      .filter(({ attributes }) => Object.keys(attributes).length > 0)
      .map(({ prompt, attributes }) => ({ prompt, attributes })),
  };
}

/** The first entry that is no prompt, in words. */
function describeFault(document: unknown): string {
  const show = (value: unknown) => JSON.stringify(value) ?? String(value);
  if (typeof document !== 'object' || document === null) return `received ${show(document)}`;
  const lists = Array.isArray(document) ? [['', document] as const] : Object.entries(document);
  for (const [family, list] of lists) {
    const where = family === '' ? '' : `${family}: `;
    if (!Array.isArray(list) || list.length === 0) return `${where}received ${show(list)}`;
    const wrong = list.findIndex((entry) => !promptSchema.safeParse(entry).success);
    if (wrong >= 0) return `${where}entry ${wrong + 1}: received ${show(list[wrong])}`;
  }
  return 'received none';
}
