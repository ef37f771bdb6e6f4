/** What becomes of answers that wait while the server stops: nothing that was asked for is lost. */

import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JobList } from '../../src/server/schemas/web_types.ts';
import type { EvenhandServer } from '../../src/server/server.ts';
import { writeTinyModel } from '../tiny_model.ts';
import { openTestServer, temporaryFolder } from './open_server.ts';

const folder = temporaryFolder('shutdown');
let server: EvenhandServer;
let url: string;

beforeAll(async () => {
  writeTinyModel(path.join(folder.path, 'model'));
  server = await openTestServer(folder.path);
  ({ url } = await server.start());
});
afterAll(async () => {
  await server.stop(0);
  folder.remove();
});

/** A drawing by the official client; requests of different steps are not drawn together. */
function draw(steps: number, key: string): Promise<{ readonly data?: { readonly b64_json?: string }[] }> {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
  const request = { prompt: 'a nurse', seed: 7, steps } as never;
  return client.images.generate(request, { headers: { 'Idempotency-Key': key } });
}

const listJobs = async () => ((await (await fetch(`${url}/api/v1/jobs`)).json()) as JobList).jobs;

describe('stopping the server', () => {
  it('answers the images that are being drawn, and names the job of those that wait', async () => {
    const running = draw(300, 'runs');
    while (!(await listJobs()).some(({ progress }) => progress !== null)) await sleep(20);
    const waiting = draw(2, 'waits').then(
      () => null,
      (error: InstanceType<typeof OpenAI.APIError>) => error,
    );
    while ((await listJobs()).length < 2) await sleep(20);
    const before = await listJobs();
    expect(before.map(({ status }) => status)).toEqual(['queued', 'running']);
    await server.stop(300_000);
    const drawn = await running;
    expect(drawn.data).toHaveLength(1);
    const fault = (await waiting)!;
    expect(fault).toMatchObject({ status: 503, code: 'shutting_down', error: { job: before[0]!.id } });
    expect(fault.headers!.get('retry-after')).toBe('30');

    server = await openTestServer(folder.path);
    ({ url } = await server.start());
    const late = await draw(2, 'waits');
    expect(late.data).toHaveLength(1);
    expect((await draw(300, 'runs')).data).toEqual(drawn.data);
    expect((await listJobs()).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
  });
});
