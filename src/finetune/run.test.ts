import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeTinyModel } from '../../test/tiny_model.ts';
import type { Adapter } from '../diffusion/adapter.ts';
import { openTextToImageModel } from '../diffusion/model.ts';
import { gaussianNoise } from '../diffusion/noise.ts';
import { TextToImagePipeline } from '../diffusion/pipeline.ts';
import { Runtime } from '../graph/index.ts';
import { listCheckpoints } from './checkpoint.ts';
import { DirectFinetuning } from './direct_finetuning.ts';
import { openEventFile } from './event_file.ts';
import type { RunGuard } from './guard.ts';
import type { ImageObjective, ObjectiveRequest } from './objective.ts';
import { finetune } from './run.ts';
import type { FinetuneProgress, FinetuneSettings, RunSnapshot } from './settings.ts';
import { readEvents } from './testing/read_events.ts';
import { initialAdapter, trainedTensors, withTensors } from './trained_part.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'finetune-run-'));
writeTinyModel(path.join(folder, 'model'));
const model = openTextToImageModel(path.join(folder, 'model'));
const runtime = new Runtime({ threads: 1 });
const pipeline = new TextToImagePipeline(runtime, model, { prompts: 2, denoiser: 2, decoder: 2 });

afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The mean value of all pixels: darker is better. */
const brightness: ImageObjective = {
  async evaluate({ images, prompt }) {
    const gradient = new Float32Array(images.length).fill(1 / images.length);
    return { loss: mean(images), metrics: { letters: prompt.length }, gradient };
  },
  async measure({ images, originals }) {
    return { brightness: mean(images), original: mean(originals) };
  },
};

const settings: Omit<FinetuneSettings, 'directory'> = {
  part: { kind: 'text-encoder', rank: 2 },
  seed: 3,
  iterations: 6,
  imagesPerPrompt: 2,
  prompts: ['a nurse', 'a photo of a pilot'],
  negativePrompt: '',
  samplingSteps: [2, 3],
  guidanceScale: 3,
  learningRate: 0.02,
  weightDecay: 0.01,
  betas: [0.9, 0.999],
  clipNorm: 1,
  averageDecay: 0.5,
  gradient: { mode: 'adjusted', branches: 'both' },
  validation: { every: 3, prompts: ['a cook'], imagesPerPrompt: 2, samplingSteps: 2 },
  checkpointEvery: 2,
  digest: 'abc',
};

interface Finished {
  readonly average: Map<string, Float32Array>;
  readonly latest: Map<string, Float32Array>;
  readonly events: readonly FinetuneProgress[];
  readonly log: readonly Record<string, unknown>[];
}

/** Runs in `folder/name`; `stopAfter` raises the signal when that iteration is done. */
async function run(
  name: string,
  choices: Partial<FinetuneSettings> = {},
  objective = brightness,
  stopAfter = Number.POSITIVE_INFINITY,
): Promise<Finished> {
  const directory = path.join(folder, name);
  const controller = new AbortController();
  const events: FinetuneProgress[] = [];
  const onProgress = (event: FinetuneProgress) => {
    events.push(event);
    if (event.iteration >= stopAfter) controller.abort(new Error('stopped'));
  };
  const all = { ...settings, directory, ...choices };
  const { signal } = controller;
  const result = await finetune(pipeline, objective, all, { onProgress }, { signal });
  return {
    average: trainedTensors(result.adapter),
    latest: trainedTensors(result.latest),
    events,
    log: readLog(name),
  };
}

/** Log lines without how long they took. */
function readLog(name: string): Record<string, unknown>[] {
  return readFileSync(path.join(folder, name, 'log.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { seconds, ...rest } = JSON.parse(line) as Record<string, unknown>;
      expect(seconds).toBeGreaterThanOrEqual(0);
      return rest;
    });
}

