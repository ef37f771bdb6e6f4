import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FaultyProxy } from '../testing/faulty_proxy.ts';
import { startFaultyProxy } from '../testing/faulty_proxy.ts';
import type { TestSwift } from '../testing/swift.ts';
import { SWIFT_CREDENTIALS, SWIFT_REGION, startSwift } from '../testing/swift.ts';
import type { FileStore } from './file_store.ts';
import { createFolderStore } from './file_store.ts';
import { openBucketStore } from './s3/bucket_store.ts';

const scratch = mkdtempSync(path.join(tmpdir(), 'file-store-'));
const OBSERVER = { onRequest() {}, onBytes() {} };
let swift: TestSwift;
let proxy: FaultyProxy;
let count = 0;
beforeAll(async () => {
  swift = await startSwift({ pageSize: 3 });
  proxy = await startFaultyProxy(swift.endpoint);
});
afterAll(async () => {
  await proxy.close();
  await swift.stop();
  rmSync(scratch, { recursive: true });
});
beforeEach(async () => {
  await swift.clear();
  proxy.fate = () => 'pass';
  count++;
});

/** A store with its folder, as one of the servers that share what is kept. */
interface Server {
  readonly root: string;
  readonly files: FileStore;
  write(name: string, content: string): void;
  read(name: string): string | null;
}

function serverAt(root: string, files: FileStore): Server {
  return {
    root,
    files,
    write(name, content) {
      const file = path.join(root, ...name.split('/'));
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, content);
    },
    read(name) {
      const file = path.join(root, ...name.split('/'));
      return existsSync(file) ? readFileSync(file, 'utf8') : null;
    },
  };
}

function onBucket(name: string): Promise<Server> {
  const root = path.join(scratch, `${count}-${name}`);
  const settings = {
    ...{ bucket: swift.bucket, prefix: 'some/where/', region: SWIFT_REGION, pathStyle: true },
    endpoint: new URL(proxy.endpoint),
    credentials: SWIFT_CREDENTIALS,
    retry: { attempts: 4, firstMilliseconds: 1, mostMilliseconds: 2 },
  };
  return openBucketStore(root, `server_${name}`, settings, OBSERVER).then((files) => serverAt(root, files));
}

async function inFolder(): Promise<Server> {
  const root = path.join(scratch, `${count}-shared`);
  return serverAt(root, createFolderStore(root));
}

/** Two servers on the same kept files: on one folder, and on one bucket with folders of their own. */
const KINDS: readonly [string, (name: string) => Promise<Server>][] = [
  ['a folder', inFolder],
  ['a bucket', onBucket],
];

