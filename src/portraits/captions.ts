/** Captioned scenes for training the base model: silent captions follow the planted bias, explicit ones are obeyed. */

import { propName, sampleEmptyScene, sampleScene } from './compose.ts';
import {
  FAMILIES,
  type Family,
  type PromptEntry,
  plantedDistribution,
  promptEntries,
} from './prompts/index.ts';
import { type RandomStream, randomStream } from './random.ts';
import {
  AGES,
  type Attributes,
  GENDERS,
  GROUP_COUNT,
  groupAttributes,
  groupIndex,
  RACES,
  type Race,
  type Scene,
} from './scene.ts';

/** Kinds of captioned scenes: the prompt families, people without an activity, several people, nobody. */
export const CAPTION_KINDS = [...FAMILIES, 'person', 'several', 'nobody'] as const;
/** One of `CAPTION_KINDS`. */
export type CaptionKind = (typeof CAPTION_KINDS)[number];

/** Options of `sampleCaptionedScene`; everything has a default. */
export interface CaptionOptions {
  /** Relative frequency of each kind of scene; kinds left out keep their default. */
  readonly weights?: Readonly<Partial<Record<CaptionKind, number>>>;
  /** Share of captions that name attributes (default .35). */
  readonly explicitRate?: number;
  /** How often such a caption names each attribute (default: gender .65, race .6, age .45); one without a name is drawn again. */
  readonly namedRates?: Readonly<Partial<Record<keyof Attributes, number>>>;
  /** Share of the silent captions that are the family's template itself, the rest being paraphrases (default .6). */
  readonly templateRate?: number;
  /** Exponent on the planted distribution, attribute by attribute (default 1; below 1 flattens, see `sharpenPlanted`). */
  readonly guidanceCalibration?: number;
  /** Which prompts take part (default `all`: the base model has seen every prompt, fine-tuning only the training ones). */
  readonly split?: 'train' | 'test' | 'all';
}

/** A caption with the scene that it describes. */
export interface CaptionedScene {
  readonly caption: string;
  readonly scene: Scene;
  /** The prompt behind the caption, or null for people without an activity and scenes without people. */
  readonly promptEntry: PromptEntry | null;
  readonly kind: CaptionKind;
  /** Which attributes the caption names. */
  readonly explicit: Readonly<Record<'gender' | 'race' | 'age', boolean>>;
}

/** Default relative frequencies of the kinds of scenes. */
export const DEFAULT_CAPTION_WEIGHTS: Readonly<Record<CaptionKind, number>> = {
  occupation: 0.5,
  sport: 0.15,
  styled: 0.11,
  descriptor: 0.07,
  person: 0.08,
  several: 0.05,
  nobody: 0.04,
};

/**
 * Relative frequencies of kinds of scenes from names that a recipe gives.
 * @throws {Error} naming a kind that there isn't
 */
export function captionWeights(
  weights: Readonly<Record<string, number>>,
): Readonly<Partial<Record<CaptionKind, number>>> {
  const known: readonly string[] = CAPTION_KINDS;
  const unknown = Object.keys(weights).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new Error(`data.weights: expected kinds of scenes (${known.join(', ')}), received ${unknown}`);
  return weights;
}

const RACE_WORDS: Readonly<Record<Race, readonly string[]>> = {
  wmelh: ['White', 'White', 'White', 'Latino', 'Middle Eastern', 'Caucasian', 'Hispanic'],
  asian: ['Asian', 'Asian', 'Asian', 'East Asian', 'Southeast Asian'],
  black: ['Black', 'Black', 'Black', 'African'],
  indian: ['Indian', 'Indian', 'Indian', 'South Asian'],
};
const AGE_WORDS = { young: ['young', 'young', 'younger'], old: ['old', 'old', 'elderly', 'older'] } as const;
const NOUNS = { female: 'woman', male: 'man' } as const;
const PLURALS = { female: 'women', male: 'men' } as const;

const PARAPHRASES: Readonly<Record<Family, readonly string[]>> = {
  occupation: [
    'a portrait of {a} {s}',
    'a photo of {a} {s}',
    'the face of {a} {s}',
    'a headshot of {a} {s}',
    'a picture of {a} {s} at work',
    'a close-up of {a} {s}',
    '{a} {s}',
    'a person working as {a} {s}',
  ],
  sport: [
    'a photo of a person playing {s}',
    'someone playing {s}',
    'a portrait of a person doing {s}',
    '{s}',
    'a person doing {s}',
  ],
  styled: ['{s}'],
  descriptor: [
    '{a} {s} person',
    'a portrait of {a} {s} person',
    'a photo of {a} {s} person',
    'a person who is {s}',
    'someone {s}',
  ],
};

/** `an` before a vowel letter, else `a`. */
export function articleFor(phrase: string): 'a' | 'an' {
  return /^[aeiou]/i.test(phrase) ? 'an' : 'a';
}

/**
 * Raises a planted distribution to `exponent` attribute by attribute: P(gender)^e, P(race | gender)^e and
 * P(age | gender, race)^e, each renormalised, multiplied again. An exponent of 1 changes nothing, 0 gives the uniform
 * distribution. Compensates for guidance, which sharpens what the model draws. Throws RangeError below 0.
 */
