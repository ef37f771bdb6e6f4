/** Keys, scopes, sessions and limits of a server that asks for a login. */

import { beforeAll, describe, expect, it } from 'vitest';
import { createKey } from '../../src/server/storage/keys.ts';
import { errorOf, GENERATION, jsonOf } from './api_answers.ts';
import { ask } from './open_server.ts';
import { testServer } from './test_server.ts';

const locked = testServer('accounts-api', { database: 'memory:', login: true });
const secrets: Record<string, string> = {};

beforeAll(async () => {
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

const bearer = (name: string) => ({ authorization: `Bearer ${secrets[name]}` });

describe('accounts', () => {
  it('let nobody in without a key, and each key as far as its scope', async () => {
    expect(await errorOf(ask(locked, 'GET', '/api/v1/jobs'))).toEqual([401, 'unauthorized', '']);
    const unknown = ask(locked, 'GET', '/api/v1/jobs', undefined, { authorization: 'Bearer evh_wrong' });
    expect(await errorOf(unknown)).toEqual([401, 'unauthorized', '']);
    expect(await jsonOf(ask(locked, 'GET', '/api/v1/session'))).toMatchObject({
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
    const made = await jsonOf(ask(locked, 'POST', '/api/v1/keys', body, bearer('admin')));
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
      ask(locked, 'POST', '/api/v1/jobs', { ...GENERATION, imagesPerPrompt }, bearer('few'));
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
