/** Opens the server's database: a PostgreSQL server by its address, or an embedded one in a folder; and migrates it. */

import { PGlite } from '@electric-sql/pglite';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { makeFolder } from '../../weights/make_folder.ts';
import { migrate } from './migrations.ts';
import { pglitePool } from './pglite_pool.ts';
import type { Database } from './schema.ts';

/** Connections to a PostgreSQL server at most. */
const CONNECTIONS = 10;

/**
 * Opens a database as it stands.
 * @param place address `postgres://user:password@host/name`; a folder for an embedded database; `memory:` for one that is gone
 * with the process
 */
export function connect(place: string): Kysely<Database> {
  if (/^postgres(ql)?:\/\//.test(place)) {
    const pool = new pg.Pool({ connectionString: place, max: CONNECTIONS });
    // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
    pool.on('error', () => {});
    return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  }
  if (place !== 'memory:') makeFolder(place);
  const embedded = place === 'memory:' ? new PGlite() : new PGlite(place);
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool: pglitePool(embedded) }) });
}

/**
 * Opens a database and brings it to the newest version.
 * @throws Error naming the place when nothing answers there, or the migration that failed
 */
export async function openDatabase(place: string): Promise<Kysely<Database>> {
  const database = connect(place);
  try {
    await migrate(database as Kysely<never>);
    return database;
  } catch (error) {
    await database.destroy().catch(() => {});
    // An address may hold a password.
    const shown = place.replace(/\/\/[^@/]*@/, '//');
    throw new Error(`database ${shown}: ${(error as Error).message}`, { cause: error });
  }
}
