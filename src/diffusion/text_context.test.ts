/** Masked padding against conditions that were never padded, and against the padded path. */

import { describe, expect, it } from 'vitest';
import { maxDifference } from '../../test/read_fixture.ts';
import { openTinyPipeline } from '../../test/tiny_pipeline.ts';
import { constant, gradient, input } from '../graph/index.ts';
import { unet } from '../models/index.ts';
import { NO_ADAPTER, NO_ADAPTER_LAYOUT } from './adapter.ts';
import { contextLength, guidedDenoiser } from './graphs.ts';
import { gaussianNoise } from './noise.ts';
import { TextToImagePipeline } from './pipeline.ts';
import { createPlan } from './schedulers/create_plan.ts';
import { withTextContext } from './text_context.ts';

const { model, runtime, pipeline: padded } = openTinyPipeline('text-context');
const maskedModel = withTextContext(model, 'masked');
const masked = new TextToImagePipeline(runtime, maskedModel, padded.batchSizes);
const length = contextLength(model);
const width = model.textEncoder.config.hidden_size;
const size = padded.latentSize();
const elements = padded.latentElements(size);
const PROMPT = 'a photo of a pilot';
/** More tokens than there are places. */
const LONG = Array.from({ length: 200 }, () => 'nurse').join(' ');

/** Tokens of a prompt from the start token to the end token. */
const tokensOf = (prompt: string) =>
  model.tokenizer.encode(prompt, { maxLength: length }).attentionMask.filter((seen) => seen === 1).length;

const rows = (condition: Float32Array) =>
  Array.from({ length }, (_, i) => condition.subarray(i * width, (i + 1) * width));
const isZero = (row: Float32Array) => row.every((value) => value === 0);

describe('masked padding', () => {
  it('leaves the own tokens of every prompt as they are, and zeros behind its end', async () => {
    const prompts = [PROMPT, '', LONG];
    const [before, after] = [await padded.encodePrompts(prompts), await masked.encodePrompts(prompts)];
    prompts.forEach((prompt, i) => {
      const of = (all: Float32Array) => rows(all.subarray(i * length * width, (i + 1) * length * width));
      const own = tokensOf(prompt);
      expect(of(after).map(isZero)).toEqual(Array.from({ length }, (_, place) => place >= own));
      expect(of(before).some(isZero)).toBe(false);
      for (let place = 0; place < own; place++) expect(of(after)[place]).toEqual(of(before)[place]);
    });
    expect([tokensOf(''), tokensOf(LONG)]).toEqual([2, length]);
  });

  it('makes room for soft tokens', async () => {
    const data = gaussianNoise({ seed: 3 }, 4 * width);
    const adapter = { ...NO_ADAPTER, softTokens: { count: 4, width, data } };
    const seen = async (prompt: string) => {
      const places = rows(await masked.encodePrompts([prompt], adapter));
      return places.filter((row) => !isZero(row)).length;
    };
    expect(await seen(PROMPT)).toBe(tokensOf(PROMPT) + 4);
    expect(await seen(LONG)).toBe(length);
  });

  it('is to the denoiser, forward and backward, what no padding is', async () => {
    const own = tokensOf(PROMPT);
    const latents = gaussianNoise({ seed: 1 }, elements);
    const cotangent = constant(gaussianNoise({ seed: 2 }, elements), [1, elements / 64, 8, 8]);
    const run = async (condition: Float32Array, of: typeof model) => {
      const { value, condition: read } = guidedDenoiser(of, 1, size, NO_ADAPTER_LAYOUT, false);
      const [slope] = gradient([value], [cotangent], [read]);
      const graph = await runtime.compile({ value, slope: slope! });
      return graph.run({ latents, timestep: Float32Array.of(500), condition_in: condition });
    };
    const [whole, cut] = [await padded.encodePrompts([PROMPT]), await masked.encodePrompts([PROMPT])];

    const { config, parameters } = model.unet;
    const short = input('short', [1, own, width]);
    const image = input('latents', [1, elements / 64, 8, 8]);
    const value = unet(config, parameters, image, input('timestep', [1]), short);
    const [slope] = gradient([value], [cotangent], [short]);
    const graph = await runtime.compile({ value, slope: slope! });
    const unpadded = await graph.run({
      ...{ latents, timestep: Float32Array.of(500) },
      short: whole.slice(0, own * width),
    });

    const found = await run(cut, maskedModel);
    expect(maxDifference(found.value as Float32Array, unpadded.value as Float32Array)).toBeLessThan(1e-5);
    const slopes = found.slope as Float32Array;
    const expected = unpadded.slope as Float32Array;
    const most = expected.reduce((largest, each) => Math.max(largest, Math.abs(each)), 0);
    expect(most).toBeGreaterThan(0);
    expect(maxDifference(slopes.slice(0, own * width), expected)).toBeLessThan(1e-4 * most);
    expect(slopes.slice(own * width).every((each) => each === 0)).toBe(true);
    const ordinary = await run(whole, model);
    expect(maxDifference(ordinary.value as Float32Array, found.value as Float32Array)).toBeGreaterThan(1e-3);
  });

  it('changes images of short prompts and none of prompts that fill every place', async () => {
    const plan = createPlan({ scheduler: model.scheduler, steps: 2 });
    const draw = async (on: TextToImagePipeline, prompt: string) => {
      const conditions = await on.encodePrompts([prompt, LONG]);
      const half = conditions.length / 2;
      const [condition, unconditional] = [conditions.subarray(0, half), conditions.subarray(half)];
      const request = { condition, unconditional, seeds: [5], plan, guidanceScale: 3, size };
      return (await on.sample(request)).latents;
    };
    expect(maxDifference(await draw(masked, LONG), await draw(padded, LONG))).toBeLessThan(1e-5);
    expect(maxDifference(await draw(masked, PROMPT), await draw(padded, PROMPT))).toBeGreaterThan(1e-3);
  });
});
