import { describe, expect, it } from 'vitest';
import { sampleCaptionedScene } from '../../src/portraits/captions.ts';
import { FAMILIES, promptEntries } from '../../src/portraits/prompts/index.ts';
import { OCCUPATIONS_BY_CATEGORY } from '../../src/portraits/prompts/occupations.ts';
import { namesAttributes, understand } from '../../src/text/understanding/index.ts';
import { agreementOf, itemsOfPeople, MEASURED, readLabels } from './labels.ts';

const GOAL = 0.95;

describe.each([
  ['development', 200],
  ['held_out', 100],
] as const)('understanding the %s prompts', (part, count) => {
  const pairs = readLabels(part).map((label) => ({
    label,
    found: itemsOfPeople(understand(label.prompt).people),
  }));

  it('has all of them, each once', () => {
    expect(new Set(pairs.map(({ label }) => label.prompt)).size).toBe(count);
  });

  it.each(MEASURED)('finds %s with precision and recall of at least .95', (attribute) => {
    const { precision, recall, labelled } = agreementOf(pairs, attribute);
    expect(labelled).toBeGreaterThan(10);
    expect(precision).toBeGreaterThanOrEqual(GOAL);
    expect(recall).toBeGreaterThanOrEqual(GOAL);
  });

  it('gives the right attributes to the right people', () => {
    const bound = pairs.filter(
      ({ label, found }) =>
        JSON.stringify([...label.groups].sort()) === JSON.stringify([...found.groups].sort()),
    );
    expect(bound.length / count).toBeGreaterThanOrEqual(0.9);
  });
});

describe('agreementOf', () => {
  const label = {
    prompt: '',
    label: '',
    groups: [],
    items: { gender: ['female', 'female'], race: ['asian'], age: [], people: ['2'] },
  };
  const found = { items: { gender: ['female', 'male', 'male'], race: [], age: ['old'], people: ['2'] } };

  it.each([
    ['gender', 1 / 3, 1 / 2],
    ['race', Number.NaN, 0],
    ['age', 0, Number.NaN],
    ['people', 1, 1],
  ] as const)('counts wrong and missing values of %s', (attribute, precision, recall) => {
    expect(agreementOf([{ label, found }], attribute)).toMatchObject({ precision, recall });
  });
});

describe('understanding what Portraits draws', () => {
  it('keeps neutral prompts neutral', () => {
    const prompts = FAMILIES.flatMap((family) => promptEntries(family, 'test').map(({ prompt }) => prompt));
    expect(prompts.length).toBeGreaterThan(100);
    const named = prompts.filter((prompt) => {
      const { gender, race, age } = namesAttributes(prompt);
      return gender || race || age;
    });
    // Watchmen and foremen are men by name.
    expect(named.filter((prompt) => !/watchman|foreman|small child/.test(prompt))).toEqual([]);
  });

  it('finds which attributes captions name', () => {
    const attributes = ['gender', 'race', 'age'] as const;
    const wrong = Array.from({ length: 400 }, (_, index) => sampleCaptionedScene(11, index)).filter(
      ({ caption, explicit }) => {
        const named = namesAttributes(caption);
        return attributes.some((attribute) => named[attribute] !== explicit[attribute]);
      },
    );
    expect(
      wrong.map(({ caption }) => caption).filter((caption) => !/watchman|foreman|small child/.test(caption)),
    ).toEqual([]);
  });

  it('keeps the names of occupations whole', () => {
    const occupations = Object.values(OCCUPATIONS_BY_CATEGORY).flat();
    const whole = occupations.filter((name) =>
      understand(`a photo of the face of a ${name}, a person`).people.groups.some(
        ({ occupation }) => occupation?.value === name.toLowerCase(),
      ),
    );
    expect(whole.length / occupations.length).toBeGreaterThan(0.97);
  });
});
