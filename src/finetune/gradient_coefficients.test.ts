/** Coefficients and output weights against the fixtures and against what they are for. */
import { describe, expect, it } from 'vitest';
import {
  fixtureTolerance,
  maxDifference,
  readFixtureJson,
  readFixtureTensors,
} from '../../test/read_fixture.ts';
import { createPlan } from '../diffusion/schedulers/create_plan.ts';
import { initialLatents, outputWeights, stepLatents } from '../diffusion/schedulers/plan.ts';
import {
  type FinalState,
  parseSchedulerConfig,
  schedulerNames,
  stableDiffusionScheduler,
} from '../diffusion/schedulers/scheduler_config.ts';
import { cotangentWeights, detachedModes } from './gradient_coefficients.ts';

const config = parseSchedulerConfig(readFixtureJson('adjusted-dft/scheduler_config.json'));

/** The largest relative difference. */
function maxRelative(received: ArrayLike<number>, expected: ArrayLike<number>): number {
  return maxDifference(
    Array.from(received, (value, i) => value / expected[i]!),
    Array(expected.length).fill(1),
  );
}

describe('C of the reference and of Algorithm A.1', () => {
  const table = readFixtureJson('adjusted-dft/coefficients.json').by_number_of_model_evaluations;
  it.each(Object.keys(table))('%s evaluations', (steps) => {
    const expected = table[steps];
    const plan = createPlan({ scheduler: { ...config, final: 't0' }, steps: Number(steps) });
    expect(plan.steps.map((step) => step.timestep)).toEqual(expected.timesteps);
    const reference = cotangentWeights(plan, 'reference').coefficients;
    expect(maxRelative(reference, expected.C_reference_formula_exact_float64_schedule)).toBeLessThan(1e-10);
    // beta as 1 - alpha in float32, as the reference computes it, is off by up to half a spacing: 3e-8 of 1e-3
    expect(maxRelative(reference, expected.C_reference)).toBeLessThan(4e-5);
    expect(maxRelative(cotangentWeights(plan, 'literal').coefficients, expected.C_literal)).toBeLessThan(
      2e-5,
    );
  });
});

const files: [string, number, FinalState][] = [
  ['v0.19.3-S5', 5, 't0'],
  ['v0.19.3-S16', 16, 't0'],
  ['v0.40.0-S5', 5, 'zero'],
  ['v0.40.0-S16', 16, 'zero'],
];

describe.each(files)('adjusted-dft/%s', (name, steps, final) => {
  const file = `adjusted-dft/${name}.safetensors`;
  const tensors = readFixtureTensors(file);
  const plan = createPlan({ scheduler: { ...config, final }, steps });
  const row = (tensor: string, i: number) =>
    (tensors[tensor]!.data as Float32Array).subarray(i * 256, (i + 1) * 256);

  it('visits the timesteps and has the coefficients', () => {
    expect(plan.steps.map((step) => step.timestep)).toEqual([...tensors.timesteps!.data]);
    for (const mode of ['reference', 'literal'] as const) {
      const { coefficients } = cotangentWeights(plan, mode);
      expect(maxRelative(coefficients, tensors[`adjusted_${mode}/C`]!.data)).toBeLessThan(2e-5);
    }
  });
  it('steps through the recorded trajectory of the real network', () => {
    const noises = plan.steps.map((_, i) => row('forward.eps_guided', i));
    const latents = [initialLatents(plan, tensors.z_T!.data as Float32Array)];
    for (const i of plan.steps.keys()) latents.push(stepLatents(plan, i, latents, noises));
    const tolerance = fixtureTolerance(file, 'forward.z_trajectory');
    for (const [i, z] of latents.entries()) {
      expect(maxDifference(z, row('forward.z_trajectory', i))).toBeLessThanOrEqual(tolerance);
    }
  });
  it.each(['detach', 'adjusted_reference', 'adjusted_literal'])(
    '%s: dL/d eps_i is b_i dL/dz_0 for every i',
    (mode) => {
      const key = `${mode}/grad.eps_guided_before_coefficient`;
      const b = outputWeights(plan);
      const last = b.length - 1;
      const finalGradient = row(key, last).map((value) => value / b[last]!);
      const tolerance = fixtureTolerance(file, key);
      for (let i = 0; i < b.length; i++) {
        const predicted = finalGradient.map((value) => value * b[i]!);
        // the error of the last gradient arrives multiplied by b_i / b_last
        const allowed = tolerance * Math.max(1, Math.abs(b[i]! / b[last]!));
        expect(maxDifference(predicted, row(key, i))).toBeLessThanOrEqual(allowed);
      }
    },
  );
  it('differs from the exact gradient, which also flows through the network', () => {
    const b = outputWeights(plan);
    const key = 'exact/grad.eps_guided_before_coefficient';
    const finalGradient = row(key, b.length - 1).map((value) => value / b.at(-1)!);
    const predicted = finalGradient.map((value) => value * b[0]!);
    expect(maxDifference(predicted, row(key, 0))).toBeGreaterThan(100 * fixtureTolerance(file, key));
  });
});

