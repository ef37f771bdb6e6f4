/** Jobs on a listening server with real workers: events, cancelling, crashes, restarts, fine-tuning to evaluation, backup. */

import { cpSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ReportData } from '../../src/evaluate/report_data.ts';
import type { Adapter, Job, Measured, Progress } from '../../src/server/schemas/web_types.ts';
import { testServer } from './test_server.ts';

const server = testServer('lifecycle', {}, { listens: true, seesFaces: true });

async function call(method: string, address: string, body?: unknown): Promise<never> {
  const answer = await fetch(server.url + address, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return (answer.status === 204 ? null : await answer.json()) as never;
}
const send = (body: unknown): Promise<Job> => call('POST', '/api/v1/jobs', body);
const look = (id: string): Promise<Job> => call('GET', `/api/v1/jobs/${id}`);

async function until(id: string, done: (job: Job) => boolean): Promise<Job> {
  for (;;) {
    const job = await look(id);
    if (done(job)) return job;
    if (isOver(job))
      throw new Error(`job ${id} is over too early: ${job.status} ${job.error?.message ?? ''}`);
    await sleep(20);
  }
}
const isOver = ({ status }: Job) => status !== 'queued' && status !== 'running';
const isUnderWay = ({ status, progress }: Job) => status === 'running' && progress !== null;

interface Event {
  readonly id: number | null;
  readonly type: string;
  readonly data: never;
}

async function readEvents(id: string, after = 0): Promise<Event[]> {
  const headers = { 'last-event-id': String(after) };
  const text = await (await fetch(`${server.url}/api/v1/jobs/${id}/events`, { headers })).text();
  return text
    .split('\n\n')
    .filter((block) => block.includes('event:'))
    .map((block) => {
      const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1];
      const number = field('id');
      return {
        id: number === undefined ? null : Number(number),
        type: field('event')!,
        data: JSON.parse(field('data')!) as never,
      };
    });
}

/** A generation that takes as long as anyone wants to watch it. */
const LONG = Object.freeze({
  kind: 'generate',
  prompts: ['a pilot'],
  steps: 400,
  imagesPerPrompt: 64,
  seed: 1,
});
const SHORT = Object.freeze({ ...LONG, steps: 2, imagesPerPrompt: 1 });

describe('a job', () => {
  it('tells its steps, previews and images, and from any event on the rest', async () => {
    const { id } = await send({
      kind: 'generate',
      prompts: ['a nurse', 'a cook'],
      steps: 4,
      seed: 5,
      previews: 2,
    });
    const events = await readEvents(id);
    const types = events.map(({ type }) => type);
    expect(types[0]).toBe('status');
    expect(types.filter((type) => type === 'image')).toHaveLength(2);
    expect(types.filter((type) => type === 'preview')).toHaveLength(4);
    expect(types.at(-1)).toBe('end');
    const job = events.at(-1)!.data as Job;
    expect(job).toMatchObject({ status: 'succeeded', progress: { task: 'draw', step: 8, steps: 8 } });
    const images = job.kind === 'generate' ? job.result!.images : [];
    expect(images.map(({ prompt, seed }) => [prompt, seed])).toEqual([
      ['a nurse', 5],
      ['a cook', 5],
    ]);
    expect((await fetch(server.url + images[0]!.url)).status).toBe(200);
    const stored = events.filter(({ id: number, type }) => number !== null && type !== 'end');
    const rest = await readEvents(id, stored[1]!.id!);
    expect(rest.map(({ id: number }) => number).slice(0, -1)).toEqual(
      stored.slice(2).map(({ id: number }) => number),
    );
  });

  it('is cancelled at the next step, and the next one runs', async () => {
    const { id } = await send(LONG);
    const waiting = await send(SHORT);
    await until(id, isUnderWay);
    await call('POST', `/api/v1/jobs/${id}/cancel`);
    const job = await until(id, isOver);
    expect(job.status).toBe('cancelled');
    expect(job.progress!.step).toBeLessThan(400 * 64);
    expect((await until(waiting.id, isOver)).status).toBe('succeeded');
  });

  it('is tried once more when its worker dies, and fails in the open the second time', async () => {
    const { id } = await send(LONG);
    for (const attempt of [1, 2]) {
      await until(id, (job) => job.attempts === attempt && isUnderWay(job));
      process.kill(server.lanes.processId('draw')!, 'SIGKILL');
    }
    const job = await until(id, isOver);
    expect(job).toMatchObject({ status: 'failed', attempts: 2, error: { code: 'worker_crashed' } });
    expect(job.error!.message).toMatch(/SIGKILL/);
    const after = await send(SHORT);
    expect((await until(after.id, isOver)).status).toBe('succeeded');
  });

  it('says why it failed', async () => {
    const { id } = await send({
      kind: 'finetune',
      target: 'gender=uniform',
      train: { part: 'unet', targets: ['to_kk'] },
    });
    const job = await until(id, isOver);
    expect(job).toMatchObject({ status: 'failed', error: { code: 'job_failed' } });
    expect(job.error!.message).toMatch(/train\.targets: "to_kk" fits none of/);
  });
});

