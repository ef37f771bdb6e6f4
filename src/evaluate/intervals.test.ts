import { describe, expect, it } from 'vitest';
import { createGenerator } from '../diffusion/noise.ts';
import type { Groups } from './bootstrap.ts';
import { bootstrapInterval } from './bootstrap.ts';
import { clopperPearsonInterval, newcombeDifference, wilsonInterval } from './intervals.ts';
import { distributionOf, pairwiseBias } from './metrics.ts';
import { expectedBias } from './noise_floor.ts';
import {
  betaQuantile,
  incompleteBeta,
  logGamma,
  normalCumulative,
  normalQuantile,
} from './special_functions.ts';

describe('special functions', () => {
  it.each([
    [0.5, 0.5 * Math.log(Math.PI)],
    [1, 0],
    [5, Math.log(24)],
    [0.1, 2.252712651734206],
    [100, 359.1342053695754],
  ])('ln gamma(%f)', (x, value) => expect(logGamma(x)).toBeCloseTo(value, 11));

  it.each([
    [-8, 6.220960574271786e-16],
    [-5, 2.866515718791939e-7],
    [-3, 0.0013498980316300933],
    [-1, 0.15865525393145707],
    [0, 0.5],
    [1.959963984540054, 0.975],
  ])('Phi(%f)', (z, value) => {
    expect(Math.abs(normalCumulative(z) / value - 1)).toBeLessThan(1e-12);
    if (z > -6) expect(normalQuantile(value)).toBeCloseTo(z, 9);
  });

  it('incomplete beta sums a binomial tail', () => {
    // I_p(k, n - k + 1) = P(Binomial(n, p) >= k); here n = 4, k = 2, p = 1/2.
    expect(incompleteBeta(0.5, 2, 3)).toBeCloseTo(11 / 16, 14);
    expect(incompleteBeta(0.3, 1, 1)).toBeCloseTo(0.3, 14);
    for (const [x, a, b] of [
      [0.2, 3, 9],
      [0.9, 0.5, 0.5],
      [0.7, 60, 20],
    ] as const) {
      expect(betaQuantile(incompleteBeta(x, a, b), a, b)).toBeCloseTo(x, 10);
      expect(incompleteBeta(x, a, b)).toBeCloseTo(1 - incompleteBeta(1 - x, b, a), 12);
    }
    expect(incompleteBeta(0.9, 0.5, 0.5)).toBeCloseTo((2 / Math.PI) * Math.asin(Math.sqrt(0.9)), 12);
  });
});

describe('intervals of shares', () => {
  // Table I of Newcombe, Two-sided confidence intervals for the single proportion (1998).
  it.each([
    [81, 263, [0.2553, 0.3662], [0.2527, 0.3676]],
    [15, 148, [0.0624, 0.1605], [0.0578, 0.1617]],
    [0, 20, [0, 0.1611], [0, 0.1684]],
    [1, 29, [0.0061, 0.1718], [0.0009, 0.1776]],
  ])('%i of %i', (successes, trials, wilson, exact) => {
    const score = wilsonInterval(successes, trials);
    expect([score.low, score.high].map((x) => Math.round(x * 1e4) / 1e4)).toEqual(wilson);
    const tail = clopperPearsonInterval(successes, trials);
    expect([tail.low, tail.high].map((x) => Math.round(x * 1e4) / 1e4)).toEqual(exact);
    const mirrored = wilsonInterval(trials - successes, trials);
    expect(mirrored.high).toBeCloseTo(1 - score.low, 12);
  });

  // Table II of Newcombe, Interval estimation for the difference between independent proportions (1998), method 10.
  it.each([
    [56, 70, 48, 80, 0.0524, 0.3339],
    [9, 10, 3, 10, 0.1705, 0.809],
    [10, 10, 0, 10, 0.6075, 1],
    [0, 10, 0, 10, -0.2775, 0.2775],
  ])('%i/%i - %i/%i', (a, m, b, n, low, high) => {
    const interval = newcombeDifference({ successes: a, trials: m }, { successes: b, trials: n });
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
  });

  it.each([
    [() => wilsonInterval(3, 2), /0 to 2 successes, received 3/],
    [() => wilsonInterval(0, 0), /trials from 1, received 0/],
    [() => clopperPearsonInterval(1, 2, 1), /level between 0 and 1, received 1/],
  ])('refuses wrong input %#', (call, message) => expect(call).toThrow(message));
});

