import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { maxDifference } from '../../test/read_fixture.ts';
import { writeTinyModel } from '../../test/tiny_model.ts';
import { Runtime } from '../graph/index.ts';
import { createLoraLayer, type LoraPart } from '../weights/lora_file.ts';
import { type Adapter, NO_ADAPTER } from './adapter.ts';
import { openTextToImageModel } from './model.ts';
import { gaussianNoise } from './noise.ts';
import { type SampleRequest, type StepEvent, TextToImagePipeline } from './pipeline.ts';
import { createPlan } from './schedulers/create_plan.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'pipeline-'));
writeTinyModel(folder);
const model = openTextToImageModel(folder);
const runtime = new Runtime({ threads: 1 });
const pipelineOf = (denoiser: number) =>
  new TextToImagePipeline(runtime, model, { prompts: 2, denoiser, decoder: 2 });
const pipeline = pipelineOf(2);
const plan = createPlan({ scheduler: model.scheduler, steps: 2 });
const PROMPTS = ['a nurse', 'a photo of a pilot', 'the cook'];
const SEEDS = [7, 8, 2 ** 40 + 9];
const size = pipeline.latentSize();
const elements = pipeline.latentElements(size);

afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});

type Choices = Partial<Omit<SampleRequest, 'seeds' | 'size'>>;

async function sample(
  prompts: readonly string[],
  seeds: readonly number[],
  choices: Choices = {},
  on: TextToImagePipeline = pipeline,
) {
  const { adapter = NO_ADAPTER } = choices;
  const condition = await on.encodePrompts(prompts, adapter);
  const negative = prompts.map(() => 'blurry');
  const unconditional = await on.encodePrompts(negative, adapter);
  const request = { condition, unconditional, plan, guidanceScale: 3, ...choices };
  return on.sample({ ...request, seeds, size });
}

/** Largest difference over the largest expected element. */
function distance(received: Float32Array, expected: Float32Array): number {
  return maxDifference(received, expected) / expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
}

function item(values: Float32Array, position: number): Float32Array {
  return values.subarray(position * elements, (position + 1) * elements);
}

/** A LoRA of rank 2 on one layer with `inputs` = `outputs` = 32 or as given. */
function loraOn(part: LoraPart, layer: string, [outputs, inputs] = [32, 32], strength = 1): Adapter {
  const down = gaussianNoise({ seed: 1, stream: 'down' }, 2 * inputs);
  const up = gaussianNoise({ seed: 1, stream: 'up' }, outputs * 2).map((value) => value * strength);
  const layers = new Map([
    [layer, createLoraLayer({ shape: [2, inputs], data: down }, { shape: [outputs, 2], data: up })],
  ]);
  const empty = { textEncoder: new Map(), unet: new Map(), metadata: {} };
  return { lora: { ...empty, [part]: layers }, softTokens: null };
}

const TEXT_LAYER = 'text_model.encoder.layers.0.self_attn.v_proj';
const UNET_LAYER = 'down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v';

describe('a model directory', () => {
  it('tells the sizes of images, the guidance scale and a fast sampler', () => {
    expect([model.downscale, model.defaultSide, model.defaultGuidanceScale]).toEqual([2, 16, 7.5]);
    expect(model.scheduler).toMatchObject({ scheduler: 'dpmsolver++', betaEnd: 0.012 });
  });

  it('may name another guidance scale', () => {
    const index = path.join(folder, 'model_index.json');
    const original = readFileSync(index, 'utf8');
    writeFileSync(index, JSON.stringify({ ...JSON.parse(original), guidance_scale: 2.5 }));
    expect(openTextToImageModel(folder).defaultGuidanceScale).toBe(2.5);
    writeFileSync(index, original);
  });
});