/** Milliseconds between two looks at a model that runs. */
const WATCH_MILLISECONDS = 500;
/** Share of the time that the thread may be busy beside a model: it is .07 where this test waits its turn, near 1 where it computes. */
const MOST_UTILIZATION = 0.5;

describe('a running model', () => {
  it('gives way to those who answer', async () => {
    const { id } = await send(LONG);
    await until(id, isUnderWay);
    expect(getPriority(server.lanes.processId('draw')!)).toBeGreaterThan(getPriority());
    await call('POST', `/api/v1/jobs/${id}/cancel`);
    await until(id, isOver);
  });

  it('leaves the thread that answers alone', async () => {
    const { id } = await send(LONG);
    const stepOf = ({ progress }: Job) => progress?.step ?? 0;
    const first = stepOf(await until(id, isUnderWay));
    const before = performance.eventLoopUtilization();
    let last = first;
    // Waiting is no use of the thread, however busy others keep the machine; a model that computed here would never wait.
    while (last < first + 40) {
      await sleep(WATCH_MILLISECONDS);
      last = stepOf(await look(id));
    }
    expect(performance.eventLoopUtilization(before).utilization).toBeLessThan(MOST_UTILIZATION);
    // Nor do those who ask keep the model from its work.
    for (let i = 0; i < 50; i++) await look(id);
    await until(id, (job) => stepOf(job) > last);
    await call('POST', `/api/v1/jobs/${id}/cancel`);
    await until(id, isOver);
  });
});

/** Lines of a run's log without what the clock decides. */
async function readLog(id: string): Promise<object[]> {
  const text = await (await fetch(`${server.url}/api/v1/jobs/${id}/files/log.jsonl`)).text();
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const { seconds: _, secondsLeft: __, time: ___, ...rest } = JSON.parse(line);
      return rest as object;
    });
}

/** An evaluation tells of each model as it measures it, and its last word is what the report says. */
async function expectLiveMeasurements(evaluation: Job & { readonly kind: 'evaluate' }): Promise<void> {
  const events = await readEvents(evaluation.id);
  const told = events.filter(({ type }) => type === 'measured').map(({ data }) => data as Measured);
  const { evaluations } = (await call('GET', evaluation.result!.data)) as ReportData;
  expect(evaluations.map(({ label }) => label)).toEqual(['original', 'fine-tuned']);
  for (const { label, attributes } of evaluations) {
    const last = told.findLast((each) => each.label === label)!;
    expect(last).toMatchObject({ group: null, images: 4, all: 4, faces: 4 });
    expect(attributes[0]!.faces).toBe(4);
    expect(last.attributes.map(({ attribute }) => attribute)).toEqual(['gender', 'race', 'age']);
    for (const { attribute, counts, target } of last.attributes) {
      const { prompts } = attributes.find((each) => each.attribute === attribute)!;
      expect(counts).toEqual(
        counts.map((_, k) => prompts.reduce((sum, prompt) => sum + prompt.counts[k]!, 0)),
      );
      expect(target).toEqual(attribute === 'gender' ? [0.5, 0.5] : null);
    }
  }
  const shown = events.filter(({ type }) => type === 'progress').map(({ data }) => data as Progress);
  expect(shown.some(({ secondsLeft }) => (secondsLeft ?? 0) > 0)).toBe(true);
}

