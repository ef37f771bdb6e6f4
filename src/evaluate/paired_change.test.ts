import { describe, expect, it } from 'vitest';
import { createGenerator } from '../diffusion/noise.ts';
import { createTarget, uniformTarget } from '../fairness/index.ts';
import type { AttributeResult } from './attribute_result.ts';
import { compareAttribute } from './comparison.ts';
import type { Evaluation } from './evaluate.ts';
import { measureEvaluation } from './evaluate.ts';
import { NO_FACE } from './metrics.ts';
import { arePaired, comparePairs } from './paired_change.ts';

const AGE = { name: 'age', classes: ['young', 'old'] };
const RACE = { name: 'race', classes: ['a', 'b', 'c'] };
const bootstrap = (seed = 1) => ({
  random: createGenerator({ seed, stream: 'paired' }).uniform,
  resamples: 400,
});

function evaluationOf(prompts: readonly { age: readonly number[]; race?: readonly number[] }[]): Evaluation {
  return {
    attributes: [AGE, RACE],
    kept: [],
    images: prompts.reduce((sum, { age }) => sum + age.length, 0),
    prompts: prompts.map(({ age, race = age }, p) => ({
      prompt: `prompt ${p}`,
      seeds: age.map((_, i) => 100 * p + i),
      classes: { age: Int32Array.from(age), race: Int32Array.from(race) },
      confidences: {},
      faces: Int32Array.from(age, (k) => (k === NO_FACE ? 0 : 1)),
      features: {},
    })),
  };
}

const before = evaluationOf([
  { age: [0, 0, 0, 1], race: [0, 1, 2, 2] },
  { age: [0, 0, NO_FACE, 1], race: [0, 1, NO_FACE, 1] },
]);
const after = evaluationOf([
  { age: [0, 1, 0, 1], race: [0, 0, 2, 2] },
  { age: [NO_FACE, 1, 1, 1], race: [NO_FACE, 1, 1, 1] },
]);

