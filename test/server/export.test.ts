/** Adapters in the formats of other programs: what the server hands out, what it says of it, and what it refuses. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Adapter } from '../../src/diffusion/adapter.ts';
import { readAdapter, writeAdapter } from '../../src/diffusion/adapter_file.ts';
import { openTextToImageModel } from '../../src/diffusion/model.ts';
import { hashModel } from '../../src/evaluate/model_hash.ts';
import { insertAdapter } from '../../src/server/storage/adapters.ts';
import { createLoraLayer } from '../../src/weights/lora_file.ts';
import { openSafetensors } from '../../src/weights/safetensors.ts';
import { ask } from './open_server.ts';
import { testServer } from './test_server.ts';

const server = testServer('export', { database: 'memory:' });
const at = (...names: string[]) => path.join(server.folder, ...names);
const MODULE = 'text_model.encoder.layers.0.self_attn.q_proj';
const data = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i));
const lora: Adapter = {
  lora: {
    textEncoder: new Map([[MODULE, createLoraLayer({ shape: [2, 32], data }, { shape: [32, 2], data }, 1)]]),
    unet: new Map(),
    metadata: {},
  },
  softTokens: null,
};
const tokens: Adapter = { lora: null, softTokens: { count: 2, width: 32, data } };

/** Ids by name. */
const ids: Record<string, string> = {};

beforeAll(async () => {
  const model = openTextToImageModel(at('model'));
  for (const [name, adapter] of Object.entries({ lora, tokens })) {
    writeAdapter(at(`${name}.safetensors`), adapter, {}, model);
    const file = at(`${name}.safetensors`);
    const row = { name, model: 'tiny', job: `job_${name}`, origin: 'average' as const, file };
    const { id } = await insertAdapter(server.context, {
      ...row,
      target: { gender: 'uniform' },
    });
    ids[name] = id;
  }
});

const address = (name: string, query = '') => `/api/v1/adapters/${ids[name]}/export?${query}`;

/** Fetches an export and writes it to a file, unpacking an archive. */
async function fetchExport(name: string, query: string): Promise<string> {
  const answer = await ask(server, 'GET', address(name, query), undefined, { 'accept-encoding': 'gzip' });
  expect(answer.status).toBe(200);
  const [, called] = /^attachment; filename="(.+)"$/.exec(answer.headers.get('content-disposition')!)!;
  const bytes = Buffer.from(await answer.arrayBuffer());
  expect(answer.headers.get('content-encoding')).toBeNull();
  expect(answer.headers.get('content-length')).toBe(String(bytes.length));
  const file = at('fetched', called!);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, bytes);
  if (!called!.endsWith('.tar')) return file;
  execFileSync('tar', ['-xf', file, '-C', path.dirname(file)]);
  return file.slice(0, -'.tar'.length);
}

const dataOf = (adapter: Adapter) => [...adapter.lora!.textEncoder.get(MODULE)!.up.data];

