import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  batchIndices,
  type CommonTrainingConfig,
  commonTrainingFields,
  configDigest,
  trainingSettings,
} from './config.ts';
import { indexSampler } from './recipe.ts';

const schema = z.strictObject({ ...commonTrainingFields, width: z.int().default(8) });
const REQUIRED = { seed: 3, steps: 100, batchSize: 4, learningRate: 0.01, data: { seed: 1, scenes: 10 } };
const parse = (fields: object = {}): CommonTrainingConfig => schema.parse({ ...REQUIRED, ...fields });

describe('a training configuration', () => {
  it('has defaults', () => {
    expect(parse()).toEqual({
      ...REQUIRED,
      schedule: 'cosine',
      warmupSteps: 100,
      weightDecay: 0.01,
      betas: [0.9, 0.99],
      clipNorm: 1,
      averageDecay: 0.999,
      checkpointEvery: 200,
      width: 8,
    });
  });

  it.each([
    ['an unknown field', { epochs: 3 }, /epochs/],
    ['an unknown field of the data', { data: { seed: 1, scenes: 10, size: 3 } }, /size/],
    ['an unknown schedule', { schedule: 'step' }, /schedule/],
    ['no steps', { steps: 0 }, /steps/],
    ['a fractional batch', { batchSize: 2.5 }, /batchSize/],
  ])('refuses %s', (_, fields, message) => {
    expect(() => parse(fields)).toThrow(message);
  });

  it.each([
    { steps: 5 },
    { schedule: 'constant' },
    { schedule: 'cosine_with_restarts', cycles: 3 },
    { warmupSteps: 0 },
    { checkpointEvery: 1 },
  ])('keeps its digest with %j, so that a run can be extended', (fields) => {
    expect(configDigest(parse(fields))).toBe(configDigest(parse()));
    expect(configDigest(parse())).toMatch(/^[0-9a-f]{16}$/);
  });

  it.each([
    { seed: 4 },
    { batchSize: 8 },
    { learningRate: 0.02 },
    { data: { seed: 1, scenes: 11 } },
    { width: 16 },
    { betas: [0.9, 0.999] },
  ])('has another digest with %j', (fields) => {
    expect(configDigest(parse(fields))).not.toBe(configDigest(parse()));
  });

  it('gives the loop its settings', () => {
    const settings = trainingSettings(parse({ warmupSteps: 10, checkpointEvery: 7 }), 'runs/a');
    expect(settings).toMatchObject({ steps: 100, checkpointEvery: 7, clipNorm: 1, averageDecay: 0.999 });
    expect(settings.directory).toBe(path.resolve('runs/a'));
    expect(settings.digest).toBe(configDigest(parse()));
    // Warm-up to .01 in 10 steps, then half a cosine over 90: at step 55 half of it.
    expect([0, 5, 10, 55, 100].map((step) => Number(settings.learningRate(step).toFixed(12)))).toEqual([
      0, 0.005, 0.01, 0.005, 0,
    ]);
  });

  it('hands the cycles on', () => {
    const fields = { schedule: 'cosine_with_restarts', cycles: 2, warmupSteps: 0 };
    const { learningRate } = trainingSettings(parse(fields), 'runs/a');
    expect(learningRate(25)).toBeCloseTo(0.005, 12);
    expect(learningRate(50)).toBeCloseTo(0.01, 12);
  });
});

describe('the items of batches', () => {
  it('walk through each pass in its own order', () => {
    const order = (pass: number) => Uint32Array.of(0, 1, 2, 3, 4, 5, 6).map((i) => (pass === 0 ? i : 6 - i));
    const steps = [0, 1, 2, 3, 4].map((step) => batchIndices(step, 3, 7, order));
    expect(steps).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [6, 5, 4],
      [3, 2, 1],
      [6, 5, 4],
    ]);
  });

  it('repeat items where a batch is larger than the data', () => {
    expect(batchIndices(1, 5, 2, () => Uint32Array.of(1, 0))).toEqual([1, 0, 1, 0, 1]);
  });

  it('are the same whatever was asked before, each once a pass', () => {
    const [forwards, backwards] = [1, 2].map(() => indexSampler(5, 'data', 12, 4));
    const steps = Array.from({ length: 9 }, (_, step) => step);
    const ahead = steps.map((step) => forwards!(step));
    expect(
      steps
        .toReversed()
        .map((step) => backwards!(step))
        .reverse(),
    ).toEqual(ahead);
    const passes = [0, 3, 6].map((first) => ahead.slice(first, first + 3).flat());
    for (const pass of passes)
      expect(pass.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect(passes[1]).not.toEqual(passes[0]);
    expect(indexSampler(6, 'data', 12, 4)(0)).not.toEqual(ahead[0]);
    expect(indexSampler(5, 'other', 12, 4)(0)).not.toEqual(ahead[0]);
  });
});
