/** Direct finetuning against the gradients of the reference implementation (fixture `adjusted-dft`). */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFixtureJson, readFixtureTensors } from '../../test/read_fixture.ts';
import { NO_ADAPTER } from '../diffusion/adapter.ts';
import type { TextToImageModel } from '../diffusion/model.ts';
import { TextToImagePipeline } from '../diffusion/pipeline.ts';
import { createPlan } from '../diffusion/schedulers/create_plan.ts';
import { outputWeights } from '../diffusion/schedulers/plan.ts';
import { parseSchedulerConfig } from '../diffusion/schedulers/scheduler_config.ts';
import { Runtime } from '../graph/index.ts';
import { fileParameters, parseClipTextConfig, parseUNetConfig, parseVaeConfig } from '../models/index.ts';
import { openModelWeights } from '../weights/weight_files.ts';
import { DirectFinetuning } from './direct_finetuning.ts';
import type { GradientMode } from './gradient_coefficients.ts';
import { detachedModes } from './gradient_coefficients.ts';
import { chooseRoute, chooseTimesteps } from './timestep_choice.ts';

const folder = (name: string) => new URL(`../../test/fixtures/${name}`, import.meta.url).pathname;
const tolerances = readFixtureJson('tolerances.json');
const GUIDANCE = 7.5;
const TRAINED = [
  'down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight',
  'down_blocks.0.resnets.0.conv1.weight',
];
const MODES: Readonly<Record<string, GradientMode>> = {
  adjusted_reference: 'reference',
  adjusted_literal: 'literal',
  detach: 'uncoupled',
  exact: 'unadjusted',
};

function storedPart(name: string) {
  const weights = openModelWeights(folder(name));
  return { parameters: fileParameters(weights), weights };
}

/** The fixture's U-Net and VAE behind a text encoder of which only the sizes count. */
function fixtureModel(final: 'zero' | 't0'): TextToImageModel {
  const scheduler = {
    ...parseSchedulerConfig(readFixtureJson('adjusted-dft/scheduler_config.json')),
    final,
  };
  const vaeConfig = parseVaeConfig({ ...readFixtureJson('vae/sd1-l1/config.json'), scaling_factor: 0.18215 });
  return {
    path: folder('.'),
    tokenizer: undefined as never,
    textEncoder: {
      config: {
        ...parseClipTextConfig(readFixtureJson('clip-text/quick_gelu/config.json')),
        max_position_embeddings: 7,
      },
      parameters: undefined as never,
      weights: undefined as never,
    },
    unet: {
      config: parseUNetConfig(readFixtureJson('unet/sd1-l1/config.json')),
      ...storedPart('unet/sd1-l1'),
    },
    vae: { config: vaeConfig, ...storedPart('vae/sd1-l1') },
    schedulerFile: {},
    scheduler,
    downscale: 2,
    defaultSide: 16,
    defaultGuidanceScale: GUIDANCE,
    textContext: 'padded',
    precision: 'float32',
  };
}

function worstRatio(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): number {
  expect(got.length).toBe(expected.length);
  let worst = 0;
  for (let i = 0; i < got.length; i++) worst = Math.max(worst, Math.abs(got[i]! - expected[i]!));
  return worst / tolerance;
}

function norm(values: ArrayLike<number>): number {
  return Math.hypot(...Array.from(values));
}

