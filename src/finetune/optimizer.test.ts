/** AdamW against torch; clipping, skipping and exact resuming. */
import { describe, expect, it } from 'vitest';
import { fixtureTolerance, maxDifference, readFixtureTensors } from '../../test/read_fixture.ts';
import { gaussianNoise } from '../diffusion/noise.ts';
import { AdamW, globalNorm } from './optimizer.ts';

const file = 'optimizers/adamw.safetensors';
const tensors = readFixtureTensors(file);
const lengths = { w: 35, b: 5 } as const;
const names = ['w', 'b'] as const;

/** Slice `step` of a fixture tensor that stacks one array per step. */
const atStep = (tensor: string, name: 'w' | 'b', step: number) =>
  tensors[`${tensor}.${name}`]!.data.subarray(
    step * lengths[name],
    (step + 1) * lengths[name],
  ) as Float32Array;

/** The beta2 of a run, which the fixture does not state: the usual one that explains a second moment. */
function secondBetaOf(run: string): number {
  const expected = tensors[`${run}/exp_avg_sq_final.w`]!.data[0]!;
  const found = [0.999, 0.99, 0.95].find((beta2) => {
    let square = 0;
    for (let step = 0; step < 10; step++)
      square = beta2 * square + (1 - beta2) * atStep('grads', 'w', step)[0]! ** 2;
    return Math.abs(square / expected - 1) < 1e-4;
  });
  if (!found) throw new Error(`${run}: no usual beta2 explains the second moments`);
  return found;
}

describe.each([
  ['lr5e-5', 5e-5, 0.01],
  ['lr1e-2_wd0.1', 1e-2, 0.1],
])('AdamW of torch, %s', (run, learningRate, weightDecay) => {
  it('gives the parameters of every step and the final moments', () => {
    const parameters = new Map(
      names.map((name) => [name, Float32Array.from(tensors[`param0.${name}`]!.data)]),
    );
    const optimizer = new AdamW(parameters, { betas: [0.9, secondBetaOf(run)], epsilon: 1e-8, weightDecay });
    for (let step = 0; step < 10; step++) {
      optimizer.step(new Map(names.map((name) => [name, atStep('grads', name, step)])), { learningRate });
      for (const name of names) {
        const key = `${run}/param_after_step`;
        const tolerance = fixtureTolerance(file, `${key}.${name}`);
        expect(maxDifference(parameters.get(name)!, atStep(key, name, step))).toBeLessThanOrEqual(tolerance);
        // beyond the float32 tolerance: ten roundings of the largest parameter are all that float64 may differ by
        expect(maxDifference(parameters.get(name)!, atStep(`${key}_f64`, name, step))).toBeLessThan(1.5e-6);
      }
    }
    const { firstMoment, secondMoment } = optimizer.state();
    for (const name of names) {
      for (const [key, moment] of [
        ['exp_avg', firstMoment],
        ['exp_avg_sq', secondMoment],
      ] as const) {
        const tensor = `${run}/${key}_final.${name}`;
        expect(maxDifference(moment.get(name)!, tensors[tensor]!.data)).toBeLessThanOrEqual(
          fixtureTolerance(file, tensor),
        );
      }
    }
  });
});

describe('AdamW', () => {
  const options = { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 } as const;
  const rate = { learningRate: 1e-2 };
  const start = () =>
    new Map([
      ['first', gaussianNoise({ seed: 1 }, 50)],
      ['second', gaussianNoise({ seed: 2 }, 7)],
    ]);
  const gradients = (step: number) =>
    new Map([
      ['first', gaussianNoise({ seed: 3, index: step }, 50)],
      ['second', gaussianNoise({ seed: 4, index: step }, 7)],
    ]);

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'skips a gradient with %d',
    (bad) => {
      const parameters = start();
      const optimizer = new AdamW(parameters, options);
      optimizer.step(gradients(0), rate);
      const before = structuredClone({ parameters, state: optimizer.state() });
      const broken = gradients(1);
      broken.get('second')![6] = bad;
      expect(optimizer.step(broken, rate).skipped).toBe(true);
      expect({ parameters, state: optimizer.state() }).toEqual(before);
      expect(optimizer.steps).toBe(1);
      expect(optimizer.step(gradients(1), rate).skipped).toBe(false);
    },
  );

  it('clips by the global norm as scaled gradients would', () => {
    const [clipped, scaled] = [start(), start()];
    const soft = { ...options, epsilon: 0.1 };
    const [optimizer, plain] = [new AdamW(clipped, soft), new AdamW(scaled, soft)];
    for (let step = 0; step < 3; step++) {
      const given = gradients(step);
      const norm = Math.hypot(...given.get('first')!, ...given.get('second')!);
      expect(optimizer.step(given, { ...rate, clipNorm: 0.5 }).gradientNorm).toBeCloseTo(norm, 10);
      const smaller = [...given].map(
        ([name, g]) => [name, g.map((value) => (value * 0.5) / (norm + 1e-6))] as const,
      );
      plain.step(new Map(smaller), rate);
    }
    expect(maxDifference(clipped.get('first')!, scaled.get('first')!)).toBeLessThan(1e-6);
    const unclipped = start();
    new AdamW(unclipped, soft).step(gradients(0), rate);
    const once = start();
    new AdamW(once, soft).step(gradients(0), { ...rate, clipNorm: 0.5 });
    expect(maxDifference(once.get('first')!, unclipped.get('first')!)).toBeGreaterThan(1e-3);
    expect(
      globalNorm(
        new Map([
          ['a', Float32Array.of(2, 3, 6)],
          ['b', Float32Array.of(0, 0)],
        ]),
      ),
    ).toBe(7);
  });

  it('moves a parameter by a learning rate of its own, its weight decay included', () => {
    const [mixed, fast, slow] = [start(), start(), start()];
    const of = { first: 1e-2, second: 1e-4 } as Record<string, number>;
    const optimizers = [mixed, fast, slow].map((parameters) => new AdamW(parameters, options));
    for (let step = 0; step < 3; step++) {
      optimizers[0]!.step(gradients(step), { learningRate: 1, learningRateOf: (name) => of[name]! });
      optimizers[1]!.step(gradients(step), { learningRate: 1e-2 });
      optimizers[2]!.step(gradients(step), { learningRate: 1e-4 });
    }
    expect(mixed.get('first')).toEqual(fast.get('first'));
    expect(mixed.get('second')).toEqual(slow.get('second'));
    expect(fast.get('second')).not.toEqual(slow.get('second'));
  });

  it('resumes exactly', () => {
    const whole = start();
    const optimizer = new AdamW(whole, options);
    for (let step = 0; step < 3; step++) optimizer.step(gradients(step), rate);
    const resumed = structuredClone(whole);
    const second = new AdamW(resumed, options);
    second.restore(optimizer.steps, structuredClone(optimizer.state()));
    for (let step = 3; step < 6; step++) {
      optimizer.step(gradients(step), rate);
      second.step(gradients(step), rate);
    }
    expect(resumed).toEqual(whole);
    expect(second.state()).toEqual(optimizer.state());
  });

  it('says what does not fit', () => {
    const optimizer = new AdamW(start(), options);
    const first = new Map([...gradients(0)].slice(0, 1));
    expect(() => optimizer.step(first, rate)).toThrow(
      'expected 7 gradient elements for second, received none',
    );
    const empty = { firstMoment: new Map(), secondMoment: new Map() };
    expect(() => optimizer.restore(1, empty)).toThrow('expected 50 saved elements for first, received none');
  });
});
