/** Objects of a bucket (Amazon S3 API): files go in and come out as streams, and are whole when they arrive. */

import { createHash } from 'node:crypto';
import { fsync, ftruncateSync, write } from 'node:fs';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { beginAtomicFile } from '../../../weights/atomic_file.ts';
import type { KnownFile } from '../file_store.ts';
import { describeBucket, keyOf } from './address.ts';
import { StorageFault } from './faults.ts';
import type { ManifestEntry } from './manifest.ts';
import { markOf } from './manifest.ts';
import { DIGEST_HEADER, putFile } from './put_file.ts';
import type { S3Answer, S3Client } from './requests.ts';
import { elements, textOf } from './xml.ts';

/** An object. */
export interface StoredObject {
  /** Path below the prefix. */
  readonly name: string;
  readonly bytes: number;
  /** Its entity tag: another one means another content. */
  readonly tag: string;
}

/** A bucket; names are paths with `/` below the prefix, and those that could lead elsewhere are refused with an Error. */
export interface Bucket {
  /** The bucket in words. */
  readonly place: string;
  /** Puts a file; undefined where there is no such file any more. @throws StorageFault */
  put(name: string, file: string): Promise<ManifestEntry | undefined>;
  /**
   * Fetches an object into a file that appears when all of it is there.
   * @param known tag of what the file holds already: nothing is fetched where it is the same
   * @returns its tag; null where there is no such object
   * @throws StorageFault; Error when what came is not what was stored or expected
   */
  fetch(name: string, file: string, expected?: KnownFile, known?: string): Promise<string | null>;
  /** Objects in a folder, in the order of their names. @throws StorageFault */
  list(folder: string): Promise<StoredObject[]>;
  /** Removes an object, if there is one. @throws StorageFault */
  remove(name: string): Promise<void>;
  /** Sees whether the bucket answers and lists. @throws StorageFault saying why not, after at most `attempts` */
  check(attempts: number): Promise<void>;
  close(): void;
}

/** Makes a bucket's operations from its client. */
export function openBucket(client: S3Client): Bucket {
  const { settings } = client;
  const place = describeBucket(settings);

  async function fetch(name: string, file: string, expected: KnownFile = {}, known?: string) {
    const key = keyOf(settings, name);
    const target = beginAtomicFile(file);
    const transfer = new Transfer(`${place}: ${name}`, target.descriptor, expected, known);
    try {
      const accept = [304, 404, 412, 416];
      const request = { operation: 'get', method: 'GET' as const, key, headers: transfer.headers, accept };
      const outcome = await client.send(request, (answer) => transfer.take(answer));
      if (outcome !== 'there') {
        target.abandon();
        return outcome === 'same' ? known! : null;
      }
      transfer.verify();
      // Not in the way of other requests, as the one before renaming would be.
      await promisify(fsync)(target.descriptor);
      target.commit();
      return transfer.tag;
    } catch (error) {
      target.abandon();
      throw error;
    }
  }

  async function list(folder: string): Promise<StoredObject[]> {
    const prefix = `${keyOf(settings, folder)}/`;
    const found: StoredObject[] = [];
    for (let token: string | null = ''; token !== null; ) {
      const query = {
        'list-type': '2',
        prefix,
        ...(token === '' ? {} : { 'continuation-token': token }),
      };
      const request = { operation: 'list', method: 'GET' as const, key: '', query };
      const page: string = await client.send(request, (answer) => answer.text());
      for (const object of elements(page, 'Contents')) {
        const key = textOf(object, 'Key') ?? '';
        const name = key.slice(settings.prefix.length);
        // What others put there under names that are none of ours is not seen.
        if (!key.startsWith(prefix) || !isOwnName(name)) continue;
        found.push({ name, bytes: Number(textOf(object, 'Size')), tag: textOf(object, 'ETag') ?? '' });
      }
      token = textOf(page, 'IsTruncated') === 'true' ? textOf(page, 'NextContinuationToken') : null;
    }
    return found.sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  function isOwnName(name: string): boolean {
    try {
      keyOf(settings, name);
      return true;
    } catch {
      return false;
    }
  }

  return Object.freeze({
    place,
    fetch,
    list,
    async put(name: string, file: string) {
      const key = keyOf(settings, name);
      const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null;
        throw error;
      });
      if (handle === null) return undefined;
      try {
        const { size, mtimeMs, ino } = await handle.stat();
        return { tag: await putFile(client, key, handle, size), mark: markOf({ size, mtimeMs, ino }) };
      } finally {
        await handle.close();
      }
    },
    async remove(name: string) {
      const request = { operation: 'delete', method: 'DELETE' as const, key: keyOf(settings, name) };
      await client.send({ ...request, accept: [404] }, (answer) => answer.text());
    },
    async check(attempts: number) {
      const query = { 'list-type': '2', 'max-keys': '1', prefix: settings.prefix };
      const request = { operation: 'list', method: 'GET' as const, key: '', query };
      await client.send({ ...request, attempts, silenceMilliseconds: 5000 }, (answer) => answer.text());
    },
    close: () => client.close(),
  });
}