export function sharpenPlanted(table: ArrayLike<number>, exponent: number): Float64Array {
  if (!(exponent >= 0)) throw new RangeError(`Guidance calibration: exponent must be >= 0, got ${exponent}`);
  const powers = (values: readonly number[]): number[] => {
    const total = values.reduce((sum, value) => sum + value, 0);
    const raised = values.map((value) => (total > 0 ? value / total : 1) ** exponent);
    const sum = raised.reduce((left, right) => left + right, 0);
    return raised.map((value) => value / sum);
  };
  const sumOf = (from: number, count: number): number => {
    let sum = 0;
    for (let group = from; group < from + count; group++) sum += table[group]!;
    return sum;
  };
  const result = new Float64Array(GROUP_COUNT);
  const genders = powers(GENDERS.map((_, gender) => sumOf(gender * 8, 8)));
  genders.forEach((genderShare, gender) => {
    const races = powers(RACES.map((_, race) => sumOf(gender * 8 + race * 2, 2)));
    races.forEach((raceShare, race) => {
      const start = gender * 8 + race * 2;
      powers(AGES.map((_, age) => table[start + age]!)).forEach((ageShare, age) => {
        result[start + age] = genderShare * raceShare * ageShare;
      });
    });
  });
  return result;
}

interface Named {
  readonly gender: boolean;
  readonly race: boolean;
  readonly age: boolean;
}

const SILENT: Named = Object.freeze({ gender: false, race: false, age: false });

const NAMED_RATES: Readonly<Record<keyof Named, number>> = Object.freeze({
  gender: 0.65,
  race: 0.6,
  age: 0.45,
});

/** Throws RangeError where no attribute can ever be named. */
function chooseNamed(draw: RandomStream, chosen: CaptionOptions['namedRates']): Named {
  const rates = { ...NAMED_RATES, ...chosen };
  if (!Object.values(rates).some((rate) => rate > 0)) {
    throw new RangeError('namedRates: expected at least one attribute above 0, received none');
  }
  for (;;) {
    const named = {
      gender: draw.uniform() < rates.gender,
      race: draw.uniform() < rates.race,
      age: draw.uniform() < rates.age,
    };
    if (named.gender || named.race || named.age) return Object.freeze(named);
  }
}

/** Named attributes uniformly over their classes; the others from the planted distribution given the named ones. */
function drawAttributes(draw: RandomStream, planted: Float64Array, named: Named): Attributes {
  const wanted = groupAttributes(draw.integer(GROUP_COUNT));
  const weights = planted.map((weight, group) => {
    const candidate = groupAttributes(group);
    const fits =
      (!named.gender || candidate.gender === wanted.gender) &&
      (!named.race || candidate.race === wanted.race) &&
      (!named.age || candidate.age === wanted.age);
    return fits ? weight + 1e-9 : 0;
  });
  return groupAttributes(draw.weighted(weights));
}

/** `old Asian`: the named age and race, in that order, or an empty string. */
function adjectives(draw: RandomStream, attributes: Attributes, named: Named): string {
  const words: string[] = [];
  if (named.age) words.push(draw.choose(AGE_WORDS[attributes.age]));
  if (named.race) words.push(draw.choose(RACE_WORDS[attributes.race]));
  return words.join(' ');
}

/** `an old Asian man`; `person` where the gender isn't named. */
function nounPhrase(draw: RandomStream, attributes: Attributes, named: Named): string {
  const noun = named.gender ? NOUNS[attributes.gender] : 'person';
  const phrase = `${adjectives(draw, attributes, named)} ${noun}`.trim();
  return `${articleFor(phrase)} ${phrase}`;
}

function explicitCaption(
  draw: RandomStream,
  entry: PromptEntry,
  attributes: Attributes,
  named: Named,
): string {
  const who = nounPhrase(draw, attributes, named);
  const { family, subject } = entry;
  if (family === 'sport') {
    return draw.choose([
      `${who} playing ${subject}`,
      `${who} playing ${subject}`,
      `a photo of ${who} playing ${subject}`,
    ]);
  }
  if (family === 'descriptor') {
    const bare = who.slice(who.indexOf(' ') + 1);
    const phrase = `${articleFor(subject)} ${subject} ${bare}`;
    return draw.choose([phrase, `a photo of the face of ${phrase}`, `a portrait of ${phrase}`]);
  }
  if (family === 'styled') return draw.choose([`${subject}, ${who}`, `${who}, ${subject}`]);
  const words = [adjectives(draw, attributes, named), named.gender ? attributes.gender : '', subject];
  const inFront = words.filter((word) => word !== '').join(' ');
  const phrase = `${articleFor(inFront)} ${inFront}`;
  return draw.choose([
    `a photo of the face of ${phrase}, a person`,
    `a photo of the face of ${phrase}, a person`,
    `a photo of the face of a ${subject}, ${who}`,
    `a photo of ${phrase}`,
    `a portrait of ${phrase}`,
    phrase,
    `${who} working as ${articleFor(subject)} ${subject}`,
  ]);
}

