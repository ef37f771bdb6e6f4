/** Files that are kept in a bucket; the data folder holds copies of them, and what work is writing just now. */

import { randomBytes } from 'node:crypto';
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeFolder } from '../../../weights/make_folder.ts';
import type { FileStore, KnownFile, Whereabouts } from '../file_store.ts';
import type { ListedFile } from '../files.ts';
import { fileInside, isPlainPath, listFiles } from '../files.ts';
import type { S3Settings } from './address.ts';
import { workAtOnce } from './at_once.ts';
import type { Bucket, StoredObject } from './bucket.ts';
import { openBucket } from './bucket.ts';
import type { Manifest, ManifestEntry } from './manifest.ts';
import { changeManifest, markOfFile, readManifest } from './manifest.ts';
import type { RequestObserver } from './requests.ts';
import { createS3Client } from './requests.ts';

/** Folder in the data folder of files on their way here. */
const INCOMING = 'incoming';
/** Files that are sent or fetched at once. */
const FILES_AT_ONCE = 4;
/** Milliseconds for which an answer on the storage's health is believed. */
const HEALTH_MILLISECONDS = 5000;
/** Times that the storage is asked at the start: it should be there. */
const START_ATTEMPTS = 3;

/**
 * Opens the store of a bucket, after trying whether it can be listed, written, read and cleaned up.
 * @param root the data folder
 * @param server name of this server, different from that of every other one on the bucket
 * @throws StorageFault saying what the bucket or its endpoint answered
 */
export async function openBucketStore(
  root: string,
  server: string,
  settings: S3Settings,
  observer: RequestObserver,
): Promise<FileStore> {
  const bucket = openBucket(createS3Client(settings, observer));
  const incoming = path.join(root, INCOMING);
  rmSync(incoming, { recursive: true, force: true });
  makeFolder(incoming);
  try {
    await bucket.check(START_ATTEMPTS);
    await tryBucket(bucket, incoming, `${server}.trial`);
  } catch (error) {
    bucket.close();
    throw error;
  }
  return new BucketStore(root, incoming, bucket);
}

async function tryBucket(bucket: Bucket, folder: string, name: string): Promise<void> {
  const sent = path.join(folder, 'sent');
  const received = path.join(folder, 'received');
  writeFileSync(sent, `${new Date().toISOString()}\n`);
  await bucket.put(name, sent);
  if ((await bucket.fetch(name, received)) === null) {
    throw new Error(
      `storage ${bucket.place}: expected the object ${name} that was just put there, found none`,
    );
  }
  await bucket.remove(name);
  rmSync(sent);
  rmSync(received);
}

class BucketStore implements FileStore {
  readonly kind = 's3';
  readonly place: string;
  readonly #root: string;
  readonly #incoming: string;
  readonly #bucket: Bucket;
  /** The last work on each folder as a whole: one after the other. */
  readonly #work = new Map<string, Promise<unknown>>();
  readonly #opening = new Map<string, Promise<string | null>>();
  #health: { readonly asked: number; readonly fault: Promise<string | null> } | null = null;

  constructor(root: string, incoming: string, bucket: Bucket) {
    this.place = bucket.place;
    this.#root = root;
    this.#incoming = incoming;
    this.#bucket = bucket;
  }

