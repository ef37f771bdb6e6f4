/** Learning rate schedules against diffusers. */
import { describe, expect, it } from 'vitest';
import { readFixtureJson } from '../../test/read_fixture.ts';
import { type LearningRateSchedule, learningRateAt } from './learning_rate.ts';

const table = readFixtureJson('optimizers/lr_schedules.json');

describe('learningRateAt', () => {
  it.each(Object.keys(table))('%s', (key) => {
    const { base_lr: base, kwargs, lr_used_by_optimizer_step_k_from_0: expected } = table[key];
    const schedule: LearningRateSchedule = {
      name: key.replace('_no_warmup', '') as LearningRateSchedule['name'],
      warmupSteps: kwargs.num_warmup_steps,
      totalSteps: kwargs.num_training_steps,
      cycles: kwargs.num_cycles,
      power: kwargs.power,
    };
    expect(expected.length).toBe(112);
    for (const [step, learningRate] of expected.entries()) {
      expect(Math.abs(learningRateAt(schedule, base, step) - learningRate), `step ${step}`).toBeLessThan(
        1e-14,
      );
    }
  });
  it.each([
    [{ name: 'sawtooth' }, 'expected one of constant, constant_with_warmup'],
    [{ name: 'linear' }, 'linear: expected totalSteps of at least warmupSteps (0), received none'],
    [{ name: 'cosine', warmupSteps: 10, totalSteps: 5 }, 'at least warmupSteps (10), received 5'],
    [{ name: 'polynomial', totalSteps: 5, endLearningRate: 1 }, 'expected an endLearningRate below 0.00005'],
  ])('refuses %j', (schedule, message) => {
    expect(() => learningRateAt(schedule as LearningRateSchedule, 5e-5, 0)).toThrow(message);
  });
});
