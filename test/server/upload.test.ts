/** Adapters that are sent: what is taken and kept, and everything that is refused. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeAdapter } from '../../src/diffusion/adapter_file.ts';
import { gaussianNoise } from '../../src/diffusion/noise.ts';
import { openDataFolder } from '../../src/server/storage/data_folder.ts';
import { createKey } from '../../src/server/storage/keys.ts';
import { ask, openTestServer } from './open_server.ts';
import type { TestServer } from './test_server.ts';
import { testServer } from './test_server.ts';

const server = testServer('upload', { database: 'memory:' });
const dataFolder = path.join(server.folder, 'data');
const LIMIT = 64 * 1024;
let good: Buffer;

/** Bytes of an adapter of soft tokens. */
function softTokens(width: number, metadata: Record<string, string> = {}): Buffer {
  const file = path.join(server.folder, `width-${width}.safetensors`);
  const tokens = { count: 1, width, data: gaussianNoise({ seed: 2 }, width) };
  writeAdapter(file, { lora: null, softTokens: tokens } as Parameters<typeof writeAdapter>[1], metadata);
  return readFileSync(file);
}

beforeAll(() => {
  good = softTokens(32, { 'evenhand.target': '{"gender":"uniform"}' });
});

interface Sent {
  readonly query?: string;
  readonly body?: Uint8Array | ReadableStream | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly to?: Pick<TestServer, 'app'>;
}

