/** Whole runs on a tiny model with tiny judges: micro-batches against the whole batch, the guard, and what a run costs. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinyModel } from '../../test/tiny_model.ts';
import { gaussianNoise } from '../diffusion/noise.ts';
import type { FaceDetector } from '../faces/index.ts';
import { openFaceBank, writeFaceBank } from '../faces/index.ts';
import { smoothImages, writeCompanion } from '../faces/testing/companions.ts';
import { createImageLoss, uniformTarget } from '../fairness/index.ts';
import { Runtime, reduceMean, type Value } from '../graph/index.ts';
import { preparedCost, prepareFinetune } from './assemble.ts';
import { configuredWeights, type FinetuneConfig, finetuneConfigSchema } from './config.ts';
import { secondsPerUnit } from './cost.ts';
import { DirectFinetuning } from './direct_finetuning.ts';
import { fairnessObjective } from './fairness_objective.ts';
import { createGuard } from './guard.ts';
import { computeIteration } from './iteration.ts';
import type { ImageObjective, ObjectiveRequest } from './objective.ts';
import { initialAdapter, trainedTensors, withTensors } from './trained_part.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'assemble-'));
const runtime = new Runtime({ threads: 1 });
beforeAll(() => {
  writeTinyModel(folder);
  for (const name of ['face_detector', 'classifier', 'face_embedder', 'clip', 'dino'])
    writeCompanion(folder, name);
  const embeddings = gaussianNoise({ seed: 8 }, 20 * 10);
  writeFaceBank(path.join(folder, 'face_bank.safetensors'), { embeddings, dimension: 10 });
});
afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});

function configOf(fields: object): FinetuneConfig {
  return finetuneConfigSchema.parse({
    output: path.join(folder, 'run'),
    target: { gender: 'uniform' },
    train: { part: 'text-encoder+unet', rank: 2 },
    prompts: { train: ['a nurse'], imagesPerPrompt: 5 },
    sampler: { steps: [2, 3], guidanceScale: 3 },
    loss: { confidence: 0.55 },
    ...fields,
  });
}

function prepare(fields: object = {}) {
  const config = configOf(fields);
  const prompts = ['a nurse'];
  const resources = { runtime, modelDirectory: folder, trainPrompts: prompts, validationPrompts: prompts };
  return { config, ...prepareFinetune(config, resources) };
}

/** Finds a face in every image that is brighter on the left than on the right, and in all the others but one kind. */
const detector: FaceDetector = {
  async detect({ data, count, height, width }) {
    return Array.from({ length: count }, (_, image) => {
      const planes = data.subarray(image * 3 * height * width, (image + 1) * 3 * height * width);
      const mean = planes.reduce((sum, value) => sum + value, 0) / planes.length;
      const offset = mean > 0 ? 1 : 0;
      const places = [
        [4, 5],
        [9, 5],
        [7, 8],
        [5, 11],
        [9, 11],
      ] as const;
      const landmarks = places.map(([x, y]) => [x + offset, y] as const);
      return [{ box: [2 + offset, 2, 13 + offset, 14] as const, score: 0.9, landmarks }];
    });
  },
  release: async () => {},
};