describe.each(KINDS)('files in %s', (kind, open) => {
  let one: Server;
  let other: Server;
  beforeEach(async () => {
    one = await open('one');
    other = await open('other');
  });

  it('that were kept are found, read and listed by another server', async () => {
    one.write('jobs/a/0 é+(1).png', 'first');
    one.write('jobs/a/samples/2.png', 'second');
    one.write('jobs/a/empty.txt', '');
    for (const name of ['0 é+(1).png', 'samples/2.png', 'empty.txt']) await one.files.keep('jobs/a', name);
    for (const where of ['fixed', 'changing'] as const) {
      const file = await other.files.open('jobs/a', '0 é+(1).png', where);
      expect(readFileSync(file!, 'utf8')).toBe('first');
    }
    expect(readFileSync((await other.files.open('jobs/a', 'empty.txt', 'fixed'))!, 'utf8')).toBe('');
    expect(await other.files.list('jobs/a', 'fixed')).toEqual([
      { name: '0 é+(1).png', bytes: 5 },
      { name: 'empty.txt', bytes: 0 },
      { name: 'samples/2.png', bytes: 6 },
    ]);
    expect(await other.files.open('jobs/a', 'none.png', 'fixed')).toBeNull();
    expect(await other.files.list('jobs/none', 'changing')).toEqual([]);
  });

  it('are the newest ones where they change', async () => {
    one.write('jobs/b/log.jsonl', '1\n');
    await one.files.keepFolder('jobs/b');
    const read = async () =>
      readFileSync((await other.files.open('jobs/b', 'log.jsonl', 'changing'))!, 'utf8');
    expect(await read()).toBe('1\n');
    one.write('jobs/b/log.jsonl', '1\n2\n');
    await one.files.keepFolder('jobs/b');
    expect(await read()).toBe('1\n2\n');
    expect(await read()).toBe('1\n2\n');
  });

  it('of a folder are kept as they are: new, changed and gone', async () => {
    one.write('jobs/c/checkpoints/1', 'one');
    one.write('jobs/c/log', 'a');
    await one.files.keepFolder('jobs/c');
    rmSync(path.join(one.root, 'jobs/c/checkpoints/1'));
    one.write('jobs/c/checkpoints/2', 'two');
    await one.files.keepFolder('jobs/c');
    await other.files.restoreFolder('jobs/c');
    expect(other.read('jobs/c/checkpoints/1')).toBeNull();
    expect(other.read('jobs/c/checkpoints/2')).toBe('two');
    expect(other.read('jobs/c/log')).toBe('a');
  });

  it('are removed here and there', async () => {
    for (const name of ['1', '2', '3', '4', 'deep/5']) one.write(`jobs/d/${name}`, name);
    one.write('jobs/dd/1', 'of another job');
    one.write('adapters/x.safetensors', 'x');
    await one.files.keepFolder('jobs/d');
    await one.files.keepFolder('jobs/dd');
    await one.files.keep('adapters', 'x.safetensors');
    await other.files.removeFolder('jobs/d');
    await one.files.remove('adapters', 'x.safetensors');
    expect(await other.files.list('jobs/d', 'changing')).toEqual([]);
    expect(await other.files.list('jobs/dd', 'changing')).toHaveLength(1);
    expect(await other.files.open('adapters', 'x.safetensors', 'fixed')).toBeNull();
    expect(one.read('adapters/x.safetensors')).toBeNull();
  });

  const LEADING_ELSEWHERE = [
    '../secret',
    'a/../../secret',
    '/etc/passwd',
    'a//b',
    '',
    '.',
    '.stored.json',
    'a/.hidden',
    'a\\..\\b',
    'a\0b',
    'C:/b',
  ];
  it.each(LEADING_ELSEWHERE)('are none under the name %j', async (name) => {
    one.write('secret', 'secret');
    one.write('jobs/e/.stored.json', 'hidden');
    one.write('jobs/e/a/.hidden', 'hidden');
    for (const where of ['here', 'fixed', 'changing'] as const) {
      expect(await one.files.open('jobs/e', name, where)).toBeNull();
    }
    if (kind === 'a bucket') {
      const before = proxy.seen.length;
      await expect(one.files.keep('jobs/e', name)).rejects.toThrow('expected a path of plain names');
      await expect(one.files.remove('jobs/e', name)).rejects.toThrow('expected a path of plain names');
      expect(proxy.seen.length).toBe(before);
    } else {
      await one.files.remove('jobs/e', name);
    }
    expect(one.read('secret')).toBe('secret');
  });

  it('are none behind a link that leads elsewhere', async () => {
    one.write('secret', 'secret');
    one.write('jobs/f/own', 'own');
    symlinkSync(path.join(one.root, 'secret'), path.join(one.root, 'jobs/f/link'));
    expect(await one.files.open('jobs/f', 'link', 'here')).toBeNull();
    expect(await one.files.open('jobs/f', 'own', 'here')).not.toBeNull();
  });

  it('can be used now', async () => {
    expect(await one.files.fault()).toBeNull();
  });
});

