import { createHash } from 'node:crypto';
import dns from 'node:dns';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { TestSwift } from '../../testing/swift.ts';
import { SWIFT_CREDENTIALS, SWIFT_DOMAIN, SWIFT_REGION, startSwift } from '../../testing/swift.ts';
import type { S3Settings } from './address.ts';
import type { Bucket } from './bucket.ts';
import { openBucket } from './bucket.ts';
import { openBucketStore } from './bucket_store.ts';
import type { S3Client } from './requests.ts';
import { createS3Client } from './requests.ts';

const PART = 64 * 1024;
const MIB = 2 ** 20;
const PAGE = 10;
const folder = mkdtempSync(path.join(tmpdir(), 'bucket-'));
const file = path.join(folder, 'file');
const received = path.join(folder, 'received');
const counted: string[] = [];
let onBegin = () => {};
const observer = {
  onRequest(operation: string, status: string) {
    counted.push(`${operation} ${status}`);
    if (operation === 'begin') onBegin();
  },
  onBytes() {},
};
const clients: S3Client[] = [];
let swift: TestSwift;
let client: S3Client;
let bucket: Bucket;

function settingsOf(more: Partial<S3Settings> = {}): S3Settings {
  return {
    ...{ bucket: swift.bucket, prefix: 'p/', region: SWIFT_REGION, pathStyle: true, partBytes: PART },
    endpoint: new URL(swift.endpoint),
    credentials: SWIFT_CREDENTIALS,
    retry: { attempts: 3, firstMilliseconds: 1, mostMilliseconds: 2 },
    ...more,
  };
}

function connect(more: Partial<S3Settings> = {}): S3Client {
  const made = createS3Client(settingsOf(more), observer);
  clients.push(made);
  return made;
}

