/** Two servers on one PostgreSQL database and one bucket: what one leaves the other serves, draws with, and goes on with. */

import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { writeAdapter } from '../../src/diffusion/adapter_file.ts';
import { gaussianNoise } from '../../src/diffusion/noise.ts';
import type { Adapter, Job, JobFile } from '../../src/server/schemas/web_types.ts';
import type { EvenhandServer } from '../../src/server/server.ts';
import type { Fate, FaultyProxy, SeenRequest } from '../../src/server/testing/faulty_proxy.ts';
import { startFaultyProxy } from '../../src/server/testing/faulty_proxy.ts';
import type { TestPostgres } from '../../src/server/testing/postgres.ts';
import { startPostgres } from '../../src/server/testing/postgres.ts';
import type { SwiftObject, TestSwift } from '../../src/server/testing/swift.ts';
import { SWIFT_CREDENTIALS, SWIFT_REGION, startSwift } from '../../src/server/testing/swift.ts';
import { writeTinyJudgedModel } from '../tiny_judged_model.ts';
import { ask, openTestServer, temporaryFolder } from './open_server.ts';

const folder = temporaryFolder('object-storage');
let postgres: TestPostgres;
let swift: TestSwift;
let proxy: FaultyProxy;
/** Works on every job; and one with a folder of its own, which works only while the first is drained. */
let first: EvenhandServer;
let second: EvenhandServer;

function open(name: string): Promise<EvenhandServer> {
  return openTestServer(folder.path, {
    dataFolder: path.join(folder.path, name),
    database: postgres.url,
    storage: {
      ...{
        bucket: swift.bucket,
        prefix: 'team/',
        region: SWIFT_REGION,
        pathStyle: true,
        partBytes: 32 * 1024,
      },
      endpoint: new URL(proxy.endpoint),
      credentials: SWIFT_CREDENTIALS,
      retry: { attempts: 5, firstMilliseconds: 1, mostMilliseconds: 4 },
    },
  });
}

beforeAll(async () => {
  writeTinyJudgedModel(path.join(folder.path, 'model'), { seesFaces: true });
  [postgres, swift] = await Promise.all([startPostgres(), startSwift({ leastPart: 32 * 1024 })]);
  proxy = await startFaultyProxy(swift.endpoint);
  first = await open('first');
  await first.start();
  second = await open('second');
});
afterEach(() => {
  proxy.fate = () => 'pass';
});
afterAll(async () => {
  await first.stop(0);
  await second.stop(0);
  await proxy.close();
  await swift.stop();
  postgres.stop();
  folder.remove();
});

async function call(server: EvenhandServer, method: string, address: string, body?: unknown): Promise<never> {
  const answer = await ask(server, method, address, body);
  return (answer.status === 204 ? null : await answer.json()) as never;
}
const send = (body: unknown): Promise<Job> => call(first, 'POST', '/api/v1/jobs', body);
const isOver = ({ status }: Job) => status !== 'queued' && status !== 'running';

async function until(id: string, done: (job: Job) => boolean = isOver): Promise<Job> {
  for (;;) {
    const job = (await call(second, 'GET', `/api/v1/jobs/${id}`)) as Job;
    if (done(job)) return job;
    if (isOver(job)) throw new Error(`job ${id} is over too early: ${job.status} ${job.error?.message}`);
    await sleep(20);
  }
}
async function bytesOf(server: EvenhandServer, address: string): Promise<Buffer> {
  const answer = await ask(server, 'GET', address);
  expect(answer.status, address).toBe(200);
  return Buffer.from(await answer.arrayBuffer());
}
async function filesOf(server: EvenhandServer, id: string): Promise<JobFile[]> {
  const { files } = (await call(server, 'GET', `/api/v1/jobs/${id}/files`)) as { files: JobFile[] };
  return files;
}
/** Steps of the checkpoints whose digests are there. */
const stepsOf = (keys: Iterable<string>) =>
  [...keys]
    .map((key) => Number(/checkpoints\/checkpoint-(\d+)\.safetensors\.sha256$/.exec(key)?.[1] ?? 0))
    .filter((step) => step > 0)
    .sort((one, other) => one - other);
const keysOf = async (id: string) => (await swift.keys()).filter((key) => key.includes(`/${id}/`));
const jobsAt = (name: string) => readdirSync(path.join(folder.path, name, 'jobs'));

const DRAWING = { kind: 'generate', prompts: ['a nurse', 'a cook'], steps: 2, seed: 3 };
const FINETUNING = {
  kind: 'finetune',
  target: { gender: 'uniform' },
  train: { part: 'text-encoder', rank: 2 },
  prompts: { train: 'occupations', imagesPerPrompt: 2 },
  sampler: { steps: [2, 2], guidanceScale: 3 },
  optimizer: { iterations: 15, learningRate: 0.01 },
  validation: { every: 0 },
  checkpointEvery: 3,
};

