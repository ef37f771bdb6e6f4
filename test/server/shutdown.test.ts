/** What becomes of answers that wait while the server stops: nothing that was asked for is lost. */

import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import type { JobList } from '../../src/server/schemas/web_types.ts';
import { testServer } from './test_server.ts';

const server = testServer('shutdown', {}, { listens: true });

/** A drawing by the official client; requests of different steps are not drawn together. */
function draw(steps: number, key: string): Promise<{ readonly data?: { readonly b64_json?: string }[] }> {
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const request = { prompt: 'a nurse', seed: 7, steps } as never;
  return client.images.generate(request, { headers: { 'Idempotency-Key': key } });
}

const listJobs = async () => ((await (await fetch(`${server.url}/api/v1/jobs`)).json()) as JobList).jobs;

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

    await server.reopen();
    const late = await draw(2, 'waits');
    expect(late.data).toHaveLength(1);
    expect((await draw(300, 'runs')).data).toEqual(drawn.data);
    expect((await listJobs()).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
  });
});