describe('micro-batches', () => {
  const largest = (values: Iterable<Float32Array>) =>
    [...values].reduce((most, each) => each.reduce((m, value) => Math.max(m, Math.abs(value)), most), 0);

  it('give the loss, metrics and gradient of the whole batch, and hold no more images than they say', async () => {
    const whole = prepare();
    const parts = prepare({ microBatch: 2 });
    expect(parts.pipeline.batchSizes).toMatchObject({ denoiser: 2, decoder: 2 });
    expect(whole.pipeline.batchSizes).toMatchObject({ denoiser: 5, decoder: 5 });
    const base = initialAdapter(whole.model, whole.settings.part, 1);
    const tensors = [...trainedTensors(base)].map(([name, values]): [string, Float32Array] => [
      name,
      gaussianNoise({ seed: 4, stream: name }, values.length).map((value) => value * 0.2),
    ]);
    const adapter = withTensors(base, new Map(tensors));
    const target = uniformTarget([{ name: 'gender', classes: ['female', 'male'] }]);
    const sizes: number[] = [];
    const found = await Promise.all(
      [whole, parts].map(async ({ config, pipeline, judges, settings }) => {
        const weights = configuredWeights(config);
        const loss = createImageLoss(runtime, { ...judges, detector }, { ...weights, batchSize: 2 });
        const objective = watched(fairnessObjective(loss, target), sizes);
        const differentiate = new DirectFinetuning(pipeline);
        return computeIteration({ pipeline, objective, differentiate, settings }, 3, adapter);
      }),
    );
    const [one, many] = found as [(typeof found)[0], (typeof found)[0]];
    expect(sizes.sort()).toEqual([1, 2, 2, 5]);
    expect(many.loss / one.loss).toBeCloseTo(1, 4);
    expect(Object.keys(many.metrics).sort()).toEqual(Object.keys(one.metrics).sort());
    for (const [name, value] of Object.entries(one.metrics))
      expect(many.metrics[name], name).toBeCloseTo(value, 4);
    const scale = largest(one.gradients.values());
    expect([...many.gradients.keys()].sort()).toEqual([...one.gradients.keys()].sort());
    const differences = [...one.gradients].map(([name, values]) =>
      values.map((value, i) => value - many.gradients.get(name)![i]!),
    );
    expect(scale).toBeGreaterThan(1e-4);
    expect(largest(differences) / scale).toBeLessThan(1e-3);
  });

  it('are not those of batches by themselves: targets are assigned over all images', async () => {
    const { config, judges } = prepare();
    const loss = createImageLoss(runtime, { ...judges, detector }, configuredWeights(config));
    const target = uniformTarget([{ name: 'gender', classes: ['female', 'male'] }]);
    const objective = fairnessObjective(loss, target);
    const batch = (start: number, end: number): ObjectiveRequest => {
      const cut = (seed: number) => smoothImages(4, 16, 16, seed).slice(start * 768, end * 768);
      const [images, originals] = [cut(1), cut(2)];
      return { images, originals, count: end - start, height: 16, width: 16, prompt: '', iteration: 0 };
    };
    const staged = objective.staged!;
    const whole = await objective.evaluate(batch(0, 4));
    const seen = [await staged.see(batch(0, 2)), await staged.see(batch(2, 4))];
    const decided = staged.decide(seen, 0);
    const together = [
      await decided.parts[0]!.differentiate(batch(0, 2).images),
      await decided.parts[1]!.differentiate(batch(2, 4).images),
    ];
    const alone = [await objective.evaluate(batch(0, 2)), await objective.evaluate(batch(2, 4))];
    const joined = (results: readonly { readonly gradient: Float32Array }[]) =>
      Float32Array.from(results.flatMap(({ gradient }) => [...gradient]));
    const distance = (gradient: Float32Array) =>
      Math.hypot(...gradient.map((value, i) => value - whole.gradient[i]!)) / Math.hypot(...whole.gradient);
    expect(distance(joined(together))).toBeLessThan(1e-4);
    expect(distance(joined(alone).map((value) => value / 2))).toBeGreaterThan(0.01);
    expect(together[0]!.loss + together[1]!.loss).toBeCloseTo(whole.loss, 5);
  });

  it('are refused of an objective that sees only whole batches', async () => {
    const { pipeline, settings, model } = prepare({ microBatch: 2 });
    const objective: ImageObjective = {
      evaluate: async () => expect.unreachable(),
      measure: async () => ({}),
    };
    const context = { pipeline, objective, differentiate: new DirectFinetuning(pipeline), settings };
    const adapter = initialAdapter(model, settings.part, 1);
    await expect(computeIteration(context, 0, adapter)).rejects.toThrow(
      /microBatch: expected at least 5.*received 2/,
    );
  });
});

/** The same objective; notes how many images it is shown at once. */
function watched(objective: ImageObjective, sizes: number[]): ImageObjective {
  const staged = objective.staged!;
  return {
    ...objective,
    async evaluate(request) {
      sizes.push(request.count);
      return objective.evaluate(request);
    },
    staged: {
      ...staged,
      async see(part) {
        sizes.push(part.count);
        return staged.see(part);
      },
    },
  };
}

