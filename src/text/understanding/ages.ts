/** Ages in years or decades, as prompts word them. */

import type { AgeEntry, AttributeEntry } from './lexicon/entries.ts';
import type { AgeValue } from './types.ts';

/** First year of age that counts as old. */
export const OLD_FROM = 40;

/** An age at characters `start` up to `end`. */
export interface AgeMatch {
  readonly start: number;
  readonly end: number;
  /** Describes the noun after it or stands for a person ('63-year-old'), or follows the person ('in her thirties'). */
  readonly entry: AttributeEntry | AgeEntry;
}

type Range = readonly [least: number, most: number] | null;

const UNITS = 'one two three four five six seven eight nine'.split(' ');
const TEENS = 'ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(' ');
const TENS = 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');
const DECADES = 'twenties thirties forties fifties sixties seventies eighties nineties'.split(' ');

const WORD = `(?:(?:${TENS.join('|')})(?:[ -](?:${UNITS.join('|')}))?|${[...TEENS, ...UNITS].join('|')})`;
const YEARS = `(?:\\d{1,3}|${WORD}|(?:a |one )?hundred)`;
const TEN = `(?:\\d0['’]?s|${DECADES.join('|')}|teens)`;
const PART = '(?:early|mid|middle|late)[ -]';
const DECADE = `(?:${PART})?${TEN}`;
const DASH = '(?: ?[-–] ?| to | and )';

interface Pattern {
  readonly expression: RegExp;
  readonly range: (match: RegExpExecArray) => Range;
  /** 'word' for descriptions before a noun that can't stand for a person themselves. */
  readonly form: 'before' | 'word' | 'after' | 'adjacent';
  readonly rule: string;
}

const exactly = (match: RegExpExecArray): Range => {
  const years = numberOf(match[1]!);
  return [years, years];
};
const between = (match: RegExpExecArray): Range => [numberOf(match[1]!), numberOf(match[2]!)];
const decade = (match: RegExpExecArray): Range => decadeOf(match[1]!);

const PATTERNS: readonly Pattern[] = [
  pattern(`(${YEARS})[ -]?(?:years?|yrs?)[ -]olds?`, exactly, 'before', 'years of age'),
  pattern(`(${YEARS}) ?(?:yo|y\\/o|y\\.o\\.)`, exactly, 'before', 'years of age'),
  pattern(`(${TENS.join('|')})[ -]something`, (match) => tenFrom(match[1]!), 'before', 'decade of age'),
  pattern(
    `between (${YEARS}) and (${YEARS})(?: (?:years?|yrs?) (?:old|of age))?`,
    between,
    'adjacent',
    'years of age',
  ),
  pattern(`(?:aged?|ages) (?:between )?(${YEARS})${DASH}(${YEARS})`, between, 'after', 'years of age'),
  pattern(`(?:aged?|at age|at the age of|age:) ?(${YEARS})`, exactly, 'after', 'years of age'),
  pattern(`of (${YEARS})(?: years)?(?! [\\p{L}\\p{N}]*s(?![\\p{L}]))`, exactly, 'adjacent', 'years of age'),
  pattern(
    `(?:over|above|older than) (${YEARS})`,
    (match) => [numberOf(match[1]!) + 1, 130],
    'adjacent',
    'years of age',
  ),
  pattern(
    `(?:under|below|younger than) (${YEARS})`,
    (match) => [0, numberOf(match[1]!) - 1],
    'adjacent',
    'years of age',
  ),
  pattern(`in (?:his|her|their|my) (${DECADE})`, decade, 'after', 'decade of age'),
  pattern(`in (?:the )?(${PART}${TEN}) of (?:life|age)`, decade, 'after', 'decade of age'),
  pattern(`in (${PART}${TEN})`, decade, 'after', 'decade of age'),
  pattern(`(?<!\\bthe )(${PART}${TEN})`, decade, 'word', 'decade of age'),
  pattern('(?<=, ?)([1-9]\\d)(?= ?(?:,|\\)|$))', exactly, 'after', 'years of age'),
  pattern(`(?:nearly|almost|about|around) (${YEARS}) years of age`, exactly, 'after', 'years of age'),
];

function pattern(source: string, range: Pattern['range'], form: Pattern['form'], rule: string): Pattern {
  return {
    expression: new RegExp(`(?<![\\p{L}\\p{N}-])${source}(?![\\p{L}\\p{N}-])`, 'giu'),
    range,
    form,
    rule,
  };
}

/** Years that a numeral or number word means. */
function numberOf(text: string): number {
  const word = text.toLowerCase();
  if (/^\d+$/.test(word)) return Number(word);
  if (word.endsWith('hundred')) return 100;
  return word.split(/[ -]/).reduce((sum, part) => {
    const unit = UNITS.indexOf(part);
    if (unit >= 0) return sum + unit + 1;
    const teen = TEENS.indexOf(part);
    return sum + (teen >= 0 ? 10 + teen : 20 + 10 * TENS.indexOf(part));
  }, 0);
}

function tenFrom(word: string): Range {
  const first = 20 + 10 * TENS.indexOf(word.toLowerCase());
  return [first, first + 9];
}

function decadeOf(text: string): Range {
  const word = text.toLowerCase();
  if (word.endsWith('teens')) return [13, 19];
  const digits = /\d0/.exec(word);
  const first =
    digits === null ? 20 + 10 * DECADES.findIndex((name) => word.endsWith(name)) : Number(digits[0]);
  return [first, first + 9];
}

/** The age group that a whole range of years falls into; null where it spans both. */
export function ageOfYears(least: number, most: number): AgeValue | null {
  if (most < OLD_FROM) return 'young';
  return least >= OLD_FROM ? 'old' : null;
}

/**
 * Every age in a prompt, in order; where two patterns overlap, the one that starts first, then the longer. Ranges on both
 * sides of the border between young and old tell no age.
 */
export function findAges(prompt: string): readonly AgeMatch[] {
  const found = PATTERNS.flatMap(({ expression, range, form, rule }) =>
    [...prompt.matchAll(expression)].map((match) => {
      const years = range(match as RegExpExecArray);
      const age = years === null ? null : ageOfYears(...years);
      return { start: match.index, end: match.index + match[0].length, form, age, rule };
    }),
  ).sort((a, b) => a.start - b.start || b.end - a.end);
  let reached = 0;
  return found.flatMap(({ start, end, form, age, rule }) => {
    if (start < reached) return [];
    reached = end;
    return age === null ? [] : [{ start, end, entry: entryOf(prompt.slice(start, end), form, age, rule) }];
  });
}

function entryOf(
  text: string,
  form: Pattern['form'],
  age: AgeValue,
  rule: string,
): AttributeEntry | AgeEntry {
  if (form === 'before' || form === 'word') {
    const nominal = form === 'before';
    return Object.freeze({ kind: 'attribute', age, nominal, plural: /olds$/i.test(text), rule });
  }
  const pronoun = /\b(his|her)\b/i.exec(text)?.[1]?.toLowerCase();
  const gender = pronoun === undefined ? {} : ({ gender: pronoun === 'his' ? 'male' : 'female' } as const);
  return Object.freeze({ kind: 'age', age, rule, adjacent: form === 'adjacent', ...gender });
}
