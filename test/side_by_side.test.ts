import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { NO_ADAPTER } from '../src/diffusion/adapter.ts';
import { drawImages } from '../src/diffusion/draw.ts';
import { readPlanes } from '../src/diffusion/image.ts';
import { TextToImagePipeline } from '../src/diffusion/pipeline.ts';
import { createPlan } from '../src/diffusion/schedulers/create_plan.ts';
import { evaluate } from '../src/evaluate/evaluate.ts';
import type { AttributeClassifier, FaceDetector, ImageBatch } from '../src/faces/index.ts';
import { finetune } from '../src/finetune/run.ts';
import { brightness, settings } from '../src/finetune/testing/tiny_run.ts';
import { initialAdapter, trainedTensors } from '../src/finetune/trained_part.ts';
import { Runtime } from '../src/graph/index.ts';
import { openTinyPipeline } from './tiny_pipeline.ts';

const { folder, model, pipeline: alone } = openTinyPipeline('side-by-side');
const several = new Runtime({ threads: 3 });
const together = new TextToImagePipeline(several, model, alone.batchSizes);
afterAll(() => several.close());

/** The same work one graph after the other, and three side by side. */
async function both<T>(work: (pipeline: TextToImagePipeline, name: string) => Promise<T>): Promise<[T, T]> {
  expect([alone.concurrency, together.concurrency]).toEqual([1, 3]);
  return [await work(alone, 'alone'), await work(together, 'together')];
}

test.each([
  ['adjusted', undefined],
  ['reference', 1],
  ['unadjusted', undefined],
] as const)(
  'a run with the gradient %s gives equal bits however many graphs go side by side',
  async (mode, timesteps) => {
    const [one, three] = await both(async (pipeline, name) => {
      const directory = path.join(folder, `${mode}-${name}`);
      const { adapter, latest } = await finetune(
        pipeline,
        brightness,
        {
          ...settings,
          directory,
          iterations: 3,
          part: { kind: 'text-encoder+unet', rank: 2 },
          promptsPerIteration: 2,
          imagesPerPrompt: 5,
          gradient: { mode, branches: 'both', ...(timesteps === undefined ? {} : { timesteps }) },
        },
        {},
      );
      const log = readFileSync(path.join(directory, 'log.jsonl'), 'utf8').replaceAll(/"seconds":[^,}]+/g, '');
      return { average: trainedTensors(adapter), latest: trainedTensors(latest), log };
    });
    expect(three).toEqual(one);
    const initial = trainedTensors(
      initialAdapter(model, { kind: 'text-encoder+unet', rank: 2 }, settings.seed),
    );
    expect(one.latest).not.toEqual(initial);
  },
);

/** Finds one face in every image and judges it by the mean of the image, as nothing that came before does. */
const meanOf = ({ data, count }: ImageBatch, i: number) => {
  const length = data.length / count;
  return data.subarray(i * length, (i + 1) * length).reduce((sum, value) => sum + value, 0) / length;
};
const detector: FaceDetector = {
  detect: async ({ count }) =>
    Array.from({ length: count }, () => [{ box: [1, 1, 9, 9] as const, score: 0.9, landmarks: [] }]),
  release: async () => {},
};
const attributes = [{ name: 'tone', classes: ['dark', 'bright'] }];
const classifier: AttributeClassifier = {
  attributes,
  classify: async (images) => {
    const probabilities = [
      Float32Array.from({ length: 2 * images.count }, (_, i) => {
        const bright = 1 / (1 + Math.exp(-50 * meanOf(images, i >> 1)));
        return i % 2 === 0 ? 1 - bright : bright;
      }),
    ];
    return { attributes, logits: probabilities, probabilities };
  },
  release: async () => {},
};

test('an evaluation finds the same, in order, and its progress never goes back', async () => {
  const [one, three] = await both(async (pipeline) => {
    const steps: number[] = [];
    const done: number[] = [];
    const evaluation = await evaluate({
      pipeline,
      detector,
      classifier,
      prompts: ['a nurse', 'a photo of a pilot', 'a cook'],
      imagesPerPrompt: 5,
      seed: 100,
      steps: 2,
      guidanceScale: 3,
      negativePrompt: '',
      keep: 3,
      onStep: (images) => steps.push(images),
      onProgress: (images) => done.push(images),
    });
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    expect(steps.at(-1)).toBeLessThanOrEqual(15);
    return { evaluation, done };
  });
  expect(three).toEqual(one);
  expect(one.done).toEqual([2, 4, 5, 7, 9, 10, 12, 14, 15]);
  expect(new Set(one.evaluation.prompts.flatMap(({ confidences }) => [...confidences.tone!])).size).toBe(15);
});

test('images are drawn alike, each told once, with their previews before them', async () => {
  const [one, three] = await both(async (pipeline) => {
    const pixels = new Map<number, Uint8Array>();
    const previews = new Map<number, number[]>();
    const images = Array.from({ length: 7 }, (_, i) => ({
      prompt: 'a nurse',
      negativePrompt: '',
      seed: i,
      previews: 1,
    }));
    await drawImages(
      pipeline,
      images,
      {
        plan: createPlan({ scheduler: model.scheduler, steps: 3 }),
        guidanceScale: 3,
        width: 16,
        height: 16,
        adapter: NO_ADAPTER,
        signal: new AbortController().signal,
      },
      {
        onStep() {},
        onPreview({ position, step }) {
          expect(pixels.has(position)).toBe(false);
          previews.set(position, [...(previews.get(position) ?? []), step]);
        },
        onImage(position, image) {
          expect(pixels.has(position)).toBe(false);
          pixels.set(position, Uint8Array.from(image.pixels));
        },
      },
    );
    return {
      pixels: [...pixels].sort(([a], [b]) => a - b),
      previews: [...previews].sort(([a], [b]) => a - b),
    };
  });
  expect(three).toEqual(one);
  expect(one.pixels).toHaveLength(7);
  expect(one.previews).toHaveLength(7);
});

test('a raised signal ends everything that goes side by side', async () => {
  const controller = new AbortController();
  let steps = 0;
  const condition = await together.encodePrompts(Array.from({ length: 9 }, () => 'a nurse'));
  const sampling = together.sample({
    condition,
    unconditional: condition,
    seeds: Array.from({ length: 9 }, (_, i) => i),
    plan: createPlan({ scheduler: model.scheduler, steps: 20 }),
    guidanceScale: 3,
    size: together.latentSize(),
    signal: controller.signal,
    onStep: () => {
      steps++;
      controller.abort(new Error('stopped'));
    },
  });
  await expect(sampling).rejects.toThrow('stopped');
  const begun = steps;
  expect(begun).toBeLessThanOrEqual(3);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(steps).toBe(begun);
});

test('pictures of kept images are those of their seeds', async () => {
  const one = await both(async (pipeline) => {
    const size = pipeline.latentSize();
    const context = await pipeline.encodePrompts(Array.from({ length: 5 }, () => 'a cook'));
    const { latents } = await pipeline.sample({
      condition: context,
      unconditional: context,
      seeds: [1, 2, 3, 4, 5],
      plan: createPlan({ scheduler: model.scheduler, steps: 2 }),
      guidanceScale: 3,
      size,
    });
    const images = await pipeline.decode(latents, size);
    return Array.from({ length: 5 }, (_, i) => readPlanes(images, i, 16, 16).pixels);
  });
  expect(one[1]).toEqual(one[0]);
});
