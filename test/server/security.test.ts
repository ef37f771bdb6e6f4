/** What the server refuses whoever asks, and what its answers keep others from doing. */

import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { MAX_UNPACKED_TEXT, readPngChunks, writePngChunks } from '../../src/diffusion/png.ts';
import { isLoopback } from '../../src/server/server.ts';
import { errorOf, GENERATION, jsonOf } from './api_answers.ts';
import { ask, openTestServer } from './open_server.ts';
import { testServer } from './test_server.ts';

const open = testServer('security', { database: 'memory:' });

describe('security', () => {
  it('refuses pages of other sites and names that were pointed at this machine', async () => {
    const foreign = { origin: 'https://evil.example' };
    expect(await errorOf(ask(open, 'POST', '/api/v1/jobs', GENERATION, foreign))).toEqual([
      403,
      'cross_site',
      '',
    ]);
    const site = { 'sec-fetch-site': 'cross-site' };
    expect(await errorOf(ask(open, 'POST', '/api/v1/jobs', GENERATION, site))).toEqual([
      403,
      'cross_site',
      '',
    ]);
    const own = { origin: 'http://127.0.0.1', host: '127.0.0.1' };
    expect((await ask(open, 'POST', '/api/v1/jobs', GENERATION, own)).status).toBe(202);
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
      JSON.stringify({ ...GENERATION, negativePrompt: 'x'.repeat(2e6) }),
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
    expect((await jsonOf(answer)).detail).toMatch(/unpacks to more than/);
  });

  it('gives files of the job alone, and lets pages among them run nothing', async () => {
    const { id } = await jsonOf(ask(open, 'POST', '/api/v1/jobs', GENERATION));
    const own = open.context.data.jobFolder(id);
    mkdirSync(path.join(own, 'checkpoints'), { recursive: true });
    writeFileSync(path.join(own, 'report.html'), '<script>alert(1)</script>');
    writeFileSync(path.join(own, 'checkpoints', 'state.json'), '{}');
    writeFileSync(path.join(own, '.hidden'), 'x');
    symlinkSync(path.join(open.folder, 'model', 'model_index.json'), path.join(own, 'link.json'));
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
    const { files } = await jsonOf(ask(open, 'GET', `/api/v1/jobs/${id}/files`));
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
    const dataFolder = path.join(open.folder, 'wide');
    const server = await openTestServer(open.folder, { database: 'memory:', dataFolder, host: '0.0.0.0' });
    expect(server.context.login).toBe(true);
    await expect(server.start()).rejects.toThrow(/expected an admin key before other machines can reach/);
    await server.stop();
    expect(readFileSync(path.join(dataFolder, 'server-id'), 'utf8')).toMatch(/^server_[0-9a-f]{16}\n$/);
  });

  it('keeps a second server out of a data folder', async () => {
    const dataFolder = path.join(open.folder, 'taken');
    mkdirSync(dataFolder);
    writeFileSync(path.join(dataFolder, 'server.pid'), String(process.ppid));
    const second = openTestServer(open.folder, { database: 'memory:', dataFolder });
    await expect(second).rejects.toThrow(
      /taken: expected a folder of its own, but the server with process id/,
    );
  });
});