describe('comparePairs', () => {
  it('measures the changes of bias, distance, shares and their shift by hand', () => {
    const target = createTarget([AGE], [0.75, 0.25]);
    const change = comparePairs(before, after, target, false, bootstrap());
    // Shares of old: 1/4 and 1/3 before, 1/2 and 1 after. Bias 1/2 and 1/3 before, 0 and 1 after.
    expect(change).toMatchObject({ attribute: 'age', prompts: 2, trained: false, classes: ['young', 'old'] });
    expect(change.bias.estimate).toBeCloseTo((0 - 1 / 2 + 1 - 1 / 3) / 2, 12);
    expect(change.totalVariation.estimate).toBeCloseTo((1 / 4 - 0 + 3 / 4 - 1 / 12) / 2, 12);
    const gain = (1 / 2 - 1 / 4 + 1 - 1 / 3) / 2;
    expect(change.shares!.map(({ estimate }) => estimate)).toEqual([
      expect.closeTo(-gain, 12),
      expect.closeTo(gain, 12),
    ]);
    expect(change.shift!.estimate).toBeCloseTo(gain, 12);
  });

  it('has the same estimates as the comparison of independent evaluations', () => {
    for (const target of [uniformTarget([RACE]), uniformTarget([AGE, RACE])]) {
      const paired = comparePairs(before, after, target, true, bootstrap());
      const apart = compareAttribute(
        measureEvaluation(before, target),
        measureEvaluation(after, target),
        bootstrap(),
      );
      expect(paired.bias.estimate).toBeCloseTo(apart.bias.estimate, 12);
      expect(paired.totalVariation.estimate).toBeCloseTo(apart.totalVariation.estimate, 12);
      expect(paired.attribute).toBe(apart.attribute);
    }
  });

  it('finds no change between an evaluation and itself, surely', () => {
    const change = comparePairs(before, before, uniformTarget([RACE]), false, bootstrap());
    for (const each of [change.bias, change.totalVariation, change.shift!, ...change.shares!]) {
      expect(each.estimate).toBe(0);
      expect(each.low).toBeCloseTo(0, 12);
      expect(each.high).toBeCloseTo(0, 12);
    }
    expect(change.shift!.floor).toBe(0);
    expect(change.shift!.pValue).toBe(1);
  });

  it('has narrower intervals than independent samples where partners agree', () => {
    const random = createGenerator({ seed: 2, stream: 'classes' });
    const first = Array.from({ length: 80 }, () => random.integer(2));
    const second = first.map((k, i) => (i < 8 ? 1 - k : k));
    const [one, other] = [evaluationOf([{ age: first }]), evaluationOf([{ age: second }])];
    const target = createTarget([AGE], [1, 0]);
    const paired = comparePairs(one, other, target, true, bootstrap());
    const apart = compareAttribute(
      measureEvaluation(one, target),
      measureEvaluation(other, target),
      bootstrap(),
    );
    const width = ({ low, high }: { low: number; high: number }) => high - low;
    expect(width(paired.totalVariation)).toBeLessThan(0.6 * width(apart.totalVariation));
  });

  it('tells drift from noise by exchanging partners', () => {
    const random = createGenerator({ seed: 3, stream: 'classes' });
    const draw = (share: number) => Array.from({ length: 100 }, () => (random.uniform() < share ? 1 : 0));
    const prompts = (share: number) => evaluationOf([{ age: draw(share) }, { age: draw(share) }]);
    const still = comparePairs(prompts(0.3), prompts(0.3), uniformTarget([AGE]), false, bootstrap());
    expect(still.shift!.pValue).toBeGreaterThan(0.05);
    expect(still.shift!.floor).toBeGreaterThan(0);
    const moved = comparePairs(prompts(0.3), prompts(0.6), uniformTarget([AGE]), false, bootstrap());
    expect(moved.shift!.pValue).toBeLessThan(0.01);
    expect(moved.shift!.low).toBeGreaterThan(moved.shift!.floor);
    // E|Y| of the mean of 200 differences that are -1, 0 or 1: the normal's mean absolute value.
    const spread = Math.sqrt((2 * 0.3 * 0.7) / 200) * Math.sqrt(2 / Math.PI);
    expect(still.shift!.floor).toBeGreaterThan(0.7 * spread);
    expect(still.shift!.floor).toBeLessThan(1.3 * spread);
  });

  it('gives no interval beyond what is possible, however few and uneven the images', () => {
    const random = createGenerator({ seed: 4, stream: 'uneven' });
    const column = (images: number, classes: number) => {
      const favourite = random.integer(classes);
      return Array.from({ length: images }, () =>
        random.uniform() < 0.6 ? favourite : random.uniform() < 0.1 ? NO_FACE : random.integer(classes),
      );
    };
    const draw = (images: number) => {
      const race = column(images, 3);
      return { race, age: race.map((k) => (k === NO_FACE ? NO_FACE : random.integer(2))) };
    };
    // One side of one class, the other even: the bootstrap, moved onto the estimate, reaches to -1.5.
    const extreme = [[{ age: [0, 0] }], [{ age: [0, 1] }]].map(evaluationOf) as [Evaluation, Evaluation];
    const pairs = [extreme, [...extreme].reverse() as unknown as [Evaluation, Evaluation]];
    while (pairs.length < 12) {
      const images = 1 + random.integer(4);
      const [one, other] = [0, 1].map(() => evaluationOf([draw(images), draw(images)]));
      const hasFaces = ({ prompts }: Evaluation) =>
        prompts.every(({ classes }) => classes.race!.some((k) => k !== NO_FACE));
      if (hasFaces(one!) && hasFaces(other!)) pairs.push([one!, other!]);
    }
    let touched = 0;
    for (const [one, other] of pairs) {
      for (const target of [
        uniformTarget([AGE]),
        createTarget([AGE], [0.9, 0.1]),
        uniformTarget([RACE]),
        uniformTarget([AGE, RACE]),
      ]) {
        const classes = target.shares.length;
        const [bias, distance] = [2 / classes, 1 - Math.min(...target.shares)];
        const results = [one, other].map((each) => measureEvaluation(each, target)) as [
          AttributeResult,
          AttributeResult,
        ];
        for (const change of [
          comparePairs(one, other, target, true, bootstrap()),
          compareAttribute(...results, bootstrap()),
        ]) {
          for (const [each, low, high] of [
            [change.bias, -bias, bias],
            [change.totalVariation, -distance, distance],
            ...(change.shares ?? []).map((share) => [share, -1, 1] as const),
            ...(change.shift ? [[change.shift, 0, 1] as const] : []),
          ] as const) {
            expect(each.low).toBeGreaterThanOrEqual(low);
            expect(each.high).toBeLessThanOrEqual(high);
            expect(each.low).toBeLessThanOrEqual(each.estimate + 1e-12);
            expect(each.high).toBeGreaterThanOrEqual(each.estimate - 1e-12);
            if (each.low === low || each.high === high) touched++;
          }
        }
        for (const { bias: own, totalVariation } of results) {
          expect(own.interval!.low).toBeGreaterThanOrEqual(0);
          expect(own.interval!.high).toBeLessThanOrEqual(bias);
          expect(totalVariation.interval!.low).toBeGreaterThanOrEqual(0);
          expect(totalVariation.interval!.high).toBeLessThanOrEqual(distance);
        }
      }
    }
    expect(touched).toBeGreaterThan(10);
  });

  it('refuses images that come in no pairs, and evaluations without faces', () => {
    const target = uniformTarget([AGE]);
    const other = { ...after, prompts: after.prompts.map((each) => ({ ...each, seeds: [5, 6, 7, 8] })) };
    expect(arePaired(before, after)).toBe(true);
    expect(arePaired(before, other)).toBe(false);
    expect(() => comparePairs(before, other, target, true, bootstrap())).toThrow(/from the same seeds/);
    const none = evaluationOf([{ age: [NO_FACE] }]);
    expect(() => comparePairs(none, none, target, true, bootstrap())).toThrow(/share no prompt with faces/);
  });
});