describe('text to image', () => {
  it('encodes each prompt by itself, and equal prompts alike', async () => {
    const both = await pipeline.encodePrompts([...PROMPTS, PROMPTS[1]!]);
    const width = pipeline.contextSize;
    for (const [i, prompt] of [...PROMPTS, PROMPTS[1]!].entries()) {
      const alone = await pipeline.encodePrompts([prompt]);
      expect(distance(both.subarray(i * width, (i + 1) * width), alone)).toBeLessThan(1e-6);
    }
    expect(distance(both.subarray(0, width), both.subarray(width, 2 * width))).toBeGreaterThan(0.01);
  });

  it('draws latents that depend neither on batch size, position, padding nor neighbours', async () => {
    const { latents } = await sample(PROMPTS, SEEDS);
    const alone = await sample(PROMPTS.slice(1, 2), SEEDS.slice(1, 2), {}, pipelineOf(1));
    const backwards = await sample(PROMPTS.toReversed(), SEEDS.toReversed(), {}, pipelineOf(3));
    expect(distance(item(latents, 1), alone.latents)).toBeLessThan(1e-5);
    for (const i of [0, 1, 2]) {
      expect(distance(item(backwards.latents, 2 - i), item(latents, i))).toBeLessThan(1e-5);
    }
    expect(distance(item(latents, 0), item(latents, 1))).toBeGreaterThan(0.1);
  });

  it('draws equal images from equal seeds, within -1..1', async () => {
    const prompts = [PROMPTS[0]!, PROMPTS[0]!, PROMPTS[0]!];
    const first = await sample(prompts, [5, 5, 6]);
    const again = await sample(prompts, [5, 5, 6]);
    expect(again.latents).toEqual(first.latents);
    const images = await pipeline.decode(first.latents, size);
    const pixels = 3 * 16 * 16;
    expect(images.length).toBe(3 * pixels);
    expect(images.every((value) => Math.abs(value) <= 1)).toBe(true);
    const [a, b, c] = [0, 1, 2].map((i) => images.subarray(i * pixels, (i + 1) * pixels));
    expect(maxDifference(b!, a!)).toBeLessThan(1e-5);
    expect(maxDifference(c!, a!)).toBeGreaterThan(0.01);
  });

  it('starts from the seeds alone and tells every step', async () => {
    const events: (Omit<StepEvent, 'latents'> & { latents: Float32Array })[] = [];
    const onStep = (event: StepEvent) => events.push({ ...event, latents: event.latents.slice() });
    const { latents, trajectory } = await sample(PROMPTS, SEEDS, { onStep, keepTrajectory: true });
    expect(events.map(({ first, images, step, steps }) => [first, images, step, steps])).toEqual([
      [0, 2, 1, 2],
      [0, 2, 2, 2],
      [2, 1, 1, 2],
      [2, 1, 2, 2],
    ]);
    expect(events[1]!.latents).toEqual(latents.subarray(0, 2 * elements));
    expect(events[3]!.latents).toEqual(item(latents, 2));
    expect(trajectory).toHaveLength(2);
    SEEDS.forEach((seed, i) => {
      const noise = gaussianNoise({ seed, stream: 'latents' }, elements);
      expect(item(trajectory[0]!, i)).toEqual(noise.map((value) => value * plan.initialScale));
    });
    expect(item(trajectory[1]!, 2)).toEqual(events[2]!.latents);
  });

  it('stops before the next step when its signal is raised', async () => {
    const controller = new AbortController();
    const steps: number[] = [];
    const onStep = ({ step }: StepEvent) => {
      steps.push(step);
      controller.abort(new Error('enough'));
    };
    await expect(sample(PROMPTS, SEEDS, { onStep, signal: controller.signal })).rejects.toThrow('enough');
    expect(steps).toEqual([1]);
  });

  it('needs no negative prompt at guidance scale 1', async () => {
    const [prompts, seeds] = [PROMPTS.slice(0, 2), SEEDS.slice(0, 2)];
    const unguided = await sample(prompts, seeds, { guidanceScale: 1, unconditional: new Float32Array(0) });
    const guided = await sample(prompts, seeds);
    expect(distance(guided.latents, unguided.latents)).toBeGreaterThan(1e-3);
    // Guided away from the prompt itself: eps_c + s (eps_c - eps_c).
    const unconditional = await pipeline.encodePrompts(prompts);
    const nowhere = await sample(prompts, seeds, { guidanceScale: 7, unconditional });
    expect(distance(nowhere.latents, unguided.latents)).toBeLessThan(1e-4);
  });

  it('repeats samplers that add noise, with noise of the seed', async () => {
    const ancestral = createPlan({ scheduler: 'euler-ancestral', steps: 3 });
    expect(ancestral.steps[0]!.noise).toBeGreaterThan(0);
    const [prompts, seeds] = [PROMPTS.slice(0, 2), SEEDS.slice(0, 2)];
    const first = await sample(prompts, seeds, { plan: ancestral });
    expect((await sample(prompts, seeds, { plan: ancestral })).latents).toEqual(first.latents);
    const swapped = await sample(prompts.toReversed(), seeds.toReversed(), { plan: ancestral });
    expect(distance(item(swapped.latents, 0), item(first.latents, 1))).toBeLessThan(1e-5);
    const withoutNoise = { ...ancestral, steps: ancestral.steps.map((step) => ({ ...step, noise: 0 })) };
    const plain = await sample(prompts, seeds, { plan: withoutNoise });
    expect(distance(plain.latents, first.latents)).toBeGreaterThan(1e-3);
  });

  it.each([
    [15, 16, 'height', 15],
    [16, 9, 'width', 9],
    [0, 16, 'height', 0],
    [16, 16.5, 'width', 16.5],
    [-2, 16, 'height', -2],
  ])('refuses images of %d x %d pixels', (height, width, name, received) => {
    expect(() => pipeline.latentSize(height, width)).toThrow(
      `${name}: expected a positive multiple of 2 pixels, received ${received}`,
    );
  });

  it('has latents of the pixels over the factor', () => {
    expect(pipeline.latentSize()).toEqual({ height: 8, width: 8 });
    expect(pipeline.latentSize(8, 12)).toEqual({ height: 4, width: 6 });
  });
});