describe('images', () => {
  it('that one server drew are served by another one, and gone from both when they are removed', async () => {
    const { id } = await send(DRAWING);
    const job = await until(id);
    expect(job.error).toBeNull();
    if (job.kind !== 'generate') throw new Error('expected a generation');
    const { images } = job.result!;
    expect(await keysOf(id)).toEqual([`team/jobs/${id}/00000-3.png`, `team/jobs/${id}/00001-3.png`]);
    for (const { url } of images) {
      expect((await bytesOf(second, url)).equals(await bytesOf(first, url))).toBe(true);
    }
    expect((await filesOf(second, id)).map(({ name }) => name)).toEqual(['00000-3.png', '00001-3.png']);
    expect(await filesOf(second, id)).toEqual(await filesOf(first, id));
    const asked = proxy.seen.length;
    await bytesOf(second, images[0]!.url);
    expect(proxy.seen.length).toBe(asked);
    for (const name of ['..%2F..%2Fserver-id', '%2e%2e/%2e%2e/server-id', '.stored.json', 'none.png']) {
      const answer = await ask(second, 'GET', `/api/v1/jobs/${id}/files/${name}`);
      expect(answer.status, name).toBe(404);
    }
    await call(second, 'DELETE', `/api/v1/jobs/${id}`);
    expect(await keysOf(id)).toEqual([]);
    expect(jobsAt('second')).not.toContain(id);
    expect((await ask(first, 'GET', images[0]!.url)).status).toBe(404);
  });

  it('come through a storm of 503s, resets and answers that break off', async () => {
    const storm = new Map<string, number>();
    const fates = [
      { status: 503, code: 'SlowDown' },
      'reset',
      'lost',
      { status: 503, code: 'SlowDown' },
    ] as const;
    proxy.fate = ({ method, key }: SeenRequest) => {
      const times = storm.get(`${method} ${key}`) ?? 0;
      storm.set(`${method} ${key}`, times + 1);
      return fates[times] ?? 'pass';
    };
    const { id } = await send(DRAWING);
    const job = await until(id);
    expect(job.error).toBeNull();
    expect(await keysOf(id)).toHaveLength(2);
    const metrics = await first.context.metrics.registry.metrics();
    const counted = (labels: string) =>
      Number(new RegExp(`evenhand_storage_request_seconds_count\\{${labels}\\} (\\d+)`).exec(metrics)?.[1]);
    expect(counted('operation="put",status="503"')).toBeGreaterThanOrEqual(4);
    expect(counted('operation="put",status="none"')).toBeGreaterThanOrEqual(4);
    expect(metrics).toMatch(/evenhand_storage_bytes_total\{direction="sent"\} [1-9]/);
  });

  it('fail their job in words while the storage is down, as the server says of itself', async () => {
    proxy.fate = () => ({ status: 503, code: 'ServiceUnavailable' });
    const { id } = await send(DRAWING);
    const job = await until(id);
    expect(job).toMatchObject({ status: 'failed', error: { code: 'job_failed' } });
    expect(job.error!.message).toMatch(
      /s3:\/\/evenhand-test\/team\/ at http.*put was answered 503 ServiceUnav/,
    );
    const listed = await ask(second, 'GET', `/api/v1/jobs/${id}/files`);
    expect(listed.status).toBe(503);
    expect(listed.headers.get('retry-after')).toBe('30');
    expect(await listed.json()).toMatchObject({ error: { code: 'storage_unavailable' } });
    const ready = await ask(second, 'GET', '/readyz');
    expect(ready.status).toBe(503);
    expect(await ready.json()).toEqual({
      ready: false,
      checks: { database: true, storage: false, running: true },
    });
    expect(await call(second, 'GET', '/api/v1/status')).toMatchObject({
      storage: { kind: 's3', answers: false },
    });
    expect((await ask(second, 'GET', '/healthz')).status).toBe(200);
  });
});

