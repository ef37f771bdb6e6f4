import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeTinyModel } from '../../test/tiny_model.ts';
import { NO_ADAPTER } from '../diffusion/adapter.ts';
import { readPlanes } from '../diffusion/image.ts';
import { openTextToImageModel } from '../diffusion/model.ts';
import { gaussianNoise } from '../diffusion/noise.ts';
import { TextToImagePipeline } from '../diffusion/pipeline.ts';
import { createPlan } from '../diffusion/schedulers/create_plan.ts';
import type { AttributeClassifier, Box, FaceDetector, ImageBatch } from '../faces/index.ts';
import { uniformTarget } from '../fairness/index.ts';
import { Runtime } from '../graph/index.ts';
import { type EvaluationRequest, evaluate, measureEvaluation } from './evaluate.ts';
import { openJudgementRecord } from './judgement_record.ts';
import { NO_FACE } from './metrics.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'evaluate-'));
writeTinyModel(folder);
const runtime = new Runtime({ threads: 1 });
const model = openTextToImageModel(folder);
const pipeline = new TextToImagePipeline(runtime, model, { prompts: 2, denoiser: 2, decoder: 2 });

afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});

const GENDER = { name: 'gender', classes: ['male', 'female'] };
const AGE = { name: 'age', classes: ['young', 'middle', 'old'] };

/** Says of the images, in the order in which they come: number of faces, gender, age. */
const JUDGED = [
  [1, 0, 2],
  [0, 0, 0],
  [2, 1, 0],
  [1, 1, 1],
] as const;

/** A detector and a classifier that follow {@link JUDGED} and record what they were shown. */
function judges() {
  const shown: ImageBatch[] = [];
  const boxes: (Box | null)[] = [];
  const detector: FaceDetector = {
    async detect(images) {
      const first = shown.reduce((sum, { count }) => sum + count, 0);
      shown.push(images);
      return Array.from({ length: images.count }, (_, i) =>
        Array.from({ length: JUDGED[first + i]![0] }, (_, k) => {
          const side = 4 + 4 * k;
          return { box: [1, 2, 1 + side, 2 + side] as const, score: 0.9 - 0.1 * k, landmarks: [] };
        }),
      );
    },
    async release() {},
  };
  const classifier: AttributeClassifier = {
    attributes: [GENDER, AGE],
    async classify(images, found) {
      const first = boxes.length;
      boxes.push(...found);
      const probabilities = [GENDER, AGE].map(({ classes }, axis) =>
        Float32Array.from({ length: images.count * classes.length }, (_, i) => {
          const image = Math.floor(i / classes.length);
          if (found[image] === null) return Number.NaN;
          return JUDGED[first + image]![1 + axis] === i % classes.length ? 0.8 : 0.1;
        }),
      );
      return { attributes: [GENDER, AGE], logits: probabilities, probabilities };
    },
    async release() {},
  };
  return { detector, classifier, shown, boxes };
}

const PROMPTS = ['a nurse', 'a photo of a pilot'];
const common = {
  pipeline,
  prompts: PROMPTS,
  imagesPerPrompt: 2,
  seed: 100,
  steps: 2,
  guidanceScale: 3,
  negativePrompt: 'blurry',
  keep: 1,
};

