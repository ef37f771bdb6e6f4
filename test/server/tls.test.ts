/** A server with certificate files: what it answers over TLS, to whom, and which files it refuses. */

import { existsSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../run_cli.ts';
import { openTestServer } from './open_server.ts';
import { selfSignedCertificate } from './self_signed_certificate.ts';
import { testServer } from './test_server.ts';

const own = selfSignedCertificate();
const server = testServer('tls', writeCertificates, { listens: true });
const at = (name: string) => path.join(server.folder, name);

/** Puts certificates and keys of all kinds into the folder; the server has those that belong together. */
function writeCertificates(folder: string) {
  const other = selfSignedCertificate();
  const files = { 'own.crt': own.certificate, 'own.key': own.key, 'other.key': other.key, 'broken.crt': 'x' };
  for (const [name, text] of Object.entries(files))
    writeFileSync(path.join(folder, name), text, { mode: 0o600 });
  const tls = { certificate: path.join(folder, 'own.crt'), key: path.join(folder, 'own.key') };
  return { database: 'memory:', tls, login: true };
}

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

function ask(
  { request }: { request: typeof https.request },
  address: string,
  options: https.RequestOptions & { readonly body?: unknown } = {},
): Promise<Answer> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    const sent = request(
      { hostname, port, path: address, agent: false, ...rest } as https.RequestOptions,
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        answer.on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers, body: text }));
      },
    );
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

describe('a server with a certificate', () => {
  it('answers whoever trusts it, and tells browsers to stay with TLS', async () => {
    expect(server.url).toMatch(/^https:/);
    const { status, headers, body } = await ask(https, '/healthz', { ca: own.certificate });
    expect([status, JSON.parse(body)]).toEqual([200, { status: 'ok' }]);
    expect(headers['strict-transport-security']).toMatch(/max-age=\d+/);
  });

  it('keeps the session in a cookie that leaves the browser over TLS alone', async () => {
    const { status, headers } = await ask(https, '/api/v1/session', {
      ca: own.certificate,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: { key: server.adminKey },
    });
    expect(status).toBe(200);
    expect(headers['set-cookie']![0]).toMatch(/; Secure/);
  });

  it('is not believed without its certificate, and does not speak without TLS', async () => {
    await expect(ask(https, '/healthz')).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    await expect(ask(http as never, '/healthz')).rejects.toMatchObject({
      code: expect.stringMatching(/ECONNRESET|EPIPE|HPE_INVALID/),
    });
  });

  it('refuses protocols of old', async () => {
    const old = { ca: own.certificate, maxVersion: 'TLSv1.1' as const, minVersion: 'TLSv1' as const };
    await expect(ask(https, '/healthz', old)).rejects.toThrow();
  });
});

describe('certificate files', () => {
  it.each([
    ['missing.crt', 'own.key', /certificate .*missing\.crt.*ENOENT/],
    ['own.crt', 'missing.key', /key .*missing\.key.*ENOENT/],
    ['broken.crt', 'own.key', /certificate .*broken\.crt and key/],
    ['own.crt', 'other.key', /certificate .*own\.crt and key .*other\.key.*key values mismatch/],
  ])('are refused before anything is opened: %s with %s', async (certificate, key, message) => {
    const dataFolder = at(`data-${certificate}-${key}`);
    const tls = { certificate: at(certificate), key: at(key) };
    const broken = openTestServer(server.folder, { database: 'memory:', dataFolder, tls });
    await expect(broken).rejects.toThrow(message);
    expect(existsSync(dataFolder)).toBe(false);
  });

  it('are needed together', async () => {
    const result = await runCli(['serve', '--certificate', at('own.crt'), '--model', at('model')]);
    expect(result.stderr).toMatch(/--certificate and --key: expected both or none/);
    expect(result.status).not.toBe(0);
  });
});