describe.each([
  { file: 'v0.40.0-S5', final: 'zero', steps: 5 },
  { file: 'v0.40.0-S16', final: 'zero', steps: 16 },
  { file: 'v0.19.3-S5', final: 't0', steps: 5 },
  { file: 'v0.19.3-S16', final: 't0', steps: 16 },
] as const)('adjusted direct finetuning, $file', ({ file, final, steps }) => {
  const runtime = new Runtime();
  const fixture = readFixtureTensors(`adjusted-dft/${file}.safetensors`);
  const allowed = tolerances[`adjusted-dft/${file}.safetensors`];
  const data = (name: string) => fixture[name]!.data as Float32Array;
  const model = fixtureModel(final);
  const plan = createPlan({ scheduler: model.scheduler, steps });
  const pipeline = new TextToImagePipeline(runtime, model, { denoiser: 1, decoder: 1 });
  const size = pipeline.latentSize();
  let sampled: Awaited<ReturnType<TextToImagePipeline['sample']>>;

  beforeAll(async () => {
    sampled = await pipeline.sample({
      condition: data('cond'),
      unconditional: data('uncond'),
      seeds: [0],
      initialNoise: data('z_T'),
      plan,
      guidanceScale: GUIDANCE,
      size,
      keepTrajectory: true,
    });
  });
  afterAll(() => runtime.close());

  it('samples the same latents', () => {
    expect(plan.steps.map(({ timestep }) => timestep)).toEqual([...fixture.timesteps!.data]);
    expect(worstRatio(sampled.latents, data('forward.z0'), allowed['forward.z0'].atol)).toBeLessThanOrEqual(
      1,
    );
  });

  const weights = readFixtureTensors('unet/sd1-l1/diffusion_pytorch_model.safetensors');
  const trained = TRAINED.map((name) => {
    const { shape, data: values } = weights[name]!;
    return [name, { shape, data: values as Float32Array }] as const;
  });

  it.each(Object.keys(MODES))('%s: gradients of both conditions and of U-Net weights', async (name) => {
    const differentiate = new DirectFinetuning(pipeline);
    const route = chooseRoute(plan, MODES[name]!, undefined, { seed: 0, iteration: 0 });
    const result = await differentiate.backward({
      ...sampled,
      size,
      plan,
      guidanceScale: GUIDANCE,
      condition: data('cond'),
      unconditional: data('uncond'),
      imageGradient: data('R'),
      adapter: { ...NO_ADAPTER, weights: { textEncoder: new Map(), unet: new Map(trained) } },
      route,
      branches: 'both',
    });
    const expected = (part: string) => `${name}.clamp/grad.${part}`;
    const check = (part: string, got: Float32Array) => {
      const key = expected(part);
      expect(worstRatio(got, data(key), allowed[key].atol), key).toBeLessThanOrEqual(1);
    };
    check('cond', result.condition);
    check('uncond', result.unconditional);

    for (const parameter of TRAINED) check(`unet.${parameter}`, result.unet.get(`unet.${parameter}`)!);
    expect(result.scales.map(({ timestep }) => timestep)).toEqual([...fixture.timesteps!.data]);
    const last = steps - 1;
    if (name === 'exact') {
      // Nothing but the last update lies between the last prediction and the latents.
      const arriving = Math.abs(outputWeights(plan)[last]!) * norm(result.latentGradient);
      expect(result.scales[last]!.norms[0]! / arriving).toBeCloseTo(1, 5);
    } else {
      const before = data(`${name}/grad.eps_guided_before_coefficient`);
      const coefficients = fixture[`${name}/C`]?.data;
      const recorded = (i: number) =>
        Number(coefficients?.[i] ?? 1) * norm(before.subarray(i * 256, (i + 1) * 256));
      // The recorded scales are those of images that were not limited to -1..1: only their proportions are comparable.
      result.scales.forEach(({ norms }, i) => {
        const proportion = norms[0]! / result.scales[last]!.norms[0]!;
        expect(proportion / (recorded(i) / recorded(last))).toBeCloseTo(1, 3);
      });
    }
    await differentiate.release();
  });

  it.each(detachedModes)('%s: the mean over all subsets of timesteps is the full gradient', (mode) => {
    const full = chooseTimesteps(plan, mode, undefined, { seed: 0, iteration: 0 });
    // Over draws, until every one of the C(steps, 2) subsets has come up; each then counts once.
    const subsets = new Map<string, readonly { index: number; factor: number }[]>();
    const all = (steps * (steps - 1)) / 2;
    for (let iteration = 0; subsets.size < all && iteration < 20_000; iteration++) {
      const chosen = chooseTimesteps(plan, mode, 2, { seed: 3, iteration });
      expect(chosen).toHaveLength(2);
      subsets.set(chosen.map(({ index }) => index).join(), chosen);
    }
    expect(subsets.size).toBe(all);
    const sums = new Float64Array(steps);
    for (const chosen of subsets.values())
      for (const { index, factor } of chosen) sums[index]! += factor / all;
    for (const { index, factor } of full) expect(sums[index]! / factor).toBeCloseTo(1, 10);
  });

  it('draws subsets evenly', () => {
    const full = chooseTimesteps(plan, 'adjusted', undefined, { seed: 0, iteration: 0 });
    const sums = new Float64Array(steps);
    const draws = 4000;
    for (let iteration = 0; iteration < draws; iteration++) {
      for (const { index, factor } of chooseTimesteps(plan, 'adjusted', 2, { seed: 3, iteration })) {
        sums[index]! += factor / draws;
      }
    }
    // Each index is chosen with probability 2/steps: standard error sqrt((steps/2 - 1)/draws) relative to its factor.
    const bound = 5 * Math.sqrt((steps / 2 - 1) / draws);
    for (const { index, factor } of full) expect(Math.abs(sums[index]! / factor - 1)).toBeLessThan(bound);
  });
});