  async open(
    folder: string,
    name: string,
    where: Whereabouts,
    known: KnownFile = {},
  ): Promise<string | null> {
    if (!isPlainPath(name)) return null;
    const local = fileInside(this.#at(folder), name);
    if (where === 'here') return local;
    if (
      where === 'fixed' &&
      local !== null &&
      statSync(local).size === (known.bytes ?? statSync(local).size)
    ) {
      return local;
    }
    const key = `${folder}/${name}`;
    const opening = this.#opening.get(key) ?? this.#bring(folder, name, where, known);
    this.#opening.set(key, opening);
    return opening.finally(() => this.#opening.delete(key));
  }

  async list(folder: string, where: Whereabouts): Promise<ListedFile[]> {
    if (where === 'here') return listFiles(this.#at(folder));
    const objects = await this.#bucket.list(folder);
    return objects.map(({ name, bytes }) => ({ name: name.slice(folder.length + 1), bytes }));
  }

  async keep(folder: string, name: string): Promise<void> {
    const put = await this.#bucket.put(`${folder}/${name}`, this.#file(folder, name));
    if (put === undefined) throw new Error(`storage: expected a file ${folder}/${name} to keep, found none`);
  }

  keepFolder(folder: string, rank: (name: string) => number = () => 0): Promise<void> {
    return this.#inTurn(folder, async () => {
      const manifest = readManifest(this.#at(folder));
      const changed = new Map<string, ManifestEntry | null>();
      try {
        const names = listFiles(this.#at(folder)).map(({ name }) => name);
        const due = names.filter((name) => manifest.get(name)?.mark !== markOfFile(this.#file(folder, name)));
        const ranks = [...new Set(due.map(rank))].sort((one, other) => one - other);
        for (const next of ranks) {
          await workAtOnce(
            due.filter((name) => rank(name) === next),
            FILES_AT_ONCE,
            async (name) => {
              const put = await this.#bucket.put(`${folder}/${name}`, this.#file(folder, name));
              if (put !== undefined) changed.set(name, put);
            },
          );
        }
        const here = new Set(names);
        await workAtOnce(
          [...manifest.keys()].filter((name) => !here.has(name)),
          FILES_AT_ONCE,
          async (name) => {
            await this.#bucket.remove(`${folder}/${name}`);
            changed.set(name, null);
          },
        );
      } finally {
        if (changed.size > 0) changeManifest(this.#at(folder), (all) => apply(all, changed));
      }
    });
  }

  restoreFolder(folder: string): Promise<void> {
    return this.#inTurn(folder, async () => {
      const at = this.#at(folder);
      const objects = await this.#bucket.list(folder);
      const stored = new Map(objects.map((object) => [object.name.slice(folder.length + 1), object]));
      const manifest = readManifest(at);
      const hasMoved = hasMovedOn(manifest, stored);
      const isWanted = (name: string) => {
        const mark = markOfFile(this.#file(folder, name));
        const entry = manifest.get(name);
        const isSame = entry?.tag === stored.get(name)?.tag && entry?.mark === mark;
        return mark === null || (hasMoved && !isSame);
      };
      const fetched = new Map<string, ManifestEntry | null>();
      await workAtOnce([...stored.keys()].filter(isWanted), FILES_AT_ONCE, async (name) => {
        const { bytes } = stored.get(name)!;
        const entry = await this.#fetch(folder, name, { bytes });
        if (entry === null) throw new Error(`storage: ${folder}/${name} was removed while it was fetched`);
        fetched.set(name, entry);
      });
      if (hasMoved) {
        for (const { name } of listFiles(at)) {
          if (!stored.has(name)) rmSync(this.#file(folder, name), { force: true });
        }
        for (const name of manifest.keys()) if (!stored.has(name)) fetched.set(name, null);
      }
      if (fetched.size > 0) changeManifest(at, (all) => apply(all, fetched));
    });
  }

  async remove(folder: string, name: string): Promise<void> {
    await this.#bucket.remove(`${folder}/${name}`);
    rmSync(this.#file(folder, name), { force: true });
  }

  removeFolder(folder: string): Promise<void> {
    return this.#inTurn(folder, async () => {
      const objects = await this.#bucket.list(folder);
      await workAtOnce(objects, FILES_AT_ONCE, ({ name }) => this.#bucket.remove(name));
      rmSync(this.#at(folder), { recursive: true, force: true });
    });
  }

  fault(): Promise<string | null> {
    const now = performance.now();
    if (this.#health === null || now - this.#health.asked > HEALTH_MILLISECONDS) {
      const fault = this.#bucket.check(1).then(
        () => null,
        (error: Error) => error.message,
      );
      this.#health = { asked: now, fault };
    }
    return this.#health.fault;
  }

  close(): void {
    this.#bucket.close();
  }

  #at(folder: string): string {
    return path.join(this.#root, ...folder.split('/'));
  }

  #file(folder: string, name: string): string {
    return path.join(this.#at(folder), ...name.split('/'));
  }

  async #inTurn(folder: string, work: () => Promise<void>): Promise<void> {
    const before = this.#work.get(folder) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#work.set(folder, turn);
    try {
      await turn;
    } finally {
      if (this.#work.get(folder) === turn) this.#work.delete(folder);
    }
  }

  /** Brings a file here that is not, or may be another one now. */
  async #bring(folder: string, name: string, where: Whereabouts, known: KnownFile): Promise<string | null> {
    const at = this.#at(folder);
    const local = fileInside(at, name);
    const tag = local === null || where === 'fixed' ? undefined : readManifest(at).get(name)?.tag;
    const entry = await this.#fetch(folder, name, known, tag);
    // Nothing is there of what was written here and could not be kept.
    if (entry === null) return tag === undefined ? local : null;
    if (entry.tag !== tag && where === 'changing') changeManifest(at, (all) => all.set(name, entry));
    return fileInside(at, name);
  }

  /** Fetches a file into its place; null where there is no such object. */
  async #fetch(
    folder: string,
    name: string,
    expected: KnownFile,
    known?: string,
  ): Promise<ManifestEntry | null> {
    const draft = path.join(this.#incoming, randomBytes(8).toString('hex'));
    const tag = await this.#bucket.fetch(`${folder}/${name}`, draft, expected, known);
    if (tag === null) return null;
    const file = this.#file(folder, name);
    if (tag !== known) {
      makeFolder(path.dirname(file));
      renameSync(draft, file);
    }
    return { tag, mark: markOfFile(file) ?? '' };
  }
}

/** Whether someone else has kept, replaced or removed files since this server last did. */
function hasMovedOn(manifest: Manifest, stored: ReadonlyMap<string, StoredObject>): boolean {
  return (
    manifest.size !== stored.size || [...stored].some(([name, { tag }]) => manifest.get(name)?.tag !== tag)
  );
}

function apply(manifest: Manifest, changes: ReadonlyMap<string, ManifestEntry | null>): void {
  for (const [name, entry] of changes) {
    if (entry === null) manifest.delete(name);
    else manifest.set(name, entry);
  }
}