async function send({ query = 'name=sent', body = good, headers = {}, to = server }: Sent) {
  const answer = await to.app.request(`http://127.0.0.1/api/v1/adapters?${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', ...headers },
    body,
    ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
  } as RequestInit);
  // biome-ignore lint/suspicious/noExplicitAny: what the bodies hold is what the tests are about
  return { status: answer.status, body: (await answer.json()) as any };
}

const kept = () => readdirSync(path.join(dataFolder, 'adapters'));
const chunks = (count: number) =>
  new ReadableStream({
    start(controller) {
      for (let i = 0; i < count; i++) controller.enqueue(new Uint8Array(1024));
      controller.close();
    },
  });
/** The file with another length of its header. */
function withHeaderLength(length: bigint): Buffer {
  const bytes = Buffer.from(good);
  bytes.writeBigUInt64LE(length);
  return bytes;
}

describe('an adapter that is sent', () => {
  it('is checked, kept under the server’s own name, listed, handed out as it came, and used', async () => {
    const { status, body } = await send({ query: 'name=from-elsewhere&model=tiny' });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      name: 'from-elsewhere',
      model: 'tiny',
      job: null,
      origin: 'upload',
      target: { gender: 'uniform' },
      kind: 'softTokens',
      bytes: good.length,
    });
    expect(kept()).toEqual([`${body.id}.safetensors`]);
    const { adapters } = (await (await ask(server, 'GET', '/api/v1/adapters')).json()) as {
      adapters: unknown[];
    };
    expect(adapters).toEqual([body]);
    const file = await ask(server, 'GET', body.url);
    expect(Buffer.from(await file.arrayBuffer()).equals(good)).toBe(true);
    expect(file.headers.get('content-disposition')).toContain('from-elsewhere.safetensors');
    const job = { kind: 'generate', prompts: ['a nurse'], adapter: 'from-elsewhere' };
    expect((await ask(server, 'POST', '/api/v1/jobs', job)).status).toBe(202);
    for (const request of [job, { kind: 'evaluate', adapter: 'from-elsewhere' }]) {
      const scaled = await ask(server, 'POST', '/api/v1/jobs', { ...request, adapterScale: 0.5 });
      const { error } = (await scaled.json()) as { error: unknown };
      expect(scaled.status).toBe(422);
      expect(error).toMatchObject({
        field: 'adapterScale',
        message: expect.stringMatching(
          /^adapterScale: expected 1 for an adapter of soft tokens, received 0.5/,
        ),
      });
    }
  });

  const refused: [string, Sent | (() => Sent), number, string, RegExp][] = [
    ['without a name', { query: '' }, 400, 'invalid_request', /name/],
    ['with a path as name', { query: 'name=..%2F..%2Fserver-id' }, 400, 'invalid_request', /^name: expected/],
    ['with a hidden name', { query: 'name=.hidden' }, 400, 'invalid_request', /^name: expected/],
    ['with a name with NUL', { query: 'name=a%00b' }, 400, 'invalid_request', /^name: expected/],
    [
      'with a name that is taken',
      { query: 'name=from-elsewhere' },
      409,
      'conflict',
      /^name: .*from-elsewhere/,
    ],
    ['for an unknown model', { query: 'name=x&model=other' }, 404, 'model_not_found', /expected tiny/],
    ['as JSON', { headers: { 'content-type': 'application/json' } }, 415, 'unsupported_media_type', /octet/],
    [
      'as a form',
      { headers: { 'content-type': 'multipart/form-data; boundary=x', 'content-length': '9' } },
      415,
      'unsupported_media_type',
      /expected application\/octet-stream/,
    ],
    [
      'compressed',
      { headers: { 'content-encoding': 'gzip' } },
      415,
      'unsupported_media_type',
      /content-encoding/,
    ],
    [
      'from a page of another site',
      { headers: { origin: 'https://evil.example' } },
      403,
      'cross_site',
      /origin/,
    ],
    ['without a body', { body: null }, 422, 'does_not_fit', /received none/],
    ['empty', { body: new Uint8Array(0) }, 422, 'does_not_fit', /expected at least 8 bytes, received 0/],
    [
      'with a length beyond the limit',
      { headers: { 'content-length': String(LIMIT + 1) } },
      413,
      'body_too_large',
      /at most 65536 bytes/,
    ],
    ['too long, whatever it says', { body: chunks(65) }, 413, 'body_too_large', /at most 65536 bytes/],
    [
      'that is no safetensors file',
      { body: Buffer.from('not an adapter') },
      422,
      'does_not_fit',
      /^the file: not/,
    ],
    [
      'with a header longer than the file',
      () => ({ body: withHeaderLength(1_000_000n) }),
      422,
      'does_not_fit',
      /claims 1000000 bytes, but only/,
    ],
    [
      'with a header longer than any',
      () => ({ body: withHeaderLength(2n ** 60n) }),
      422,
      'does_not_fit',
      /more than the allowed/,
    ],
    ['that breaks off', () => ({ body: good.subarray(0, -4) }), 422, 'does_not_fit', /^the file: /],
    ['of another model', () => ({ body: softTokens(16) }), 422, 'does_not_fit', /expected emb_params/],
  ];
  it.each(refused)('is refused %s', async (_, sent, status, code, message) => {
    const before = kept();
    const answer = await send(typeof sent === 'function' ? sent() : sent);
    expect(answer.body.error).toMatchObject({ code });
    expect(answer.status).toBe(status);
    expect(answer.body.error.message).toMatch(message);
    expect(answer.body.error.message).not.toContain(server.folder);
    expect(kept()).toEqual(before);
  });

  it('needs a key that may train, where keys are needed', async () => {
    const locked = await openTestServer(server.folder, {
      database: 'memory:',
      dataFolder: path.join(server.folder, 'locked'),
      login: true,
    });
    const limits = { jobsPerMinute: null, imagesPerDay: null, expiresAt: null };
    const { secret } = await createKey(locked.context.db, { name: 'one', scopes: ['generate'], ...limits });
    expect((await send({ to: locked })).body.error.code).toBe('unauthorized');
    const headers = { authorization: `Bearer ${secret}` };
    expect((await send({ to: locked, headers })).body.error.code).toBe('forbidden');
    await locked.stop();
  });

  it('of which the server saw only a part is gone when it starts again', () => {
    const again = path.join(server.folder, 'again');
    const adapters = path.join(again, 'adapters');
    openDataFolder(again).release();
    mkdirSync(adapters);
    for (const name of ['.adapter_half.safetensors', 'adapter_whole.safetensors']) {
      writeFileSync(path.join(adapters, name), 'x');
    }
    openDataFolder(again).release();
    expect(readdirSync(adapters)).toEqual(['adapter_whole.safetensors']);
  });
});
