/** Fine-tuning in float16 against float32: the same gradients to a few digits, and a loss scale that finds its size. */

import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openTinyPipeline } from '../../test/tiny_pipeline.ts';
import { gaussianNoise } from '../diffusion/noise.ts';
import { TextToImagePipeline } from '../diffusion/pipeline.ts';
import { withPrecision } from '../diffusion/precision.ts';
import { createPlan } from '../diffusion/schedulers/create_plan.ts';
import { loadLatestCheckpoint } from './checkpoint.ts';
import { DirectFinetuning } from './direct_finetuning.ts';
import type { LossScaleState } from './loss_scale.ts';
import type { ImageObjective } from './objective.ts';
import { finetune } from './run.ts';
import { brightness, settings } from './testing/tiny_run.ts';
import { chooseRoute } from './timestep_choice.ts';
import { initialAdapter } from './trained_part.ts';

const { folder, model, runtime, pipeline: full } = openTinyPipeline('mixed-precision');
const mixed = new TextToImagePipeline(runtime, withPrecision(model, 'float16'), full.batchSizes);

/** Gradients of a U-Net adapter and of the conditions on `pipeline`, from a cotangent of the images that is `size` large. */
async function gradients(pipeline: TextToImagePipeline, size: number) {
  const latentSize = pipeline.latentSize();
  const adapter = initialAdapter(model, { kind: 'unet', rank: 2 }, 3);
  for (const layer of adapter.lora!.unet.values()) layer.up.data.fill(0.02);
  const request = {
    condition: await full.encodePrompts(['a nurse', 'a pilot']),
    unconditional: await full.encodePrompts(['', '']),
    plan: createPlan({ scheduler: model.scheduler, steps: 2 }),
    guidanceScale: 3,
    size: latentSize,
    adapter,
  };
  const sample = await full.sample({ ...request, seeds: [1, 2], keepTrajectory: true });
  const differentiate = new DirectFinetuning(pipeline);
  const pixels = 2 * 3 * model.defaultSide ** 2;
  const result = await differentiate.backward({
    ...request,
    ...sample,
    imageGradient: gaussianNoise({ seed: 2 }, pixels).map((value) => size * value),
    route: chooseRoute(request.plan, 'adjusted', undefined, { seed: 0, iteration: 0 }),
    branches: 'both',
  });
  await differentiate.release();
  const unet = Float32Array.from([...result.unet.values()].flatMap((values) => [...values]));
  return { latents: result.latentGradient, condition: result.condition, unet };
}

const relative = (got: Float32Array, expected: Float32Array) => {
  const sum = (term: (i: number) => number) =>
    Math.sqrt(expected.reduce((total, _, i) => total + term(i) ** 2, 0));
  return sum((i) => got[i]! - expected[i]!) / sum((i) => expected[i]!);
};

describe('fine-tuning in float16', () => {
  it.each([1e-2, 1e-7])('has the gradients of float32 for cotangents of about %d', async (size) => {
    const [got, expected] = [await gradients(mixed, size), await gradients(full, size)];
    for (const name of ['latents', 'condition', 'unet'] as const) {
      expect(relative(got[name], expected[name]), name).toBeLessThan(5e-2);
      expect(relative(got[name], expected[name]), name).toBeGreaterThan(1e-6);
    }
  });

  it('leaves out the steps that a scale too large spoils, halves it until gradients are finite, and keeps it', async () => {
    // Times the first scale of 2^15 these cotangents are beyond float16; times a 64th of it they are not.
    const steep: ImageObjective = {
      ...brightness,
      async evaluate(request) {
        const result = await brightness.evaluate(request);
        return { ...result, gradient: result.gradient.map((value) => Math.sign(value) * 30) };
      },
    };
    const directory = path.join(folder, 'steep');
    const skipped: number[] = [];
    const all = {
      ...settings,
      directory,
      iterations: 9,
      checkpointEvery: 9,
      validation: { ...settings.validation, every: 0 },
    };
    await finetune(mixed, steep, all, {
      onProgress: (event) => {
        skipped.push(event.skipped);
      },
    });
    const last = skipped.at(-1)!;
    expect(last).toBeGreaterThan(0);
    expect(last).toBeLessThan(9);
    expect(skipped[0]).toBe(1);
    const checkpoint = loadLatestCheckpoint(path.join(directory, 'checkpoints'), () => {});
    const state = JSON.parse(checkpoint!.metadata.lossScale!) as LossScaleState;
    expect(state).toEqual({ value: 2 ** (15 - last), goodSteps: 9 - last });
  });
});
