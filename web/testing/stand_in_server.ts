/** A server of the API's shape for the terminal's tests: deterministic, in memory, quick; images are drawn scenes. */

import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { promptEntries } from '../../src/portraits/prompts/index.ts';
import type {
  Adapter,
  AdapterExport,
  Estimate,
  Job,
  Understanding,
} from '../../src/server/schemas/web_types.ts';
import { peopleOf, understand } from '../../src/text/understanding/index.ts';
import { drawGrid, drawPng, evaluationOf, MODEL } from './drawn.ts';
import type { Running } from './stand_in_jobs.ts';
import { pause, set, work } from './stand_in_jobs.ts';

/** A running stand-in. */
export interface StandIn {
  /** Address with a closing slash. */
  readonly url: string;
  /** Bodies of the jobs that were sent. */
  readonly sent: readonly unknown[];
  /** Requests that came in, as `METHOD path`. */
  readonly requests: readonly string[];
  /** Makes the next request of a path fail with this body. */
  failNext(path: string, status: number, body: unknown): void;
  close(): Promise<void>;
}

/**
 * Starts the stand-in on a free port of this machine.
 * @param folder the built terminal
 * @param tick milliseconds between the events of a job
 */
export async function startStandIn(folder: string, tick = 15): Promise<StandIn> {
  const app = new Hono();
  const jobs = new Map<string, Running>();
  const adapters: Adapter[] = [];
  const workplace = { tick, adapters };
  const requests: string[] = [];
  const sent: unknown[] = [];
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
  app.post('/api/v1/adapters/:id/export', async (context) => {
    await pause(2 * tick);
    const id = context.req.param('id');
    const format = context.req.query('format') as AdapterExport['format'];
    const { name } = adapters.find((adapter) => adapter.id === id)!;
    const file = format === 'merged' ? `${name}-merged.tar` : `${name}.safetensors`;
    const url = `/api/v1/adapters/${id}/export?${new URLSearchParams(context.req.query())}`;
    return context.json({ format, name: file, bytes: 3_200_000_000, evaluation: null, url });
  });
  app.get('/api/v1/adapters/:id/export', (context) => context.body(`as ${context.req.query('format')}`));
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
    sent.push(request);
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
    void work(running, 0, workplace);
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
    void work(running, running.log.length, workplace);
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

  const server = await new Promise<Server>((resolve) => {
    const started = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () =>
      resolve(started as Server),
    );
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests,
    sent,
    failNext: (path, status, body) => failures.set(path, { status, body }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