describe('finetuning the text encoder', () => {
  const whole = run('whole');

  it('makes the loss smaller, on validation noise that stays the same', async () => {
    const { events, average, latest } = await whole;
    const validations = events.flatMap(({ validation }) => (validation ? [validation] : []));
    expect(events.map(({ validation }) => validation !== null)).toEqual([
      ...[false, false, true],
      ...[false, false, true],
    ]);
    const [first, second] = validations as [Record<string, number>, Record<string, number>];
    expect(second.original).toBe(first.original);
    expect(first.brightness).toBeLessThan(first.original! - 1e-4);
    expect(second.brightness).toBeLessThan(first.brightness! - 1e-4);
    const initial = trainedTensors(initialAdapter(model, settings.part, settings.seed));
    expect([...average.keys()]).toEqual([...initial.keys()]);
    for (const [name, values] of initial) {
      expect(latest.get(name), name).not.toEqual(values);
      expect(average.get(name), name).not.toEqual(latest.get(name));
    }
  });

  it('logs what it tells', async () => {
    const { events, log } = await whole;
    const short = (value: number) => Number(value.toPrecision(6));
    expect(log).toHaveLength(6);
    log.forEach((line, i) => {
      const { prompt, loss, gradientNorm } = events[i]!;
      const metrics = { letters: prompt.length };
      const numbers = { loss: short(loss), gradientNorm: short(gradientNorm) };
      expect(line).toMatchObject({ iteration: i + 1, prompt, metrics, ...numbers, skipped: 0 });
      expect('validation' in line).toBe(i % 3 === 2);
    });
    expect(new Set(events.map(({ prompt }) => prompt)).size).toBe(2);
    expect(events[5]).toMatchObject({ iteration: 6, iterations: 6, secondsLeft: 0 });
    expect(listCheckpoints(path.join(folder, 'whole', 'checkpoints'))).toEqual([4, 6]);
  });

  it('stopped between checkpoints and started again gives equal bits and an equal log', async () => {
    const uninterrupted = await whole;
    await expect(run('stopped', {}, brightness, 3)).rejects.toThrow('stopped');
    expect(listCheckpoints(path.join(folder, 'stopped', 'checkpoints'))).toEqual([2, 3]);
    const { average, latest, log, events } = await run('stopped');
    expect(events.map(({ iteration }) => iteration)).toEqual([4, 5, 6]);
    expect(average).toEqual(uninterrupted.average);
    expect(latest).toEqual(uninterrupted.latest);
    expect(log).toEqual(uninterrupted.log);
  });

  it('stopped within an iteration keeps the ones before it', async () => {
    const uninterrupted = await whole;
    const controller = new AbortController();
    const stopping: ImageObjective = {
      ...brightness,
      async evaluate(request: ObjectiveRequest) {
        if (request.iteration === 3) controller.abort(new Error('stopped within'));
        return brightness.evaluate(request);
      },
    };
    const all = { ...settings, directory: path.join(folder, 'within') };
    await expect(finetune(pipeline, stopping, all, {}, { signal: controller.signal })).rejects.toThrow(
      'within',
    );
    expect(listCheckpoints(path.join(folder, 'within', 'checkpoints'))).toEqual([2, 3]);
    const { average, log } = await run('within');
    expect(average).toEqual(uninterrupted.average);
    expect(log).toEqual(uninterrupted.log);
  });

  it('goes on from the checkpoint before a corrupt one, with a warning', async () => {
    const uninterrupted = await whole;
    cpSync(path.join(folder, 'whole'), path.join(folder, 'corrupt'), { recursive: true });
    const newest = path.join(folder, 'corrupt', 'checkpoints', 'checkpoint-00000006.safetensors');
    const bytes = readFileSync(newest);
    bytes[bytes.length - 5]! ^= 1;
    writeFileSync(newest, bytes);
    const warnings: string[] = [];
    const listen = ({ message }: Error) => warnings.push(message);
    process.on('warning', listen);
    const { events, average, latest, log } = await run('corrupt');
    process.off('warning', listen);
    expect(warnings.join()).toMatch(/checkpoint-00000006.*corrupt or half written; using the one before it/);
    expect(events.map(({ iteration }) => iteration)).toEqual([5, 6]);
    expect(average).toEqual(uninterrupted.average);
    expect(latest).toEqual(uninterrupted.latest);
    expect(log).toEqual(uninterrupted.log);
  });

  it('takes up a finished run, and a log line that a crash cut off', async () => {
    const { average, log } = await whole;
    const file = path.join(folder, 'whole', 'log.jsonl');
    writeFileSync(file, `${readFileSync(file, 'utf8')}{"iteration":7,"pro`);
    const again = await run('whole');
    expect(again.events).toEqual([]);
    expect(again.average).toEqual(average);
    expect(again.log).toEqual(log);
  });

  it('refuses checkpoints of another configuration', async () => {
    await whole;
    await expect(run('whole', { digest: 'def' })).rejects.toThrow(
      /whole: expected checkpoints of configuration def, received abc; choose another output folder/,
    );
  });
});

