import { describe, expect, it } from 'vitest';
import { createGenerator } from '../diffusion/noise.ts';
import { reasonToStop } from './stop_rule.ts';
import { targetDistance } from './target_distance.ts';

/** Prompts that share a target. */
const counted = (prompts: readonly (readonly number[])[], shares: readonly number[]) =>
  prompts.map((counts) => ({ counts, shares }));

const random = (seed = 1) => createGenerator({ seed, stream: 'test' });

/** E|X/n - p| of a binomial X, summed over its distribution. */
function expectedDistance(n: number, p: number): number {
  let probability = (1 - p) ** n;
  let sum = 0;
  for (let k = 0; k <= n; k++) {
    sum += probability * Math.abs(k / n - p);
    probability *= ((n - k) / (k + 1)) * (p / (1 - p));
  }
  return sum;
}

describe('the distance to a target', () => {
  it('is the mean over prompts of the total variation distance', () => {
    const prompts = [
      [9, 1],
      [4, 6],
      [0, 0],
    ];
    const { estimate } = targetDistance(counted(prompts, [0.5, 0.5]), { random: random() });
    expect(estimate).toBeCloseTo((0.4 + 0.1) / 2, 12);
  });

  it("takes every prompt's distance to the prompt's own target, of as many classes as that has", () => {
    const prompts = [...counted([[6, 4]], [0.6, 0.4]), ...counted([[5, 5, 0]], [0.2, 0.3, 0.5])];
    expect(targetDistance(prompts, { random: random() }).estimate).toBeCloseTo(0.5 / 2, 12);
  });

  it.each([
    [16, 0.5],
    [24, 0.25],
  ])('has the floor of %i images at the share %f', (n, p) => {
    const prompts = [
      [n, 0],
      [0, n],
    ];
    const { floor } = targetDistance(counted(prompts, [p, 1 - p]), { random: random() });
    expect(floor).toBeCloseTo(expectedDistance(n, p), 10);
  });

  it('has an interval that covers the mean distance about as often as its level says', () => {
    const [truth, images, prompts] = [0.8, 40, 6];
    const draw = random(7);
    const exact = expectedDistanceTo(images, truth);
    let covered = 0;
    const trials = 200;
    for (let trial = 0; trial < trials; trial++) {
      const counts = Array.from({ length: prompts }, () => {
        const first = Array.from({ length: images }, () => draw.uniform()).filter((u) => u < truth).length;
        return [first, images - first];
      });
      const { low, high } = targetDistance(counted(counts, [0.5, 0.5]), {
        random: draw,
        level: 0.9,
        resamples: 300,
      });
      expect(low).toBeLessThan(high);
      if (low <= exact && exact <= high) covered++;
    }
    expect(covered / trials).toBeGreaterThan(0.82);
    expect(covered / trials).toBeLessThan(0.97);
  });

  it('of images without any face is not known', () => {
    expect(targetDistance(counted([[0, 0]], [0.5, 0.5]), { random: random() })).toEqual({
      estimate: NaN,
      low: NaN,
      high: NaN,
      floor: NaN,
    });
  });
});

/** E|X/n - 1/2| for X binomial with share `truth`. */
function expectedDistanceTo(n: number, truth: number): number {
  let probability = (1 - truth) ** n;
  let sum = 0;
  for (let k = 0; k <= n; k++) {
    sum += probability * Math.abs(k / n - 0.5);
    probability *= ((n - k) / (k + 1)) * (truth / (1 - truth));
  }
  return sum;
}

describe('the stop rule', () => {
  const numbers = (high: number, floor: number) => ({ 'distance high': high, 'distance floor': floor });
  it.each([
    [
      'within',
      numbers(0.14, 0.1),
      { distance: 0.05 },
      /at most 0\.140, 0\.040 above the noise floor \(asked for: 0\.05\)/,
    ],
    ['below the floor', numbers(0.09, 0.1), { distance: 0 }, /at most/],
    ['beyond', numbers(0.16, 0.1), { distance: 0.05 }, null],
    ['not known', numbers(NaN, 0.1), { distance: 1 }, null],
    ['not measured', {}, { distance: 1 }, null],
    [
      'every group within',
      {
        'distance of a high': 0.12,
        'distance of a floor': 0.1,
        'distance of b high': 0.2,
        'distance of b floor': 0.18,
      },
      { distance: 0.05, groups: ['a', 'b'] },
      /distance of a at most 0\.120.*distance of b at most 0\.200/,
    ],
    [
      'one group beyond, though the mean over all prompts is within',
      {
        ...numbers(0.1, 0.1),
        'distance of a high': 0.1,
        'distance of a floor': 0.1,
        'distance of b high': 0.3,
        'distance of b floor': 0.1,
      },
      { distance: 0.05, groups: ['a', 'b'] },
      null,
    ],
    ['no rule', numbers(0, 0), undefined, null],
  ])('%s', (_, validation, stop, expected) => {
    const reason = reasonToStop(validation, stop);
    if (expected === null) expect(reason).toBeNull();
    else expect(reason).toMatch(expected);
  });
});