describe('bootstrapInterval', () => {
  const random = (seed: number) => createGenerator({ seed, stream: 'bootstrap test' }).uniform;
  const variance = ([values]: Groups) => {
    const mean = values!.reduce((a, b) => a + b, 0) / values!.length;
    return values!.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values!.length;
  };
  // Table 14.1 of Efron and Tibshirani, An Introduction to the Bootstrap: spatial test A of 26 children.
  const scores = [
    48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41,
  ];

  // The book gives (100.8, 233.9) and (115.8, 259.6) from 2000 resamples, whose own error is about 2.
  it.each([
    ['percentile', 100.8, 233.9],
    ['bca', 115.8, 259.6],
  ] as const)('reproduces the published %s interval of a variance', (method, low, high) => {
    const options = { random: random(1), method, level: 0.9, resamples: 20_000 };
    const interval = bootstrapInterval([scores], variance, options);
    expect(interval.estimate).toBeCloseTo(171.5, 1);
    expect(Math.abs(interval.low - low)).toBeLessThan(5);
    expect(Math.abs(interval.high - high)).toBeLessThan(7);
  });

  it('gives the same interval for the same random numbers', () => {
    const once = bootstrapInterval([scores], variance, { random: random(2) });
    expect(bootstrapInterval([scores], variance, { random: random(2) })).toEqual(once);
    expect(bootstrapInterval([scores], variance, { random: random(3) })).not.toEqual(once);
  });

  it.each([0.5, 0.75, 0.95])('centred intervals cover the expected bias at share %f', (share) => {
    const meanBias = (groups: Groups) =>
      groups.reduce((sum, group) => sum + pairwiseBias(distributionOf(group, 2).frequencies), 0) /
      groups.length;
    const truth = expectedBias([share, 1 - share], 60);
    const uniform = random(4);
    let covered = 0;
    for (let trial = 0; trial < 100; trial++) {
      const groups = Array.from({ length: 10 }, () =>
        Array.from({ length: 60 }, () => (uniform() < share ? 0 : 1)),
      );
      const { low, high } = bootstrapInterval(groups, meanBias, { random: uniform, resamples: 100 });
      if (low <= truth && truth <= high) covered++;
    }
    expect(covered).toBeGreaterThanOrEqual(85);
  });

  it('is wider over groups than within them when groups differ', () => {
    const groups = [0.1, 0.5, 0.9].map((share) =>
      Array.from({ length: 50 }, (_, i) => Number(i / 50 < share)),
    );
    const mean = (sample: Groups) =>
      sample.reduce((sum, g) => sum + distributionOf(g, 2).frequencies[1]!, 0) / 3;
    const within = bootstrapInterval(groups, mean, { random: random(5) });
    const over = bootstrapInterval(groups, mean, { random: random(5), resampleGroups: true });
    expect(over.standardError).toBeGreaterThan(3 * within.standardError);
    // Independent groups of 50: the error of the mean of three shares.
    const exact = Math.sqrt([0.1, 0.5, 0.9].reduce((sum, p) => sum + (p * (1 - p)) / 50, 0)) / 3;
    expect(Math.abs(within.standardError / exact - 1)).toBeLessThan(0.06);
  });

  it.each([
    ['no groups', [], {}, /in every group/],
    ['an empty group', [[1], []], {}, /none in group 1/],
    ['one resample', [[1, 2]], { resamples: 1 }, /resamples from 2, received 1/],
    [
      'groups with bca',
      [[1, 2]],
      { method: 'bca' as const, resampleGroups: true },
      /'bca' can't resample groups/,
    ],
  ])('refuses %s', (_, groups, options, message) => {
    expect(() => bootstrapInterval(groups, () => 1, { random: Math.random, ...options })).toThrow(message);
  });
});
