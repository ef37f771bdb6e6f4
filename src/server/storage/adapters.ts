/** Fine-tuned adapters: rows in the database, files in the data folder and where that is kept. */

import { copyFileSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Kysely, Selectable } from 'kysely';
import type { AdapterKind } from '../../diffusion/adapter_scale.ts';
import { adapterKindOf } from '../../diffusion/adapter_weights.ts';
import { sha256OfFile } from '../../evaluate/provenance.ts';
import { makeFolder } from '../../weights/make_folder.ts';
import { openSafetensors } from '../../weights/safetensors.ts';
import type { DataFolder } from './data_folder.ts';
import type { FileStore } from './file_store.ts';
import { newId } from './jobs.ts';
import type { AdapterTable, Database } from './schema.ts';

/** Folder in the data folder. */
const FOLDER = 'adapters';

/** A row of the table of adapters. */
export type AdapterRow = Selectable<AdapterTable>;

/** A new adapter. */
export interface NewAdapter {
  /** Wished name; a number is added where it is taken. */
  readonly name: string;
  readonly model: string;
  readonly job: string;
  readonly origin: 'average' | 'best';
  readonly target: unknown;
  /** File to copy. */
  readonly file: string;
}

/** Where adapters are. */
export interface AdapterPlace {
  readonly db: Kysely<Database>;
  readonly data: Pick<DataFolder, 'path'>;
  readonly files: FileStore;
}

/** Names that are tried for one adapter. */
const MOST_TRIES = 1000;

/**
 * Keeps a copy of an adapter's file; the same job and origin again give the row that is there.
 * @throws StorageFault when the file cannot be kept
 */
export async function insertAdapter(
  { db, data, files }: AdapterPlace,
  adapter: NewAdapter,
): Promise<AdapterRow> {
  const known = await db
    .selectFrom('adapters')
    .selectAll()
    .where('job', '=', adapter.job)
    .where('origin', '=', adapter.origin)
    .executeTakeFirst();
  if (known !== undefined) return known;
  const id = newId('adapter');
  const file = adapterFile(id);
  const target = path.join(data.path, file);
  makeFolder(path.dirname(target));
  copyFileSync(adapter.file, `${target}.tmp`);
  renameSync(`${target}.tmp`, target);
  await files.keep(FOLDER, path.basename(file));
  const values = {
    id,
    model: adapter.model,
    job: adapter.job,
    origin: adapter.origin,
    target: JSON.stringify(adapter.target),
    file,
    bytes: statSync(target).size,
    sha256: await sha256OfFile(target),
    kind: kindOfFile(target),
  };
  for (let attempt = 1; attempt <= MOST_TRIES; attempt++) {
    const name = attempt === 1 ? adapter.name : `${adapter.name}-${attempt}`;
    const row = await db
      .insertInto('adapters')
      .values({ ...values, name })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .returningAll()
      .executeTakeFirst();
    if (row !== undefined) return row;
  }
  throw new Error(`adapter: expected a free name like ${adapter.name}, found ${MOST_TRIES} of them taken`);
}

/** File of an adapter in the data folder; of its name nothing comes in. */
export function adapterFile(id: string): string {
  return path.posix.join(FOLDER, `${id}.safetensors`);
}

/** An adapter that was sent and checked. */
export type UploadedAdapter = Pick<AdapterRow, 'id' | 'name' | 'model' | 'bytes' | 'sha256' | 'file'> & {
  readonly target: unknown;
};

/**
 * Takes a checked file over; undefined, and nothing is done, where the name is taken.
 * @throws StorageFault when the file cannot be kept
 */
export async function insertUpload(
  { db, data, files }: AdapterPlace,
  from: string,
  { target, ...values }: UploadedAdapter,
): Promise<AdapterRow | undefined> {
  const kind = kindOfFile(from);
  renameSync(from, path.join(data.path, values.file));
  const name = path.basename(values.file);
  await files.keep(FOLDER, name);
  const row = await db
    .insertInto('adapters')
    .values({
      ...values,
      kind,
      job: null,
      origin: 'upload',
      target: target === null ? null : JSON.stringify(target),
    })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returningAll()
    .executeTakeFirst();
  if (row === undefined) await files.remove(FOLDER, name);
  return row;
}

/** What a file of an adapter holds, by its header. */
function kindOfFile(file: string): AdapterKind {
  return adapterKindOf([...openSafetensors(file).tensors.keys()]);
}

/** What an adapter holds; its file is looked into for those that were kept before it was written down, null where that is gone. */
export async function kindOfAdapter(
  files: FileStore,
  row: Pick<AdapterRow, 'kind' | 'file' | 'bytes' | 'sha256'>,
): Promise<AdapterKind | null> {
  if (row.kind !== null) return row.kind as AdapterKind;
  const file = await openAdapterFile(files, row);
  return file === null ? null : kindOfFile(file);
}

/** The adapter with an id or a name. */
export function findAdapter(db: Kysely<Database>, idOrName: string): Promise<AdapterRow | undefined> {
  return db
    .selectFrom('adapters')
    .selectAll()
    .where((where) => where.or([where('id', '=', idOrName), where('name', '=', idOrName)]))
    .executeTakeFirst();
}

/** All adapters, newest first. */
export function listAdapters(db: Kysely<Database>): Promise<AdapterRow[]> {
  return db.selectFrom('adapters').selectAll().orderBy('created_at', 'desc').orderBy('id').execute();
}

/** Removes an adapter with its file. @throws StorageFault when the file cannot be removed; the adapter stays then */
export async function deleteAdapter(
  { db, files }: Omit<AdapterPlace, 'data'>,
  { id, file }: AdapterRow,
): Promise<void> {
  await files.remove(FOLDER, path.basename(file));
  await db.deleteFrom('adapters').where('id', '=', id).execute();
}

/**
 * The file of an adapter on this disk, brought there if need be; null where it is gone.
 * @throws StorageFault when the storage does not answer; Error when the file is another one than the row says
 */
export function openAdapterFile(
  files: FileStore,
  { file, bytes, sha256 }: Pick<AdapterRow, 'file' | 'bytes' | 'sha256'>,
): Promise<string | null> {
  return files.open(FOLDER, path.basename(file), 'fixed', { bytes, sha256 });
}
