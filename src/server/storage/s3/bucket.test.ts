import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Fate, S3StandIn, SeenRequest } from '../../testing/s3_stand_in.ts';
import { STAND_IN_CREDENTIALS, startS3StandIn } from '../../testing/s3_stand_in.ts';
import type { S3Settings } from './address.ts';
import type { Bucket } from './bucket.ts';
import { openBucket } from './bucket.ts';
import { openBucketStore } from './bucket_store.ts';
import { createS3Client } from './requests.ts';

const PART = 64 * 1024;
const ATTEMPTS = 6;
const folder = mkdtempSync(path.join(tmpdir(), 'bucket-'));
const file = path.join(folder, 'file');
const received = path.join(folder, 'received');
const counted: string[] = [];
const observer = {
  onRequest: (operation: string, status: string) => counted.push(`${operation} ${status}`),
  onBytes() {},
};
let standIn: S3StandIn;
let bucket: Bucket;

function settingsOf(more: Partial<S3Settings> = {}): S3Settings {
  return {
    ...{ bucket: standIn.bucket, prefix: 'p/', region: 'eu-test-1', pathStyle: true, partBytes: PART },
    endpoint: new URL(standIn.endpoint),
    credentials: STAND_IN_CREDENTIALS,
    retry: { attempts: ATTEMPTS, firstMilliseconds: 1, mostMilliseconds: 2 },
    ...more,
  };
}

