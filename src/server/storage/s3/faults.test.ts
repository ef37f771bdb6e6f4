import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Fate, FaultyProxy, SeenRequest } from '../../testing/faulty_proxy.ts';
import { startFaultyProxy } from '../../testing/faulty_proxy.ts';
import type { TestSwift } from '../../testing/swift.ts';
import { SWIFT_CREDENTIALS, SWIFT_REGION, startSwift } from '../../testing/swift.ts';
import type { S3Settings } from './address.ts';
import type { Bucket } from './bucket.ts';
import { openBucket } from './bucket.ts';
import { openBucketStore } from './bucket_store.ts';
import type { S3Client } from './requests.ts';
import { createS3Client } from './requests.ts';

const PART = 64 * 1024;
const ATTEMPTS = 6;
const folder = mkdtempSync(path.join(tmpdir(), 'faults-'));
const file = path.join(folder, 'file');
const received = path.join(folder, 'received');
const counted: string[] = [];
const observer = {
  onRequest: (operation: string, status: string) => counted.push(`${operation} ${status}`),
  onBytes() {},
};
let swift: TestSwift;
let proxy: FaultyProxy;
let client: S3Client;
let bucket: Bucket;

function settings(): S3Settings {
  return {
    ...{ bucket: swift.bucket, prefix: 'p/', region: SWIFT_REGION, pathStyle: true, partBytes: PART },
    endpoint: new URL(proxy.endpoint),
    credentials: SWIFT_CREDENTIALS,
    retry: { attempts: ATTEMPTS, firstMilliseconds: 1, mostMilliseconds: 2 },
  };
}

beforeAll(async () => {
  swift = await startSwift({ leastPart: PART });
  proxy = await startFaultyProxy(swift.endpoint);
  client = createS3Client(settings(), observer);
  bucket = openBucket(client);
});
afterAll(async () => {
  bucket.close();
  await proxy.close();
  await swift.stop();
  rmSync(folder, { recursive: true });
});
beforeEach(async () => {
  await swift.clear();
  proxy.seen.length = 0;
  proxy.fate = () => 'pass';
  counted.length = 0;
  rmSync(received, { force: true });
});

/** Bytes that repeat nowhere near. */
function content(bytes: number): Buffer {
  return Buffer.from(
    Uint32Array.from({ length: Math.ceil(bytes / 4) }, (_, i) => i * 2654435761).buffer,
  ).subarray(0, bytes);
}

/** Fails the first `times` requests that fit. */
function failing(times: number, fate: Fate, fits: (request: SeenRequest) => boolean = () => true): void {
  let left = times;
  proxy.fate = (request) => (fits(request) && left-- > 0 ? fate : 'pass');
}

const isEnd = ({ method, query }: SeenRequest) => method === 'POST' && query.has('uploadId');
const contentThere = async () => (await swift.read('p/f/a'))?.content;