describe('an adapter', () => {
  it.each([
    ['', 'lora.safetensors'],
    ['format=kohya', 'lora.safetensors'],
    ['format=diffusers', 'lora-diffusers.safetensors'],
    ['format=peft', 'lora-peft'],
  ])('is handed out with %j as %s', async (query, name) => {
    const file = await fetchExport('lora', query);
    expect(path.basename(file)).toBe(name);
    expect(dataOf(readAdapter(file, openTextToImageModel(at('model'))))).toEqual([...data]);
  });

  it('is merged into a whole model, in half precision', async () => {
    const merged = await fetchExport('lora', 'format=merged&dtype=float16');
    expect(path.basename(merged)).toBe('lora-merged-float16');
    const [before, after] = [at('model'), merged].map(
      (each) => openTextToImageModel(each).textEncoder.weights,
    );
    const name = before!.names().find((each) => each.endsWith(`${MODULE}.weight`))!;
    const difference = after!.readFloat32(name).map((value, i) => value - before!.readFloat32(name)[i]!);
    // alpha / rank = 1/2; up (32, 2) times down (2, 32), in float16.
    const [i, j] = [3, 5];
    const expected = 0.5 * (data[2 * i]! * data[j]! + data[2 * i + 1]! * data[32 + j]!);
    expect(difference[32 * i + j]).toBeCloseTo(expected, 2);
    expect(after!.info(name).dtype).toBe('F16');
  });

  it('of soft tokens is an embedding under a name', async () => {
    const file = await fetchExport('tokens', 'token=%3Cfair%3E');
    expect([...openSafetensors(file).tensors.keys()]).toEqual(['<fair>']);
  });

  it('says its target, model and version, and its bias once an evaluation measured it', async () => {
    const plain = openSafetensors(await fetchExport('lora', '')).metadata;
    expect(plain).toMatchObject({
      'evenhand.target': '{"gender":"uniform"}',
      'evenhand.model': 'model',
      'evenhand.model.sha256': await hashModel(at('model')),
    });
    expect(plain['evenhand.bias']).toBeUndefined();
    const evaluation = await insertEvaluation();
    const prepared = await (await ask(server, 'POST', address('lora', 'format=kohya'))).json();
    expect(prepared).toMatchObject({ format: 'kohya', name: 'lora.safetensors', evaluation });
    const bias = openSafetensors(await fetchExport('lora', '')).metadata['evenhand.bias']!;
    expect(JSON.parse(bias)).toMatchObject({ gender: { before: { bias: 0.6 }, after: { bias: 0.1 } } });
  });

  it('is prepared once, and fetched under the address that is answered', async () => {
    const answer = await ask(server, 'POST', address('lora', 'format=peft'));
    expect(answer.status).toBe(200);
    const { url, bytes } = (await answer.json()) as { url: string; bytes: number };
    const folders = readdirSync(at('data', 'exports'));
    const head = await ask(server, 'HEAD', url);
    expect(head.headers.get('content-length')).toBe(String(bytes));
    expect((await (await ask(server, 'GET', url)).arrayBuffer()).byteLength).toBe(bytes);
    expect(readdirSync(at('data', 'exports'))).toEqual(folders);
  });

  it.each([
    ['lora', 'format=ckpt', 400, 'invalid_request', 'format', /kohya/],
    ['lora', 'dtype=int8', 400, 'invalid_request', 'dtype', /float16/],
    ['lora', 'format=textual-inversion', 422, 'does_not_fit', 'format', /low-rank updates cannot/],
    ['tokens', 'format=kohya', 422, 'does_not_fit', 'format', /soft tokens cannot be written as kohya/],
    ['tokens', 'format=merged', 422, 'does_not_fit', 'format', /soft tokens stand in front of the prompt/],
    ['unknown', '', 404, 'not_found', undefined, /expected the id or name of an adapter/],
  ])('%s is refused with %s', async (name, query, status, code, field, message) => {
    for (const method of ['GET', 'POST']) {
      const answer = await ask(server, method, address(name, query));
      expect(answer.status).toBe(status);
      const { error } = (await answer.json()) as { error: { code: string; field?: string; message: string } };
      expect(error.code).toBe(code);
      expect(error.field).toBe(field);
      expect(error.message).toMatch(message);
      expect(error.message).not.toContain(server.folder);
    }
  });

  it('is not exported for whoever has gone, nor while the server shuts down', async () => {
    const gone = await server.app.request(`http://127.0.0.1${address('lora', 'dtype=float16')}`, {
      signal: AbortSignal.abort(),
    });
    expect([gone.status, ((await gone.json()) as { error: { code: string } }).error.code]).toEqual([
      409,
      'cancelled',
    ]);
    server.context.draining = true;
    const late = await ask(server, 'GET', address('lora', 'dtype=float16'));
    server.context.draining = false;
    expect([late.status, ((await late.json()) as { error: { code: string } }).error.code]).toEqual([
      503,
      'shutting_down',
    ]);
    expect((await ask(server, 'GET', address('lora', 'dtype=float16'))).status).toBe(200);
  });

  it('whose file is gone is none', async () => {
    const { id } = await insertAdapter(server.context, {
      ...{ name: 'gone', model: 'tiny', job: 'job_gone', origin: 'average', target: null },
      file: at('lora.safetensors'),
    });
    ids.gone = id;
    const file = at('data', 'adapters', `${id}.safetensors`);
    expect(existsSync(file)).toBe(true);
    rmSync(file);
    expect((await ask(server, 'GET', address('gone'))).status).toBe(404);
  });
});

/** A succeeded evaluation of the adapter, as the work leaves it. */
async function insertEvaluation(): Promise<string> {
  const id = 'job_evaluation';
  const request = { kind: 'evaluate', model: 'tiny', adapter: ids.lora, target: { gender: 'uniform' } };
  const row = { id, kind: 'evaluate', lane: 'train', status: 'succeeded', images: 0 };
  const result = JSON.stringify({ seconds: 1, groups: null });
  await server.context.db
    .insertInto('jobs')
    .values({ ...row, request: JSON.stringify(request), result })
    .execute();
  const { sha256 } = await server.context.db
    .selectFrom('adapters')
    .select('sha256')
    .where('id', '=', ids.lora!)
    .executeTakeFirstOrThrow();
  const measured = (mean: number) => ({
    label: 'x',
    attributes: [{ attribute: 'gender', images: 480, prompts: [{}], bias: { mean } }],
  });
  const report = {
    format: 'evenhand-report',
    created: '2026-11-25T00:00:00.000Z',
    setup: {
      model: { name: 'model', hash: `sha256:${await hashModel(at('model'))}` },
      adapter: { name: `${ids.lora}.safetensors`, hash: `sha256:${sha256}` },
      classifiers: [],
    },
    evaluations: [measured(0.6), measured(0.1)],
  };
  mkdirSync(server.context.data.jobFolder(id), { recursive: true });
  writeFileSync(path.join(server.context.data.jobFolder(id), 'report.json'), JSON.stringify(report));
  return id;
}
