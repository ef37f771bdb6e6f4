/** Load on the server: 32 clients draw on Portraits for some minutes; compared with the bare pipeline on the same images. */

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openTextToImageModel } from '../src/diffusion/model.ts';
import { TextToImagePipeline } from '../src/diffusion/pipeline.ts';
import { createPlan } from '../src/diffusion/schedulers/create_plan.ts';
import { Runtime } from '../src/graph/index.ts';

const PROMPT = 'a photo of the face of a doctor, a person';
const STEPS = 20;
/** Images that the server computes together, and the bare pipeline too. */
const BATCH = 8;

/** Quantile of sorted numbers. */
function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** Median, 95th and 99th percentile in milliseconds. */
function describeTimes(times: readonly number[]): string {
  const sorted = [...times].sort((one, other) => one - other);
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => quantile(sorted, share).toFixed(1));
  return `p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms of ${sorted.length}`;
}

/** Images a second of the pipeline alone, drawing full batches for so many seconds after a first one. */
async function barePace(seconds: number): Promise<number> {
  const runtime = new Runtime();
  const model = openTextToImageModel(fileURLToPath(new URL('../models/portraits', import.meta.url)));
  const pipeline = new TextToImagePipeline(runtime, model, { denoiser: BATCH, decoder: BATCH });
  const size = pipeline.latentSize();
  const draw = async (first: number) => {
    const prompts = Array.from({ length: BATCH }, () => PROMPT);
    const { latents } = await pipeline.sample({
      condition: await pipeline.encodePrompts(prompts),
      unconditional: await pipeline.encodePrompts(prompts.map(() => '')),
      seeds: prompts.map((_, i) => first + i),
      plan: createPlan({ scheduler: model.scheduler, steps: STEPS }),
      guidanceScale: model.defaultGuidanceScale,
      size,
    });
    await pipeline.decode(latents, size);
  };
  await draw(0);
  const started = performance.now();
  let images = 0;
  while (performance.now() - started < seconds * 1000) {
    await draw(images);
    images += BATCH;
  }
  const pace = (images / (performance.now() - started)) * 1000;
  await runtime.close();
  return pace;
}

/** Resident bytes of a process and of those that it started; Linux alone tells. */
function residentBytes(processId: number): number {
  const status = readFileSync(`/proc/${processId}/status`, 'utf8');
  const own = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  const children = readFileSync(`/proc/${processId}/task/${processId}/children`, 'utf8').trim();
  return children
    .split(' ')
    .reduce((sum, child) => (child === '' ? sum : sum + residentBytes(Number(child))), own);
}

/** What the clients saw. */
interface Seen {
  readonly times: number[];
  readonly errors: string[];
}

/** One client: draws an image after the other until the time is over. */
async function drawUntil(url: string, end: number, client: number, seen: Seen): Promise<void> {
  for (let i = 0; performance.now() < end; i++) {
    const started = performance.now();
    try {
      const answer = await fetch(`${url}/v1/images/generations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompt: PROMPT, seed: client * 100_000 + i, steps: STEPS }),
      });
      if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
      await answer.json();
      seen.times.push(performance.now() - started);
    } catch (error) {
      seen.errors.push((error as Error).message);
    }
  }
}

/** Asks for the status again and again, one request after the other, spread over the time. */
async function askStatus(url: string, count: number, end: number, seen: Seen): Promise<void> {
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    try {
      const answer = await fetch(`${url}/api/v1/status`);
      if (!answer.ok) throw new Error(`${answer.status}`);
      await answer.arrayBuffer();
      seen.times.push(performance.now() - started);
    } catch (error) {
      seen.errors.push((error as Error).message);
    }
    const pause = (end - performance.now()) / (count - i) - (performance.now() - started);
    if (pause > 1) await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** Starts the server as users do; resolves with its address once it listens. */
async function startServer(data: string): Promise<{ url: string; processId: number; stop(): Promise<void> }> {
  const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
  const args = ['--import', 'tsx', main, 'serve', '--port', '0', '--data', data, '--log-level', 'warn'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    const url = /^listening on (\S+)$/.exec(line)?.[1];
    if (url === undefined) continue;
    const stop = () =>
      new Promise<void>((resolve) => {
        child.once('exit', () => resolve());
        child.kill('SIGTERM');
      });
    return { url, processId: child.pid!, stop };
  }
  throw new Error(`server: it ended with ${child.exitCode} before it listened`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      clients: { type: 'string', default: '32' },
      requests: { type: 'string', default: '10000' },
    },
  });
  const milliseconds = Number(values.minutes) * 60_000;
  const bare = await barePace(Math.min(60, milliseconds / 1000));
  console.log(`bare pipeline: ${bare.toFixed(2)} images/s in batches of ${BATCH}`);
  const data = mkdtempSync(path.join(tmpdir(), 'server-load-'));
  const server = await startServer(data);
  try {
    const warm: Seen = { times: [], errors: [] };
    await Promise.all(
      Array.from({ length: BATCH }, (_, client) =>
        drawUntil(server.url, performance.now() + 1, client, warm),
      ),
    );
    const before = residentBytes(server.processId);
    const drawn: Seen = { times: [], errors: [] };
    const asked: Seen = { times: [], errors: [] };
    const started = performance.now();
    const end = started + milliseconds;
    await Promise.all([
      ...Array.from({ length: Number(values.clients) }, (_, client) =>
        drawUntil(server.url, end, client, drawn),
      ),
      askStatus(server.url, Number(values.requests), end, asked),
    ]);
    const pace = (drawn.times.length / (performance.now() - started)) * 1000;
    const after = residentBytes(server.processId);
    const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
    console.log(
      `server, ${values.clients} clients: ${pace.toFixed(2)} images/s, ${((100 * pace) / bare).toFixed(1)}% of the bare pipeline`,
    );
    console.log(`images: ${describeTimes(drawn.times)}; ${drawn.errors.length} errors`);
    console.log(`status: ${describeTimes(asked.times)}; ${asked.errors.length} errors`);
    console.log(`memory of server and workers: ${megabytes(before)} before, ${megabytes(after)} after`);
    for (const error of new Set([...drawn.errors, ...asked.errors])) console.log(`error: ${error}`);
    if (drawn.errors.length + asked.errors.length > 0) process.exitCode = 1;
  } finally {
    await server.stop();
    rmSync(data, { recursive: true, force: true });
  }
}

await main();