describe('a fine-tuning', () => {
  it('that is cancelled is in the bucket before it is over, with what it goes on from', async () => {
    const long = { optimizer: { iterations: 400, learningRate: 0.01 }, checkpointEvery: 400 };
    const { id } = await send({ ...FINETUNING, ...long });
    await until(id, ({ progress }) => (progress?.step ?? 0) >= 1);
    expect(await keysOf(id)).toEqual([]);
    await call(first, 'POST', `/api/v1/jobs/${id}/cancel`);
    expect((await until(id)).status).toBe('cancelled');
    const [step] = stepsOf(await keysOf(id));
    const log = await bytesOf(second, `/api/v1/jobs/${id}/files/log.jsonl`);
    expect(log.toString().trim().split('\n')).toHaveLength(step!);
  });

  it('is gone on with by another server from the checkpoint that was kept while it ran', async () => {
    // What there is in the bucket at a moment at which the first server might have died: a checkpoint has arrived whole, and
    // all of the next one but its digest.
    let died: Map<string, SwiftObject> | null = null;
    proxy.fate = async ({ method, key }): Promise<Fate> => {
      if (method !== 'PUT' || died !== null || !/checkpoints\/checkpoint-\d+.safetensors.sha256$/.test(key)) {
        return 'pass';
      }
      const [folderOfRun] = key.split('checkpoints/');
      const own = (await swift.keys()).filter((each) => each.startsWith(folderOfRun!));
      if (stepsOf(own).length > 0) {
        died = new Map(
          await Promise.all(own.map(async (each) => [each, (await swift.read(each))!] as const)),
        );
      }
      return 'pass';
    };
    const { id } = await send({ ...FINETUNING, name: 'whole' });
    const whole = await until(id);
    expect(whole.error).toBeNull();
    expect(proxy.seen.some(({ query }) => query.has('partNumber'))).toBe(true);
    const log = await bytesOf(second, `/api/v1/jobs/${id}/files/log.jsonl`);
    const { adapters } = (await call(second, 'GET', '/api/v1/adapters')) as { adapters: Adapter[] };
    const adapter = adapters.find(({ name }) => name === 'whole')!;
    const weights = await bytesOf(second, adapter.url);
    expect(weights.length).toBe(adapter.bytes);
    const object = await swift.read(`team/adapters/${adapter.id}.safetensors`);
    expect(object!.content.equals(weights)).toBe(true);
    expect(stepsOf(await keysOf(id))).toEqual([12, 15]);
    expect((await filesOf(second, id)).some(({ name }) => name.includes('checkpoint'))).toBe(false);

    // As if nothing of it had come after that moment, neither to the bucket nor to the database.
    const steps = stepsOf(died!.keys());
    expect(steps[0]).toBeGreaterThan(0);
    expect(steps[0]).toBeLessThan(12);
    // Digests that arrive side by side leave two whole checkpoints at that moment; the newest counts.
    const step = steps.at(-1)!;
    for (const key of await keysOf(id)) await swift.remove(key);
    for (const [key, object] of died!) await swift.write(key, object);
    const { db } = second.context;
    await db.deleteFrom('adapters').where('job', '=', id).execute();
    await db.updateTable('jobs').set({ status: 'failed', result: null }).where('id', '=', id).execute();
    await db.deleteFrom('job_events').where('job', '=', id).execute();
    await first.stop(0);
    await second.start();
    expect(await call(second, 'POST', `/api/v1/jobs/${id}/resume`)).toMatchObject({ status: 'queued' });
    const resumed = await until(id);
    expect(resumed.error).toBeNull();
    const { data: progress } = await db
      .selectFrom('job_events')
      .select('data')
      .where('job', '=', id)
      .where('type', '=', 'progress')
      .orderBy('id')
      .limit(1)
      .executeTakeFirstOrThrow();
    expect(progress).toMatchObject({ task: 'finetune', step: step + 1, steps: 15 });
    const withoutTimes = (text: Buffer) =>
      text
        .toString()
        .trim()
        .split('\n')
        .map((line) => ({ ...JSON.parse(line), seconds: 0 }));
    const again = await bytesOf(second, `/api/v1/jobs/${id}/files/log.jsonl`);
    expect(withoutTimes(again)).toEqual(withoutTimes(log));
    // Iterations before the checkpoint were not computed again: their lines still hold the seconds that they took.
    const untilCheckpoint = (text: Buffer) => text.toString().split('\n').slice(0, step);
    expect(untilCheckpoint(again)).toEqual(untilCheckpoint(log));
    const { adapters: after } = (await call(second, 'GET', '/api/v1/adapters')) as { adapters: Adapter[] };
    const remade = after.find(({ job }) => job === id)!;
    expect(remade.sha256).toBe(adapter.sha256);

    // The first server comes back with what it had left on its disk: the bucket counts.
    first = await open('first');
    expect((await bytesOf(first, `/api/v1/jobs/${id}/files/log.jsonl`)).equals(again)).toBe(true);
    expect((await bytesOf(first, remade.url)).equals(weights)).toBe(true);

    // Removed before the job is sent: a worker that had begun would lose the file in the middle.
    rmSync(path.join(folder.path, 'second', 'adapters'), { recursive: true });
    const drawn = (await call(second, 'POST', '/api/v1/jobs', { ...DRAWING, adapter: remade.id })) as Job;
    expect((await until(drawn.id)).error).toBeNull();
    await call(first, 'DELETE', `/api/v1/adapters/${remade.id}`);
    expect((await swift.keys()).filter((key) => key.includes(remade.id))).toEqual([]);
  }, 240_000);
});

describe('an adapter that is sent', () => {
  it('to one server is handed out by another one', async () => {
    const file = path.join(folder.path, 'sent.safetensors');
    mkdirSync(folder.path, { recursive: true });
    const softTokens = { count: 1, width: 32, data: gaussianNoise({ seed: 2 }, 32) };
    writeAdapter(file, { lora: null, softTokens } as Parameters<typeof writeAdapter>[1], {});
    const answer = await second.app.request('http://127.0.0.1/api/v1/adapters?name=sent', {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: readFileSync(file),
    });
    expect(answer.status).toBe(201);
    const { url } = (await answer.json()) as Adapter;
    expect((await bytesOf(first, url)).equals(readFileSync(file))).toBe(true);
  });
});
