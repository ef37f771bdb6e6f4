/** Fine-tuned adapters: rows in the database, files in the data folder. */

import { copyFileSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Kysely, Selectable } from 'kysely';
import { sha256OfFile } from '../../evaluate/provenance.ts';
import { newId } from './jobs.ts';
import type { AdapterTable, Database } from './schema.ts';

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

/** Names that are tried for one adapter. */
const MOST_TRIES = 1000;

/** Keeps a copy of an adapter's file; the same job and origin again give the row that is there. */
export async function insertAdapter(
  db: Kysely<Database>,
  dataFolder: string,
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
  const target = path.join(dataFolder, file);
  mkdirSync(path.dirname(target), { recursive: true });
  copyFileSync(adapter.file, `${target}.tmp`);
  renameSync(`${target}.tmp`, target);
  const values = {
    id,
    model: adapter.model,
    job: adapter.job,
    origin: adapter.origin,
    target: JSON.stringify(adapter.target),
    file,
    bytes: statSync(target).size,
    sha256: await sha256OfFile(target),
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
  return path.posix.join('adapters', `${id}.safetensors`);
}

/** An adapter that was sent and checked. */
export type UploadedAdapter = Pick<AdapterRow, 'id' | 'name' | 'model' | 'bytes' | 'sha256' | 'file'> & {
  readonly target: unknown;
};

/** Takes a checked file over; undefined, and nothing is done, where the name is taken. */
export async function insertUpload(
  db: Kysely<Database>,
  dataFolder: string,
  from: string,
  { target, ...values }: UploadedAdapter,
): Promise<AdapterRow | undefined> {
  const to = path.join(dataFolder, values.file);
  renameSync(from, to);
  const row = await db
    .insertInto('adapters')
    .values({
      ...values,
      job: null,
      origin: 'upload',
      target: target === null ? null : JSON.stringify(target),
    })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returningAll()
    .executeTakeFirst();
  if (row === undefined) rmSync(to, { force: true });
  return row;
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

/** Removes an adapter with its file. */
export async function deleteAdapter(
  db: Kysely<Database>,
  dataFolder: string,
  { id, file }: AdapterRow,
): Promise<void> {
  await db.deleteFrom('adapters').where('id', '=', id).execute();
  rmSync(path.join(dataFolder, file), { force: true });
}