describe('the guard', () => {
  const request = (images: Float32Array, originals: Float32Array): ObjectiveRequest => ({
    images,
    originals,
    count: 2,
    height: 16,
    width: 16,
    prompt: '',
    iteration: -1,
  });

  it('sees nothing wrong in unchanged images, and warns of changed ones', async () => {
    const { judges } = prepare();
    const face = { embedder: judges.face!.embedder, bank: judges.face!.bank! };
    const limits = { semantics: 0.01, realism: 0.01 };
    const guard = createGuard(runtime, { encoders: judges.encoders, face, detector }, limits, 2);
    const originals = smoothImages(2, 16, 16, 3);
    const measured = async (images: Float32Array) => {
      const measuring = guard.begin();
      await measuring.add(request(images, originals));
      await measuring.add(request(images, originals));
      return measuring.finish();
    };
    const same = await measured(originals);
    expect(same['guard semantics clip']).toBeCloseTo(1, 5);
    expect(same['guard semantics dino']).toBeCloseTo(1, 5);
    expect(same['guard realism']).toBe(same['guard realism originals']);
    expect(same['guard realism']).toBeLessThan(1);
    expect(guard.warnings(same)).toEqual([]);
    const other = await measured(originals.map((value) => -value));
    expect(other['guard semantics clip']).toBeLessThan(0.99);
    const warnings = guard.warnings({ ...other, 'guard realism': other['guard realism originals']! - 0.02 });
    expect(warnings).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^semantics clip fell by \d\.\d{3} to .*\(more than 0\.01\)/),
        expect.stringMatching(/^realism fell by 0\.020/),
      ]),
    );
    await guard.release();
  });

  it('warns where faces are gone, and has nothing to warn of where there were none', async () => {
    const { judges } = prepare();
    const face = { embedder: judges.face!.embedder, bank: judges.face!.bank! };
    const onlyBright: FaceDetector = {
      ...detector,
      detect: async (images) =>
        (await detector.detect(images)).map((found) => found.filter(({ box }) => box[0] === 3)),
    };
    const limits = { semantics: 0.01, realism: 0.01 };
    const guard = createGuard(runtime, { encoders: [], face, detector: onlyBright }, limits, 2);
    const [bright, dark] = [0.5, -0.5].map((value) => new Float32Array(2 * 3 * 16 * 16).fill(value));
    const warned = async (images: Float32Array, originals: Float32Array) => {
      const measuring = guard.begin();
      await measuring.add(request(images, originals));
      return guard.warnings(measuring.finish());
    };
    expect(await warned(dark!, bright!)).toEqual([
      'realism can no longer be measured: no image shows a face',
    ]);
    expect(await warned(bright!, bright!)).toEqual([]);
    expect(await warned(bright!, dark!)).toEqual([]);
    await guard.release();
  });

  it('refuses the bank of another embedder', () => {
    const { judges } = prepare();
    const bank = path.join(folder, 'other.safetensors');
    writeFaceBank(bank, { embeddings: gaussianNoise({ seed: 9 }, 4 * 12), dimension: 12 });
    const face = { embedder: judges.face!.embedder, bank: openFaceBank(bank) };
    const limits = { semantics: 0.3, realism: 0.1 };
    expect(() => createGuard(runtime, { encoders: [], face, detector }, limits)).toThrow(
      /guard\.bank: expected embeddings of 10 numbers, as the guard's embedder makes them, received 12 \(.*other/,
    );
  });

  it('is made of models that are not in the loss', () => {
    expect(() => prepare({ guard: { clip: 'clip' } })).toThrow(
      /guard\.clip: expected a model that is not in the loss/,
    );
    expect(() => prepare({ guard: { embedder: 'face_embedder', bank: 'face_bank.safetensors' } })).toThrow(
      /guard\.embedder/,
    );
    expect(prepare({ guard: { clip: 'clip' }, judges: { clip: null } }).guard).not.toBeNull();
    expect(prepare({ guard: { dino: 'dino' }, loss: { imageWeight: 0 } }).guard).not.toBeNull();
    expect(prepare().guard).toBeNull();
  });
});

describe('the pipeline', () => {
  it('is a given one, where that draws what the configuration asks for', () => {
    const { pipeline } = prepare();
    const prompts = ['a nurse'];
    const resources = { runtime, modelDirectory: folder, trainPrompts: prompts, validationPrompts: prompts };
    const used = (fields: object) => prepareFinetune(configOf(fields), { ...resources, pipeline }).pipeline;
    expect(used({})).toBe(pipeline);
    expect(used({ microBatch: 2 })).not.toBe(pipeline);
    expect(used({ textContext: 'masked' }).model.textContext).toBe('masked');
    expect(pipeline.model.textContext).toBe('padded');
  });
});

