/** The prompts of the Portraits world: four families, training and test split, looks and planted bias. */

import type { Expression } from '../scene.ts';
import { STYLE_KINDS, type StyleKind } from '../styles.ts';
import { type Category, categoryNamed, type Look } from './categories.ts';
import { DESCRIPTOR_CATEGORIES, DESCRIPTOR_EXPRESSIONS, DESCRIPTORS_BY_CATEGORY } from './descriptors.ts';
import { OCCUPATIONS_BY_CATEGORY } from './occupations.ts';
import { FAMILIES, type Family, plantFamily } from './planted.ts';
import { TEST_SUBJECTS } from './split.ts';
import { SPORT_CATEGORIES, SPORTS_BY_CATEGORY } from './sports.ts';
import { STYLED_BY_STYLE } from './styled.ts';

export { FAMILIES, type Family } from './planted.ts';

/** One prompt of the Portraits world. */
export interface PromptEntry {
  readonly family: Family;
  readonly split: 'train' | 'test';
  /** The part that varies: occupation, sport, descriptor, or the whole phrase of a styled prompt. */
  readonly subject: string;
  /** The whole prompt. */
  readonly prompt: string;
  readonly category: string;
  readonly look: Look;
  readonly style: StyleKind;
  /** The expression that the prompt asks for, or null where it is left open. */
  readonly expression: Expression | null;
}

/** The fixed prompt of a subject of the given family (styled phrases stand for themselves). */
export function promptFor(family: Family, subject: string): string {
  if (family === 'occupation') return `a photo of the face of a ${subject}, a person`;
  if (family === 'sport') return `a person playing ${subject}`;
  if (family === 'descriptor') return `a photo of the face of a ${subject} person`;
  return subject;
}

interface Draft {
  readonly subject: string;
  readonly category: Category;
  readonly style: StyleKind;
  readonly expression: Expression | null;
}

function drafts(family: Family): readonly Draft[] {
  if (family === 'styled') {
    return STYLE_KINDS.flatMap((style) =>
      (STYLED_BY_STYLE[style] ?? []).map((line) => {
        const [category, subject] = line.split(': ') as [string, string];
        return { subject, category: categoryNamed(category), style, expression: null };
      }),
    );
  }
  const lists = {
    occupation: OCCUPATIONS_BY_CATEGORY,
    sport: SPORTS_BY_CATEGORY,
    descriptor: DESCRIPTORS_BY_CATEGORY,
  };
  const own = new Map(
    [...SPORT_CATEGORIES, ...DESCRIPTOR_CATEGORIES].map((category) => [category.name, category]),
  );
  return Object.entries(lists[family]).flatMap(([name, subjects]) =>
    subjects.map((subject) => ({
      subject,
      category: family === 'occupation' ? categoryNamed(name) : own.get(name)!,
      style: 'photo' as const,
      expression: family === 'descriptor' ? DESCRIPTOR_EXPRESSIONS[name]! : null,
    })),
  );
}

const planted = new WeakMap<PromptEntry, Float64Array>();

/** Every prompt: 1050 occupations, 300 sports, 169 styled phrases, 50 descriptors, in a fixed order. */
export const PROMPT_ENTRIES: readonly PromptEntry[] = Object.freeze(
  FAMILIES.flatMap((family) => {
    const list = drafts(family);
    const tables = plantFamily(family, list);
    const test = new Set(TEST_SUBJECTS[family]);
    return list.map((draft, index) => {
      const entry: PromptEntry = Object.freeze({
        family,
        split: test.has(draft.subject) ? 'test' : 'train',
        subject: draft.subject,
        prompt: promptFor(family, draft.subject),
        category: draft.category.name,
        look: draft.category.look,
        style: draft.style,
        expression: draft.expression,
      });
      planted.set(entry, tables[index]!);
      return entry;
    });
  }),
);

const byPrompt = new Map(PROMPT_ENTRIES.map((entry) => [entry.prompt, entry]));

/** The entries of one family, of one split or of both. */
export function promptEntries(family: Family, split?: 'train' | 'test'): readonly PromptEntry[] {
  return PROMPT_ENTRIES.filter((entry) => entry.family === family && (!split || entry.split === split));
}

/** The entry whose prompt is exactly `prompt`, or undefined. */
export function findPrompt(prompt: string): PromptEntry | undefined {
  return byPrompt.get(prompt);
}

/**
 * The distribution over gender x race x age from which the training pictures of an entry are drawn when the caption
 * doesn't name attributes: 16 probabilities in `groupIndex` order (gender-major, then race, then age). A fresh copy.
 * Throws Error for an entry that isn't one of `PROMPT_ENTRIES`.
 */
export function plantedDistribution(entry: PromptEntry): Float64Array {
  const table = planted.get(entry);
  if (!table)
    throw new Error(`Planted distribution: expected an entry of PROMPT_ENTRIES, got '${entry.prompt}'`);
  return table.slice();
}