describe('cotangentWeights', () => {
  it.each(schedulerNames)('%s: adjusted products all have the same size and the signs of b', (scheduler) => {
    const plan = createPlan({ scheduler, steps: 20 });
    const { coefficients, outputWeights: b, product } = cotangentWeights(plan, 'adjusted');
    const geometricMean = (values: Float64Array) =>
      Math.exp(values.reduce((sum, value) => sum + Math.log(Math.abs(value)), 0) / values.length);
    expect(geometricMean(coefficients)).toBeCloseTo(1, 12);
    for (let i = 0; i < b.length; i++)
      expect(product[i]! / (Math.sign(b[i]!) * geometricMean(b))).toBeCloseTo(1, 12);
  });
  it('shows what the reference does with DPM-Solver++ that ends at timestep 0', () => {
    const plan = createPlan({ scheduler: { ...stableDiffusionScheduler(), final: 't0' }, steps: 20 });
    const { product } = cotangentWeights(plan, 'reference');
    const at = (timestep: number) => product[plan.steps.findIndex((step) => step.timestep === timestep)]!;
    expect(at(150)).toBeCloseTo(0.13, 2);
    expect(at(100)).toBeCloseTo(0.3, 2);
    expect(at(50)).toBeCloseTo(-2.12, 2);
    for (const { timestep } of plan.steps.filter((step) => step.timestep <= 949 && step.timestep >= 250)) {
      expect(Math.abs(at(timestep) + 0.4)).toBeLessThan(0.06);
    }
  });
  it('ending at sigma 0, every b of the default sampler is negative at 1 to 100 steps', () => {
    for (let steps = 1; steps <= 100; steps++) {
      const b = outputWeights(createPlan({ scheduler: 'dpmsolver++', steps }));
      expect(b.every((weight) => weight < 0)).toBe(true);
    }
  });
  it('leaves out an evaluation without influence', () => {
    const noKarras = stableDiffusionScheduler('dpmsolver++');
    const plan = createPlan({ scheduler: { ...noKarras, useKarrasSigmas: true, final: 't0' }, steps: 20 });
    const { coefficients, product } = cotangentWeights(plan, 'adjusted');
    expect([coefficients.at(-1), product.at(-1)].map(Math.abs as (x?: number) => number)).toEqual([0, 0]);
    for (const value of product.subarray(0, -1)) expect(Math.abs(value / product[0]!)).toBeCloseTo(1, 12);
  });
  it.each(['dpmsolver++', 'ddim', 'euler'] as const)(
    '%s: a v-predictor gets the gradients of the noise predictor it is',
    (scheduler) => {
      const base = stableDiffusionScheduler(scheduler);
      const epsilon = createPlan({ scheduler: base, steps: 20 });
      const velocity = createPlan({ scheduler: { ...base, prediction: 'v_prediction' }, steps: 20 });
      for (const mode of detachedModes) {
        const expected = cotangentWeights(epsilon, mode);
        const received = cotangentWeights(velocity, mode);
        expect(maxRelative(received.coefficients, expected.coefficients)).toBeLessThan(1e-9);
        const product = expected.product.map((value, i) => value * Math.sqrt(epsilon.steps[i]!.alphaBar));
        expect(maxRelative(received.product, product)).toBeLessThan(1e-9);
      }
    },
  );
  it('uncoupled is b itself; an unknown mode is refused', () => {
    const plan = createPlan({ scheduler: 'ddim', steps: 5 });
    expect(cotangentWeights(plan, 'uncoupled').product).toEqual(outputWeights(plan));
    expect(() => cotangentWeights(plan, 'best' as 'adjusted')).toThrow('expected one of adjusted, reference');
  });
});