describe('adapters', () => {
  const [prompts, seeds] = [PROMPTS.slice(0, 2), SEEDS.slice(0, 2)];
  const tokens = (count: number): Adapter => {
    const data = gaussianNoise({ seed: 3, stream: 'soft tokens' }, count * 32);
    return { lora: null, softTokens: { count, width: 32, data } };
  };

  it.each([
    ['soft tokens', tokens(3), 1e-3, Number.POSITIVE_INFINITY],
    ['updates of the text encoder', loraOn('textEncoder', TEXT_LAYER), 1e-3, Number.POSITIVE_INFINITY],
    ['updates of the U-Net', loraOn('unet', UNET_LAYER, [16, 32]), 1e-3, Number.POSITIVE_INFINITY],
    ['an update that is 0, by nothing', loraOn('textEncoder', TEXT_LAYER, [32, 32], 0), -1, 1e-5],
  ])('change images: %s', async (_, adapter, least, most) => {
    const plain = await sample(prompts, seeds);
    const adapted = await sample(prompts, seeds, { adapter });
    const found = distance(adapted.latents, plain.latents);
    expect(found).toBeGreaterThan(least);
    expect(found).toBeLessThan(most);
  });

  it('of one layout share a graph but not their values', async () => {
    const weak = await sample(prompts, seeds, { adapter: loraOn('textEncoder', TEXT_LAYER, [32, 32], 0.1) });
    const graphs = runtime.sessions;
    const strong = await sample(prompts, seeds, { adapter: loraOn('textEncoder', TEXT_LAYER, [32, 32], 2) });
    expect(runtime.sessions).toBe(graphs);
    expect(distance(strong.latents, weak.latents)).toBeGreaterThan(1e-3);
  });

  it('place soft tokens after the start token and push the last tokens out', async () => {
    const ids = [...pipeline.tokenIds(['a nurse'])].map(Number);
    const embedding = (id: number) => embeddings.subarray(id * 32, (id + 1) * 32);
    const file = model.textEncoder.parameters;
    const table = file.tensor('text_model.embeddings.token_embedding.weight', [1000, 32]);
    const { output } = await (await runtime.compile({ output: table })).run({});
    const embeddings = output as Float32Array;
    // Soft tokens with the embeddings of "a nurse" in front of the empty prompt make the prompt "a nurse".
    const own = ids.slice(1, ids.indexOf(ids.at(-1)!));
    const data = new Float32Array(own.length * 32);
    own.forEach((id, i) => {
      data.set(embedding(id), i * 32);
    });
    const adapter = { lora: null, softTokens: { count: own.length, width: 32, data } };
    const composed = await pipeline.encodePrompts([''], adapter);
    expect(distance(composed, await pipeline.encodePrompts(['a nurse']))).toBeLessThan(1e-5);
  });

  it('are refused where the model has no such layer, naming it', async () => {
    const text = loraOn('textEncoder', 'text_model.encoder.layers.9.mlp.fc1');
    await expect(pipeline.encodePrompts(['a'], text)).rejects.toThrow(
      /linear layers of the textEncoder.*layers\.9\.mlp\.fc1/,
    );
    const unet = loraOn('unet', 'nowhere.to_k');
    await expect(sample(prompts, seeds, { adapter: unet })).rejects.toThrow(
      /linear layers of the unet.*nowhere\.to_k/,
    );
  });

  it('leave a pipeline usable and releasable after a refusal', async () => {
    await pipeline.release();
    expect((await sample(prompts, seeds)).latents.length).toBe(2 * elements);
    await pipeline.release();
  });
});
