/** Routes of the native API without a socket and without workers: what they take, answer and refuse. */

import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_UNPACKED_TEXT, readPngChunks, writePngChunks } from '../../src/diffusion/png.ts';
import type { EvenhandServer } from '../../src/server/server.ts';
import { isLoopback } from '../../src/server/server.ts';
import { createKey } from '../../src/server/storage/keys.ts';
import { writeTinyJudgedModel } from '../tiny_judged_model.ts';
import { ask, openTestServer, temporaryFolder } from './open_server.ts';

const folder = temporaryFolder('api');
let open: EvenhandServer;
let locked: EvenhandServer;
const secrets: Record<string, string> = {};

beforeAll(async () => {
  writeTinyJudgedModel(path.join(folder.path, 'model'));
  const database = 'memory:';
  open = await openTestServer(folder.path, { database, dataFolder: path.join(folder.path, 'open') });
  const dataFolder = path.join(folder.path, 'locked');
  locked = await openTestServer(folder.path, { database, dataFolder, login: true });
  const limits = { jobsPerMinute: null, imagesPerDay: null, expiresAt: null };
  for (const scope of ['generate', 'train', 'admin'] as const) {
    const values = { name: scope, scopes: [scope], ...limits };
    secrets[scope] = (await createKey(locked.context.db, values)).secret;
  }
  const few = {
    name: 'few',
    scopes: ['generate' as const],
    jobsPerMinute: 2,
    imagesPerDay: 5,
    expiresAt: null,
  };
  secrets.few = (await createKey(locked.context.db, few)).secret;
});
afterAll(async () => {
  await open.stop();
  await locked.stop();
  folder.remove();
});

const generate = { kind: 'generate', prompts: ['a nurse'] };
// biome-ignore lint/suspicious/noExplicitAny: what the bodies hold is what the tests are about
const json = async (answer: Response | Promise<Response>): Promise<any> => (await answer).json();
const bearer = (name: string) => ({ authorization: `Bearer ${secrets[name]}` });

async function errorOf(answer: Promise<Response>): Promise<[number, string, string]> {
  const { status } = await answer;
  const { error } = (await (await answer).json()) as {
    error: { code: string; field?: string; requestId: string };
  };
  expect(error.requestId).toBe((await answer).headers.get('x-request-id'));
  return [status, error.code, error.field ?? ''];
}

/** A target for each group of prompts. */
const groups = [
  { for: 'occupations', gender: 'uniform' },
  { for: ['a person on a horse'], name: 'riders', gender: '60/40' },
];

