import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openTinyPipeline } from '../../test/tiny_pipeline.ts';
import type { Adapter } from '../diffusion/adapter.ts';
import type { Checkpoint } from './checkpoint.ts';
import { listCheckpoints, loadLatestCheckpoint } from './checkpoint.ts';
import type { ImageObjective, ObjectiveRequest } from './objective.ts';
import { finetune } from './run.ts';
import { tensorsOf } from './run_state.ts';
import type { FinetuneProgress, FinetuneSettings, RunSnapshot } from './settings.ts';
import { brightness, settings } from './testing/tiny_run.ts';
import { initialAdapter, trainedTensors } from './trained_part.ts';

const { folder, model, pipeline } = openTinyPipeline('finetune-run');

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
      const { prompts, loss, gradientNorm } = events[i]!;
      const metrics = { letters: prompts[0]!.length };
      const numbers = { loss: short(loss), gradientNorm: short(gradientNorm) };
      expect(line).toMatchObject({ iteration: i + 1, prompts, metrics, ...numbers, skipped: 0 });
      expect('validation' in line).toBe(i % 3 === 2);
    });
    expect(new Set(events.flatMap(({ prompts }) => prompts)).size).toBe(2);
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

  it('is looked at every few iterations and where it goes on, and ends when that finds a reason', async () => {
    const uninterrupted = await whole;
    const looks: [number, Map<string, Float32Array>][] = [];
    const inspected = async (reasonAt: number) => {
      const look = async (adapter: Adapter, iteration: number) => {
        looks.push([
          iteration,
          new Map([...trainedTensors(adapter)].map(([name, data]) => [name, data.slice()])),
        ]);
        return iteration >= reasonAt ? 'seen enough' : null;
      };
      // Checkpoints are due after every 5: the looks make their own.
      const all = { ...settings, checkpointEvery: 5, directory: path.join(folder, 'inspected') };
      const told: (string | null)[] = [];
      const onSnapshot = ({ stopped }: RunSnapshot) => void told.push(stopped);
      const result = await finetune(
        pipeline,
        brightness,
        all,
        { onSnapshot },
        { inspection: { every: 2, look } },
      );
      return { ...result, told };
    };
    const first = await inspected(4);
    expect(first).toMatchObject({ iterations: 4, stopped: 'seen enough' });
    expect(first.told.at(-1)).toBe('seen enough');
    expect(looks.map(([iteration]) => iteration)).toEqual([2, 4]);
    expect(looks[1]![1]).toEqual(trainedTensors(first.adapter));
    expect(looks[0]![1]).not.toEqual(looks[1]![1]);
    // Another run may want more: it looks at what it finds, and goes on to the numbers of an uninterrupted one.
    const second = await inspected(100);
    expect(looks.slice(2).map(([iteration]) => iteration)).toEqual([4, 6]);
    expect(looks[2]![1]).toEqual(looks[1]![1]);
    expect(second).toMatchObject({ iterations: 6, stopped: null });
    expect(trainedTensors(second.adapter)).toEqual(uninterrupted.average);
    expect(readLog('inspected')).toEqual(uninterrupted.log);
  });

  it('refuses checkpoints of another configuration', async () => {
    await whole;
    await expect(run('whole', { digest: 'def' })).rejects.toThrow(
      /whole: expected checkpoints of configuration def, received abc; choose another output folder/,
    );
  });

  it('refuses checkpoints that were made with other weights, by what changed', async () => {
    const weights = { unet: '1', classifier: '2' };
    const few = { iterations: 1, validation: { ...settings.validation, every: 0 } };
    await run('weighed', { ...few, weights });
    await run('weighed', { ...few, weights: { ...weights } });
    for (const [changed, names] of [
      [{ ...weights, classifier: '3' }, 'classifier'],
      [{ unet: '1' }, 'classifier'],
      [{ ...weights, unet: '3', clip: '4' }, 'unet, clip'],
    ] as const) {
      await expect(run('weighed', { ...few, weights: changed })).rejects.toThrow(
        `weighed: expected checkpoints made with the present weights, received ones made with others: ${names} changed since`,
      );
    }
  });
});

