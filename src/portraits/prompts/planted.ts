/** The bias that is planted in the training pictures: a distribution over gender x race x age for every prompt. */

import { hashKeys, randomStream } from '../random.ts';
import { AGES, GENDERS, GROUP_COUNT, RACES } from '../scene.ts';
import type { Category } from './categories.ts';

/** Prompt families, in a fixed order. */
export const FAMILIES = ['occupation', 'sport', 'styled', 'descriptor'] as const;
/** One of `FAMILIES`. */
export type Family = (typeof FAMILIES)[number];

/** What `plantFamily` needs to know about an entry. */
export interface PlantedSubject {
  /** The words that vary between prompts of a family, such as `school nurse`. */
  readonly subject: string;
  readonly category: Category;
}

/**
 * Shape of a family's bias. The gender bias |P(female) - P(male)| and the share of the leading race follow
 * Kumaraswamy distributions, whose quantile is (1 - (1 - u)^(1/b))^(1/a); the leading share runs over 1/4..1.
 */
interface Shape {
  /** Share of the entries that lean towards men. */
  readonly maleShare: number;
  readonly gender: { readonly a: number; readonly b: number };
  readonly race: { readonly a: number; readonly b: number };
}

/** Chosen so that the mean biases are those reported for Stable Diffusion 1.5 (the test beside this file holds them). */
const SHAPES: Readonly<Record<Family, Shape>> = {
  occupation: { maleShare: 0.66, gender: { a: 1.105, b: 0.538 }, race: { a: 3.82, b: 0.852 } },
  sport: { maleShare: 0.62, gender: { a: 1.197, b: 0.942 }, race: { a: 3.19, b: 1.35 } },
  styled: { maleShare: 0.6, gender: { a: 1.062, b: 1.553 }, race: { a: 3.19, b: 1.584 } },
  descriptor: { maleShare: 0.55, gender: { a: 0.923, b: 1.553 }, race: { a: 3.127, b: 1.786 } },
};

/** Out of 20 categories: how many have each race (in `RACES` order) as the leading one. */
const LEADING_RACE_QUOTA = [16, 2, 1, 1] as const;

/** Odds ratio between the old share of men and of women: men are drawn old a little more often. */
const OLD_ODDS_RATIO = 1.8;

function kumaraswamy(u: number, shape: { readonly a: number; readonly b: number }): number {
  return (1 - (1 - u) ** (1 / shape.b)) ** (1 / shape.a);
}

/** Ranks of the values scaled into (0, 1): (rank + 1/2) / count; ties keep their order. */
function quantileRanks(values: readonly number[]): Float64Array {
  const order = values.map((_, index) => index).sort((a, b) => values[a]! - values[b]! || a - b);
  const ranks = new Float64Array(values.length);
  order.forEach((index, rank) => {
    ranks[index] = (rank + 0.5) / values.length;
  });
  return ranks;
}

/** The leading race of every category of a family: a fixed quota, dealt out by a seeded shuffle and by nothing else. */
function leadingRaces(family: Family, categories: readonly Category[]): ReadonlyMap<string, number> {
  const order = [...new Set(categories.map((category) => category.name))].sort(
    (a, b) => hashKeys('leading race', family, a) - hashKeys('leading race', family, b),
  );
  const deck = LEADING_RACE_QUOTA.flatMap((count, race) => new Array<number>(count).fill(race));
  const dealt = randomStream('race deck', family);
  const shuffled = deck.map((race) => ({ race, key: dealt.uniform() })).sort((a, b) => a.key - b.key);
  return new Map(order.map((name, index) => [name, shuffled[index % shuffled.length]!.race]));
}

function lastWord(subject: string): string {
  return subject.slice(subject.lastIndexOf(' ') + 1);
}

/**
 * Plants the distributions of a whole family at once. Gender: category lean, plus a part shared by subjects with the
 * same last word, plus a part of the subject's own, ranked, and the ranks mapped onto the family's shape. Race: the
 * category's leading race, with a share mapped in the same way. Age: the category's old share with variation, higher
 * for men. Gender and race are independent given the subject. Each result has 16 probabilities in `groupIndex` order.
 */
export function plantFamily(family: Family, subjects: readonly PlantedSubject[]): readonly Float64Array[] {
  const shape = SHAPES[family];
  const leading = leadingRaces(
    family,
    subjects.map((entry) => entry.category),
  );
  const genderRanks = quantileRanks(
    subjects.map(({ subject, category }) => {
      const shared = randomStream('gender word', family, lastWord(subject)).normal();
      const own = randomStream('gender', family, subject).normal();
      return category.genderLean + 0.35 * shared + 0.25 * own;
    }),
  );
  const raceRanks = quantileRanks(
    subjects.map(({ subject, category }) => {
      const shared = randomStream('race strength', family, category.name).normal();
      return shared + 0.5 * randomStream('race', family, subject).normal();
    }),
  );
  return subjects.map(({ subject, category }, index) => {
    const rank = genderRanks[index]!;
    const toMen = rank < shape.maleShare;
    const depth = toMen ? 1 - rank / shape.maleShare : (rank - shape.maleShare) / (1 - shape.maleShare);
    const lean = kumaraswamy(depth, shape.gender);
    const female = toMen ? (1 - lean) / 2 : (1 + lean) / 2;
    const races = raceShares(
      leading.get(category.name)!,
      0.25 + 0.75 * kumaraswamy(raceRanks[index]!, shape.race),
      hashKeys('race order', family, category.name),
    );
    const variation = randomStream('age', family, subject).normal();
    const old = Math.min(0.45, Math.max(0.03, category.oldShare * Math.exp(0.25 * variation)));
    return groupTable([female, 1 - female], races, old);
  });
}

/** Splits what the leading race leaves: 50, 30 and 20%, WMELH first where another race leads, else in hashed order. */
function raceShares(leader: number, share: number, order: number): readonly number[] {
  const others = RACES.map((_, race) => race).filter((race) => race !== leader);
  others.sort((a, b) =>
    leader !== 0 && (a === 0 || b === 0) ? a - b : hashKeys(order, a) - hashKeys(order, b),
  );
  const shares = new Array<number>(RACES.length).fill(0);
  shares[leader] = share;
  [0.5, 0.3, 0.2].forEach((part, place) => {
    shares[others[place]!] = part * (1 - share);
  });
  return shares;
}

function groupTable(genders: readonly number[], races: readonly number[], old: number): Float64Array {
  const table = new Float64Array(GROUP_COUNT);
  const odds = old / (1 - old) / Math.sqrt(OLD_ODDS_RATIO);
  GENDERS.forEach((gender, g) => {
    const genderOdds = gender === 'male' ? odds * OLD_ODDS_RATIO : odds;
    const oldShare = genderOdds / (1 + genderOdds);
    RACES.forEach((_, r) => {
      const both = genders[g]! * races[r]!;
      AGES.forEach((age, a) => {
        table[(g * RACES.length + r) * AGES.length + a] = both * (age === 'old' ? oldShare : 1 - oldShare);
      });
    });
  });
  return table;
}
