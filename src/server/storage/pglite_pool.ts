/** PostgreSQL in this process (PGlite) behind the interface of `pg`'s pool, so that one dialect serves both. */

import type { PGlite } from '@electric-sql/pglite';
import type { PostgresPool, PostgresPoolClient } from 'kysely';

/** A pool of one connection: whoever has it keeps it until it is released, as transactions need it. */
export function pglitePool(database: PGlite): PostgresPool {
  let last: Promise<void> = Promise.resolve();
  return {
    async connect() {
      const before = last;
      let release = () => {};
      last = new Promise((resolve) => {
        release = resolve;
      });
      await before;
      return clientOf(database, release);
    },
    end: () => database.close(),
  };
}

function clientOf(database: PGlite, release: () => void): PostgresPoolClient {
  return {
    async query(text: unknown, parameters: readonly unknown[] = []) {
      if (typeof text !== 'string') throw new Error('PGlite: expected SQL, received a cursor');
      const { rows, affectedRows = 0 } = await database.query(text, [...parameters]);
      const command = /^\s*(\w+)/.exec(text)?.[1]?.toUpperCase() as 'SELECT';
      return { command, rowCount: affectedRows || rows.length, rows } as never;
    },
    release,
  } as unknown as PostgresPoolClient;
}
