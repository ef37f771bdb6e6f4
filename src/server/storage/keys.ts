/** API keys in the database: made, found by their secret, listed and revoked. */

import { createHash, randomBytes } from 'node:crypto';
import type { Kysely, Selectable } from 'kysely';
import { sql } from 'kysely';
import type { z } from 'zod';
import type { createdKeySchema, createKeySchema, keySchema } from '../schemas/accounts.ts';
import { newId } from './jobs.ts';
import type { ApiKeyTable, Database } from './schema.ts';

/** A row of the table of keys. */
export type KeyRow = Selectable<ApiKeyTable>;
/** What a key may do. */
export type Scope = z.infer<typeof keySchema>['scopes'][number];

/** Beginning of every secret, by which scanners of leaked secrets know it. */
const SECRET_PREFIX = 'evh_';
const SECRET_BYTES = 32;
const SHOWN_CHARACTERS = 10;
/** Seconds between notes of a key's last use. */
const USE_SECONDS = 60;

/** SHA-256 of a secret: secrets are 256 random bits, which no dictionary holds, so that one round is enough. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Makes a key; its secret is in the answer and nowhere else. */
export async function createKey(
  db: Kysely<Database>,
  { name, scopes, jobsPerMinute, imagesPerDay, expiresAt }: z.output<typeof createKeySchema>,
): Promise<z.infer<typeof createdKeySchema>> {
  const secret = SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('base64url');
  const row = await db
    .insertInto('api_keys')
    .values({
      id: newId('key'),
      name,
      prefix: secret.slice(0, SHOWN_CHARACTERS),
      hash: hashSecret(secret),
      scopes: scopes.join(' '),
      jobs_per_minute: jobsPerMinute,
      images_per_day: imagesPerDay,
      expires_at: expiresAt === null ? null : new Date(expiresAt),
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return { ...describeKey(row), secret };
}

/** The valid key with a secret; notes that it was used. */
export async function findKey(db: Kysely<Database>, secret: string): Promise<KeyRow | undefined> {
  if (!secret.startsWith(SECRET_PREFIX)) return undefined;
  const row = await db
    .selectFrom('api_keys')
    .selectAll()
    .where('hash', '=', hashSecret(secret))
    .where('revoked_at', 'is', null)
    .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', sql<Date>`now()`)]))
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const used = row.last_used_at?.getTime() ?? 0;
  if (Date.now() - used > USE_SECONDS * 1000) {
    await db.updateTable('api_keys').set({ last_used_at: sql`now()` }).where('id', '=', row.id).execute();
  }
  return row;
}

/** Whether there is a key that may do everything. */
export async function hasAdminKey(db: Kysely<Database>): Promise<boolean> {
  const rows = await db.selectFrom('api_keys').select('scopes').where('revoked_at', 'is', null).execute();
  return rows.some(({ scopes }) => scopes.split(' ').includes('admin'));
}

/** All keys, newest first. */
export async function listKeys(db: Kysely<Database>): Promise<z.infer<typeof keySchema>[]> {
  const rows = await db.selectFrom('api_keys').selectAll().orderBy('created_at', 'desc').execute();
  return rows.map(describeKey);
}

/** Revokes a key for good; false without such a key. */
export async function revokeKey(db: Kysely<Database>, id: string): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('api_keys')
    .set({ revoked_at: sql`coalesce(revoked_at, now())` })
    .where('id', '=', id)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Scopes of a key: `admin` has every one, `train` has `generate`. */
export function scopesOf(row: Pick<KeyRow, 'scopes'>): readonly Scope[] {
  const given = row.scopes.split(' ') as Scope[];
  if (given.includes('admin')) return ['generate', 'train', 'admin'];
  return given.includes('train') ? ['generate', 'train'] : given;
}

/** A key as the API shows it. */
function describeKey(row: KeyRow): z.infer<typeof keySchema> {
  const time = (date: Date | null) => date?.toISOString() ?? null;
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    scopes: row.scopes.split(' ') as Scope[],
    jobsPerMinute: row.jobs_per_minute,
    imagesPerDay: row.images_per_day,
    createdAt: row.created_at.toISOString(),
    lastUsedAt: time(row.last_used_at),
    expiresAt: time(row.expires_at),
    revokedAt: time(row.revoked_at),
  };
}
