/** Servers on the tiny model for tests: in a folder of their own, with the real worker processes. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createLogger } from '../../src/server/operations/logger.ts';
import type { ServerOptions } from '../../src/server/server.ts';
import { EvenhandServer } from '../../src/server/server.ts';

/** Prompts of the sets of test servers. */
const PROMPTS: Readonly<Record<string, readonly string[]>> = Object.freeze({
  occupations: ['a nurse', 'a pilot'],
  sports: ['a person playing golf'],
});

/** A folder that is removed by whoever asked for it. */
export function temporaryFolder(name: string): { readonly path: string; remove(): void } {
  const folder = mkdtempSync(path.join(tmpdir(), `${name}-`));
  return { path: folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Options of a test server with the model at `folder/model` and its state at `folder/data`. */
export function testOptions(folder: string, options: Partial<ServerOptions> = {}): ServerOptions {
  const worker = new URL('../../src/cli/tasks/worker.ts', import.meta.url);
  return {
    version: '0.0.0-test',
    host: '127.0.0.1',
    port: 0,
    dataFolder: path.join(folder, 'data'),
    models: new Map([['tiny', path.join(folder, 'model')]]),
    promptSets: { names: Object.keys(PROMPTS), promptsOf: (name) => PROMPTS[name]! },
    login: false,
    logger: createLogger('silent'),
    terminal: path.join(folder, 'terminal'),
    mostQueued: 100,
    largestUpload: 64 * 1024,
    leaseSeconds: 30,
    ...options,
    lanes: {
      worker,
      workerArguments: ['cpu', '1'],
      mostImages: 4,
      heartbeatMilliseconds: 200,
      pollMilliseconds: 200,
      idleMilliseconds: 60_000,
      ...options.lanes,
    },
  };
}

/** Opens a server that does not listen. */
export function openTestServer(
  folder: string,
  options: Partial<ServerOptions> = {},
): Promise<EvenhandServer> {
  return EvenhandServer.open(testOptions(folder, options));
}

/** An answer of an app without a socket, with the header Host that a client on this machine sends. */
export function ask(
  server: Pick<EvenhandServer, 'app'>,
  method: string,
  address: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return Promise.resolve(
    server.app.request(`http://127.0.0.1${address}`, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    }),
  );
}