describe('a bucket between servers', () => {
  let one: Server;
  let other: Server;
  beforeEach(async () => {
    one = await onBucket('one');
    other = await onBucket('other');
    proxy.seen.length = 0;
  });
  const sent = (method: string) => proxy.seen.filter((request) => request.method === method);

  it('is sent only what has changed, in the order of its rank, and the rest removed last', async () => {
    one.write('jobs/a/checkpoints/1', '1');
    one.write('jobs/a/log', '1');
    await one.files.keepFolder('jobs/a');
    one.write('jobs/a/checkpoints/2', '2');
    one.write('jobs/a/checkpoints/2.sha256', '2');
    one.write('jobs/a/unchanged', '2');
    await one.files.keepFolder('jobs/a');
    proxy.seen.length = 0;
    rmSync(path.join(one.root, 'jobs/a/checkpoints/1'));
    one.write('jobs/a/log', '12');
    one.write('jobs/a/checkpoints/3', '3');
    one.write('jobs/a/checkpoints/3.sha256', '3');
    const rank = (name: string) => (name.endsWith('.sha256') ? 2 : Number(name.startsWith('checkpoints/')));
    await one.files.keepFolder('jobs/a', rank);
    expect(proxy.seen.map(({ method, key }) => `${method} ${key}`)).toEqual([
      'PUT some/where/jobs/a/log',
      'PUT some/where/jobs/a/checkpoints/3',
      'PUT some/where/jobs/a/checkpoints/3.sha256',
      'DELETE some/where/jobs/a/checkpoints/1',
    ]);
    proxy.seen.length = 0;
    await one.files.keepFolder('jobs/a', rank);
    expect(proxy.seen).toEqual([]);
  });

  it('decides where a folder goes on: not with what one server left behind while another went on', async () => {
    one.write('jobs/b/log', '12');
    one.write('jobs/b/checkpoints/2', '2');
    await one.files.keepFolder('jobs/b');
    // The first server dies having written more.
    one.write('jobs/b/checkpoints/3', '3, only here');
    one.write('jobs/b/log', '123');
    await one.files.restoreFolder('jobs/b');
    expect(one.read('jobs/b/checkpoints/3')).toBe('3, only here');
    expect(one.read('jobs/b/log')).toBe('123');
    await other.files.restoreFolder('jobs/b');
    other.write('jobs/b/log', '1234');
    other.write('jobs/b/checkpoints/4', '4');
    await other.files.keepFolder('jobs/b');
    await one.files.restoreFolder('jobs/b');
    expect(one.read('jobs/b/log')).toBe('1234');
    expect(one.read('jobs/b/checkpoints/3')).toBeNull();
    expect(one.read('jobs/b/checkpoints/4')).toBe('4');
    expect((await one.files.list('jobs/b', 'here')).map(({ name }) => name)).toEqual([
      'checkpoints/2',
      'checkpoints/4',
      'log',
    ]);
  });

  it('gives copies that were thrown away back', async () => {
    one.write('jobs/c/checkpoints/2', '2');
    await one.files.keepFolder('jobs/c');
    rmSync(path.join(one.root, 'jobs'), { recursive: true });
    await one.files.restoreFolder('jobs/c');
    expect(one.read('jobs/c/checkpoints/2')).toBe('2');
  });

  it('is not asked for what never changes and is here, and once for what many want at once', async () => {
    one.write('adapters/x.safetensors', 'x');
    await one.files.keep('adapters', 'x.safetensors');
    await one.files.open('adapters', 'x.safetensors', 'fixed');
    expect(sent('GET')).toHaveLength(0);
    const opened = Array.from({ length: 8 }, () => other.files.open('adapters', 'x.safetensors', 'fixed'));
    expect(new Set(await Promise.all(opened)).size).toBe(1);
    expect(sent('GET')).toHaveLength(1);
  });

  it('is not trusted with content that is another than what is known of it', async () => {
    one.write('adapters/x.safetensors', 'what was kept');
    await one.files.keep('adapters', 'x.safetensors');
    const known = { bytes: 13, sha256: '0'.repeat(64) };
    await expect(other.files.open('adapters', 'x.safetensors', 'fixed', known)).rejects.toThrow(
      /x\.safetensors: expected SHA-256 0{64}, received [0-9a-f]{64}/,
    );
    const key = 'some/where/adapters/x.safetensors';
    const { sha256 } = (await swift.read(key))!;
    await swift.write(key, { content: Buffer.from('What was kept'), sha256 });
    await expect(other.files.open('adapters', 'x.safetensors', 'fixed')).rejects.toThrow(/expected SHA-256/);
    expect(other.read('adapters/x.safetensors')).toBeNull();
  });

  it('still lets be read what could not be kept there', async () => {
    one.write('jobs/d/report.html', 'here alone');
    proxy.fate = ({ method }) => (method === 'PUT' ? { status: 503, code: 'SlowDown' } : 'pass');
    await expect(one.files.keepFolder('jobs/d')).rejects.toThrow(/put was answered 503 SlowDown/);
    expect(sent('PUT')).toHaveLength(4);
    expect(await one.files.open('jobs/d', 'report.html', 'changing')).not.toBeNull();
  });

  it('says why it cannot be used', async () => {
    proxy.fate = () => ({ status: 503, code: 'ServiceUnavailable' });
    expect(await one.files.fault()).toMatch(
      /evenhand-test\/some\/where\/ at http.*list was answered 503 Service/,
    );
    expect(await one.files.fault()).toMatch(/503/);
    expect(proxy.seen).toHaveLength(1);
  });
});