/** A file on its way here, over as many answers as it takes. */
class Transfer {
  readonly #what: string;
  readonly #descriptor: number;
  readonly #expected: KnownFile;
  readonly #known: string | undefined;
  #position = 0;
  #hash = createHash('sha256');
  #stored: string | null = null;
  tag = '';

  constructor(what: string, descriptor: number, expected: KnownFile, known: string | undefined) {
    this.#what = what;
    this.#descriptor = descriptor;
    this.#expected = expected;
    this.#known = known;
  }

  /** A transfer that broke off goes on where it was, unless the object has changed. */
  readonly headers = (): Readonly<Record<string, string>> => {
    if (this.#position > 0) return { range: `bytes=${this.#position}-`, 'if-match': this.tag };
    return this.#known === undefined ? {} : { 'if-none-match': this.#known };
  };

  async take(answer: S3Answer): Promise<'there' | 'same' | 'none'> {
    const { status } = answer;
    if (status === 304) return 'same';
    if (status === 404) {
      if (textOf(await answer.text(), 'Code') !== 'NoSuchBucket') return 'none';
      throw this.#fault('the bucket is gone', status, false);
    }
    if (status !== 206) this.#restart();
    if (status === 412 || status === 416) throw this.#fault('changed while it was fetched', status, true);
    this.tag = answer.header('etag') ?? '';
    this.#stored = answer.header(DIGEST_HEADER);
    const length = answer.header('content-length');
    const end = length === null ? null : this.#position + Number(length);
    for await (const piece of answer.pieces()) {
      this.#hash.update(piece);
      let written = 0;
      while (written < piece.length) {
        const left = piece.length - written;
        const { bytesWritten } = await promisify(write)(
          this.#descriptor,
          piece,
          written,
          left,
          this.#position + written,
        );
        written += bytesWritten;
      }
      this.#position += piece.length;
    }
    if (end === null || this.#position === end) return 'there';
    throw this.#fault(`expected ${end} bytes, received ${this.#position}`, status, true);
  }

  verify(): void {
    const { bytes = this.#position, sha256 } = this.#expected;
    if (bytes !== this.#position) {
      throw new Error(`storage ${this.#what}: expected ${bytes} bytes, received ${this.#position}`);
    }
    const wanted = sha256 ?? this.#stored;
    const received = this.#hash.digest('hex');
    if (wanted !== null && wanted !== received) {
      throw new Error(`storage ${this.#what}: expected SHA-256 ${wanted}, received ${received}`);
    }
  }

  #restart(): void {
    this.#position = 0;
    this.#hash = createHash('sha256');
    // Of what is longer than what comes now, nothing may stay behind it.
    ftruncateSync(this.#descriptor, 0);
  }

  #fault(message: string, status: number, isTransient: boolean): StorageFault {
    return new StorageFault(`storage ${this.#what}: ${message}`, { status, isTransient });
  }
}