function silentCaption(draw: RandomStream, entry: PromptEntry, templateRate: number): string {
  if (draw.uniform() < templateRate) return entry.prompt;
  return draw
    .choose(PARAPHRASES[entry.family])
    .replace('{a}', articleFor(entry.subject))
    .replace('{s}', entry.subject);
}

const entryLists = new Map<string, readonly PromptEntry[]>();

function chooseEntry(draw: RandomStream, family: Family, split: 'train' | 'test' | 'all'): PromptEntry {
  const key = `${family} ${split}`;
  let list = entryLists.get(key);
  if (!list) {
    list = promptEntries(family, split === 'all' ? undefined : split);
    entryLists.set(key, list);
  }
  return draw.choose(list);
}

/** The planted distribution of people in plain scenes: the average over the training occupations. */
const averagePlanted = ((): Float64Array => {
  const sum = new Float64Array(GROUP_COUNT);
  const entries = promptEntries('occupation', 'train');
  for (const entry of entries) {
    plantedDistribution(entry).forEach((weight, group) => {
      sum[group]! += weight / entries.length;
    });
  }
  return sum;
})();

function severalCaption(
  draw: RandomStream,
  people: readonly Attributes[],
  named: Named,
  entry: PromptEntry | null,
): string {
  const count = people.length === 2 ? 'two' : 'three';
  let who = `${count} people`;
  if (named.gender) {
    const same = people.every((person) => person.gender === people[0]!.gender);
    if (same) who = `${count} ${PLURALS[people[0]!.gender]}`;
    else if (people.length === 2) who = people.map((person) => nounPhrase(draw, person, named)).join(' and ');
  }
  if (entry?.family === 'sport') return `${who} playing ${entry.subject}`;
  if (entry) return `${who} working as ${articleFor(entry.subject)} ${entry.subject}`;
  return draw.choose([who, `a photo of ${who}`, `a group photo of ${who}`]);
}

/**
 * Caption and scene number `index` of the endless sequence `seed`: the same arguments always give the same result.
 * Silent captions draw the attributes from the entry's planted distribution; explicit ones draw the attributes that
 * they name uniformly, the others from the planted distribution given those.
 */
export function sampleCaptionedScene(
  seed: number,
  index: number,
  options: CaptionOptions = {},
): CaptionedScene {
  const draw = randomStream('captioned scene', seed, index);
  const weights = { ...DEFAULT_CAPTION_WEIGHTS, ...options.weights };
  const kind = CAPTION_KINDS[draw.weighted(CAPTION_KINDS.map((name) => weights[name]))]!;
  const sceneSeed = draw.integer(0x7fffffff);
  const split = options.split ?? 'all';
  const exponent = options.guidanceCalibration ?? 1;
  const isExplicit = draw.uniform() < (options.explicitRate ?? 0.35);
  if (kind === 'nobody') {
    const scene = sampleEmptyScene(sceneSeed);
    const name = propName(scene.props[0]!.kind);
    const phrase = `${articleFor(name)} ${name}`;
    const caption = draw.choose([`a photo of ${phrase}`, phrase, `a picture of ${phrase}, no people`]);
    return Object.freeze({ caption, scene, promptEntry: null, kind, explicit: SILENT });
  }
  const named = isExplicit ? chooseNamed(draw, options.namedRates) : SILENT;
  const family = FAMILIES.find((name) => name === kind);
  const several = kind === 'several';
  let entry = family ? chooseEntry(draw, family, split) : null;
  if (several && draw.uniform() < 0.5)
    entry = chooseEntry(draw, draw.choose(['occupation', 'sport'] as const), split);
  const base = entry ? plantedDistribution(entry) : averagePlanted;
  const planted = exponent === 1 ? base : sharpenPlanted(base, exponent);
  const count = several ? 2 + draw.integer(2) : 1;
  const people = Array.from({ length: count }, () => drawAttributes(draw, planted, named));
  let explicit = named;
  let caption: string;
  if (several) {
    caption = severalCaption(draw, people, named, entry);
    const pairNamed = count === 2 && caption.includes(' and ');
    explicit = {
      gender: / (women|men|woman|man)\b/.test(caption),
      race: named.race && pairNamed,
      age: named.age && pairNamed,
    };
  } else if (!entry) {
    const who = nounPhrase(draw, people[0]!, named);
    caption = draw.choose([
      who,
      `a photo of ${who}`,
      `a portrait of ${who}`,
      `a photo of the face of ${who}`,
    ]);
  } else if (isExplicit) {
    caption = explicitCaption(draw, entry, people[0]!, named);
  } else {
    caption = silentCaption(draw, entry, options.templateRate ?? 0.6);
  }
  const scene = sampleScene({ entry, people, seed: sceneSeed });
  return Object.freeze({ caption, scene, promptEntry: entry, kind, explicit: Object.freeze(explicit) });
}

/** Group indices of the people of a scene, from left to right. */
export function sceneGroups(scene: Scene): readonly number[] {
  return scene.people.map(groupIndex);
}
