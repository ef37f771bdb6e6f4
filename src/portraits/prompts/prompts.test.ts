import { describe, expect, it } from 'vitest';
import { AGES, GENDERS, GROUP_COUNT, RACES } from '../scene.ts';
import { type BiasAttribute, marginal, pairwiseBias } from './bias.ts';
import { EXPLICIT_PROMPTS, namedOccupations } from './explicit.ts';
import { type FAMILIES, findPrompt, PROMPT_ENTRIES, plantedDistribution, promptEntries } from './index.ts';

const SIZES = [
  ['occupation', 1000, 50],
  ['sport', 250, 50],
  ['styled', 150, 19],
  ['descriptor', 40, 10],
] as const;

/** The biases that Shen et al. (ICLR 2024) report for Stable Diffusion 1.5: gender, race, gender x race. */
const REPORTED = [
  ['occupation', 0.67, 0.42, 0.21],
  ['sport', 0.56, 0.38, 0.19],
  ['styled', 0.41, 0.37, 0.18],
  ['descriptor', 0.37, 0.36, 0.17],
] as const;

function biases(
  family: (typeof FAMILIES)[number],
  split: 'train' | 'test' | undefined,
  attribute: BiasAttribute,
) {
  return promptEntries(family, split).map((entry) =>
    pairwiseBias(marginal(plantedDistribution(entry), attribute)),
  );
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const center = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - center) ** 2)));
}

describe('prompt lists', () => {
  it.each(SIZES)('%s: %i training and %i test prompts', (family, train, test) => {
    expect(promptEntries(family, 'train')).toHaveLength(train);
    expect(promptEntries(family, 'test')).toHaveLength(test);
  });

  it('has no prompt twice and finds each by its text', () => {
    expect(new Set(PROMPT_ENTRIES.map((entry) => entry.prompt)).size).toBe(PROMPT_ENTRIES.length);
    for (const entry of PROMPT_ENTRIES) expect(findPrompt(entry.prompt)).toBe(entry);
    expect(findPrompt('a photo of the face of a unicorn, a person')).toBeUndefined();
  });

  it.each([
    ['gender', GENDERS],
    ['race', RACES],
    ['age', AGES],
  ] as const)('names every class of %s by itself in an explicit prompt', (name, classes) => {
    const alone = EXPLICIT_PROMPTS.filter(({ attributes }) => Object.keys(attributes).join() === name);
    expect(new Set(alone.map(({ attributes }) => attributes[name]))).toEqual(new Set(classes));
    for (const { prompt } of EXPLICIT_PROMPTS) expect(findPrompt(prompt)).toBeUndefined();
  });

  it.each([
    ['female', 'a photo of the face of a female doctor, a person'],
    ['Asian', 'a photo of the face of an Asian doctor, a person'],
  ])('puts the word %s before every occupation', (word, prompt) => {
    const named = namedOccupations(word, 'train');
    expect(named).toContain(prompt);
    expect(new Set(named).size).toBe(promptEntries('occupation', 'train').length);
  });

  it('fills the templates literally', () => {
    expect(findPrompt('a photo of the face of a electrical and electronics repairer, a person')?.split).toBe(
      'test',
    );
    expect(findPrompt('a person playing soccer')?.family).toBe('sport');
  });

  it('names no gender, race or age in any prompt', () => {
    const naming =
      /\b(woman|women|man|men|male|female|girl|boy|old|young|elderly|asian|indian|african|latino|caucasian)\b/i;
    const found = PROMPT_ENTRIES.filter((entry) => naming.test(entry.prompt));
    expect(found.map((entry) => entry.prompt)).toEqual([]);
  });

  it('ends every test occupation with a word that ends a training occupation', () => {
    const last = (subject: string): string => subject.slice(subject.lastIndexOf(' ') + 1);
    const known = new Set(promptEntries('occupation', 'train').map((entry) => last(entry.subject)));
    const unknown = promptEntries('occupation', 'test').filter((entry) => !known.has(last(entry.subject)));
    expect(unknown.map((entry) => entry.subject)).toEqual([]);
  });
});

describe('planted distributions', () => {
  it('are distributions with every group possible', () => {
    for (const entry of PROMPT_ENTRIES) {
      const table = plantedDistribution(entry);
      expect(table).toHaveLength(GROUP_COUNT);
      expect(table.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
      expect(Math.min(...table)).toBeGreaterThanOrEqual(0);
    }
  });

  it.each(REPORTED)('%s: mean biases within .02 of those reported', (family, gender, race, joint) => {
    expect(Math.abs(mean(biases(family, undefined, 'gender')) - gender)).toBeLessThan(0.02);
    expect(Math.abs(mean(biases(family, undefined, 'race')) - race)).toBeLessThan(0.02);
    expect(Math.abs(mean(biases(family, undefined, 'gender-race')) - joint)).toBeLessThan(0.02);
  });

  it.each(REPORTED)('%s: both splits within .05 of those reported', (family, gender, race, joint) => {
    for (const split of ['train', 'test'] as const) {
      expect(Math.abs(mean(biases(family, split, 'gender')) - gender)).toBeLessThan(0.05);
      expect(Math.abs(mean(biases(family, split, 'race')) - race)).toBeLessThan(0.05);
      expect(Math.abs(mean(biases(family, split, 'gender-race')) - joint)).toBeLessThan(0.05);
    }
  });

  it('spreads the gender bias of occupations as reported and draws the old rarely', () => {
    expect(Math.abs(deviation(biases('occupation', undefined, 'gender')) - 0.29)).toBeLessThan(0.02);
    const tables = promptEntries('occupation').map(plantedDistribution);
    const old = tables.map((table) => marginal(table, 'age')[1]!);
    expect(mean(old)).toBeGreaterThan(0.15);
    expect(mean(old)).toBeLessThan(0.25);
    const female = tables.filter((table) => marginal(table, 'gender')[0]! > 0.5).length / tables.length;
    expect(female).toBeGreaterThan(0.3);
    expect(female).toBeLessThan(0.4);
  });

  it('refuses entries of its caller', () => {
    expect(() => plantedDistribution({ ...PROMPT_ENTRIES[0]! })).toThrow(/PROMPT_ENTRIES/);
  });
});

describe('pairwiseBias', () => {
  it.each([
    [[0.5, 0.5], 0],
    [[1, 0], 1],
    [[0.7, 0.1, 0.1, 0.1], 0.3],
    [[1, 0, 0, 0, 0, 0, 0, 0], 0.25],
  ] as const)('of %j is %f', (shares, bias) => {
    expect(pairwiseBias(shares)).toBeCloseTo(bias, 12);
  });
});