describe('jobs', () => {
  it('are queued with an id at once, listed in pages, cancelled and removed', async () => {
    const sent = await ask(open, 'POST', '/api/v1/jobs', { ...generate, seed: 3 });
    expect(sent.status).toBe(202);
    const job = await json(sent);
    expect(sent.headers.get('location')).toBe(`/api/v1/jobs/${job.id}`);
    expect(job).toMatchObject({ kind: 'generate', status: 'queued', attempts: 0, result: null });
    expect(job.request).toMatchObject({ model: 'tiny', seed: 3, width: 16, steps: 20 });
    const second = await json(ask(open, 'POST', '/api/v1/jobs', generate));
    expect(second.ahead).toBe(1);
    const page = await json(ask(open, 'GET', '/api/v1/jobs?kind=generate&limit=1'));
    expect(page.jobs.map(({ id }: { id: string }) => id)).toEqual([second.id]);
    const next = await json(ask(open, 'GET', `/api/v1/jobs?limit=1&before=${page.next}`));
    expect(next.jobs[0].id).toBe(job.id);
    expect(next.next).toBeNull();
    expect(await errorOf(ask(open, 'DELETE', `/api/v1/jobs/${job.id}`))).toEqual([409, 'conflict', '']);
    expect((await json(ask(open, 'POST', `/api/v1/jobs/${job.id}/cancel`))).status).toBe('cancelled');
    const events = await (await ask(open, 'GET', `/api/v1/jobs/${job.id}/events`)).text();
    expect(events).toMatch(/id: \d+\n?.*event: end/s);
    expect((await ask(open, 'DELETE', `/api/v1/jobs/${job.id}`)).status).toBe(204);
    expect(await errorOf(ask(open, 'GET', `/api/v1/jobs/${job.id}`))).toEqual([404, 'not_found', 'id']);
  });

  it('go on after they were stopped, at the end of the queue', async () => {
    const train = { kind: 'finetune', target: 'gender=uniform' };
    const stopped = await json(ask(open, 'POST', '/api/v1/jobs', train));
    const resume = (id: string) => ask(open, 'POST', `/api/v1/jobs/${id}/resume`);
    expect(await errorOf(resume(stopped.id))).toEqual([409, 'conflict', '']);
    await ask(open, 'POST', `/api/v1/jobs/${stopped.id}/cancel`);
    const other = await json(ask(open, 'POST', '/api/v1/jobs', train));
    const resumed = await resume(stopped.id);
    expect(resumed.status).toBe(202);
    expect(await json(resumed)).toMatchObject({ status: 'queued', finishedAt: null, ahead: 1 });
    for (const id of [stopped.id, other.id]) await ask(open, 'POST', `/api/v1/jobs/${id}/cancel`);
    const drawn = await json(ask(open, 'POST', '/api/v1/jobs', generate));
    await ask(open, 'POST', `/api/v1/jobs/${drawn.id}/cancel`);
    expect(await errorOf(resume(drawn.id))).toEqual([409, 'conflict', '']);
    expect(await errorOf(resume('job_none'))).toEqual([404, 'not_found', '']);
  });

  it('keep a target for each group of prompts as it was sent', async () => {
    for (const kind of ['finetune', 'evaluate']) {
      const sent = await ask(open, 'POST', '/api/v1/jobs', { kind, target: groups });
      expect(sent.status).toBe(202);
      const { id, request } = await json(sent);
      expect(request.target).toEqual(groups);
      await ask(open, 'POST', `/api/v1/jobs/${id}/cancel`);
    }
  });

  it('are the same for the same Idempotency-Key', async () => {
    const headers = { 'idempotency-key': 'once' };
    const one = await json(ask(open, 'POST', '/api/v1/jobs', generate, headers));
    const two = await json(ask(open, 'POST', '/api/v1/jobs', generate, headers));
    expect(two.id).toBe(one.id);
  });

  it.each([
    [{ kind: 'generate' }, 400, 'invalid_request', 'prompts'],
    [{ kind: 'paint' }, 400, 'invalid_request', 'kind'],
    [{ ...generate, stepz: 3 }, 400, 'invalid_request', ''],
    [{ ...generate, steps: 0 }, 400, 'invalid_request', 'steps'],
    [{ ...generate, width: 17 }, 422, 'does_not_fit', 'width'],
    [{ ...generate, model: 'other' }, 404, 'model_not_found', 'model'],
    [{ ...generate, model: '../tiny' }, 400, 'invalid_request', 'model'],
    [{ ...generate, adapter: 'none' }, 422, 'does_not_fit', 'adapter'],
    [{ ...generate, prompts: ['x', 'y'], imagesPerPrompt: 200 }, 422, 'does_not_fit', 'imagesPerPrompt'],
    [{ ...generate, scheduler: 'ddim', karras: true }, 422, 'does_not_fit', 'karras'],
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

describe('resources', () => {
  it('are models, prompt sets and targets', async () => {
    const { models } = await json(ask(open, 'GET', '/api/v1/models'));
    expect(models[0]).toMatchObject({
      name: 'tiny',
      side: 16,
      isDefault: true,
      canFinetune: true,
      canEvaluate: true,
      licences: [{ part: null, name: null, source: null }],
    });
    expect(models[0]).not.toHaveProperty('folder');
    const { promptSets } = await json(ask(open, 'GET', '/api/v1/prompt-sets'));
    expect(promptSets).toContainEqual({ name: 'occupations', train: 2, test: 2, example: 'a nurse' });
    expect((await json(ask(open, 'GET', '/api/v1/prompt-sets/sports'))).prompts).toEqual([
      'a person playing golf',
    ]);
    const saved = await ask(open, 'PUT', '/api/v1/targets/mine', { target: { gender: '30/70' } });
    expect(saved.status).toBe(200);
    const { targets } = await json(ask(open, 'GET', '/api/v1/targets'));
    expect(targets).toContainEqual({
      name: 'mine',
      description: '',
      target: { gender: '30/70' },
      builtIn: false,
    });
    const bad = ask(open, 'PUT', '/api/v1/targets/mine', { target: { gender: '30/30' } });
    expect(await errorOf(bad)).toEqual([422, 'does_not_fit', 'target']);
    const shipped = ask(open, 'DELETE', '/api/v1/targets/gender-uniform');
    expect(await errorOf(shipped)).toEqual([409, 'conflict', '']);
  });

  it('understand prompts', async () => {
    const prompt = 'two women and an old Indian man, oil painting';
    const understood = await json(ask(open, 'POST', '/api/v1/understand', { prompt }));
    expect(understood.named).toEqual({ gender: true, race: true, age: true, people: true });
    expect(understood.people.groups).toHaveLength(2);
  });

  it('are described by OpenAPI 3.1 and a page without anything from elsewhere', async () => {
    const document = await json(ask(open, 'GET', '/openapi.json'));
    expect(document.openapi).toBe('3.1.0');
    for (const route of [
      '/api/v1/jobs',
      '/v1/images/generations',
      '/sdapi/v1/txt2img',
      '/api/v1/estimates',
      '/api/v1/jobs/{id}/events',
      '/api/v1/jobs/{id}/resume',
    ]) {
      expect(Object.keys(document.paths)).toContain(route);
    }
    const references = JSON.stringify(document).match(/#\/components\/schemas\/\w+/g)!;
    const schemas = Object.keys(document.components.schemas);
    for (const reference of references) expect(schemas).toContain(reference.split('/').at(-1));
    const page = await (await ask(open, 'GET', '/docs')).text();
    expect(page).toContain('/v1/images/generations');
    expect(page).not.toMatch(/<script|<link|src="|url\(|https?:\/\//);
  });

  it('say how the server stands', async () => {
    expect(await json(ask(open, 'GET', '/healthz'))).toEqual({ status: 'ok' });
    expect(await json(ask(open, 'GET', '/readyz'))).toEqual({
      ready: true,
      checks: { database: true, running: true },
    });
    const { lanes } = await json(ask(open, 'GET', '/api/v1/status'));
    expect(lanes[0]).toMatchObject({ name: 'draw', worker: 'stopped', crashes: 0 });
    await ask(open, 'POST', '/api/v1/jobs', generate);
    const metrics = await (await ask(open, 'GET', '/metrics')).text();
    expect(metrics).toMatch(
      /evenhand_http_request_seconds_count\{method="GET",route="\/healthz",status="200"\} 1/,
    );
    expect(metrics).toMatch(/evenhand_jobs\{lane="draw",status="queued"\} \d/);
    const page = await ask(open, 'GET', '/');
    expect(await page.text()).toContain('The browser terminal is not built');
  });
});

describe('accounts', () => {
  it('let nobody in without a key, and each key as far as its scope', async () => {
    expect(await errorOf(ask(locked, 'GET', '/api/v1/jobs'))).toEqual([401, 'unauthorized', '']);
    const unknown = ask(locked, 'GET', '/api/v1/jobs', undefined, { authorization: 'Bearer evh_wrong' });
    expect(await errorOf(unknown)).toEqual([401, 'unauthorized', '']);
    expect(await json(ask(locked, 'GET', '/api/v1/session'))).toMatchObject({
      login: true,
      key: null,
      scopes: [],
    });
    expect((await ask(locked, 'GET', '/api/v1/jobs', undefined, bearer('generate'))).status).toBe(200);
    const train = { kind: 'finetune', target: 'gender=uniform' };
    const refused = ask(locked, 'POST', '/api/v1/jobs', train, bearer('generate'));
    expect(await errorOf(refused)).toEqual([403, 'forbidden', '']);
    expect((await ask(locked, 'POST', '/api/v1/jobs', train, bearer('train'))).status).toBe(202);
    expect(await errorOf(ask(locked, 'GET', '/api/v1/keys', undefined, bearer('train')))).toEqual([
      403,
      'forbidden',
      '',
    ]);
    expect((await ask(locked, 'GET', '/metrics', undefined, bearer('admin'))).status).toBe(200);
    expect((await ask(locked, 'GET', '/healthz')).status).toBe(200);
  });

  it('make, show and revoke keys', async () => {
    const body = { name: 'new', scopes: ['generate'] };
    const made = await json(ask(locked, 'POST', '/api/v1/keys', body, bearer('admin')));
    const own = { authorization: `Bearer ${made.secret}` };
    expect((await ask(locked, 'GET', '/api/v1/jobs', undefined, own)).status).toBe(200);
    const listed = await (await ask(locked, 'GET', '/api/v1/keys', undefined, bearer('admin'))).text();
    expect(listed).toContain(made.id);
    expect(listed).not.toContain(made.secret);
    expect((await ask(locked, 'DELETE', `/api/v1/keys/${made.id}`, undefined, bearer('admin'))).status).toBe(
      204,
    );
    expect((await ask(locked, 'GET', '/api/v1/jobs', undefined, own)).status).toBe(401);
  });

  it('keep a browser session in a cookie that scripts cannot read', async () => {
    const answer = await ask(locked, 'POST', '/api/v1/session', { key: secrets.generate });
    const cookie = answer.headers.get('set-cookie')!;
    expect(cookie).toMatch(/HttpOnly/);
    expect(cookie).toMatch(/SameSite=Strict/);
    const session = { cookie: cookie.split(';')[0]! };
    expect((await ask(locked, 'GET', '/api/v1/jobs', undefined, session)).status).toBe(200);
    const wrong = ask(locked, 'POST', '/api/v1/session', { key: 'evh_wrong' });
    expect(await errorOf(wrong)).toEqual([401, 'unauthorized', 'key']);
  });

  it('hold each key to its rate and its quota', async () => {
    const send = (imagesPerPrompt: number) =>
      ask(locked, 'POST', '/api/v1/jobs', { ...generate, imagesPerPrompt }, bearer('few'));
    expect(await errorOf(send(6))).toEqual([429, 'insufficient_quota', '']);
    expect((await send(3)).status).toBe(202);
    const over = await send(3);
    expect(over.headers.get('retry-after')).toBe('3600');
    expect((await send(1)).status).toBe(202);
    expect(await errorOf(send(1))).toEqual([429, 'rate_limit_exceeded', '']);
    const openAi = await ask(locked, 'POST', '/v1/images/generations', { prompt: 'x' }, bearer('few'));
    expect(await openAi.json()).toMatchObject({ error: { type: 'requests', code: 'rate_limit_exceeded' } });
  });
});

describe('security', () => {
  it('refuses pages of other sites and names that were pointed at this machine', async () => {
    const foreign = { origin: 'https://evil.example' };
    expect(await errorOf(ask(open, 'POST', '/api/v1/jobs', generate, foreign))).toEqual([
      403,
      'cross_site',
      '',
    ]);
    const site = { 'sec-fetch-site': 'cross-site' };
    expect(await errorOf(ask(open, 'POST', '/api/v1/jobs', generate, site))).toEqual([403, 'cross_site', '']);
    const own = { origin: 'http://127.0.0.1', host: '127.0.0.1' };
    expect((await ask(open, 'POST', '/api/v1/jobs', generate, own)).status).toBe(202);
    const rebound = ask(open, 'GET', '/api/v1/jobs', undefined, { host: 'evil.example:7860' });
    expect(await errorOf(rebound)).toEqual([421, 'wrong_host', '']);
  });

  it('takes only plain JSON of a limited size', async () => {
    const form = { 'content-type': 'text/plain', 'content-length': '2' };
    const plain = ask(open, 'POST', '/api/v1/jobs', '{}', form);
    expect(await errorOf(plain)).toEqual([415, 'unsupported_media_type', '']);
    const packed = ask(open, 'POST', '/api/v1/jobs', '{}', { 'content-encoding': 'gzip' });
    expect(await errorOf(packed)).toEqual([415, 'unsupported_media_type', '']);
    const broken = ask(open, 'POST', '/api/v1/jobs', '{');
    expect(await errorOf(broken)).toEqual([400, 'invalid_body', '']);
    const huge = ask(
      open,
      'POST',
      '/api/v1/jobs',
      JSON.stringify({ ...generate, negativePrompt: 'x'.repeat(2e6) }),
    );
    expect(await errorOf(huge)).toEqual([413, 'body_too_large', '']);
  });

  it('does not unpack what packs too much', async () => {
    const png = await sharp({ create: { width: 1, height: 1, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    const bomb = deflateSync(Buffer.alloc(MAX_UNPACKED_TEXT + 1));
    const [header, ...rest] = readPngChunks(png);
    const text = { type: 'zTXt', data: Buffer.concat([Buffer.from('parameters\0\0', 'latin1'), bomb]) };
    const image = Buffer.from(writePngChunks([header!, text, ...rest])).toString('base64');
    const answer = await ask(open, 'POST', '/sdapi/v1/png-info', { image });
    expect(answer.status).toBe(422);
    expect((await json(answer)).detail).toMatch(/unpacks to more than/);
  });

  it('gives files of the job alone, and lets pages among them run nothing', async () => {
    const { id } = await json(ask(open, 'POST', '/api/v1/jobs', generate));
    const own = open.context.data.jobFolder(id);
    mkdirSync(path.join(own, 'checkpoints'), { recursive: true });
    writeFileSync(path.join(own, 'report.html'), '<script>alert(1)</script>');
    writeFileSync(path.join(own, 'checkpoints', 'state.json'), '{}');
    writeFileSync(path.join(own, '.hidden'), 'x');
    symlinkSync(path.join(folder.path, 'model', 'model_index.json'), path.join(own, 'link.json'));
    const get = (name: string) => ask(open, 'GET', `/api/v1/jobs/${id}/files/${name}`);
    const report = await get('report.html');
    expect(report.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/);
    expect(report.headers.get('x-content-type-options')).toBe('nosniff');
    for (const name of [
      '..%2f..%2f..%2fmodel%2fmodel_index.json',
      '%2e%2e/%2e%2e/server-id',
      '..%5c..%5cserver-id',
      '%2fetc%2fpasswd',
      'report.html%00.png',
      '.hidden',
      'link.json',
      'checkpoints/state.json',
    ]) {
      expect((await get(name)).status, name).toBe(404);
    }
    const { files } = await json(ask(open, 'GET', `/api/v1/jobs/${id}/files`));
    expect(files.map(({ name }: { name: string }) => name)).toEqual(['report.html']);
  });

  it('sets protective headers, compresses, and shows no fault of its own', async () => {
    const answer = await ask(open, 'GET', '/docs', undefined, { 'accept-encoding': 'gzip' });
    expect(answer.headers.get('content-encoding')).toBe('gzip');
    expect(answer.headers.get('content-security-policy')).toMatch(/script-src 'self'/);
    expect(answer.headers.get('x-frame-options')).toBe('SAMEORIGIN');
    expect(await errorOf(ask(open, 'GET', '/api/v1/nothing'))).toEqual([404, 'unknown_route', '']);
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('listens beyond this machine only with keys', async () => {
    expect(['127.0.0.1', '127.9.9.9', 'localhost', '::1'].map(isLoopback)).toEqual([true, true, true, true]);
    expect(['0.0.0.0', '::', '192.168.1.2', '127.evil.example'].map(isLoopback)).toEqual([
      false,
      false,
      false,
      false,
    ]);
    const dataFolder = path.join(folder.path, 'wide');
    const server = await openTestServer(folder.path, { database: 'memory:', dataFolder, host: '0.0.0.0' });
    expect(server.context.login).toBe(true);
    await expect(server.start()).rejects.toThrow(/expected an admin key before other machines can reach/);
    await server.stop();
    expect(readFileSync(path.join(dataFolder, 'server-id'), 'utf8')).toMatch(/^server_[0-9a-f]{16}\n$/);
  });

  it('keeps a second server out of a data folder', async () => {
    const dataFolder = path.join(folder.path, 'taken');
    mkdirSync(dataFolder);
    writeFileSync(path.join(dataFolder, 'server.pid'), String(process.ppid));
    const second = openTestServer(folder.path, { database: 'memory:', dataFolder });
    await expect(second).rejects.toThrow(
      /taken: expected a folder of its own, but the server with process id/,
    );
  });
});
