/** Jobs over the API without a socket and without workers: what is taken, answered and refused. */

import { describe, expect, it } from 'vitest';
import { errorOf, GENERATION, jsonOf } from './api_answers.ts';
import { ask } from './open_server.ts';
import { testServer } from './test_server.ts';

const open = testServer('jobs-api', { database: 'memory:' });

/** A target for each group of prompts. */
const groups = [
  { for: 'occupations', gender: 'uniform' },
  { for: ['a person on a horse'], name: 'riders', gender: '60/40' },
];

describe('jobs', () => {
  it('are queued with an id at once, listed in pages, cancelled and removed', async () => {
    const sent = await ask(open, 'POST', '/api/v1/jobs', { ...GENERATION, seed: 3 });
    expect(sent.status).toBe(202);
    const job = await jsonOf(sent);
    expect(sent.headers.get('location')).toBe(`/api/v1/jobs/${job.id}`);
    expect(job).toMatchObject({ kind: 'generate', status: 'queued', attempts: 0, result: null });
    expect(job.request).toMatchObject({ model: 'tiny', seed: 3, width: 16, steps: 20 });
    const second = await jsonOf(ask(open, 'POST', '/api/v1/jobs', GENERATION));
    expect(second.ahead).toBe(1);
    const page = await jsonOf(ask(open, 'GET', '/api/v1/jobs?kind=generate&limit=1'));
    expect(page.jobs.map(({ id }: { id: string }) => id)).toEqual([second.id]);
    const next = await jsonOf(ask(open, 'GET', `/api/v1/jobs?limit=1&before=${page.next}`));
    expect(next.jobs[0].id).toBe(job.id);
    expect(next.next).toBeNull();
    expect(await errorOf(ask(open, 'DELETE', `/api/v1/jobs/${job.id}`))).toEqual([409, 'conflict', '']);
    expect((await jsonOf(ask(open, 'POST', `/api/v1/jobs/${job.id}/cancel`))).status).toBe('cancelled');
    const events = await (await ask(open, 'GET', `/api/v1/jobs/${job.id}/events`)).text();
    expect(events).toMatch(/id: \d+\n?.*event: end/s);
    expect((await ask(open, 'DELETE', `/api/v1/jobs/${job.id}`)).status).toBe(204);
    expect(await errorOf(ask(open, 'GET', `/api/v1/jobs/${job.id}`))).toEqual([404, 'not_found', 'id']);
  });

  it('go on after they were stopped, at the end of the queue', async () => {
    const train = { kind: 'finetune', target: 'gender=uniform' };
    const stopped = await jsonOf(ask(open, 'POST', '/api/v1/jobs', train));
    const resume = (id: string) => ask(open, 'POST', `/api/v1/jobs/${id}/resume`);
    expect(await errorOf(resume(stopped.id))).toEqual([409, 'conflict', '']);
    await ask(open, 'POST', `/api/v1/jobs/${stopped.id}/cancel`);
    const other = await jsonOf(ask(open, 'POST', '/api/v1/jobs', train));
    const resumed = await resume(stopped.id);
    expect(resumed.status).toBe(202);
    expect(await jsonOf(resumed)).toMatchObject({ status: 'queued', finishedAt: null, ahead: 1 });
    for (const id of [stopped.id, other.id]) await ask(open, 'POST', `/api/v1/jobs/${id}/cancel`);
    const drawn = await jsonOf(ask(open, 'POST', '/api/v1/jobs', GENERATION));
    await ask(open, 'POST', `/api/v1/jobs/${drawn.id}/cancel`);
    expect(await errorOf(resume(drawn.id))).toEqual([409, 'conflict', '']);
    expect(await errorOf(resume('job_none'))).toEqual([404, 'not_found', '']);
  });

  it('keep a target for each group of prompts as it was sent', async () => {
    for (const kind of ['finetune', 'evaluate']) {
      const sent = await ask(open, 'POST', '/api/v1/jobs', { kind, target: groups });
      expect(sent.status).toBe(202);
      const { id, request } = await jsonOf(sent);
      expect(request.target).toEqual(groups);
      await ask(open, 'POST', `/api/v1/jobs/${id}/cancel`);
    }
  });

  it('are the same for the same Idempotency-Key', async () => {
    const headers = { 'idempotency-key': 'once' };
    const one = await jsonOf(ask(open, 'POST', '/api/v1/jobs', GENERATION, headers));
    const two = await jsonOf(ask(open, 'POST', '/api/v1/jobs', GENERATION, headers));
    expect(two.id).toBe(one.id);
  });

  it.each([
    [{ kind: 'generate' }, 400, 'invalid_request', 'prompts'],
    [{ kind: 'paint' }, 400, 'invalid_request', 'kind'],
    [{ ...GENERATION, stepz: 3 }, 400, 'invalid_request', ''],
    [{ ...GENERATION, steps: 0 }, 400, 'invalid_request', 'steps'],
    [{ ...GENERATION, width: 17 }, 422, 'does_not_fit', 'width'],
    [{ ...GENERATION, model: 'other' }, 404, 'model_not_found', 'model'],
    [{ ...GENERATION, model: '../tiny' }, 400, 'invalid_request', 'model'],
    [{ ...GENERATION, adapter: 'none' }, 422, 'does_not_fit', 'adapter'],
    [{ ...GENERATION, adapterScale: 0.5 }, 422, 'does_not_fit', 'adapterScale'],
    [{ ...GENERATION, adapter: 'none', adapterScale: 5 }, 400, 'invalid_request', 'adapterScale'],
    [{ kind: 'evaluate', adapterScale: 0.5 }, 422, 'does_not_fit', 'adapterScale'],
    [{ ...GENERATION, prompts: ['x', 'y'], imagesPerPrompt: 200 }, 422, 'does_not_fit', 'imagesPerPrompt'],
    [{ ...GENERATION, scheduler: 'ddim', karras: true }, 422, 'does_not_fit', 'karras'],
    [{ kind: 'finetune', target: { mood: 'uniform' } }, 422, 'does_not_fit', 'target'],
    [
      { kind: 'finetune', target: 'gender=uniform', prompts: { train: '/etc/passwd' } },
      422,
      'does_not_fit',
      'prompts.train',
    ],
    [
      { kind: 'finetune', target: 'gender=uniform', objectives: [{ file: 'evil.mjs' }] },
      400,
      'invalid_request',
      '',
    ],
    [{ kind: 'finetune', target: 'gender=uniform', output: '/tmp' }, 400, 'invalid_request', ''],
    [{ kind: 'finetune', target: [] }, 400, 'invalid_request', 'target'],
    [{ kind: 'finetune', target: [{ gender: 'uniform' }] }, 400, 'invalid_request', 'target.0.for'],
    [
      { kind: 'finetune', target: [...groups, { for: '/etc/passwd', age: 'uniform' }] },
      422,
      'does_not_fit',
      'target.2.for',
    ],
    [
      { kind: 'evaluate', target: [...groups, { for: ['a cat'], mood: 'uniform' }] },
      422,
      'does_not_fit',
      'target',
    ],
    [{ kind: 'evaluate', target: [...groups, groups[1]] }, 422, 'does_not_fit', 'target'],
    [
      { kind: 'finetune', target: groups, validation: { prompts: 1 } },
      422,
      'does_not_fit',
      'validation.prompts',
    ],
    [{ kind: 'evaluate', prompts: { test: 'nowhere' } }, 422, 'does_not_fit', 'prompts.test'],
    [{ kind: 'evaluate', judges: '/tmp' }, 400, 'invalid_request', ''],
  ])('refuse %j', async (body, ...expected) => {
    expect(await errorOf(ask(open, 'POST', '/api/v1/jobs', body))).toEqual(expected);
  });
});
