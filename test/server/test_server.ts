/** The server of a test file: on a model and in a folder of its own, opened before the file's tests and removed after them. */

import path from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { EvenhandServer, ServerOptions } from '../../src/server/server.ts';
import { writeTinyJudgedModel } from '../tiny_judged_model.ts';
import { openTestServer, temporaryFolder } from './open_server.ts';

/** A server, its folder, and its life. */
export interface TestServer extends Pick<EvenhandServer, 'app' | 'context' | 'lanes'> {
  /** Holds the model in `model`, and the server's state in `data`. */
  readonly folder: string;
  /** Address; empty where it does not listen. */
  readonly url: string;
  /** Key that it shows at its first start with a login; `null` without. */
  readonly adminKey: string | null;
  stop(graceMilliseconds?: number): Promise<void>;
  /** Opens it again after it was stopped; options beside those that it had. */
  reopen(options?: Partial<ServerOptions>): Promise<void>;
}

/** What the tests of a file need of their server. */
export interface TestServerNeeds {
  /** Listens and works; without it, requests come by `ask` and jobs wait. */
  readonly listens?: boolean;
  /** The model's detector finds a face in every image. */
  readonly seesFaces?: boolean;
}

/**
 * A server for the tests of a file; to be called once at its top, before the hooks that use it.
 * @param name beginning of the folder's name
 * @param options of the server, or what makes them of the folder before it is opened
 */
export function testServer(
  name: string,
  options: Partial<ServerOptions> | ((folder: string) => Partial<ServerOptions>),
  { listens = false, seesFaces = false }: TestServerNeeds = {},
): TestServer {
  const folder = temporaryFolder(name);
  let server: EvenhandServer;
  let started: Awaited<ReturnType<EvenhandServer['start']>> | undefined;
  let own: Partial<ServerOptions> = {};
  const open = async () => {
    server = await openTestServer(folder.path, own);
    started = listens ? await server.start() : undefined;
  };
  beforeAll(async () => {
    writeTinyJudgedModel(path.join(folder.path, 'model'), { seesFaces });
    own = typeof options === 'function' ? options(folder.path) : options;
    await open();
  });
  afterAll(async () => {
    await server?.stop(0);
    folder.remove();
  });
  return {
    folder: folder.path,
    get app() {
      return server.app;
    },
    get context() {
      return server.context;
    },
    get lanes() {
      return server.lanes;
    },
    get url() {
      return started?.url ?? '';
    },
    get adminKey() {
      return started?.adminKey ?? null;
    },
    stop: (graceMilliseconds) => server.stop(graceMilliseconds),
    reopen(more = {}) {
      own = { ...own, ...more };
      return open();
    },
  };
}
