/** A server of the API's shape for the terminal's tests: deterministic, in memory, quick; images are drawn scenes. */

import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { wilsonInterval } from '../../src/evaluate/intervals.ts';
import { promptEntries } from '../../src/portraits/prompts/index.ts';
import { randomStream } from '../../src/portraits/random.ts';
import type {
  Adapter,
  Estimate,
  Job,
  JobEvent,
  Measured,
  Understanding,
} from '../../src/server/schemas/web_types.ts';
import { peopleOf, understand } from '../../src/text/understanding/index.ts';
import { drawGrid, drawPng, evaluationOf, MODEL, targetOf } from './drawn.ts';

/** A running stand-in. */
export interface StandIn {
  /** Address with a closing slash. */
  readonly url: string;
  /** Requests that came in, as `METHOD path`. */
  readonly requests: readonly string[];
  /** Makes the next request of a path fail with this body. */
  failNext(path: string, status: number, body: unknown): void;
  close(): Promise<void>;
}

interface Running {
  job: Job;
  readonly events: JobEvent[];
  readonly waiting: Set<() => void>;
  /** Lines of a fine-tuning's log, and names of its samples. */
  readonly log: string[];
  readonly samples: string[];
  /** Newest measurement by label. */
  readonly measured: Map<string, Measured>;
  stopped: boolean;
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * Starts the stand-in on a free port of this machine.
 * @param folder the built terminal
 * @param tick milliseconds between the events of a job
 */
export async function startStandIn(folder: string, tick = 15): Promise<StandIn> {
  const app = new Hono();
  const jobs = new Map<string, Running>();
  const adapters: Adapter[] = [];
  const requests: string[] = [];
  const failures = new Map<string, { status: number; body: unknown }>();
  let counter = 0;

  app.use(async (context, next) => {
    requests.push(`${context.req.method} ${context.req.path}`);
    const failure = failures.get(context.req.path);
    if (failure === undefined) return next();
    failures.delete(context.req.path);
    return context.json(failure.body as never, failure.status as never);
  });
  const missing = { error: { code: 'not_found', message: 'There is no such job.', requestId: 'r' } };

  app.get('/api/v1/session', (context) =>
    context.json({ version: '0.1.0', login: false, key: null, scopes: ['generate', 'train', 'admin'] }),
  );
  app.get('/api/v1/models', (context) => context.json({ models: [MODEL] }));
  app.get('/api/v1/adapters', (context) => context.json({ adapters: adapters.toReversed() }));
  app.delete('/api/v1/adapters/:id', (context) => {
    adapters.splice(
      adapters.findIndex(({ id }) => id === context.req.param('id')),
      1,
    );
    return context.body(null, 204);
  });
  app.get('/api/v1/adapters/:id/file', (context) => context.body('weights'));
  app.get('/api/v1/prompt-sets', (context) =>
    context.json({
      promptSets: [
        { name: 'occupations', train: 80, test: 20, example: 'a photo of the face of a doctor, a person' },
        { name: 'sports', train: 30, test: 10, example: 'a person playing tennis' },
      ],
    }),
  );
  app.get('/api/v1/prompt-sets/:name', (context) =>
    context.json({
      name: context.req.param('name'),
      split: context.req.query('split'),
      prompts: promptEntries('occupation', 'test').map(({ prompt }) => prompt),
    }),
  );
  app.post('/api/v1/understand', async (context) => {
    const { prompt } = await context.req.json<{ prompt: string }>();
    const found = understand(prompt);
    const said = peopleOf(prompt).groups.flatMap(({ attributes }) =>
      attributes.map(({ attribute }) => attribute),
    );
    const named = { gender: said.includes('gender'), race: said.includes('race'), age: said.includes('age') };
    return context.json({ ...found, named } as Understanding);
  });
  app.post('/api/v1/estimates', async (context) => {
    await pause(2 * tick);
    const { optimizer, prompts } = await context.req.json();
    const estimate: Estimate = {
      iterations: optimizer.iterations,
      imagesPerIteration: prompts.imagesPerPrompt,
      unitsPerIteration: 640,
      parameters: 409_600,
      peakBytes: 1_310_000_000,
      secondsPerIteration: 4.2,
      seconds: 4.2 * optimizer.iterations,
    };
    return context.json(estimate);
  });
  app.get('/api/v1/jobs', (context) => {
    const kind = context.req.query('kind');
    const found = [...jobs.values()].map(({ job }) => job).filter((job) => job.kind === kind);
    return context.json({ jobs: found.toReversed(), next: null });
  });
  app.post('/api/v1/jobs', async (context) => {
    const request = await context.req.json();
    const id = `job_${++counter}`;
    const job = {
      kind: request.kind,
      request,
      result: null,
      id,
      status: 'queued',
      progress: null,
      error: null,
      ahead: 0,
      attempts: 1,
      createdAt: new Date(1_764_000_000_000 + counter * 60_000).toISOString(),
      startedAt: null,
      finishedAt: null,
    } as unknown as Job;
    const running: Running = {
      job,
      events: [],
      waiting: new Set(),
      log: [],
      samples: [],
      measured: new Map(),
      stopped: false,
    };
    jobs.set(id, running);
    void work(running, 0);
    return context.json(job, 202);
  });
  app.get('/api/v1/jobs/:id', (context) => {
    const running = jobs.get(context.req.param('id'));
    return running === undefined ? context.json(missing, 404) : context.json(running.job);
  });
  app.post('/api/v1/jobs/:id/cancel', (context) => {
    const running = jobs.get(context.req.param('id'))!;
    running.stopped = true;
    return context.json(running.job);
  });
  app.post('/api/v1/jobs/:id/resume', (context) => {
    const running = jobs.get(context.req.param('id'))!;
    running.stopped = false;
    running.events.splice(0, running.events.length, ...running.events.filter(({ type }) => type !== 'end'));
    set(running, { status: 'queued' });
    void work(running, running.log.length);
    return context.json(running.job, 202);
  });
  app.get('/api/v1/jobs/:id/events', (context) => {
    const running = jobs.get(context.req.param('id'))!;
    let next = Number(context.req.header('last-event-id') ?? 0);
    return streamSSE(context, async (stream) => {
      while (!stream.aborted) {
        while (next < running.events.length) {
          const { type, data } = running.events[next++]!;
          await stream.writeSSE({ event: type, data: JSON.stringify(data), id: String(next) });
          if (type === 'end') return;
        }
        await new Promise<void>((resolve) => {
          running.waiting.add(resolve);
          setTimeout(resolve, 200);
        });
      }
    });
  });
  app.get('/api/v1/jobs/:id/files', (context) => {
    const { job, samples, log } = jobs.get(context.req.param('id'))!;
    const adapterFiles = log.length > 0 ? ['adapter.safetensors'] : [];
    const names = [
      'log.jsonl',
      ...adapterFiles,
      ...(samples.length > 0 ? ['best.safetensors'] : []),
      ...samples,
    ];
    const files = names.map((name) => ({
      name,
      bytes: 1,
      mediaType: '',
      url: `/api/v1/jobs/${job.id}/files/${name}`,
    }));
    return context.json({ files });
  });
  app.get('/api/v1/jobs/:id/files/:name{.+}', async (context) => {
    const name = context.req.param('name');
    const { log, measured } = jobs.get(context.req.param('id'))!;
    if (name === 'log.jsonl') return context.text(log.map((line) => `${line}\n`).join(''));
    if (name === 'report.json')
      return context.json({ evaluations: [...measured.values()].map(evaluationOf) });
    if (name.startsWith('samples/')) {
      return context.body((await drawGrid()) as Uint8Array<ArrayBuffer>, 200, {
        'content-type': 'image/png',
      });
    }
    const [, seed, adapted] = /^(\d+)-(\d)\.png$/.exec(name) ?? [];
    if (seed === undefined) return context.html('<!doctype html><title>Report</title><h1>Report</h1>');
    const { job } = jobs.get(context.req.param('id'))!;
    const prompt = job.kind === 'generate' ? job.request.prompts[0]! : 'samples';
    const png = await drawPng(prompt, Number(seed), 64, adapted === '1' ? 0.7 : 0.2);
    return context.body(png as Uint8Array<ArrayBuffer>, 200, { 'content-type': 'image/png' });
  });
  app.use('/*', serveStatic({ root: folder }));

  function tell(running: Running, event: JobEvent): void {
    running.events.push(event);
    for (const resolve of running.waiting) resolve();
    running.waiting.clear();
  }

  function set(running: Running, part: Partial<Job>): void {
    running.job = { ...running.job, ...part } as Job;
  }

  async function work(running: Running, from: number): Promise<void> {
    await pause(tick);
    set(running, { status: 'running', error: null });
    tell(running, { type: 'status', data: { status: 'running' } });
    if (running.job.kind === 'generate') await generate(running);
    else if (running.job.kind === 'evaluate') await evaluate(running);
    else await finetune(running, from);
    set(running, { status: running.stopped ? 'cancelled' : 'succeeded' });
    tell(running, { type: 'end', data: running.job });
  }

  async function generate(running: Running): Promise<void> {
    const { job } = running;
    if (job.kind !== 'generate') return;
    const { prompts, imagesPerPrompt, seed = 1, adapter } = job.request;
    const prompt = prompts[0]!;
    const share = adapter === undefined ? 0.2 : 0.7;
    const images = [];
    for (let preview = 0; preview < 2; preview++) {
      for (let index = 0; index < imagesPerPrompt; index++) {
        const png = Buffer.from(await drawPng(prompt, seed + index, 8 * (preview + 1), share)).toString(
          'base64',
        );
        tell(running, { type: 'preview', data: { index, preview, step: 5 * (preview + 1), steps: 20, png } });
      }
      tell(running, {
        type: 'progress',
        data: { task: 'draw', step: 5 * (preview + 1), steps: 20, secondsLeft: 1 },
      });
      // Long enough for a busy browser to show them.
      await pause(20 * tick);
    }
    for (let index = 0; index < imagesPerPrompt && !running.stopped; index++) {
      const url = `/api/v1/jobs/${job.id}/files/${seed + index}-${adapter === undefined ? 0 : 1}.png`;
      const image = { index, prompt, seed: seed + index, width: 64, height: 64, url };
      images.push(image);
      tell(running, { type: 'image', data: image });
      await pause(tick);
    }
    set(running, { result: { seed, seconds: 2, images } });
  }

  async function evaluate(running: Running): Promise<void> {
    const { job } = running;
    if (job.kind !== 'evaluate') return;
    const { prompts, adapter, target } = job.request;
    const count = typeof prompts.test === 'string' ? (prompts.count ?? 20) : prompts.test.length;
    const images = count * (prompts.imagesPerPrompt ?? 16);
    const random = randomStream('stand-in evaluate');
    for (const label of adapter === undefined ? ['model'] : ['original', 'fine-tuned']) {
      const counts = MODEL.attributes.map(({ classes }) => classes.map(() => 0));
      for (let done = 8; done - 8 < images && !running.stopped; done += 8) {
        const drawn = Math.min(images, done);
        while (counts[0]!.reduce((sum, each) => sum + each, 0) < drawn) {
          for (const table of counts) {
            const uneven = label === 'fine-tuned' ? 1.1 : 2.2;
            table[Math.floor(table.length * random.uniform() ** uneven)]! += 1;
          }
        }
        const attributes = MODEL.attributes.map(({ name, classes }, axis) => ({
          attribute: name,
          classes,
          counts: counts[axis]!.slice(),
          shares: counts[axis]!.map((each) => each / drawn),
          intervals: counts[axis]!.map((each) => wilsonInterval(each, drawn)),
          target:
            (target as Record<string, unknown>)[name] === undefined ? null : targetOf(target, name, classes),
        }));
        const measured = {
          label,
          group: null,
          images: drawn,
          all: images,
          faces: drawn,
          level: 0.95,
          attributes,
        };
        running.measured.set(label, measured);
        tell(running, { type: 'measured', data: measured });
        const progress = { task: `measure ${label}`, step: drawn, steps: images, secondsLeft: 1 };
        set(running, { progress });
        tell(running, { type: 'progress', data: progress });
        await pause(tick);
      }
    }
    const url = (name: string) => `/api/v1/jobs/${job.id}/files/${name}`;
    set(running, {
      result: {
        seconds: 61,
        report: url('report.html'),
        data: url('report.json'),
        summary: {},
        groups: null,
      },
    });
  }

  async function finetune(running: Running, from: number): Promise<void> {
    const { job } = running;
    if (job.kind !== 'finetune') return;
    const { iterations } = job.request.optimizer;
    const every = job.request.validation.every;
    tell(running, { type: 'note', data: { text: 'an iteration: 16 images, 640 U-Net evaluations in all' } });
    for (let iteration = from + 1; iteration <= iterations && !running.stopped; iteration++) {
      const noise = Math.sin(iteration * 12.9898) * 0.05;
      const distance = 0.05 + 0.3 * Math.exp(-iteration / 30) + noise / 4;
      const validation =
        every > 0 && iteration % every === 0
          ? {
              distance,
              'distance low': distance - 0.06,
              'distance high': distance + 0.06,
              'distance floor': 0.08,
            }
          : undefined;
      running.log[iteration - 1] = JSON.stringify({
        iteration,
        prompt: 'a person',
        loss: 0.9 * Math.exp(-iteration / 40) + 0.3 + noise,
        metrics: { 'bias gender': 0.7 * Math.exp(-iteration / 35) + 0.12 + noise },
        gradientNorm: 0.4 + noise,
        ...(validation === undefined ? {} : { validation }),
      });
      if (validation !== undefined) running.samples.push(`samples/${String(iteration).padStart(8, '0')}.png`);
      const progress = {
        task: 'finetune',
        step: iteration,
        steps: iterations,
        secondsLeft: iterations - iteration,
      };
      set(running, { progress });
      tell(running, { type: 'progress', data: progress });
      await pause(tick);
    }
    if (running.stopped) return;
    for (const origin of ['average', 'best'] as const) {
      const id = `adapter_${job.id}_${origin}`;
      const name = job.request.name ?? job.id;
      const { id: owner, createdAt } = job;
      const { target } = job.request;
      const file = { bytes: 1_638_400, sha256: 'ab'.repeat(32), url: `/api/v1/adapters/${id}/file` };
      adapters.push({ id, name, model: 'portraits', job: owner, origin, target, createdAt, ...file });
    }
    const url = (name: string) => `/api/v1/jobs/${job.id}/files/${name}`;
    const [adapter, best] = adapters.slice(-2).map(({ id }) => id) as [string, string];
    const result = {
      iterations,
      seconds: 400,
      adapter,
      best,
      stopped: null,
      page: url('index.html'),
      log: url('log'),
    };
    set(running, { result } as Partial<Job>);
  }

  const server = await new Promise<Server>((resolve) => {
    const started = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () =>
      resolve(started as Server),
    );
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests,
    failNext: (path, status, body) => failures.set(path, { status, body }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
