/** How the database came to be, step by step; steps that were released never change, and there is no way back. */

import type { Kysely, Migration } from 'kysely';
import { Migrator, sql } from 'kysely';

/** Migrations by name, in order. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = Object.freeze({
  '0001_first': { up: first },
  '0002_adapter_kind': { up: adapterKind },
});

/** Names of the migrations, in order: a version of the database is how many of them were applied. */
export const VERSIONS: readonly string[] = Object.freeze(Object.keys(MIGRATIONS));

/**
 * Brings a database to the newest version, or to `version`.
 * @throws Error naming the migration that failed, of which nothing remains
 */
export async function migrate(database: Kysely<never>, version: string = VERSIONS.at(-1)!): Promise<void> {
  const migrator = new Migrator({
    db: database,
    provider: { getMigrations: async () => ({ ...MIGRATIONS }) },
    migrationTableName: 'schema_migrations',
    migrationLockTableName: 'schema_migrations_lock',
  });
  const { error, results = [] } = await migrator.migrateTo(version);
  if (error === undefined) return;
  const failed = results.find(({ status }) => status === 'Error')?.migrationName ?? version;
  throw new Error(`database: migration ${failed}: ${(error as Error).message ?? error}`, { cause: error });
}

async function first(db: Kysely<unknown>): Promise<void> {
  const now = sql`now()`;
  await db.schema
    .createTable('api_keys')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('prefix', 'text', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull().unique())
    .addColumn('scopes', 'text', (column) => column.notNull())
    .addColumn('jobs_per_minute', 'integer')
    .addColumn('images_per_day', 'integer')
    .addColumn('created_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .addColumn('last_used_at', 'timestamptz')
    .addColumn('expires_at', 'timestamptz')
    .addColumn('revoked_at', 'timestamptz')
    .execute();
  await db.schema
    .createTable('jobs')
    .addColumn('sequence', 'serial', (column) => column.primaryKey())
    .addColumn('id', 'text', (column) => column.notNull().unique())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('lane', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('request', 'jsonb', (column) => column.notNull())
    .addColumn('result', 'jsonb')
    .addColumn('progress', 'jsonb')
    .addColumn('error_code', 'text')
    .addColumn('error_message', 'text')
    .addColumn('images', 'integer', (column) => column.notNull())
    .addColumn('batch_key', 'text')
    .addColumn('api_key', 'text', (column) => column.references('api_keys.id'))
    .addColumn('idempotency_key', 'text')
    .addColumn('attempts', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('crashes', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('restarts', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('cancel_requested', 'boolean', (column) => column.notNull().defaultTo(false))
    .addColumn('owner', 'text')
    .addColumn('lease_until', 'timestamptz')
    .addColumn('created_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .addColumn('started_at', 'timestamptz')
    .addColumn('finished_at', 'timestamptz')
    .execute();
  await db.schema.createIndex('jobs_waiting').on('jobs').columns(['lane', 'status', 'sequence']).execute();
  await db.schema.createIndex('jobs_by_key').on('jobs').columns(['api_key', 'created_at']).execute();
  await sql`create unique index jobs_idempotency on jobs (coalesce(api_key, ''), idempotency_key)
    where idempotency_key is not null`.execute(db);
  await db.schema
    .createTable('job_events')
    .addColumn('id', 'serial', (column) => column.primaryKey())
    .addColumn('job', 'text', (column) => column.notNull().references('jobs.id').onDelete('cascade'))
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('data', 'jsonb', (column) => column.notNull())
    .addColumn('created_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .execute();
  await db.schema.createIndex('job_events_by_job').on('job_events').columns(['job', 'id']).execute();
  await db.schema
    .createTable('adapters')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('model', 'text', (column) => column.notNull())
    .addColumn('job', 'text')
    .addColumn('origin', 'text', (column) => column.notNull())
    .addColumn('target', 'jsonb')
    .addColumn('file', 'text', (column) => column.notNull())
    .addColumn('bytes', 'double precision', (column) => column.notNull())
    .addColumn('sha256', 'text', (column) => column.notNull())
    .addColumn('created_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .execute();
  await db.schema
    .createTable('targets')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('description', 'text', (column) => column.notNull())
    .addColumn('target', 'jsonb', (column) => column.notNull())
    .addColumn('created_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .execute();
}

/** What an adapter holds; null for those from before. */
async function adapterKind(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('adapters').addColumn('kind', 'text').execute();
}