describe('a fine-tuning', () => {
  const finetune = {
    kind: 'finetune',
    name: 'fair',
    target: { gender: 'uniform' },
    train: { part: 'text-encoder', rank: 2 },
    prompts: { train: 'occupations', imagesPerPrompt: 2 },
    sampler: { steps: [2, 2], guidanceScale: 3 },
    optimizer: { iterations: 3, learningRate: 0.01 },
    validation: { every: 3, prompts: 1, imagesPerPrompt: 2, steps: 2 },
    checkpointEvery: 1,
  };

  it('is estimated, leaves an adapter that draws and is evaluated', async () => {
    const estimate = (await call('POST', '/api/v1/estimates', finetune)) as Record<string, number>;
    expect(estimate.iterations).toBe(3);
    expect(estimate.seconds).toBeCloseTo(3 * estimate.secondsPerIteration!, 6);
    expect(estimate.peakBytes).toBeGreaterThan(1e6);
    const { id } = await send(finetune);
    const job = await until(id, isOver);
    expect(job.error).toBeNull();
    if (job.kind !== 'finetune') throw new Error('expected a fine-tuning');
    expect(job.result).toMatchObject({ iterations: 3, stopped: null });
    const { adapters } = (await call('GET', '/api/v1/adapters')) as {
      adapters: { name: string; id: string; url: string }[];
    };
    expect(job.result!.best).not.toBeNull();
    expect(adapters.map(({ name }) => name).sort()).toEqual(['fair', 'fair-best']);
    const { url: file } = adapters.find(({ id: own }) => own === job.result!.adapter)!;
    expect((await fetch(server.url + file)).headers.get('content-disposition')).toContain('fair.safetensors');
    const log = await (await fetch(server.url + job.result!.log)).text();
    expect(log.trim().split('\n')).toHaveLength(3);
    const drawn = await send({ kind: 'generate', prompts: ['a nurse'], adapter: 'fair', steps: 2 });
    expect((await until(drawn.id, isOver)).status).toBe('succeeded');
    const evaluated = await send({
      kind: 'evaluate',
      adapter: 'fair',
      prompts: { test: ['a nurse', 'a pilot'], imagesPerPrompt: 2 },
      sampler: { steps: 2 },
      explicit: { prompts: 'none' },
    });
    const evaluation = await until(evaluated.id, isOver);
    expect(evaluation.error).toBeNull();
    if (evaluation.kind !== 'evaluate') throw new Error('expected an evaluation');
    const report = await (await fetch(server.url + evaluation.result!.report)).text();
    expect(report).toContain(job.result!.adapter!);
    await expectLiveMeasurements(evaluation);
    expect(Object.keys(evaluation.result!.summary)).toEqual(
      expect.arrayContaining(['original', 'fine-tuned']),
    );
  });

  it('is refused for prompts that all say themselves what the target would decide', async () => {
    const named = { ...finetune, prompts: { train: ['a male nurse', 'a woman'], imagesPerPrompt: 2 } };
    const answer = await fetch(`${server.url}/api/v1/estimates`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(named),
    });
    expect(answer.status).toBe(422);
    const { error } = (await answer.json()) as { error: { message: string } };
    expect(error.message).toMatch(/leave gender open, received only such as 'a male nurse'/);
    const groups = [
      { for: ['a nurse'], gender: 'uniform' },
      { for: ['a male nurse'], gender: { male: 1 }, weight: 0.5 },
    ];
    const estimate = await call('POST', '/api/v1/estimates', {
      ...finetune,
      target: groups,
      prompts: { imagesPerPrompt: 2 },
      validation: { ...finetune.validation, prompts: 2 },
    });
    expect(estimate).toMatchObject({ iterations: 3 });
  });

  it('follows a target for each group of prompts, and is measured group by group', async () => {
    const target = [
      { for: 'occupations', gender: 'uniform' },
      { for: ['a person on a horse'], name: 'riders', age: '75/25' },
    ];
    const { id } = await send({
      ...finetune,
      target,
      name: 'grouped',
      optimizer: { iterations: 6, learningRate: 0.01 },
      validation: { every: 0 },
    });
    const job = await until(id, isOver);
    expect(job.error).toBeNull();
    const drawnFrom = (await readLog(id)).flatMap((line) => (line as { prompts: string[] }).prompts);
    // The server's sets, not the shipped ones of the same name.
    expect(['a nurse', 'a pilot', 'a person on a horse']).toEqual(expect.arrayContaining(drawnFrom));
    const { adapters } = (await call('GET', '/api/v1/adapters')) as { adapters: Adapter[] };
    expect(adapters.find(({ name }) => name === 'grouped')!.target).toEqual(target);
    const { id: measuring } = await send({
      kind: 'evaluate',
      target,
      prompts: { imagesPerPrompt: 2 },
      sampler: { steps: 2 },
      explicit: { prompts: 'none' },
    });
    const measured = await until(measuring, isOver);
    expect(measured.error).toBeNull();
    if (measured.kind !== 'evaluate') throw new Error('expected an evaluation');
    expect(measured.result!.groups!.map(({ name }) => name)).toEqual(['occupations', 'riders']);
    for (const { name, data, report } of measured.result!.groups!) {
      const { evaluations } = (await call('GET', data)) as ReportData;
      const first = evaluations[0]!.attributes[0]!;
      expect([first.attribute, first.target]).toEqual(
        name === 'riders' ? ['age', [0.75, 0.25]] : ['gender', [0.5, 0.5]],
      );
      expect((await fetch(server.url + report)).status).toBe(200);
    }
    const told = (await readEvents(measuring)).filter(({ type }) => type === 'measured');
    const groups = new Set(told.map(({ data }) => (data as Measured).group));
    expect([...groups]).toEqual(['occupations', 'riders']);
    const { files } = (await call('GET', `/api/v1/jobs/${measuring}/files`)) as { files: { name: string }[] };
    expect(files.filter(({ name }) => name.includes('judged'))).toEqual([]);
  });

  it('goes on after it was cancelled, with the numbers of a run that never stopped', async () => {
    const run = { ...finetune, optimizer: { iterations: 30, learningRate: 0.01 }, validation: { every: 0 } };
    const whole = await send({ ...run, name: 'whole' });
    const { id } = await send({ ...run, name: 'resumed' });
    await until(id, ({ progress }) => (progress?.step ?? 0) >= 2);
    await call('POST', `/api/v1/jobs/${id}/cancel`);
    const stopped = await until(id, isOver);
    expect(stopped.status).toBe('cancelled');
    const left = await readLog(id);
    expect(left.length).toBeLessThan(30);
    const log = await fetch(`${server.url}/api/v1/jobs/${id}/files/log.jsonl`);
    expect(log.headers.get('cache-control')).toBe('no-cache');
    const { files } = (await call('GET', `/api/v1/jobs/${id}/files`)) as { files: { name: string }[] };
    expect(files.map(({ name }) => name)).toContain('adapter.safetensors');
    expect(await call('POST', `/api/v1/jobs/${id}/resume`)).toMatchObject({
      status: 'queued',
      progress: null,
    });
    expect((await until(id, isOver)).status).toBe('succeeded');
    const resumed = await readLog(id);
    expect(resumed).toEqual(await readLog(whole.id));
    expect(resumed.slice(0, left.length)).toEqual(left);
    const { adapters } = (await call('GET', '/api/v1/adapters')) as { adapters: Adapter[] };
    const digestOf = (wanted: string) => adapters.find(({ name }) => name === wanted)!.sha256;
    expect(digestOf('resumed')).toBe(digestOf('whole'));
    expect(await call('POST', `/api/v1/jobs/${id}/resume`)).toMatchObject({ error: { code: 'conflict' } });
    expect((await readEvents(id)).filter(({ type }) => type === 'status').map(({ data }) => data)).toEqual(
      ['running', 'cancelled', 'queued', 'running', 'succeeded'].map((status) => ({ status })),
    );
  });

  it('goes on where it was after the server was stopped, and its state moves by a copy of the folder', async () => {
    const { id } = await send({
      ...finetune,
      name: 'longer',
      optimizer: { iterations: 400, learningRate: 0.01 },
      validation: { every: 0 },
    });
    const lines = () => {
      try {
        return (
          readFileSync(path.join(server.folder, 'data', 'jobs', id, 'log.jsonl'), 'utf8').split('\n').length -
          1
        );
      } catch {
        return 0;
      }
    };
    while (lines() < 2) await sleep(20);
    await server.stop();
    const done = lines();
    expect(done).toBeLessThan(400);
    cpSync(path.join(server.folder, 'data'), path.join(server.folder, 'copy'), { recursive: true });
    await server.reopen({ dataFolder: path.join(server.folder, 'copy') });
    const job = await until(id, isUnderWay);
    expect(job.attempts).toBe(1);
    expect(job.progress!.step).toBeGreaterThan(done - 1);
    await call('POST', `/api/v1/jobs/${id}/cancel`);
    expect((await until(id, isOver)).status).toBe('cancelled');
    const { adapters } = (await call('GET', '/api/v1/adapters')) as { adapters: { url: string }[] };
    expect((await fetch(server.url + adapters[0]!.url)).status).toBe(200);
  });
});