beforeAll(async () => {
  standIn = await startS3StandIn({ leastPart: PART });
  bucket = openBucket(createS3Client(settingsOf(), observer));
});
afterAll(async () => {
  bucket.close();
  await standIn.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  standIn.objects.clear();
  standIn.uploads.clear();
  standIn.seen.length = 0;
  standIn.fate = () => 'pass';
  standIn.clock = 0;
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
  standIn.fate = (request) => (fits(request) && left-- > 0 ? fate : 'pass');
}

describe('a file on its way', () => {
  it.each([0, 1, PART - 1, PART, PART + 1, 3 * PART, 9 * PART + 5])('of %i bytes arrives', async (bytes) => {
    writeFileSync(file, content(bytes));
    const { tag } = (await bucket.put('f/a', file))!;
    const object = standIn.objects.get('p/f/a')!;
    expect(object.content.equals(content(bytes))).toBe(true);
    expect(object.tag).toBe(tag);
    const parts = Math.ceil(bytes / PART);
    expect(standIn.seen.filter(({ query }) => query.has('partNumber'))).toHaveLength(parts > 1 ? parts : 0);
    expect(standIn.uploads.size).toBe(0);
    expect(await bucket.fetch('f/a', received)).toBe(tag);
    expect(readFileSync(received).equals(content(bytes))).toBe(true);
    expect(await bucket.fetch('f/a', received, {}, tag)).toBe(tag);
    expect(counted.at(-1)).toBe('get 304');
  });

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
    writeFileSync(file, content(3 * PART + 1));
    failing(ATTEMPTS - 1, fate);
    await bucket.put('f/a', file);
    expect(standIn.objects.get('p/f/a')!.content.equals(content(3 * PART + 1))).toBe(true);
    failing(ATTEMPTS - 1, fate);
    await bucket.fetch('f/a', received);
    expect(readFileSync(received).equals(content(3 * PART + 1))).toBe(true);
    failing(ATTEMPTS - 1, fate);
    expect(await bucket.list('f')).toHaveLength(1);
    failing(ATTEMPTS - 1, fate);
    await bucket.remove('f/a');
    expect(standIn.objects.size).toBe(0);
  });

  it('goes on where it broke off', async () => {
    writeFileSync(file, content(PART));
    await bucket.put('f/a', file);
    failing(1, 'cut');
    standIn.seen.length = 0;
    await bucket.fetch('f/a', received);
    const [, again] = standIn.seen;
    expect(again!.headers.range).toBe(`bytes=${PART / 2}-`);
    expect(readFileSync(received).equals(content(PART))).toBe(true);
  });

  it('starts anew when it is replaced meanwhile', async () => {
    writeFileSync(file, content(PART));
    await bucket.put('f/a', file);
    const other = content(PART).reverse();
    standIn.fate = ({ headers }) => {
      if (headers.range !== undefined) return 'pass';
      if (standIn.seen.length > 1) return 'pass';
      return 'cut';
    };
    standIn.seen.length = 0;
    const fetching = bucket.fetch('f/a', received);
    const replaced = new Promise<void>((resolve) => {
      const { fate } = standIn;
      standIn.fate = (request) => {
        const decided = fate(request);
        const tag = `"${createHash('md5').update(other).digest('hex')}"`;
        const sha256 = createHash('sha256').update(other).digest('hex');
        const replace = () =>
          standIn.objects.set('p/f/a', { content: other, tag, headers: { 'x-amz-meta-sha256': sha256 } });
        if (request.headers.range !== undefined) {
          replace();
          resolve();
        }
        return decided;
      };
    });
    await Promise.all([fetching, replaced]);
    expect(counted.filter((line) => line === 'get 412')).toHaveLength(1);
    expect(readFileSync(received).equals(other)).toBe(true);
  });

  it('is taken back when a part is refused, and nothing of it remains', async () => {
    writeFileSync(file, content(6 * PART));
    standIn.fate = ({ query }) =>
      query.get('partNumber') === '3' ? { status: 403, code: 'AccessDenied' } : 'pass';
    await expect(bucket.put('f/a', file)).rejects.toThrow(/part was answered 403 AccessDenied/);
    expect(standIn.uploads.size).toBe(0);
    expect(standIn.objects.size).toBe(0);
    expect(counted.at(-1)).toBe('abort 204');
  });

  it('is given up after the last attempt, and leaves what was there', async () => {
    writeFileSync(file, content(10));
    await bucket.put('f/a', file);
    writeFileSync(received, 'older');
    standIn.fate = () => 'cut';
    standIn.seen.length = 0;
    await expect(bucket.fetch('f/a', received)).rejects.toThrow(/get got no answer: ECONNRESET/);
    expect(standIn.seen).toHaveLength(ATTEMPTS);
    expect(readFileSync(received, 'utf8')).toBe('older');
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('is not there when the storage has none', async () => {
    expect(await bucket.fetch('none', received)).toBeNull();
    expect(existsSync(received)).toBe(false);
    expect(await bucket.put('f/a', path.join(folder, 'none'))).toBeUndefined();
    await bucket.remove('none');
  });
});

describe('a bucket', () => {
  it('is listed page by page, without what others named otherwise', async () => {
    writeFileSync(file, 'x');
    const names = Array.from({ length: 25 }, (_, i) => `jobs/a/${String(i).padStart(2, '0')} & <é>`);
    for (const name of names) await bucket.put(name, file);
    const odd = standIn.objects.get(`p/${names[0]!}`)!;
    for (const key of ['p/jobs/a/../b', 'p/jobs/a/.hidden', 'p/jobs/a//c', 'p/jobs/ab', 'q/jobs/a/d']) {
      standIn.objects.set(key, odd);
    }
    expect((await bucket.list('jobs/a')).map(({ name }) => name)).toEqual(names);
  });

  const REFUSED: readonly [string, () => Partial<S3Settings>, RegExp][] = [
    [
      'is not there',
      () => ({ bucket: 'another' }),
      /s3:\/\/another\/p\/ at http:\/\/127.*answered 404 NoSuchBucket.*the bucket another does not exist there/,
    ],
    [
      'lies in another region',
      () => ({ region: 'us-east-1' }),
      /400 AuthorizationHeaderMalformed.*lies in the region eu-test-1, not in us-east-1/,
    ],
    [
      'does not know the key',
      () => ({ credentials: { ...STAND_IN_CREDENTIALS, accessKeyId: 'OTHER' } }),
      /403 InvalidAccessKeyId.*AWS_ACCESS_KEY_ID/,
    ],
    [
      'finds the secret wrong',
      () => ({ credentials: { ...STAND_IN_CREDENTIALS, secretAccessKey: 'wrong' } }),
      /403 SignatureDoesNotMatch.*AWS_SECRET_ACCESS_KEY/,
    ],
    [
      'finds the session over',
      () => ({ credentials: { ...STAND_IN_CREDENTIALS, sessionToken: 'old' } }),
      /400 InvalidToken.*AWS_SESSION_TOKEN/,
    ],
    [
      'has another time',
      () => {
        standIn.clock = -3600;
        return {};
      },
      /403 RequestTimeTooSkewed.*clock is 3[56]\d\d s ahead of the storage's/,
    ],
    [
      'may only be read',
      () => {
        standIn.fate = ({ method }) => (method === 'PUT' ? { status: 403, code: 'AccessDenied' } : 'pass');
        return {};
      },
      /put was answered 403 AccessDenied.*may list, read, write and delete/,
    ],
    [
      'is redirected',
      () => {
        standIn.fate = () => ({ status: 301, code: 'PermanentRedirect' });
        return {};
      },
      /301 PermanentRedirect.*the bucket is elsewhere/,
    ],
    [
      'does not answer',
      () => ({ endpoint: new URL('http://127.0.0.1:9') }),
      /s3:\/\/stand-in\/p\/ at http:\/\/127\.0\.0\.1:9: list got no answer: ECONNREFUSED/,
    ],
  ];
  it.each(REFUSED)('that %s is refused at the start, in words', async (_, change, message) => {
    const settings = settingsOf(change());
    const opened = openBucketStore(path.join(folder, 'data'), 'server_x', settings, observer);
    await expect(opened).rejects.toThrow(message);
    await opened.catch((error: Error) => {
      expect(error.message).not.toMatch(/stand\/in|stand-in-session|wrong/);
    });
  });

  it('that can be used is left as it was', async () => {
    const data = path.join(folder, 'data');
    (await openBucketStore(data, 'server_x', settingsOf(), observer)).close();
    expect(standIn.objects.size).toBe(0);
    expect(standIn.seen.map(({ method }) => method)).toEqual(['GET', 'PUT', 'GET', 'DELETE']);
    expect(readdirSync(path.join(data, 'incoming'))).toEqual([]);
  });
});
