/** The exact gradient against finite differences of the whole sampler, decoder included. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinyModel } from '../../test/tiny_model.ts';
import type { Adapter, WholeWeight } from '../diffusion/adapter.ts';
import { NO_ADAPTER } from '../diffusion/adapter.ts';
import { openTextToImageModel } from '../diffusion/model.ts';
import { gaussianNoise } from '../diffusion/noise.ts';
import { TextToImagePipeline } from '../diffusion/pipeline.ts';
import { createPlan } from '../diffusion/schedulers/create_plan.ts';
import type { SchedulerConfig } from '../diffusion/schedulers/scheduler_config.ts';
import { stableDiffusionScheduler } from '../diffusion/schedulers/scheduler_config.ts';
import { Runtime } from '../graph/index.ts';
import { openModelWeights } from '../weights/weight_files.ts';
import { DirectFinetuning } from './direct_finetuning.ts';
import { chooseRoute } from './timestep_choice.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'exact-route-'));
writeTinyModel(folder);
const model = openTextToImageModel(folder);
const runtime = new Runtime({ threads: 1 });
const pipeline = new TextToImagePipeline(runtime, model, { prompts: 2, denoiser: 2, decoder: 2 });
const differentiate = new DirectFinetuning(pipeline);
const size = pipeline.latentSize();
const GUIDANCE = 3;
const SEEDS = [4, 5, 6];
const STEPS = 4;
const WEIGHTS = ['down_blocks.0.resnets.0.conv1.weight', 'mid_block.attentions.0.proj_in.weight'];

afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});

/** What the loss is differentiated by, as flat arrays. */
type Point = Readonly<Record<string, Float32Array>>;

let start: Point;
let cotangent: Float32Array;
const shapes = new Map<string, readonly number[]>();

beforeAll(async () => {
  const source = openModelWeights(path.join(folder, 'unet'));
  for (const name of WEIGHTS) shapes.set(name, source.info(name).shape);
  start = {
    condition: await pipeline.encodePrompts(['a nurse', 'a pilot', 'the cook']),
    unconditional: await pipeline.encodePrompts(['', 'blurred', '']),
    ...Object.fromEntries(WEIGHTS.map((name) => [name, source.readFloat32(name)])),
  };
  const pixels = 3 * model.defaultSide ** 2;
  cotangent = gaussianNoise({ seed: 1, stream: 'cotangent' }, SEEDS.length * pixels);
});

function adapterOf(point: Point): Adapter {
  const weights = WEIGHTS.map((name): [string, WholeWeight] => [
    name,
    { shape: shapes.get(name)!, data: point[name]! },
  ]);
  return { ...NO_ADAPTER, weights: { textEncoder: new Map(), unet: new Map(weights) } };
}

async function drawn(scheduler: SchedulerConfig, point: Point) {
  const { condition, unconditional } = point as Required<Record<'condition' | 'unconditional', Float32Array>>;
  const plan = createPlan({ scheduler, steps: STEPS });
  const adapter = adapterOf(point);
  const request = { condition, unconditional, seeds: SEEDS, plan, guidanceScale: GUIDANCE, size, adapter };
  const sample = await pipeline.sample({ ...request, keepTrajectory: true });
  const images = await pipeline.decode(sample.latents, size);
  const loss = images.reduce((sum, value, i) => sum + value * cotangent[i]!, 0);
  return { ...request, ...sample, loss };
}

async function gradientsOf(scheduler: SchedulerConfig, mode: 'unadjusted' | 'uncoupled'): Promise<Point> {
  const sample = await drawn(scheduler, start);
  const route = chooseRoute(sample.plan, mode, undefined, { seed: 0, iteration: 0 });
  const result = await differentiate.backward({
    ...sample,
    imageGradient: cotangent,
    route,
    branches: 'both',
  });
  const { condition, unconditional, unet } = result;
  return {
    condition,
    unconditional,
    ...Object.fromEntries(WEIGHTS.map((name) => [name, unet.get(`unet.${name}`)!])),
  };
}

function inner(a: Point, b: Point): number {
  return Object.entries(a).reduce(
    (sum, [name, values]) => sum + values.reduce((part, value, i) => part + value * (b[name]?.[i] ?? 0), 0),
    0,
  );
}

function moved(direction: Point, step: number): Point {
  return Object.fromEntries(
    Object.entries(start).map(([name, values]) => {
      const along = direction[name];
      return [name, along ? values.map((value, i) => value + step * along[i]!) : values];
    }),
  );
}

const sd = stableDiffusionScheduler;
const cases: [string, SchedulerConfig][] = [
  ['DDIM, epsilon', sd('ddim')],
  ['DDIM, v-prediction', { ...sd('ddim'), prediction: 'v_prediction' }],
  ['DDIM with noise', { ...sd('ddim'), eta: 1 }],
  ['DPM-Solver++ to sigma 0', sd()],
  ['DPM-Solver++ to t=0, second order to the end', { ...sd(), final: 't0', lowerOrderFinal: false }],
  ['DPM-Solver++, v-prediction', { ...sd(), prediction: 'v_prediction' }],
  ['Euler', sd('euler')],
  ['Euler, v-prediction', { ...sd('euler'), prediction: 'v_prediction' }],
  ['Euler ancestral', sd('euler-ancestral')],
  ['PNDM', sd('pndm')],
  ['DDPM', sd('ddpm')],
];

describe.each(cases)('the exact gradient of %s', (_, scheduler) => {
  it('agrees with differences of the sampler in conditions and weights, and is not the uncoupled one', async () => {
    const gradients = await gradientsOf(scheduler, 'unadjusted');
    for (const name of ['condition', 'unconditional', ...WEIGHTS]) {
      const direction = { [name]: gradients[name]! };
      const norm = Math.sqrt(inner(direction, gradients));
      const unit = { [name]: gradients[name]!.map((value) => value / norm) };
      const step = 0.01;
      const [above, below] = [
        (await drawn(scheduler, moved(unit, step))).loss,
        (await drawn(scheduler, moved(unit, -step))).loss,
      ];
      const quotient = (above - below) / (2 * step);
      expect(Math.abs(quotient / norm - 1), `${name}: ${quotient} for ${norm}`).toBeLessThan(0.02);
    }
    const uncoupled = await gradientsOf(scheduler, 'uncoupled');
    const cosine =
      inner(gradients, uncoupled) / Math.sqrt(inner(gradients, gradients) * inner(uncoupled, uncoupled));
    expect(cosine).toBeLessThan(0.999);
  });
});

describe('the route of unadjusted gradients', () => {
  it('refuses a subset of timesteps', () => {
    const plan = createPlan({ scheduler: 'ddim', steps: 5 });
    expect(() => chooseRoute(plan, 'unadjusted', 2, { seed: 0, iteration: 0 })).toThrow(
      /gradient\.timesteps: expected none in the mode unadjusted.*received 2/,
    );
  });
});
