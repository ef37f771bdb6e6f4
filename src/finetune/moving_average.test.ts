/** The moving average and its decays, the method's and EMAModel's. */
import { describe, expect, it } from 'vitest';
import { maxDifference, readFixtureJson, readFixtureTensors } from '../../test/read_fixture.ts';
import { type AverageDecaySettings, emaModelDecay } from './average_decay.ts';
import { ExponentialMovingAverage, warmedUpDecay } from './moving_average.ts';

describe('emaModelDecay', () => {
  const table = readFixtureJson('optimizers/ema_decay.json');
  const settings: Record<string, AverageDecaySettings> = {
    'decay0.996': { decay: 0.996 },
    'decay0.9999_warmup': { decay: 0.9999, powerWarmup: { inverseGamma: 1, power: 2 / 3 } },
    'decay0.99_after5_min0.1': { decay: 0.99, updateAfterStep: 5, minDecay: 0.1 },
  };
  it.each(Object.keys(table))('%s', (name) => {
    expect(settings[name]).toBeDefined();
    for (const [call, decay] of Object.entries<number>(table[name].decay_used_at_nth_step_call)) {
      expect(emaModelDecay(settings[name]!, Number(call) - 1), `call ${call}`).toBeCloseTo(decay, 12);
    }
  });
  it.each(['lr5e-5', 'lr1e-2_wd0.1'])('is the sequence behind the averages recorded with %s', (run) => {
    const tensors = readFixtureTensors('optimizers/adamw.safetensors');
    const row = (key: string, step: number) =>
      tensors[`${run}/${key}_f64.w`]!.data.subarray(step * 35, step * 35 + 35);
    let average = Float64Array.from(tensors['param0.w']!.data);
    for (let step = 0; step < 10; step++) {
      const decay = emaModelDecay({ decay: 0.996 }, step);
      const parameter = row('param_after_step', step);
      average = average.map((value, i) => value - (1 - decay) * (value - parameter[i]!));
      expect(maxDifference(average, row('ema_after_step', step))).toBeLessThan(1e-12);
    }
  });
});

describe('ExponentialMovingAverage', () => {
  it('warms up as min(decay, (1 + s) / (10 + s))', () => {
    expect([0, 1, 90, 5000].map((update) => warmedUpDecay(0.996, update))).toEqual([
      0.1,
      2 / 11,
      0.91,
      0.996,
    ]);
  });
  it('follows the parameters and resumes exactly', () => {
    const parameters = new Map([['x', Float32Array.of(1, -1)]]);
    const average = new ExponentialMovingAverage(parameters, { decay: 0.996 });
    parameters.get('x')!.set([2, 3]);
    average.update();
    expect(maxDifference(average.values.get('x')!, [1.9, 2.6])).toBeLessThan(1e-6);
    const resumed = new ExponentialMovingAverage(parameters, { decay: 0.996 });
    resumed.restore(average.values, average.updates);
    parameters.get('x')!.set([5, 0]);
    average.update();
    resumed.update();
    expect(resumed.values).toEqual(average.values);
    expect(() => resumed.restore(new Map(), 1)).toThrow('expected 2 saved elements for x, received none');
  });
});
