/** Reads the labelled prompts, and measures what `understand` finds in them against the labels. */

import { readFileSync } from 'node:fs';
import type { People } from '../../src/text/understanding/types.ts';

/** Attributes that are measured, `people` being their number. */
export const MEASURED = ['gender', 'race', 'age', 'people'] as const;

/** One of `MEASURED`. */
export type Measured = (typeof MEASURED)[number];

/** A prompt with what the label says, by attribute: a sorted list with one item for each value of each group. */
export interface LabelledPrompt {
  readonly prompt: string;
  readonly label: string;
  readonly items: Readonly<Record<Measured, readonly string[]>>;
  /** What is bound to what: one text a group. */
  readonly groups: readonly string[];
}

/** Precision and recall, with the counts behind them. */
export interface Agreement {
  readonly found: number;
  readonly labelled: number;
  readonly right: number;
  readonly precision: number;
  readonly recall: number;
}

const GENDERS = new Set(['female', 'male', 'nonbinary']);
const AGES = new Set(['young', 'old']);

/** Reads `development` or `held_out`. */
export function readLabels(part: 'development' | 'held_out'): readonly LabelledPrompt[] {
  const text = readFileSync(new URL(`./${part}.tsv`, import.meta.url), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [prompt, label] = line.split('\t') as [string, string];
      return { prompt, label, ...itemsOfLabel(label) };
    });
}

function itemsOfLabel(label: string): Pick<LabelledPrompt, 'items' | 'groups'> {
  if (label === '-') return { items: { gender: [], race: [], age: [], people: [] }, groups: [] };
  const groups = label.split('; ').map((group) => group.split(' '));
  const words = groups.flatMap(([, ...rest]) => rest);
  const least = groups.reduce((sum, [count]) => sum + Number.parseInt(count!, 10), 0);
  const open = groups.some(([count]) => count!.includes('+'));
  const explicit = open || least !== 1 || groups.some(([count]) => count!.includes('!'));
  return {
    items: {
      gender: words.filter((word) => GENDERS.has(word)).sort(),
      race: words.filter((word) => !GENDERS.has(word) && !AGES.has(word)).sort(),
      age: words.filter((word) => AGES.has(word)).sort(),
      people: [`${least}${open ? '+' : ''}${explicit ? ' said' : ''}`],
    },
    groups:
      label === '0'
        ? []
        : groups.map(([count, ...rest]) => [count!.replace('!', ''), ...rest.sort()].join(' ')),
  };
}

/** What was found, in the form of labels. */
export function itemsOfPeople({ groups, count }: People): Pick<LabelledPrompt, 'items' | 'groups'> {
  const valuesOf = (attribute: string) =>
    groups
      .flatMap((group) => [
        ...new Set(group.attributes.flatMap((found) => (found.attribute === attribute ? [found.value] : []))),
      ])
      .sort();
  const amount = count && `${count.least}${count.most === null ? '+' : ''}${count.explicit ? ' said' : ''}`;
  return {
    items: {
      gender: valuesOf('gender'),
      race: valuesOf('race'),
      age: valuesOf('age'),
      people: amount === null ? [] : [amount],
    },
    groups: groups.map(({ count: { least, most }, attributes }) =>
      [
        `${least}${most === null ? '+' : ''}`,
        ...[...new Set(attributes.map(({ value }) => value))].sort(),
      ].join(' '),
    ),
  };
}

/** Agreement of what was found with the labels, prompt by prompt, over one attribute. */
export function agreementOf(
  pairs: readonly { readonly label: LabelledPrompt; readonly found: Pick<LabelledPrompt, 'items'> }[],
  attribute: Measured,
): Agreement {
  let [found, labelled, right] = [0, 0, 0];
  for (const pair of pairs) {
    const rest = [...pair.label.items[attribute]];
    labelled += rest.length;
    for (const item of pair.found.items[attribute]) {
      found++;
      const at = rest.indexOf(item);
      if (at < 0) continue;
      rest.splice(at, 1);
      right++;
    }
  }
  return { found, labelled, right, precision: right / found, recall: right / labelled };
}
