import { describe, expect, it } from 'vitest';
import { createGenerator } from '../diffusion/noise.ts';
import type { Evaluation } from './evaluate.ts';
import { NO_FACE } from './metrics.ts';
import { pairsByPerson, similaritiesByPerson } from './person_change.ts';

const HEADS = [
  { name: 'gender', classes: ['female', 'male'] },
  { name: 'age', classes: ['young', 'old'] },
];

/** An evaluation with given classes: per prompt [gender, age] of each image. */
function evaluationOf(people: readonly (readonly (readonly [number, number])[])[]): Evaluation {
  return {
    attributes: HEADS,
    images: people.flat().length,
    kept: [],
    prompts: people.map((images, p) => ({
      prompt: `prompt ${p}`,
      seeds: images.map((_, i) => 10 * p + i),
      faces: Int32Array.from(images, ([gender]) => (gender === NO_FACE ? 0 : 1)),
      classes: {
        gender: Int32Array.from(images, ([gender]) => gender),
        age: Int32Array.from(images, ([, age]) => age),
      },
      confidences: {},
      features: {},
    })),
  };
}

const NONE = [NO_FACE, NO_FACE] as const;
const before = evaluationOf([
  [[0, 0], [1, 0], [1, 1], NONE],
  [
    [1, 0],
    [1, 0],
  ],
]);
const after = evaluationOf([
  [
    [0, 0],
    [0, 0],
    [1, 0],
    [1, 1],
  ],
  [
    [1, 0],
    [1, 0],
  ],
]);
const bootstrap = () => ({
  random: createGenerator({ seed: 1, stream: 'person change' }).uniform,
  resamples: 400,
});

describe('pairs by person', () => {
  it('are of the same group where every attribute stays, and of none without a face in both', () => {
    expect(pairsByPerson(before, after)).toEqual({ same: [[0], [0, 1]], other: [[1, 2], []] });
    expect(pairsByPerson(after, before)).toEqual(pairsByPerson(before, after));
  });

  it('are only of images from the same noise', () => {
    const other = evaluationOf([[[0, 0]], [[1, 0]]]);
    expect(() => pairsByPerson(before, other)).toThrow(
      /expected images of the same prompts from the same seeds/,
    );
  });
});

describe('similarities by person', () => {
  const earlier = {
    'CLIP-T': [
      [0.8, 0.8, 0.7, 0.1],
      [0.6, 0.5],
    ],
  };
  const later = {
    'CLIP-T': [
      [0.81, 0.6, 0.4, 0.9],
      [0.63, 0.51],
    ],
    DINO: [
      [0.9, 0.5, 0.3, 0.2],
      [0.8, 1],
    ],
  };
  const found = similaritiesByPerson(before, after, { before: earlier, after: later }, bootstrap());
  const of = (name: string, person: string) =>
    found.find((each) => each.name === name && each.person === person)!;

  it('are means over the prompts that have such pairs, with changes in pairs', () => {
    expect(found.map(({ name, person }) => `${name} ${person}`)).toEqual([
      ...['CLIP-T same', 'DINO same', 'CLIP-T other', 'DINO other'],
    ]);
    const same = of('CLIP-T', 'same');
    expect(same).toMatchObject({ prompts: 2, images: 3 });
    expect(same.before).toBeCloseTo((0.8 + 0.55) / 2, 12);
    expect(same.after).toBeCloseTo((0.81 + 0.57) / 2, 12);
    expect(same.change!.estimate).toBeCloseTo(0.015, 12);
    // Only the second prompt's two pairs can vary: its change is .01 to .03.
    expect(same.change!.low).toBeGreaterThanOrEqual(0.01 - 1e-9);
    expect(same.change!.high).toBeLessThanOrEqual(0.02 + 1e-9);
    const other = of('CLIP-T', 'other');
    expect(other).toMatchObject({ prompts: 1, images: 2 });
    expect(other.change!.estimate).toBeCloseTo((-0.2 - 0.3) / 2, 12);
  });

  it('have no change where the original has no such similarity', () => {
    expect(of('DINO', 'same')).toMatchObject({ before: null, change: null });
    expect(of('DINO', 'same').after).toBeCloseTo((0.9 + 0.9) / 2, 12);
    expect(of('DINO', 'other').after).toBeCloseTo(0.4, 12);
  });

  it('leave out a kind that no pair is of', () => {
    const kept = similaritiesByPerson(before, before, { before: earlier, after: earlier }, bootstrap());
    expect(kept.map(({ person }) => person)).toEqual(['same']);
    expect(kept[0]!.change!.estimate).toBe(0);
  });

  it('tell who is shown from what is shown: an encoder that prefers men falls only where men became women', () => {
    const random = createGenerator({ seed: 7, stream: 'people' });
    const images = 40;
    const draw = (women: number) =>
      Array.from({ length: images }, () => [random.uniform() < women ? 0 : 1, 0] as const);
    const rated = (people: readonly (readonly [number, number])[]) =>
      people.map(([gender]) => 0.7 + 0.1 * gender);
    const [men, mixed] = [draw(0.05), draw(0.5)];
    const [first, second] = [evaluationOf([men]), evaluationOf([mixed])];
    const columns = { before: { 'CLIP-T': [rated(men)] }, after: { 'CLIP-T': [rated(mixed)] } };
    const [same, other] = similaritiesByPerson(first, second, columns, bootstrap());
    expect(same!.change!.estimate).toBeCloseTo(0, 12);
    expect(other!.change!.estimate).toBeLessThan(-0.06);
  });
});