describe('a file on its way', () => {
  const BUSY: readonly [string, Fate][] = [
    ['says that it is busy (503)', { status: 503, code: 'SlowDown' }],
    ['is asked too often (429)', { status: 429, code: 'TooManyRequests' }],
    ['has a fault of its own (500)', { status: 500, code: 'InternalError' }],
    ['timed out reading (400)', { status: 400, code: 'RequestTimeout' }],
    ['closes connections', 'reset'],
    ['does the work and closes connections', 'lost'],
    ['breaks off its answers', 'cut'],
  ];
  it.each(BUSY)('arrives though the storage %s', async (_, fate) => {
    const whole = content(2 * PART + 1);
    writeFileSync(file, whole);
    failing(ATTEMPTS - 1, fate);
    await bucket.put('f/a', file);
    expect((await contentThere())!.equals(whole)).toBe(true);
    failing(ATTEMPTS - 1, fate);
    await bucket.fetch('f/a', received);
    expect(readFileSync(received).equals(whole)).toBe(true);
    failing(ATTEMPTS - 1, fate);
    expect(await bucket.list('f')).toHaveLength(1);
    failing(ATTEMPTS - 1, fate);
    await bucket.remove('f/a');
    expect(await swift.keys()).toEqual([]);
  });

  it.each([
    ['whole', PART],
    ['in parts', 3 * PART],
  ])('that lies there %s goes on where it broke off', async (_, bytes) => {
    writeFileSync(file, content(bytes));
    await bucket.put('f/a', file);
    failing(1, 'cut');
    proxy.seen.length = 0;
    await bucket.fetch('f/a', received);
    const [, again] = proxy.seen;
    const [, from] = /^bytes=(\d+)-$/.exec(String(again!.headers.range)) ?? [];
    expect(Number(from)).toBeGreaterThan(PART / 4);
    expect(Number(from)).toBeLessThanOrEqual(bytes / 2);
    expect(counted.at(-1)).toBe('get 206');
    expect(readFileSync(received).equals(content(bytes))).toBe(true);
  });

  it.each([
    ['another as long', PART, 'get 412'],
    ['a shorter one', 3, 'get 412'],
    ['nothing', null, 'get 404'],
  ])('starts anew when %s takes its place meanwhile', async (_, bytes, answered) => {
    writeFileSync(file, content(PART));
    await bucket.put('f/a', file);
    const other = bytes === null ? null : content(bytes).reverse();
    proxy.fate = async ({ headers }) => {
      if (headers.range === undefined) return counted.at(-1) === answered ? 'pass' : 'cut';
      const sha256 = other && createHash('sha256').update(other).digest('hex');
      await (other === null ? swift.remove('p/f/a') : swift.write('p/f/a', { content: other, sha256 }));
      return 'pass';
    };
    const tag = await bucket.fetch('f/a', received);
    expect(counted.filter((line) => line === answered)).toHaveLength(1);
    if (other === null) expect(tag).toBeNull();
    else expect(readFileSync(received).equals(other)).toBe(true);
  });

  it('is taken back when a part is refused, and nothing of it remains', async () => {
    writeFileSync(file, content(6 * PART));
    proxy.fate = ({ query }) =>
      query.get('partNumber') === '3' ? { status: 403, code: 'AccessDenied' } : 'pass';
    await expect(bucket.put('f/a', file)).rejects.toThrow(/part was answered 403 AccessDenied/);
    expect(counted.at(-1)).toBe('abort 204');
    expect([...(await swift.keys()), ...(await swift.parts())]).toEqual([]);
  });

  it('is there when its end was carried out and the storage knows nothing of it any more', async () => {
    writeFileSync(file, content(2 * PART));
    const fates: Fate[] = ['lost', { status: 404, code: 'NoSuchUpload' }];
    proxy.fate = (request) => (isEnd(request) ? fates.shift()! : 'pass');
    const put = await bucket.put('f/a', file);
    expect(counted.slice(-3)).toEqual(['complete none', 'complete 404', 'head 200']);
    expect(await bucket.fetch('f/a', received)).toBe(put!.tag);
    expect(readFileSync(received).equals(content(2 * PART))).toBe(true);
  });

  it('is not there when the storage knows nothing of it, whatever lies in its place', async () => {
    writeFileSync(file, content(2 * PART));
    await bucket.put('f/a', file);
    writeFileSync(file, content(2 * PART).reverse());
    failing(1, { status: 404, code: 'NoSuchUpload' }, isEnd);
    await expect(bucket.put('f/a', file)).rejects.toThrow(
      /f\/a was ended by someone else before it was whole/,
    );
    expect(counted.slice(-3)).toEqual(['complete 404', 'head 200', 'abort 204']);
    expect((await contentThere())!.equals(content(2 * PART))).toBe(true);
    expect(await swift.parts()).toHaveLength(2);
  });

  it('is given up after the last attempt, and leaves what was there', async () => {
    writeFileSync(file, content(10));
    await bucket.put('f/a', file);
    writeFileSync(received, 'older');
    proxy.fate = () => 'cut';
    proxy.seen.length = 0;
    await expect(bucket.fetch('f/a', received)).rejects.toThrow(/get got no answer: ECONNRESET/);
    expect(proxy.seen).toHaveLength(ATTEMPTS);
    expect(readFileSync(received, 'utf8')).toBe('older');
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

describe('a bucket', () => {
  it('that is silent is asked again', async () => {
    failing(1, 'silent');
    const query = { 'list-type': '2' };
    const request = { operation: 'list', method: 'GET' as const, key: '', query, silenceMilliseconds: 500 };
    const listed = await client.send(request, (answer) => answer.text());
    expect(listed).toContain('ListBucketResult');
    expect(counted).toEqual(['list none', 'list 200']);
  });

  it.each([
    ['finds the session over', { status: 400, code: 'InvalidToken' }, /400 InvalidToken.*AWS_SESSION_TOKEN/],
    [
      'does not know the key',
      { status: 403, code: 'InvalidAccessKeyId' },
      /403 InvalidAccessKeyId.*AWS_ACCESS_KEY_ID/,
    ],
    [
      'may only be read',
      { status: 403, code: 'AccessDenied', method: 'PUT' },
      /put was answered 403 AccessDenied.*may list, read, write and delete/,
    ],
    [
      'is redirected',
      { status: 301, code: 'PermanentRedirect' },
      /301 PermanentRedirect.*the bucket is elsewhere/,
    ],
  ])('that %s is refused at the start, in words', async (_, { method, ...fate }: Refusal, message) => {
    proxy.fate = (request) => (request.method === (method ?? request.method) ? fate : 'pass');
    const opened = openBucketStore(path.join(folder, 'data'), 'server_x', settings(), observer);
    await expect(opened).rejects.toThrow(message);
  });

  it('is sent no header of its own that is not signed', async () => {
    writeFileSync(file, content(2 * PART));
    await bucket.put('f/a', file);
    await bucket.fetch('f/a', received);
    expect(proxy.seen.length).toBeGreaterThan(4);
    for (const { headers } of proxy.seen) {
      const [, signed = ''] = /SignedHeaders=([^,]+)/.exec(String(headers.authorization)) ?? [];
      const own = Object.keys(headers).filter((name) => name === 'host' || name.startsWith('x-amz-'));
      expect(signed.split(';')).toEqual(expect.arrayContaining(own));
      expect(own).toContain('x-amz-security-token');
    }
  });
});

/** A refusal of requests of a method, or of all. */
interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly method?: string;
}