describe('the metric of the best validation', () => {
  const best = (metric: string, fields: object = {}, goal = 'smallest') =>
    prepare({ validation: { best: { metric, goal } }, ...fields }).settings.validation.best;

  it('is one that validations measure', () => {
    for (const metric of ['distance', 'distance gender', 'distance high', 'bias gender']) {
      expect(best(metric)).toEqual({ metric, goal: 'smallest' });
    }
    expect(best('faces', {}, 'largest')).toEqual({ metric: 'faces', goal: 'largest' });
    expect(() => best('bias')).toThrow(
      /validation\.best\.metric: expected one of distance, .*received "bias"/,
    );
    expect(() => best('bias age')).toThrow(/received "bias age"/);
    expect(() => best('guard semantics dino')).toThrow(/received "guard semantics dino"/);
    expect(() => best('score light')).toThrow(/received "score light"/);
  });

  it('is tied to the models of the guard that measure it', () => {
    const guard = { guard: { dino: 'dino' }, judges: { dino: null } };
    expect(best('guard semantics dino', guard, 'largest')).toEqual({
      ...{ metric: 'guard semantics dino', goal: 'largest' },
      measuredBy: ['dino'],
    });
    expect(best('guard realism', { guard: {}, loss: { faceWeight: 0 } }, 'largest')).toMatchObject({
      measuredBy: ['face_embedder', 'face_bank.safetensors'],
    });
  });

  it('is better the smaller or the larger it is, whatever a configuration says', () => {
    expect(() => best('faces')).toThrow(
      'validation.best.goal: expected largest for "faces", received smallest: it would keep the worst validation',
    );
    expect(() => best('distance high', {}, 'largest')).toThrow(/expected smallest for "distance high"/);
    const scored = (direction: string, goal: string) => {
      const score = { name: 'light', score: (images: Value) => reduceMean(images, { axes: [1, 2, 3] }) };
      const objectives = [{ file: 'configs/brightness.mjs', direction }];
      const config = configOf({ objectives, validation: { best: { metric: 'score light', goal } } });
      const prompts = ['a nurse'];
      const resources = {
        runtime,
        modelDirectory: folder,
        trainPrompts: prompts,
        validationPrompts: prompts,
      };
      return prepareFinetune(config, { ...resources, scores: [score] }).settings.validation.best;
    };
    expect(scored('maximise', 'largest')).toEqual({ metric: 'score light', goal: 'largest' });
    expect(scored('minimise', 'smallest')).toEqual({ metric: 'score light', goal: 'smallest' });
    expect(() => scored('maximise', 'smallest')).toThrow(/expected largest for "score light"/);
  });
});

describe('the cost of an iteration', () => {
  it('counts U-Net evaluations', () => {
    const fields = { sampler: { steps: [4, 6], guidanceScale: 3 } };
    // PNDM evaluates its second step twice; read as DPM-Solver++, the scheduler does not.
    expect(preparedCost(prepare(fields))).toMatchObject({
      images: 5,
      steps: 5,
      sampling: 2 * 2 * 5,
      gradient: 3 * 2 * 5,
      units: 5 * 50,
      unitsPerImageStep: 10,
    });
    const one = { ...fields, gradient: { branches: 'conditional', timesteps: 2 } };
    expect(preparedCost(prepare(one))).toMatchObject({ sampling: 20, gradient: 6 });
    const unguided = { sampler: { steps: [5, 5], guidanceScale: 1 } };
    expect(preparedCost(prepare(unguided))).toMatchObject({ sampling: 10, gradient: 15 });
  });

  it('needs less memory in micro-batches, and more for larger updates', () => {
    const bytes = (fields: object) => preparedCost(prepare(fields)).peakBytes;
    expect(bytes({ microBatch: 2 })).toBeLessThan(bytes({}));
    expect(bytes({ train: { part: 'unet', rank: 40 } })).toBeGreaterThan(
      bytes({ train: { part: 'unet', rank: 2 } }),
    );
  });

  it('has a pace', async () => {
    const { pipeline, settings } = prepare();
    const seconds = await secondsPerUnit(pipeline, settings);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(10);
  });
});

describe('prompts of an iteration', () => {
  it('are at most as many as there are', () => {
    expect(prepare({ prompts: { perIteration: 1 } }).settings.promptsPerIteration).toBe(1);
    expect(() => prepare({ prompts: { perIteration: 2 } })).toThrow(
      'prompts.perIteration: expected at most 1, the number of different prompts, received 2',
    );
  });
});