/** Counts two classes: images darker and brighter than their originals; the target is even. */
const counting: ImageObjective = {
  ...brightness,
  measuring() {
    const counts = [0, 0];
    return {
      async add({ images, originals, count }) {
        const length = images.length / count;
        for (let i = 0; i < count; i++) {
          const [now, before] = [images, originals].map((all) =>
            mean(all.subarray(i * length, (i + 1) * length)),
          );
          counts[now! < before! - 5e-3 ? 1 : 0]!++;
        }
      },
      finish: () => ({
        metrics: { dark: counts[1]! / (counts[0]! + counts[1]!) },
        counts: [{ name: '', counts, shares: [0.5, 0.5] }],
      }),
    };
  },
};

describe('validations', () => {
  const validation = { ...settings.validation, every: 1, imagesPerPrompt: 4 };

  it('keep the weights of the best one, in memory, in their folder and over an interruption', async () => {
    const best = { metric: 'brightness', goal: 'largest' } as const;
    const choices = {
      validation: { ...validation, best },
      iterations: 4,
      directory: path.join(folder, 'best'),
    };
    const all = { ...settings, ...choices };
    // Training makes images darker: the first validation is the brightest.
    const result = await finetune(pipeline, brightness, all);
    expect(result.best).toMatchObject({ iteration: 1, metric: 'brightness' });
    const first = await finetune(pipeline, brightness, {
      ...all,
      directory: path.join(folder, 'first'),
      iterations: 1,
    });
    expect(trainedTensors(result.best!.adapter)).toEqual(trainedTensors(first.adapter));
    const again = await finetune(pipeline, brightness, { ...all, iterations: 5 });
    expect(again.iterations).toBe(5);
    expect(again.best).toEqual(result.best);
    const smallest = { ...validation, best: { ...best, goal: 'smallest' as const } };
    const other = { ...all, validation: smallest, directory: path.join(folder, 'smallest') };
    expect((await finetune(pipeline, brightness, other)).best!.iteration).toBe(4);
    const unknown = { ...validation, best: { ...best, metric: 'bias' } };
    await expect(
      finetune(pipeline, brightness, {
        ...other,
        validation: unknown,
        directory: path.join(folder, 'unknown'),
      }),
    ).rejects.toThrow(/validation\.best\.metric: expected one of brightness, original, received bias/);
  });

  it('end a run whose distance to the target is small enough, for good', async () => {
    const directory = path.join(folder, 'ended');
    const generous = { ...settings, validation, stop: { distance: 1 }, directory };
    const snapshots: RunSnapshot[] = [];
    const result = await finetune(pipeline, counting, generous, {
      onSnapshot: (each) => void snapshots.push(each),
    });
    expect(result).toMatchObject({
      iterations: 1,
      stopped: expect.stringMatching(/distance to the target at most/),
    });
    expect(snapshots.at(-1)).toMatchObject({ iteration: 1, stopped: result.stopped, secondsLeft: 0 });
    const again = await finetune(pipeline, counting, generous);
    expect([again.iterations, again.stopped]).toEqual([1, result.stopped]);
    expect(again.adapter).toEqual(result.adapter);
    // A stricter rule goes on.
    const strict = await finetune(pipeline, counting, { ...generous, stop: { distance: 0 }, iterations: 3 });
    expect([strict.iterations, strict.stopped]).toEqual([3, null]);
  });

  it('warn of what the guard sees, and record it', async () => {
    const guard: RunGuard = {
      begin: () => {
        let images = 0;
        return {
          add: async ({ count }) => {
            images += count;
          },
          finish: () => ({ 'guard images': images }),
        };
      },
      warnings: (measured) => [`${measured['guard images']} images look strange`],
      release: async () => {},
    };
    const all = { ...settings, validation, iterations: 1, directory: path.join(folder, 'guarded') };
    const events: FinetuneProgress[] = [];
    await finetune(pipeline, brightness, all, { onProgress: (event) => events.push(event) }, { guard });
    expect(events[0]!.validation).toMatchObject({ 'guard images': 4 });
    expect(events[0]!.warnings).toEqual(['4 images look strange']);
    expect(readLog('guarded')[0]).toMatchObject({ warnings: ['4 images look strange'] });
  });

  it('give equal numbers in micro-batches', async () => {
    const measure = async (name: string, microBatch?: number) => {
      const all = {
        ...settings,
        validation,
        iterations: 1,
        imagesPerPrompt: 1,
        directory: path.join(folder, name),
      };
      const events: FinetuneProgress[] = [];
      const onProgress = (event: FinetuneProgress) => events.push(event);
      await finetune(pipeline, counting, { ...all, ...(microBatch ? { microBatch } : {}) }, { onProgress });
      return events[0]!.validation;
    };
    expect(await measure('micro', 1)).toEqual(await measure('macro'));
  });

  it('leave samples and TensorBoard events of every iteration, also after an interruption', async () => {
    const directory = path.join(folder, 'events');
    const all = { ...settings, validation: { ...validation, every: 2 }, directory };
    await expect(run('events', { validation: all.validation }, brightness, 3)).rejects.toThrow('stopped');
    // As if the process had been killed after it wrote an event past the checkpoint.
    openEventFile(path.join(directory, 'tensorboard'), 3).append({ wallTime: 1, step: 4, scalars: { x: 1 } });
    await finetune(pipeline, brightness, all);
    const events = readEvents(path.join(directory, 'tensorboard', 'events.out.tfevents.0.evenhand'));
    expect(events.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(events[4]!.tags).toEqual(
      expect.arrayContaining(['train/loss', 'validation/brightness', 'validation/samples']),
    );
    expect(events[5]!.tags).not.toContain('validation/samples');
    expect(readdirSync(path.join(directory, 'samples')).sort()).toEqual([
      '00000002.png',
      '00000004.png',
      '00000006.png',
    ]);
  });
});

describe('finetuning soft tokens', () => {
  const part = { kind: 'prompt', tokens: 2 } as const;
  const none = { ...settings.validation, every: 0 };

  it('makes the loss smaller, from the conditional branch and one timestep alone', async () => {
    const gradient = { mode: 'adjusted', branches: 'conditional', timesteps: 1 } as const;
    const choices = { part, gradient, iterations: 4, learningRate: 0.005 };
    const { events } = await run('tokens', { ...choices, validation: { ...settings.validation, every: 2 } });
    const [first, second] = events.flatMap(({ validation }) => (validation ? [validation] : []));
    expect(first!.brightness).toBeLessThan(first!.original! - 1e-4);
    expect(second!.brightness).toBeLessThan(first!.original! - 1e-3);
  });

  it('leaves out and counts iterations whose gradient is not finite', async () => {
    const broken: ImageObjective = {
      ...brightness,
      async evaluate(request: ObjectiveRequest) {
        const result = await brightness.evaluate(request);
        if (request.iteration !== 1) return result;
        const gradient = result.gradient.slice();
        gradient[5] = Number.NaN;
        return { ...result, gradient };
      },
    };
    const states: Float32Array[] = [];
    const tokensOf = (name: string) => run(name, { part, validation: none, iterations: 1 }, broken);
    states.push((await tokensOf('broken')).latest.get('soft_tokens')!.slice());
    const { events, latest, average, log } = await run(
      'broken',
      { part, validation: none, iterations: 2 },
      broken,
    );
    expect(events.map(({ iteration, skipped }) => [iteration, skipped])).toEqual([[2, 1]]);
    expect(events[0]!.gradientNorm).toBeNaN();
    expect(latest.get('soft_tokens')).toEqual(states[0]);
    expect(average.get('soft_tokens')).not.toEqual(
      trainedTensors(initialAdapter(model, part, settings.seed)).get('soft_tokens'),
    );
    expect(log.at(-1)).toMatchObject({ iteration: 2, skipped: 1, gradientNorm: null });
    const resumed = await run('broken', { part, validation: none, iterations: 3 }, broken);
    expect(resumed.events.map(({ skipped }) => skipped)).toEqual([1]);
    expect(resumed.latest.get('soft_tokens')).not.toEqual(states[0]);
  });
});

describe('gradients of the text encoder', () => {
  const prompts = ['a nurse', 'a photo of a pilot', 'the cook'];
  const cotangents = gaussianNoise({ seed: 8, stream: 'cotangent' }, prompts.length * pipeline.contextSize);
  const soft = initialAdapter(model, { kind: 'prompt', tokens: 2 }, 1).softTokens;
  const base: Adapter = {
    ...initialAdapter(model, { kind: 'text-encoder', rank: 2, alpha: 4 }, 1),
    softTokens: soft,
  };
  const tensors = new Map(
    [...trainedTensors(base)].map(([name, values]) => {
      // Up factors start at 0, where the gradient of the down factors vanishes.
      if (!name.endsWith('lora_up')) return [name, values];
      return [name, gaussianNoise({ seed: 2, stream: name }, values.length).map((value) => value * 0.1)];
    }),
  );

  /** sum(context * cotangents) with the tensors moved by `step` along `direction`. */
  async function valueAt(direction: ReadonlyMap<string, Float32Array>, step: number): Promise<number> {
    const moved = new Map(
      [...tensors].map(([name, values]) => {
        const along = direction.get(name);
        return [name, along ? values.map((value, i) => value + step * along[i]!) : values];
      }),
    );
    const context = await pipeline.encodePrompts(prompts, withTensors(base, moved));
    return context.reduce((sum, value, i) => sum + value * cotangents[i]!, 0);
  }

  it('agree with finite differences in soft tokens and factors', async () => {
    const differentiate = new DirectFinetuning(pipeline);
    const gradients = await differentiate.textEncoderGradient(
      prompts,
      cotangents,
      withTensors(base, tensors),
    );
    await differentiate.release();
    expect([...gradients.keys()].sort()).toEqual([...tensors.keys()].sort());
    const layer = 'textEncoder.text_model.encoder.layers';
    const names = [
      'soft_tokens',
      `${layer}.0.self_attn.q_proj.lora_down`,
      `${layer}.0.self_attn.out_proj.lora_up`,
      `${layer}.1.mlp.fc1.lora_down`,
      `${layer}.1.mlp.fc2.lora_up`,
    ];
    const random = new Map(
      [...tensors].map(([name, { length }]) => [name, gaussianNoise({ seed: 5, stream: name }, length)]),
    );
    const directions = [
      ...names.map((name) => [name, new Map([[name, gradients.get(name)!]])] as const),
      ['all tensors', gradients] as const,
      ['a random direction', random] as const,
    ];
    for (const [name, direction] of directions) {
      const norm = Math.sqrt(
        [...direction.values()].flatMap((values) => [...values]).reduce((s, x) => s + x * x, 0),
      );
      const unit = new Map([...direction].map(([key, values]) => [key, values.map((value) => value / norm)]));
      const step = 0.002;
      const quotient = ((await valueAt(unit, step)) - (await valueAt(unit, -step))) / (2 * step);
      const expected = [...unit].reduce(
        (sum, [key, values]) => sum + values.reduce((s, value, i) => s + value * gradients.get(key)![i]!, 0),
        0,
      );
      expect(norm, name).toBeGreaterThan(0.01);
      expect(Math.abs(quotient - expected), name).toBeLessThan(0.01 * Math.abs(expected) + 0.02);
    }
  });
});