describe('an evaluation', () => {
  const { detector, classifier, shown, boxes } = judges();
  const told: [number, number][] = [];
  const request: EvaluationRequest = {
    ...common,
    detector,
    classifier,
    onProgress: (images, all) => told.push([images, all]),
  };
  const evaluation = evaluate(request);

  it('judges the largest face of every image, prompt by prompt', async () => {
    const { prompts, images, attributes } = await evaluation;
    expect(images).toBe(4);
    expect(attributes).toEqual([GENDER, AGE]);
    const [nurse, pilot] = prompts;
    expect(nurse).toMatchObject({ prompt: PROMPTS[0], faces: Int32Array.of(1, 0) });
    expect(nurse!.classes).toEqual({ gender: Int32Array.of(0, NO_FACE), age: Int32Array.of(2, NO_FACE) });
    expect(nurse!.confidences.age).toEqual(Float32Array.of(0.8, Number.NaN));
    expect(pilot).toMatchObject({ prompt: PROMPTS[1], faces: Int32Array.of(2, 1) });
    expect(pilot!.classes).toEqual({ gender: Int32Array.of(1, 1), age: Int32Array.of(0, 1) });
    expect(boxes).toEqual([[1, 2, 5, 6], null, [1, 2, 9, 10], [1, 2, 5, 6]]);
  });

  it('draws from seeds that count on from prompt to prompt', async () => {
    const { kept } = await evaluation;
    const size = pipeline.latentSize();
    const condition = await pipeline.encodePrompts(PROMPTS);
    const { latents } = await pipeline.sample({
      condition,
      unconditional: await pipeline.encodePrompts(['blurry', 'blurry']),
      seeds: [100, 102],
      plan: createPlan({ scheduler: model.scheduler, steps: 2 }),
      guidanceScale: 3,
      size,
    });
    const images = await pipeline.decode(latents, size);
    expect(shown.map(({ count, height, width }) => [count, height, width])).toEqual([
      [2, 16, 16],
      [2, 16, 16],
    ]);
    expect(kept.map(({ prompt, seed }) => [prompt, seed])).toEqual([
      [PROMPTS[0], 100],
      [PROMPTS[1], 102],
    ]);
    kept.forEach(({ image }, i) => {
      const expected = readPlanes(images, i, 16, 16);
      expect([image.width, image.height]).toEqual([16, 16]);
      const off = image.pixels.map((byte, k) => Math.abs(byte - expected.pixels[k]!));
      expect(Math.max(...off)).toBeLessThanOrEqual(1);
    });
    expect(kept[0]!.image.pixels).not.toEqual(kept[1]!.image.pixels);
  });

  it('says of kept images what the classifier says', async () => {
    const { kept } = await evaluation;
    expect(kept.map(({ attributes }) => attributes.gender?.name)).toEqual(['male', 'female']);
    expect(kept[0]!.attributes.age).toEqual({ name: 'old', probability: Math.fround(0.8) });
    const all = await evaluate({ ...common, ...judges(), prompts: PROMPTS.slice(0, 1), keep: 9 });
    expect(all.kept).toHaveLength(2);
    expect(all.kept[1]!.attributes).toEqual({ gender: null, age: null });
  });

  it('tells its progress', async () => {
    await evaluation;
    expect(told).toEqual([
      [2, 4],
      [4, 4],
    ]);
  });

  it('draws with an adapter, and stops on a signal', async () => {
    const { detector: other, classifier: judge, shown: adapted } = judges();
    const softTokens = { count: 1, width: 32, data: gaussianNoise({ seed: 1 }, 32) };
    const adapter = { ...NO_ADAPTER, softTokens };
    await evaluate({ ...common, detector: other, classifier: judge, prompts: PROMPTS.slice(0, 1), adapter });
    await evaluation;
    expect(adapted[0]!.data).not.toEqual(shown[0]!.data);
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(evaluate({ ...common, ...judges(), signal })).rejects.toThrow('stopped');
  });

  it('goes on from its record: what was judged is not drawn again, and nothing comes out otherwise', async () => {
    const features = {
      async encodeImages({ data, count }: ImageBatch) {
        const mean = (i: number) => data.slice(i * 768, (i + 1) * 768).reduce((sum, v) => sum + v, 0) / 768;
        return { clip: Float32Array.from({ length: count }, (_, i) => mean(i)) };
      },
    };
    const small = { ...common, imagesPerPrompt: 3, features, prompts: PROMPTS.slice(0, 1) };
    const whole = await evaluate({ ...small, ...judges() });
    expect(whole.prompts[0]!.features.clip).toHaveLength(3);
    const record = () => openJudgementRecord(folder, 'test');
    const controller = new AbortController();
    const stopped = evaluate({
      ...small,
      ...judges(),
      record: record(),
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('killed')),
    });
    await expect(stopped).rejects.toThrow('killed');
    expect(record().images).toBe(2);

    const { shown: drawn, ...rest } = judges();
    const seen: number[] = [];
    const judged: number[] = [];
    const resumed = await evaluate({
      ...small,
      ...rest,
      record: record(),
      onProgress: (images) => seen.push(images),
      onJudged: ({ seeds }) => judged.push(seeds.length),
    });
    expect(judged).toEqual([2, 1]);
    expect(drawn.map(({ count }) => count)).toEqual([1]);
    expect(seen).toEqual([3]);
    expect(resumed.prompts[0]!.seeds).toEqual([100, 101, 102]);
    expect(resumed.prompts[0]!.features).toEqual(whole.prompts[0]!.features);
    expect(resumed.prompts[0]!.faces.slice(0, 2)).toEqual(whole.prompts[0]!.faces.slice(0, 2));
    expect(resumed.kept).toEqual(whole.kept);

    const none = judges();
    await evaluate({ ...small, ...none, record: record() });
    expect(none.shown).toEqual([]);
    // More kept images than the record holds are drawn for it.
    const more = judges();
    expect((await evaluate({ ...small, ...more, record: record(), keep: 2 })).kept).toHaveLength(2);
    expect(more.shown.map(({ count }) => count)).toEqual([2]);
  });

  it('tells of every sampling step, and keeps images of the first prompts alone where told to', async () => {
    const steps: number[] = [];
    const { kept } = await evaluate({
      ...common,
      ...judges(),
      keepPrompts: 1,
      keep: 2,
      onStep: (images) => steps.push(images),
    });
    expect(steps).toEqual([1, 2, 3, 4]);
    expect(kept.map(({ seed }) => seed)).toEqual([100, 101]);
  });

  it('is measured for the target of one attribute or of several', async () => {
    const gender = measureEvaluation(await evaluation, uniformTarget([GENDER]));
    expect(gender).toMatchObject({ attribute: 'gender', images: 4, faces: 3, noFaceRate: 0.25 });
    expect(gender.prompts.map(({ counts }) => counts)).toEqual([
      [1, 0],
      [0, 2],
    ]);
    expect(gender.bias.mean).toBe(1);
    const joint = measureEvaluation(await evaluation, uniformTarget([AGE, GENDER]));
    expect(joint.attribute).toBe('age x gender');
    expect(joint.prompts.map(({ counts }) => counts)).toEqual([
      [0, 0, 0, 0, 1, 0],
      [0, 1, 0, 1, 0, 0],
    ]);
    expect(measureEvaluation(await evaluation, uniformTarget([GENDER]))).toEqual(gender);
  });

  it('is refused for an attribute that the classifier does not know', async () => {
    const race = uniformTarget([{ name: 'race', classes: ['a', 'b'] }]);
    const found = await evaluation;
    expect(() => measureEvaluation(found, race)).toThrow(/\(gender, age\), received race/);
  });
});