beforeAll(async () => {
  swift = await startSwift({ leastPart: PART, pageSize: PAGE });
  client = connect();
  bucket = openBucket(client);
});
afterAll(async () => {
  for (const made of clients) made.close();
  await swift.stop();
  rmSync(folder, { recursive: true });
});
beforeEach(async () => {
  await swift.clear();
  counted.length = 0;
  rmSync(received, { force: true });
});
afterEach(() => {
  onBegin = () => {};
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Bytes that repeat nowhere near. */
function content(bytes: number): Buffer {
  return Buffer.from(
    Uint32Array.from({ length: Math.ceil(bytes / 4) }, (_, i) => i * 2654435761).buffer,
  ).subarray(0, bytes);
}

const sha256Of = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** Puts a file, and compares what the storage has and what comes back. */
async function sendAndFetch(to: Bucket, name: string, bytes: Buffer): Promise<string> {
  writeFileSync(file, bytes);
  const { tag } = (await to.put(name, file))!;
  const object = await swift.read(`p/${name}`);
  expect(object?.content.equals(bytes)).toBe(true);
  expect(object!.sha256).toBe(sha256Of(bytes));
  expect(await to.fetch(name, received)).toBe(tag);
  expect(readFileSync(received).equals(bytes)).toBe(true);
  return tag;
}

describe('a file', () => {
  it.each([0, 1, PART - 1, PART, PART + 1, 3 * PART, 9 * PART + 5])('of %i bytes arrives', async (bytes) => {
    const tag = await sendAndFetch(bucket, 'f/a', content(bytes));
    const parts = Math.ceil(bytes / PART);
    expect(counted.filter((line) => line === 'part 200')).toHaveLength(parts > 1 ? parts : 0);
    // Parts of the whole object, and nothing of an upload that goes on.
    expect(await swift.parts()).toHaveLength(parts > 1 ? parts : 0);
    expect(await bucket.list('f')).toEqual([{ name: 'f/a', bytes, tag }]);
    expect(await bucket.fetch('f/a', received, {}, tag)).toBe(tag);
    expect(counted.at(-1)).toBe('get 304');
  });

  it('arrives in parts of the usual size', async () => {
    const { partBytes: _, ...usual } = settingsOf();
    const made = createS3Client(usual, observer);
    clients.push(made);
    await sendAndFetch(openBucket(made), 'f/large', content(33 * MIB + 3));
    expect(counted.filter((line) => line === 'part 200')).toHaveLength(3);
  });

  const LONGEST = 'folder with spaces/ü+/%41&=?.png';
  const NAMES = [
    'two words',
    'two  spaces ',
    'a+b',
    'a%2Bb%',
    'a=b&c;d,e',
    "(x)!*'~@$",
    'what?#top',
    '<"é & ü">',
    'e\u0301 日本語 😀',
    LONGEST,
  ];
  it.each(NAMES)('has the name %j there', async (name) => {
    await sendAndFetch(bucket, `f/${name}`, content(name === LONGEST ? PART + 1 : 3));
    expect(await swift.keys()).toEqual([`p/f/${name}`]);
    expect((await bucket.list('f')).map((object) => object.name)).toEqual([`f/${name}`]);
    await bucket.remove(`f/${name}`);
    expect(await swift.keys()).toEqual([]);
  });

  it('takes the place of another one, whole or in parts', async () => {
    let last = await sendAndFetch(bucket, 'f/a', content(3));
    for (const bytes of [2 * PART, 5, 0, PART + 1, 3 * PART]) {
      writeFileSync(file, content(bytes));
      await bucket.put('f/a', file);
      const tag = await bucket.fetch('f/a', received, {}, last);
      expect(tag).not.toBe(last);
      expect(readFileSync(received).equals(content(bytes))).toBe(true);
      last = tag!;
    }
    expect(counted).not.toContain('get 304');
  });

  it('is not there when the storage has none', async () => {
    expect(await bucket.fetch('none', received)).toBeNull();
    expect(existsSync(received)).toBe(false);
    expect(await bucket.put('f/a', path.join(folder, 'none'))).toBeUndefined();
    await bucket.remove('none');
    expect(counted).toEqual(['get 404', 'delete 204']);
  });

  it('that others changed, but not what they said of it, is not taken', async () => {
    await sendAndFetch(bucket, 'f/a', content(9));
    await swift.write('p/f/a', { content: content(8), sha256: sha256Of(content(9)) });
    await expect(bucket.fetch('f/a', received)).rejects.toThrow(/f\/a: expected SHA-256 .*, received/);
    await swift.write('p/f/a', { content: content(8), sha256: null });
    await expect(bucket.fetch('f/a', received, { bytes: 9 })).rejects.toThrow('expected 9 bytes, received 8');
  });
});

describe('a file that breaks off on its way there', () => {
  beforeEach(async () => {
    await swift.write('p/f/a', { content: content(7), sha256: null });
  });
  afterEach(async () => {
    expect(await swift.keys()).toEqual(['p/f/a']);
    expect((await swift.read('p/f/a'))!.content.equals(content(7))).toBe(true);
    expect(await swift.parts()).toEqual([]);
  });

  it('whole leaves what was there', async () => {
    const whole = content(8 * MIB);
    async function* half() {
      yield whole.subarray(0, whole.length / 2);
      throw new Error('the disk is gone');
    }
    const body = { bytes: whole.length, sha256: sha256Of(whole), open: () => Readable.from(half()) };
    const request = { operation: 'put', method: 'PUT' as const, key: 'p/f/a', body };
    await expect(client.send(request, (answer) => answer.text())).rejects.toThrow('the disk is gone');
  });

  it('in parts is taken back, the parts that had arrived too', async () => {
    writeFileSync(file, content(12 * PART));
    // Shorter than it was when its parts were planned: the last two cannot be read any more.
    onBegin = () => truncateSync(file, 10 * PART + 3);
    await expect(bucket.put('f/a', file)).rejects.toThrow(/expected a file of at least \d+ bytes/);
    expect(counted.filter((line) => line === 'part 200').length).toBeGreaterThanOrEqual(8);
    expect(counted.at(-1)).toBe('abort 204');
    expect(counted.some((line) => line.startsWith('complete'))).toBe(false);
  });

  it('changed is refused: it is signed', async () => {
    const body = { bytes: 3, sha256: sha256Of(content(4)), open: () => Readable.from([content(3)]) };
    const request = { operation: 'put', method: 'PUT' as const, key: 'p/f/a', body };
    await expect(client.send(request, (answer) => answer.text())).rejects.toThrow(/put was answered 400/);
  });
});

describe('a bucket', () => {
  it('is listed page by page, without what others named otherwise', async () => {
    const names = Array.from(
      { length: 2 * PAGE + 5 },
      (_, i) => `jobs/a/${String(i).padStart(2, '0')} +&<é>%2B`,
    );
    const odd = [
      ...['p/jobs/a/../b', 'p/jobs/a/.hidden', 'p/jobs/a//c', 'p/jobs/a/c\\d', 'p/jobs/ab'],
      ...['q/jobs/a/d', 'jobs/a/d'],
    ];
    const object = { content: content(2), sha256: null };
    const others = [...names.map((name) => `p/${name}`), ...odd];
    await Promise.all(others.map((key) => swift.write(key, object)));
    const listed = await bucket.list('jobs/a');
    expect(listed.map(({ name }) => name)).toEqual(names);
    expect(listed.every(({ bytes }) => bytes === 2)).toBe(true);
    expect(counted).toEqual(['list 200', 'list 200', 'list 200']);
  });

  it('is used in its own name before the domain, and without a session too', async () => {
    const asked: string[] = [];
    vi.spyOn(dns, 'lookup').mockImplementation(((name: string, _: unknown, tell: (...all: never) => void) => {
      asked.push(name);
      tell(...([null, [{ address: '127.0.0.1', family: 4 }]] as never));
    }) as never);
    const { sessionToken: _, ...credentials } = SWIFT_CREDENTIALS;
    const endpoint = new URL(swift.endpoint.replace('127.0.0.1', SWIFT_DOMAIN));
    const own = openBucket(connect({ endpoint, credentials, pathStyle: false }));
    await sendAndFetch(own, 'f/ü +', content(2 * PART));
    expect((await own.list('f')).map(({ name }) => name)).toEqual(['f/ü +']);
    await own.remove('f/ü +');
    expect(new Set(asked)).toEqual(new Set([`${swift.bucket}.${SWIFT_DOMAIN}`]));
  });

  it('that can be used is left as it was', async () => {
    const data = path.join(folder, 'data');
    (await openBucketStore(data, 'server_x', settingsOf(), observer)).close();
    expect(await swift.keys()).toEqual([]);
    expect(counted).toEqual(['list 200', 'put 200', 'get 200', 'delete 204']);
    expect(readdirSync(path.join(data, 'incoming'))).toEqual([]);
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
      () => ({ credentials: { ...SWIFT_CREDENTIALS, accessKeyId: 'test:other' } }),
      /403 SignatureDoesNotMatch.*AWS_ACCESS_KEY_ID/,
    ],
    [
      'finds the secret wrong',
      () => ({ credentials: { ...SWIFT_CREDENTIALS, secretAccessKey: 'wrong' } }),
      /403 SignatureDoesNotMatch.*AWS_SECRET_ACCESS_KEY/,
    ],
    [
      'has another time',
      () => {
        vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3600_000 });
        return {};
      },
      /403 RequestTimeTooSkewed.*clock is 3[56]\d\d s ahead of the storage's/,
    ],
    [
      'does not answer',
      () => ({ endpoint: new URL('http://127.0.0.1:9') }),
      /s3:\/\/evenhand-test\/p\/ at http:\/\/127\.0\.0\.1:9: list got no answer: ECONNREFUSED/,
    ],
  ];
  it.each(REFUSED)('that %s is refused at the start, in words', async (_, change, message) => {
    const settings = settingsOf(change());
    const opened = openBucketStore(path.join(folder, 'data'), 'server_x', settings, observer);
    const fault = await opened.catch((error: Error) => error.message);
    expect(fault).toMatch(message);
    expect(fault).not.toMatch(/swift\/secret|swift\+session|with wrong/);
    expect(await swift.keys()).toEqual([]);
  });

  it('that is gone or turns a key away says so of every request', async () => {
    writeFileSync(file, content(PART + 1));
    const gone = openBucket(connect({ bucket: 'another' }));
    await expect(gone.fetch('f/a', received)).rejects.toThrow(/f\/a: the bucket is gone/);
    await expect(gone.put('f/a', file)).rejects.toThrow(/begin was answered 404 NoSuchBucket/);
    const closed = openBucket(connect({ credentials: { ...SWIFT_CREDENTIALS, secretAccessKey: 'wrong' } }));
    for (const work of [
      () => closed.fetch('f/a', received),
      () => closed.put('f/a', file),
      () => closed.list('f'),
      () => closed.remove('f/a'),
    ]) {
      await expect(work()).rejects.toThrow(/answered 403 SignatureDoesNotMatch/);
    }
  });
});