describe('finetuning text encoder and U-Net', () => {
  it.each([
    ['low-rank updates', { kind: 'text-encoder+unet', rank: 2 }],
    ['whole layers', { kind: 'layers', patterns: ['text_encoder.*.fc1.weight', 'unet.*.to_q.weight'] }],
  ] as const)('%s: each part moves by its own learning rate, along its schedule', async (name, part) => {
    const choices = {
      part,
      iterations: 2,
      schedule: 'linear',
      validation: { ...settings.validation, every: 0 },
    } as const;
    const first = (rates: Partial<FinetuneSettings>, id: string) =>
      run(`rates ${name} ${id}`, { ...choices, ...rates, clipNorm: 0.01 }, brightness, 1).catch(() => null);
    const latest = async (rates: Partial<FinetuneSettings>, id: string) => {
      await first(rates, id);
      const { tensors } = loadLatestCheckpoint(
        path.join(folder, `rates ${name} ${id}`, 'checkpoints'),
        () => {},
      )!;
      return tensorsOf({ tensors } as Checkpoint, 'parameters');
    };
    const mixed = await latest({ learningRate: 0.02, textEncoderLearningRate: 0.005 }, 'mixed');
    const fast = await latest({ learningRate: 0.02 }, 'fast');
    const slow = await latest({ learningRate: 0.005 }, 'slow');
    const parts = new Set<string>();
    for (const [tensor, values] of mixed) {
      const isText = tensor.startsWith('textEncoder.');
      parts.add(isText ? 'text encoder' : 'U-Net');
      expect(values, tensor).toEqual((isText ? slow : fast).get(tensor));
    }
    expect([...parts].sort()).toEqual(['U-Net', 'text encoder']);
    expect(fast).not.toEqual(slow);
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

  it('moves nothing at the first step of a warm-up, and half as far at the middle of a linear descent', async () => {
    const tokens = async (choices: object) =>
      (await run('schedule', { part, validation: none, ...choices })).latest.get('soft_tokens')!.slice();
    const initial = trainedTensors(initialAdapter(model, part, settings.seed)).get('soft_tokens')!;
    const warm = { schedule: 'constant_with_warmup', warmupSteps: 1, iterations: 1, weightDecay: 0 } as const;
    expect(await tokens(warm)).toEqual(initial);
    rmSync(path.join(folder, 'schedule'), { recursive: true });
    const constant = { schedule: 'constant', weightDecay: 0 } as const;
    const first = await tokens({ ...constant, iterations: 1 });
    const second = await tokens({ ...constant, iterations: 2 });
    rmSync(path.join(folder, 'schedule'), { recursive: true });
    const linear = await tokens({ ...constant, schedule: 'linear', iterations: 2 });
    for (let i = 0; i < first.length; i++)
      expect(linear[i]! - first[i]!).toBeCloseTo((second[i]! - first[i]!) / 2, 6);
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

describe('a run without a finite gradient', () => {
  it('ends with an error, its weights saved, and again when it is taken up', async () => {
    const broken: ImageObjective = {
      ...brightness,
      async evaluate(request: ObjectiveRequest) {
        const result = await brightness.evaluate(request);
        return request.iteration < 1 ? result : { ...result, gradient: result.gradient.fill(Number.NaN) };
      },
    };
    const choices = {
      part: { kind: 'prompt', tokens: 2 } as const,
      gradient: { mode: 'adjusted', branches: 'conditional', timesteps: 1 } as const,
      ...{ iterations: 100, imagesPerPrompt: 1, samplingSteps: [1, 1] as const, checkpointEvery: 100 },
      validation: { ...settings.validation, every: 0 },
    };
    await expect(run('hopeless', choices, broken)).rejects.toThrow(
      /^iteration 31: expected a finite gradient, received none in 30 iterations on end; .* those of iteration 1\./,
    );
    expect(listCheckpoints(path.join(folder, 'hopeless', 'checkpoints'))).toEqual([31]);
    await expect(run('hopeless', choices, broken)).rejects.toThrow(/^iteration 32: .* in 31 iterations/);
    expect(readLog('hopeless')).toHaveLength(32);
  });
});

describe('prompts of an iteration', () => {
  it.each<[string, Partial<FinetuneSettings>, RegExp]>([
    [
      'more than there are different ones',
      { prompts: ['a nurse', 'a nurse', 'a cook'], promptsPerIteration: 3 },
      /^promptsPerIteration: expected at most 2, the number of different prompts, received 3$/,
    ],
    [
      'more than the groups hold together',
      { promptGroups: [['a nurse'], ['a nurse']], promptsPerIteration: 2 },
      /^promptsPerIteration: expected at most 1, .*, received 2$/,
    ],
    ['a group without any', { promptGroups: [['a nurse'], []] }, /every group, received none in group 2$/],
  ])('are refused before anything is written: %s', async (_, choices, message) => {
    await expect(run('refused', choices)).rejects.toThrow(message);
    expect(existsSync(path.join(folder, 'refused'))).toBe(false);
  });
});
