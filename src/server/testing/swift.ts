/** An S3 service of the tests' own: OpenStack Swift in a process and a folder of its own, started and stopped by the test. */

import type { ChildProcessByStdio } from 'node:child_process';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** Credentials that it knows; any session token will do, and is signed. */
export const SWIFT_CREDENTIALS = Object.freeze({
  accessKeyId: 'test:tester',
  secretAccessKey: 'swift/secret+',
  sessionToken: 'swift+session/=',
});

/** Region in which requests have to be signed. */
export const SWIFT_REGION = 'eu-test-1';

/** A bucket's own name in addresses is followed by this domain, which no name server knows. */
export const SWIFT_DOMAIN = 's3.test';

/** An object as Swift has it. */
export interface SwiftObject {
  readonly content: Buffer;
  /** `x-amz-meta-sha256`; null where it has none. */
  readonly sha256: string | null;
}

/**
 * A running service with one bucket. What is in it is seen and changed through Swift's own API, with which the S3 client of the
 * server has nothing in common.
 */
export interface TestSwift {
  readonly endpoint: string;
  readonly bucket: string;
  /** Keys in their order. */
  keys(): Promise<string[]>;
  /** What is kept of uploads in parts: the parts of whole objects; of uploads that go on, a mark and the parts so far. */
  parts(): Promise<string[]>;
  /** An object, put together from its parts; null where there is none. */
  read(key: string): Promise<SwiftObject | null>;
  write(key: string, object: SwiftObject): Promise<void>;
  remove(key: string): Promise<void>;
  /** Removes everything from the bucket. */
  clear(): Promise<void>;
  /** Stops it; its folder goes with it. */
  stop(): Promise<void>;
}

/** Sizes that are enforced. */
export interface SwiftOptions {
  /** Objects on a page of a list. */
  readonly pageSize?: number;
  /** Fewest bytes of a part that is not the last. */
  readonly leastPart?: number;
}

type Program = ChildProcessByStdio<Writable, Readable, null>;

const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('./serve_swift.py', import.meta.url));
const BUCKET = 'evenhand-test';
const DIGEST_HEADER = 'x-object-meta-sha256';

/** Where Debian's package python3-swift puts the part of Swift that speaks S3. */
export const SWIFT_FOLDER = '/usr/lib/python3/dist-packages/swift/common/middleware/s3api';

/**
 * Starts Swift on a free port of 127.0.0.1, as whoever runs the tests; its bucket is addressed in paths. It ends when this process
 * does.
 * @throws Error when Debian's package is not installed, or it does not start
 */
export async function startSwift(options: SwiftOptions = {}): Promise<TestSwift> {
  if (!existsSync(SWIFT_FOLDER)) {
    throw new Error(
      `Swift: expected Debian's python3-swift at ${SWIFT_FOLDER}, found none; run: sudo scripts/setup_system.sh`,
    );
  }
  const { accessKeyId, secretAccessKey } = SWIFT_CREDENTIALS;
  const settings = {
    ...{ region: SWIFT_REGION, domain: SWIFT_DOMAIN, pageSize: 1000, leastPart: 5 * 2 ** 20, ...options },
    users: { [accessKeyId]: secretAccessKey },
  };
  const args = ['-I', SCRIPT, JSON.stringify(settings)];
  const program: Program = spawn(PYTHON, args, { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' });
  const ended = new Promise((resolve) => program.once('close', resolve));
  const endpoint = `http://127.0.0.1:${await portOf(program)}`;
  const container = await signIn(endpoint);
  await container(BUCKET, 'PUT');

  const list = async (name: string): Promise<string[]> => {
    const answer = await container(`${name}?format=json`, 'GET');
    if (answer.status === 404) return [];
    return ((await answer.json()) as { name: string }[]).map((object) => object.name);
  };
  const removeFrom = async (name: string, key: string) => {
    await container(`${name}/${encodeURIComponent(key)}`, 'DELETE');
  };
  const parts = `${BUCKET}%2Bsegments`;
  const keys = () => list(BUCKET);
  return Object.freeze({
    endpoint,
    bucket: BUCKET,
    keys,
    parts: () => list(parts),
    async read(key: string) {
      const answer = await container(`${BUCKET}/${encodeURIComponent(key)}`, 'GET');
      if (answer.status === 404) return null;
      return { content: Buffer.from(await answer.arrayBuffer()), sha256: answer.headers.get(DIGEST_HEADER) };
    },
    async write(key: string, { content, sha256 }: SwiftObject) {
      const headers: Record<string, string> = sha256 === null ? {} : { [DIGEST_HEADER]: sha256 };
      await container(`${BUCKET}/${encodeURIComponent(key)}`, 'PUT', headers, content);
    },
    remove: (key: string) => removeFrom(BUCKET, key),
    async clear() {
      for (const name of [BUCKET, parts]) {
        await Promise.all((await list(name)).map((key) => removeFrom(name, key)));
      }
    },
    async stop() {
      program.stdin.end();
      await ended;
    },
  });
}

/** The port on which it answers, as soon as it does. */
async function portOf(program: Program): Promise<number> {
  let said = '';
  for await (const piece of program.stdout) {
    said += piece;
    if (said.endsWith('\n')) return (JSON.parse(said) as { port: number }).port;
  }
  throw new Error(`Swift: expected ${SCRIPT} to say its port, it ended with ${program.exitCode}`);
}

/** Requests to Swift's own API (OpenStack Object Storage API v1), on paths below the account. */
async function signIn(endpoint: string) {
  const { accessKeyId, secretAccessKey } = SWIFT_CREDENTIALS;
  const user = { 'x-auth-user': accessKeyId, 'x-auth-key': secretAccessKey };
  const { headers } = await fetch(`${endpoint}/auth/v1.0`, { headers: user });
  const account = headers.get('x-storage-url');
  const token = headers.get('x-auth-token') ?? '';
  return async (path: string, method: string, more: Record<string, string> = {}, body?: Buffer) => {
    const answer = await fetch(`${account}/${path}`, {
      ...{ method, headers: { 'x-auth-token': token, ...more } },
      ...(body === undefined ? {} : { body: new Uint8Array(body) }),
    });
    if (!answer.ok && answer.status !== 404) throw new Error(`Swift: ${method} ${path}: ${answer.status}`);
    return answer;
  };
}
