import { expect, it } from 'vitest';
import { createGenerator } from '../diffusion/noise.ts';
import { choosePrompts } from './iteration.ts';
import { meanMetrics } from './mean_metrics.ts';

/** Prompts of so many iterations. */
function chosen(settings: Parameters<typeof choosePrompts>[1], iterations = 4000): string[] {
  return Array.from({ length: iterations }, (_, index) =>
    choosePrompts(createGenerator({ seed: 3, index, stream: 'finetune iteration' }), settings),
  ).flat();
}

const shareOf = (prompts: readonly string[], start: string) =>
  prompts.filter((prompt) => prompt.startsWith(start)).length / prompts.length;

it('draws groups by their weights, and all alike without', () => {
  const promptGroups = [['a 1', 'a 2', 'a 3'], ['b 1'], ['c 1', 'c 2']];
  const prompts = promptGroups.flat();
  const weighted = chosen({ prompts, promptGroups, groupWeights: [3, 0.5, 0.5] });
  // Standard errors are at most .008.
  expect(shareOf(weighted, 'a')).toBeCloseTo(0.75, 1);
  expect(Math.abs(shareOf(weighted, 'a') - 0.75)).toBeLessThan(0.03);
  expect(Math.abs(shareOf(weighted, 'b') - 0.125)).toBeLessThan(0.03);
  const alike = chosen({ prompts, promptGroups });
  for (const group of ['a', 'b', 'c']) expect(Math.abs(shareOf(alike, group) - 1 / 3)).toBeLessThan(0.03);
});

it('never draws prompts that are set apart, and leaves the draws of the others as they are', () => {
  const prompts = Array.from({ length: 50 }, (_, i) => `prompt ${i}`);
  const [all, without] = [chosen({ prompts }), chosen({ prompts, promptsApart: ['prompt 7', 'prompt 31'] })];
  expect(without).toHaveLength(all.length);
  all.forEach((prompt, i) => {
    if (prompt === 'prompt 7' || prompt === 'prompt 31') expect(without[i]).not.toMatch(/^prompt (7|31)$/);
    else expect(without[i]).toBe(prompt);
  });
});

it('counts prompts that are set apart among those that there are not', () => {
  const settings = { prompts: ['a', 'b'], promptsApart: ['b'], promptsPerIteration: 2 };
  expect(() => chosen(settings, 1)).toThrow(/at most 1, the number of different prompts, received 2/);
});

it('takes the mean of each number over the prompts that have it', () => {
  expect(meanMetrics([{ loss: 1, 'bias gender': 0.5 }, { loss: 3 }, { loss: Number.NaN }])).toEqual({
    loss: 2,
    'bias gender': 0.5,
  });
  expect(meanMetrics([{ bias: Number.NaN }])).toEqual({ bias: Number.NaN });
});
