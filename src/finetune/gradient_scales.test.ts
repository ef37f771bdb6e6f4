import { describe, expect, it } from 'vitest';
import { openTinyPipeline } from '../../test/tiny_pipeline.ts';
import { createPlan } from '../diffusion/schedulers/create_plan.ts';
import { outputWeights } from '../diffusion/schedulers/plan.ts';
import { DirectFinetuning } from './direct_finetuning.ts';
import { gradientModes } from './gradient_coefficients.ts';
import { measureGradientScales } from './gradient_scales.ts';
import type { ImageObjective } from './objective.ts';
import type { FinetuneSettings } from './settings.ts';
import { settings as tinySettings } from './testing/tiny_run.ts';
import { initialAdapter } from './trained_part.ts';

const { folder, model, pipeline } = openTinyPipeline('gradient-scales');

const squares: ImageObjective = {
  async evaluate({ images }) {
    return { loss: images.reduce((sum, x) => sum + (x * x) / 2, 0), metrics: {}, gradient: images };
  },
  measure: async () => ({}),
};

const settings: FinetuneSettings = {
  ...tinySettings,
  part: { kind: 'unet', rank: 1 },
  seed: 1,
  prompts: ['a nurse', 'a pilot'],
  samplingSteps: [1, 9],
  gradient: { mode: 'adjusted', branches: 'both', timesteps: 1 },
  directory: folder,
};

describe('scales of the gradient by timestep', () => {
  it('are equal under adjusted, follow the sampler uncoupled, and are those of the whole sampler unadjusted', async () => {
    const context = { pipeline, objective: squares, differentiate: new DirectFinetuning(pipeline), settings };
    const adapter = initialAdapter(model, settings.part, 1);
    const told: number[] = [];
    const found = await measureGradientScales(
      context,
      adapter,
      gradientModes,
      { runs: 3, steps: 4 },
      (done) => {
        told.push(done);
      },
    );
    expect(told.at(-1)).toBe(3 * gradientModes.length);
    expect(found.map(({ mode }) => mode)).toEqual(gradientModes);
    const plan = createPlan({ scheduler: model.scheduler, steps: 4 });
    for (const { timesteps } of found) {
      expect(timesteps.map(({ timestep }) => timestep)).toEqual(plan.steps.map(({ timestep }) => timestep));
      for (const { runs, mean, low, high } of timesteps) {
        expect(runs).toHaveLength(3);
        expect(new Set(runs).size).toBe(3);
        expect(low).toBeLessThan(mean);
        expect(mean).toBeLessThan(high);
        expect(low).toBeGreaterThan(0);
      }
    }
    const runOf = (mode: string, run: number) =>
      found.find((each) => each.mode === mode)!.timesteps.map(({ runs }) => runs[run]!);
    const b = outputWeights(plan).map(Math.abs);
    for (const run of [0, 1, 2]) {
      const adjusted = runOf('adjusted', run);
      for (const value of adjusted) expect(value / adjusted[0]!).toBeCloseTo(1, 6);
      const uncoupled = runOf('uncoupled', run);
      uncoupled.forEach((value, i) => {
        expect(value / uncoupled[0]! / (b[i]! / b[0]!)).toBeCloseTo(1, 6);
      });
      const exact = runOf('unadjusted', run);
      expect(exact.at(-1)! / uncoupled.at(-1)!).toBeCloseTo(1, 5);
      expect(exact[0]! / uncoupled[0]!).not.toBeCloseTo(1, 2);
    }
  });
});
