/** A running server: its data folder, database, lanes and socket, from the first to the last. */

import { readFileSync } from 'node:fs';
import type { Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import { createAdaptorServer } from '@hono/node-server';
import type { Logger } from 'pino';
import type { JobStore } from '../cluster/job_store.ts';
import { createApp } from './app.ts';
import type { PromptSets } from './catalogue.ts';
import { openCatalogue } from './catalogue.ts';
import type { App, ServerContext } from './context.ts';
import type { LaneSettings, RunningLanes } from './lanes.ts';
import { createLanes } from './lanes.ts';
import type { Metrics } from './operations/metrics.ts';
import { createMetrics } from './operations/metrics.ts';
import type { DataFolder } from './storage/data_folder.ts';
import { openDataFolder } from './storage/data_folder.ts';
import { createJobWatch } from './storage/events.ts';
import type { FileStore } from './storage/file_store.ts';
import { createFolderStore } from './storage/file_store.ts';
import { countOpenJobs, databaseJobStore, recover } from './storage/jobs.ts';
import { createKey, hasAdminKey } from './storage/keys.ts';
import { openDatabase } from './storage/open_database.ts';
import type { S3Settings } from './storage/s3/address.ts';
import { openBucketStore } from './storage/s3/bucket_store.ts';

/** How to run a server. */
export interface ServerOptions {
  readonly version: string;
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** Folder of everything that the server keeps; with `storage`, of copies. */
  readonly dataFolder: string;
  /** Bucket in which files are kept; the data folder when left out. */
  readonly storage?: S3Settings;
  /** Address of a PostgreSQL server; embedded in the data folder when left out. */
  readonly database?: string;
  /** Folders of models by name; the first is the default. */
  readonly models: ReadonlyMap<string, string>;
  readonly promptSets: PromptSets;
  /** Whether keys are asked for; always on other addresses than this machine's own. */
  readonly login: boolean;
  /** Certificate and key files for TLS. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  readonly logger: Logger;
  /** Folder of the built terminal. */
  readonly terminal: string;
  readonly mostQueued: number;
  /** Bytes of the largest adapter that is taken. */
  readonly largestUpload: number;
  readonly lanes: LaneSettings;
  /** Seconds that a lease of a job lasts without a heartbeat. */
  readonly leaseSeconds: number;
}

/** Where a server can be reached, and the secret that it shows once. */
export interface Started {
  readonly url: string;
  /** Secret of the first admin key, on the first start with login. */
  readonly adminKey: string | null;
}

const LOOPBACK_NAMES: readonly string[] = Object.freeze(['localhost', '127.0.0.1', '[::1]']);

/** Whether an address is this machine's own and no other machine can reach it. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Reads certificate and key. @throws Error naming the file that is missing, or both where they do not fit */
function readCertificate({ certificate, key }: NonNullable<ServerOptions['tls']>): Certificate {
  const read = (what: string, file: string) => {
    try {
      return readFileSync(file);
    } catch (error) {
      throw new Error(`${what} ${file}: ${(error as Error).message}`, { cause: error });
    }
  };
  const options = { cert: read('certificate', certificate), key: read('key', key) };
  try {
    createSecureContext(options);
  } catch (error) {
    const message = `certificate ${certificate} and key ${key}: expected PEM that belongs together: ${(error as Error).message}`;
    throw new Error(message, { cause: error });
  }
  return options;
}

function openFiles(
  storage: S3Settings | undefined,
  data: DataFolder,
  metrics: Metrics,
): FileStore | Promise<FileStore> {
  if (storage === undefined) return createFolderStore(data.path);
  return openBucketStore(data.path, data.owner, storage, {
    onRequest: (operation, status, seconds) =>
      metrics.storageRequests.observe({ operation, status }, seconds),
    onBytes: (direction, bytes) => metrics.storageBytes.inc({ direction }, bytes),
  });
}

/** A server from its start to its shutdown. */
export class EvenhandServer {
  readonly context: ServerContext;
  readonly app: App;
  readonly lanes: RunningLanes;
  readonly #options: ServerOptions;
  readonly #tls: Certificate | undefined;
  #http: HttpServer | null = null;

  private constructor(
    options: ServerOptions,
    tls: Certificate | undefined,
    context: ServerContext,
    lanes: RunningLanes,
  ) {
    this.#options = options;
    this.#tls = tls;
    this.context = context;
    this.lanes = lanes;
    this.app = createApp(context);
  }

  /**
   * Opens models, data folder and database, and gives interrupted jobs back to the queue; nothing listens yet.
   * @throws Error naming the certificate, model, folder, bucket or database that cannot be used
   */
  static async open(options: ServerOptions): Promise<EvenhandServer> {
    const tls = options.tls && readCertificate(options.tls);
    const catalogue = openCatalogue(options.models);
    const data = openDataFolder(options.dataFolder);
    let files: FileStore | null = null;
    try {
      const metrics = createMetrics({
        jobs: () => countOpenJobs(context.db),
        workers: () => context.queue.workers(),
      });
      files = await openFiles(options.storage, data, metrics);
      const db = await openDatabase(options.database ?? data.database);
      await recover(db, data.owner);
      const watch = createJobWatch();
      const { leaseSeconds } = options;
      const store = databaseJobStore(db, { owner: data.owner, leaseSeconds, onChange: watch.changed });
      const counted: JobStore = {
        ...store,
        async finish(id, outcome) {
          await store.finish(id, outcome);
          metrics.jobsEnded.inc({ status: outcome.status });
        },
      };
      const lanes = createLanes(() => context, counted, options.lanes);
      const login = options.login || !isLoopback(options.host);
      const context: ServerContext = {
        version: options.version,
        db,
        data,
        files,
        catalogue,
        promptSets: options.promptSets,
        watch,
        queue: lanes,
        metrics,
        logger: options.logger,
        login,
        secure: options.tls !== undefined,
        hosts: [
          ...new Set([...LOOPBACK_NAMES, isIP(options.host) === 6 ? `[${options.host}]` : options.host]),
        ],
        mostQueued: options.mostQueued,
        largestUpload: options.largestUpload,
        terminal: options.terminal,
        startedAt: performance.now(),
        draining: false,
      };
      return new EvenhandServer(options, tls, context, lanes);
    } catch (error) {
      files?.close();
      data.release();
      throw error;
    }
  }

  /**
   * Listens and begins to work.
   * @throws Error when the address is not this machine's own and no admin key was made, or cannot be listened on
   */
  async start(): Promise<Started> {
    const { host, port } = this.#options;
    const tls = this.#tls;
    const { db, login, logger } = this.context;
    let adminKey: string | null = null;
    if (login && !(await hasAdminKey(db))) {
      if (!isLoopback(host)) {
        throw new Error(
          `${host}: expected an admin key before other machines can reach the server, found none; ` +
            'start it once with --login on 127.0.0.1, which prints one',
        );
      }
      const values = { scopes: ['admin' as const], jobsPerMinute: null, imagesPerDay: null, expiresAt: null };
      adminKey = (await createKey(db, { name: 'first admin', ...values })).secret;
    }
    if (!isLoopback(host) && tls === undefined) {
      logger.warn('keys and images travel unencrypted; give a certificate, or let a proxy in front do TLS');
    }
    const server = createAdaptorServer({
      fetch: this.app.fetch,
      ...(tls === undefined
        ? {}
        : {
            createServer: createHttpsServer,
            serverOptions: tls,
          }),
    } as Parameters<typeof createAdaptorServer>[0]) as HttpServer;
    this.#http = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    this.lanes.start();
    const address = server.address() as AddressInfo;
    const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return { url: `${tls === undefined ? 'http' : 'https'}://${name}:${address.port}`, adminKey };
  }

  /** Takes no more work, lets running work end or go back to the queue, and closes everything. */
  async stop(graceMilliseconds = 30_000): Promise<void> {
    this.context.draining = true;
    const http = this.#http;
    const closed = http && new Promise<void>((resolve) => http.close(() => resolve()));
    await this.lanes.drain(graceMilliseconds);
    // Answers that wait look for the end of their job once a second.
    const timer = setTimeout(() => http?.closeAllConnections(), 2000);
    http?.closeIdleConnections();
    await closed;
    clearTimeout(timer);
    this.context.files.close();
    await this.context.db.destroy();
    this.context.data.release();
  }
}
