/** Adjectives of gender and age, numbers, negations, and other small words with a part in finding people. */

import type { AttributeEntry, Entry, NumberEntry } from './entries.ts';
import { wordList } from './word_list.ts';

function attributes(
  words: readonly string[],
  entry: Omit<AttributeEntry, 'kind'>,
): [string, AttributeEntry][] {
  const shared: AttributeEntry = Object.freeze({ kind: 'attribute', ...entry });
  return words.map((word) => [word, shared]);
}

function numbers(words: readonly string[], least: number, most: number | null): [string, NumberEntry][] {
  const shared: NumberEntry = Object.freeze({ kind: 'number', least, most });
  return words.map((word) => [word, shared]);
}

const DESCRIPTIONS: readonly [string, AttributeEntry][] = [
  ...attributes(wordList`female, feminine, womanly, ladylike, all female, all girl, cis female`, {
    gender: 'female',
    nominal: true,
    rule: 'word of gender',
  }),
  ...attributes(wordList`females`, { gender: 'female', nominal: true, plural: true, rule: 'word of gender' }),
  ...attributes(wordList`male, masculine, manly, all male, cis male`, {
    gender: 'male',
    nominal: true,
    rule: 'word of gender',
  }),
  ...attributes(wordList`males`, { gender: 'male', nominal: true, plural: true, rule: 'word of gender' }),
  ...attributes(
    wordList`nonbinary, non binary, genderqueer, agender, androgynous, gender fluid, genderfluid, bigender,
      gender neutral, gender nonconforming, genderless, intersex, third gender`,
    { gender: 'nonbinary', rule: 'word of gender' },
  ),
  ...attributes(
    wordList`young, younger, youngish, youthful, young looking, teenage, teenaged, teen aged, adolescent, underage,
      preteen, prepubescent, childlike, newly born, juvenile, gen z, college aged, school aged`,
    { age: 'young', rule: 'word of age' },
  ),
  ...attributes(
    wordList`old, older, oldest, elderly, aged, aging, ageing, middle aged, middle age, old looking, geriatric, ancient,
      very old, very elderly, oldish`,
    { age: 'old', rule: 'word of age' },
  ),
  ...attributes(wordList`senior, mature, senile`, { age: 'old', genericOnly: true, rule: 'word of age' }),
  ...attributes(wordList`seniors`, { age: 'old', nominal: true, plural: true, rule: 'word of age' }),
];

const SMALL_NUMBERS = wordList`zero, one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen,
  fourteen, fifteen, sixteen, seventeen, eighteen, nineteen`;
const TENS = wordList`twenty, thirty, forty, fifty, sixty, seventy, eighty, ninety`;

const NUMBERS: readonly [string, NumberEntry][] = [
  ...SMALL_NUMBERS.flatMap((word, value) => (value === 0 ? [] : numbers([word], value, value))),
  ...TENS.flatMap((word, index) => [
    ...numbers([word], 20 + 10 * index, 20 + 10 * index),
    ...SMALL_NUMBERS.slice(1, 10).flatMap((unit, one) =>
      numbers([`${word} ${unit}`], 21 + 10 * index + one, 21 + 10 * index + one),
    ),
  ]),
  ...numbers(wordList`half a dozen, half dozen, a half dozen`, 6, 6),
  ...numbers(wordList`a dozen, dozen`, 12, 12),
  ...numbers(wordList`two dozen`, 24, 24),
  ...numbers(wordList`a hundred, one hundred, hundred`, 100, 100),
  ...numbers(wordList`a thousand, one thousand, thousand`, 1000, 1000),
  ...numbers(wordList`both, a couple of, twin`, 2, 2),
  ...numbers(
    wordList`several, many, some, few, a few, various, numerous, multiple, countless, lots of, a lot of, plenty of, all,
      most, different, diverse, dozens of, a number of, other`,
    2,
    null,
  ),
  ...numbers(wordList`hundreds of, thousands of, hundreds, thousands, millions of`, 2, null),
];

function plain(
  words: readonly string[],
  kind: 'negator' | 'nobody' | 'image' | 'alone' | 'lone',
): [string, Entry][] {
  const shared: Entry = Object.freeze({ kind });
  return words.map((word) => [word, shared]);
}

const SMALL_WORDS: readonly [string, Entry][] = [
  ...plain(
    wordList`no, not, without, neither, nor, never, isn't, aren't, wasn't, weren't, instead of, rather than, except,
      excluding, other than, non, zero, minus, no longer, free of, devoid of, empty of, absence of, lacking`,
    'negator',
  ),
  ...plain(
    wordList`nobody, no one, no people around, uninhabited, deserted, unpeopled, unpopulated, depopulated`,
    'nobody',
  ),
  ...plain(
    wordList`image, images, photo, photos, photograph, photographs, picture, pictures, portrait, portraits, painting,
      paintings, drawing, drawings, illustration, illustrations, headshot, headshots, selfie, selfies, pic, pics, render,
      renders, sketch, sketches, variation, variations, version, versions, shot, shots, snapshot, snapshots, photography,
      artwork, artworks, close up, closeup, wallpaper, poster, posters, caricature, watercolor, watercolour, silhouette`,
    'image',
  ),
  ...plain(wordList`alone, solo, by herself, by himself, by themselves, on her own, on his own`, 'alone'),
  ...plain(wordList`lone, single, solitary, sole, only one, just one, exactly one`, 'lone'),
];

/** Entries by key. */
export const DESCRIPTION_WORDS: readonly (readonly [string, Entry])[] = Object.freeze([
  ...DESCRIPTIONS,
  ...NUMBERS,
  ...SMALL_WORDS,
]);

/** Determiners, which begin noun phrases. */
export const DETERMINERS: ReadonlySet<string> = new Set(
  wordList`a, an, the, this, that, these, those, my, your, his, her, its, our, their, another, each, every, any, no`,
);

/** Pronouns by the gender that they tell. */
export const PRONOUNS: Readonly<Record<string, 'female' | 'male'>> = Object.freeze({
  she: 'female',
  her: 'female',
  hers: 'female',
  herself: 'female',
  he: 'male',
  him: 'male',
  his: 'male',
  himself: 'male',
});
