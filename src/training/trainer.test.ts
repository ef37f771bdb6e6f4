import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { gaussianNoise } from '../diffusion/noise.ts';
import { listCheckpoints } from '../finetune/checkpoint.ts';
import { add, input, matmul, mul, Runtime, reduceMean, sub, type Value } from '../graph/index.ts';
import { type TrainingProgress, type TrainingSettings, type TrainingTask, train } from './trainer.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'trainer-'));
const runtime = new Runtime({ threads: 1 });

afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});

const ROWS = 8;
const TRUE_WEIGHTS = [2, -1];
const TRUE_BIAS = 0.5;

/** Mean of (x w + b - y)^2 plus a pull towards the averaged weights, which a resumed run must see as they were. */
const parameters = new Map([
  ['w', input('w', [2, 1])],
  ['b', input('b', [1])],
]);
const x = input('x', [ROWS, 2]);
const square = (value: Value) => reduceMean(mul(value, value));
const error = square(sub(add(matmul(x, parameters.get('w')!), parameters.get('b')!), input('y', [ROWS, 1])));
const pull = square(sub(parameters.get('w')!, input('teacher.w', [2, 1])));

const task: TrainingTask = {
  name: 'regression',
  loss: add(error, pull),
  metrics: { error },
  parameters,
  batch(step, average) {
    const rows = gaussianNoise({ seed: 4, index: step, stream: 'rows' }, ROWS * 2);
    const targets = Float32Array.from({ length: ROWS }, (_, i) => {
      return rows[2 * i]! * TRUE_WEIGHTS[0]! + rows[2 * i + 1]! * TRUE_WEIGHTS[1]! + TRUE_BIAS;
    });
    return { x: rows, y: targets, 'teacher.w': average.get('w')! };
  },
};

const initial = new Map([
  ['w', Float32Array.of(0, 0)],
  ['b', Float32Array.of(0)],
]);

const settings: Omit<TrainingSettings, 'directory'> = {
  steps: 60,
  learningRate: (step) => 0.2 / (1 + step / 20),
  weightDecay: 0,
  betas: [0.9, 0.99],
  clipNorm: 10,
  averageDecay: 0.8,
  checkpointEvery: 25,
  digest: 'abc',
};

async function run(name: string, choices: Partial<TrainingSettings & TrainingTask> = {}, stopAfter = 1e9) {
  const controller = new AbortController();
  const events: TrainingProgress[] = [];
  const onProgress = (event: TrainingProgress) => {
    events.push(event);
    if (event.step >= stopAfter) controller.abort();
  };
  const { batch = task.batch, ...others } = choices;
  const all = { ...settings, directory: path.join(folder, name), ...others };
  const result = await train(runtime, { ...task, batch }, initial, all, onProgress, controller.signal);
  return { ...result, events, log: readLog(name) };
}

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

describe('the training loop', () => {
  const whole = run('whole');

  it('finds the weights of a linear regression', async () => {
    const { events, parameters: found, average } = await whole;
    expect(events).toHaveLength(60);
    expect(events.at(-1)!.loss).toBeLessThan(events[0]!.loss / 100);
    for (const values of [found, average]) {
      expect(Math.abs(values.get('w')![0]! - TRUE_WEIGHTS[0]!)).toBeLessThan(0.2);
      expect(Math.abs(values.get('w')![1]! - TRUE_WEIGHTS[1]!)).toBeLessThan(0.2);
      expect(Math.abs(values.get('b')![0]! - TRUE_BIAS)).toBeLessThan(0.2);
    }
    expect(average.get('w')).not.toEqual(found.get('w'));
    expect([...initial.values()].flatMap((values) => [...values])).toEqual([0, 0, 0]);
  });

  it('logs each step with its learning rate, gradient norm and metrics', async () => {
    const { events, log } = await whole;
    const short = (value: number) => Number(value.toPrecision(6));
    expect(log).toEqual(
      events.map(({ step, loss, metrics, learningRate, gradientNorm }) => ({
        step,
        loss: short(loss),
        error: short(metrics.error!),
        learningRate: short(learningRate),
        gradientNorm: short(gradientNorm),
      })),
    );
    expect(log[0]).toMatchObject({ step: 1, learningRate: 0.2 });
    // The first step starts at the average itself, so that nothing pulls; gradient of the error at 0 by hand.
    const { x: rows, y: targets } = (await task.batch(0, initial)) as Record<string, Float32Array>;
    const slope = [0, 0, 0];
    targets!.forEach((y, i) => {
      [rows![2 * i]!, rows![2 * i + 1]!, 1].forEach((factor, k) => {
        slope[k]! -= (2 * y * factor) / ROWS;
      });
    });
    expect(events[0]!.gradientNorm).toBeCloseTo(Math.hypot(...slope), 4);
    expect(events[0]!.metrics.error).toBe(events[0]!.loss);
    expect(events.at(-1)).toMatchObject({ name: 'regression', step: 60, steps: 60, secondsLeft: 0 });
    expect(listCheckpoints(path.join(folder, 'whole'))).toEqual([50, 60]);
  });

  it('stopped and started again gives equal bits and an equal log', async () => {
    const uninterrupted = await whole;
    await expect(run('stopped', {}, 37)).rejects.toThrow(
      'regression: stopped after step 37; run the same command to go on',
    );
    expect(listCheckpoints(path.join(folder, 'stopped'))).toEqual([25, 37]);
    const { parameters: found, average, log, events } = await run('stopped');
    expect(events[0]!.step).toBe(38);
    expect(found).toEqual(uninterrupted.parameters);
    expect(average).toEqual(uninterrupted.average);
    expect(log).toEqual(uninterrupted.log);
  });

  it('extends a finished run to the bits of a longer one', async () => {
    const uninterrupted = await whole;
    await run('extended', { steps: 30 });
    const { parameters: found, average, log } = await run('extended');
    expect(found).toEqual(uninterrupted.parameters);
    expect(average).toEqual(uninterrupted.average);
    expect(log).toEqual(uninterrupted.log);
    const again = await run('extended');
    expect(again.events).toEqual([]);
    expect(again.parameters).toEqual(found);
  });

  it('refuses the checkpoint of another configuration', async () => {
    await whole;
    await expect(run('whole', { digest: 'def' })).rejects.toThrow(
      /whole: expected checkpoints of configuration def, received abc; choose another folder/,
    );
  });

  it('leaves out and counts steps whose gradient is not finite', async () => {
    const batch: TrainingTask['batch'] = async (step, average) => {
      const feeds = await task.batch(step, average);
      return step === 1 ? { ...feeds, y: new Float32Array(ROWS).fill(Number.NaN) } : feeds;
    };
    const one = await run('broken', { steps: 1, batch });
    const two = await run('broken', { steps: 2, batch });
    const three = await run('broken', { steps: 3, batch });
    expect([...two.events, ...three.events].map(({ skipped }) => skipped)).toEqual([1, 1]);
    expect(two.parameters).toEqual(one.parameters);
    expect(two.average).toEqual(one.average);
    expect(three.parameters.get('w')!.every(Number.isFinite)).toBe(true);
    expect(three.parameters).not.toEqual(one.parameters);
    expect(three.log.map(({ skipped }) => skipped)).toEqual([undefined, 1, 1]);
    expect(three.log[1]!.loss).toBeNull();
  });

  it('gives its graph back, also when it was stopped', async () => {
    await whole;
    await expect(run('released', {}, 1)).rejects.toThrow('stopped after step 1');
    expect(runtime.sessions).toBe(0);
  });
});
