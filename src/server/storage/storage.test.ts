import { execFileSync } from 'node:child_process';
import path from 'node:path';
import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TestPostgres } from '../testing/postgres.ts';
import { startPostgres } from '../testing/postgres.ts';
import { createJobWatch, eventsAfter } from './events.ts';
import type { NewJob } from './jobs.ts';
import {
  cancelJob,
  countOpenJobs,
  databaseJobStore,
  findJob,
  insertJob,
  jobsAhead,
  recover,
  requeueStopped,
} from './jobs.ts';
import { createKey, findKey, hasAdminKey, hashSecret, listKeys, revokeKey, scopesOf } from './keys.ts';
import { MIGRATIONS, migrate, VERSIONS } from './migrations.ts';
import { connect, openDatabase } from './open_database.ts';
import type { Database } from './schema.ts';
import { deleteTarget, listTargets, saveTarget } from './targets.ts';

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

/** Columns of every table with their types, as the database itself tells them. */
async function schemaOf(db: Kysely<Database>): Promise<string[]> {
  const { rows } = await sql<{ line: string }>`
    select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable as line
    from information_schema.columns where table_schema = 'public' order by line`.execute(db);
  return rows.map(({ line }) => line);
}

const job = (fields: Partial<NewJob> = {}): NewJob => ({
  kind: 'generate',
  lane: 'draw',
  request: { prompts: ['a nurse'] },
  images: 1,
  batchKey: 'same',
  apiKey: null,
  idempotencyKey: null,
  ...fields,
});

describe.each(['PGlite', 'PostgreSQL'])('the database, %s', (kind) => {
  let db: Kysely<Database>;
  const watch = createJobWatch();
  const storeOf = (owner: string, leaseSeconds = 30) =>
    databaseJobStore(db, { owner, leaseSeconds, onChange: watch.changed });
  beforeAll(async () => {
    db = await openDatabase(kind === 'PGlite' ? 'memory:' : postgres.url);
  });
  beforeEach(async () => {
    await sql`truncate jobs, job_events, api_keys, targets, adapters`.execute(db);
  });
  afterAll(() => db.destroy());

  it('claims in the order of arrival, together what fits together', async () => {
    const ids = [];
    for (const fields of [
      { images: 2 },
      { batchKey: 'other' },
      { images: 1 },
      { images: 3 },
      { lane: 'train' },
    ]) {
      ids.push((await insertJob(db, job(fields))).id);
    }
    expect(await jobsAhead(db, (await findJob(db, ids[3]!))!)).toBe(3);
    const store = storeOf('one');
    const first = await store.claim('draw', 4);
    expect(first.map(({ id }) => id)).toEqual([ids[0], ids[2]]);
    expect(first[0]).toMatchObject({ request: { prompts: ['a nurse'] }, attempts: 1 });
    expect((await store.claim('draw', 4)).map(({ id }) => id)).toEqual([ids[1]]);
    expect((await store.claim('draw', 2)).map(({ id }) => id)).toEqual([ids[3]]);
    expect(await store.claim('draw', 4)).toEqual([]);
    const open = await countOpenJobs(db);
    expect(open).toContainEqual({ lane: 'draw', status: 'running', count: 4 });
    expect(open).toContainEqual({ lane: 'train', status: 'queued', count: 1 });
  });

  it('gives each job to one of many who claim at once', async () => {
    for (let i = 0; i < 6; i++) await insertJob(db, job({ batchKey: null }));
    const claims = await Promise.all(
      Array.from({ length: 8 }, (_, i) => storeOf(`server ${i}`).claim('draw', 1)),
    );
    const ids = claims.flat().map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThan(0);
  });

  it('ends a job once, and only by the hand of its owner', async () => {
    const { id } = await insertJob(db, job());
    const store = storeOf('one');
    await store.claim('draw', 1);
    await storeOf('another').finish(id, { status: 'failed', code: 'job_failed', message: 'not mine' });
    expect((await findJob(db, id))!.status).toBe('running');
    await store.progress(id, { task: 'draw', step: 1, steps: 2 });
    await store.finish(id, { status: 'succeeded', result: { seed: 1 } });
    await store.finish(id, { status: 'cancelled' });
    const row = (await findJob(db, id))!;
    expect(row).toMatchObject({ status: 'succeeded', result: { seed: 1 }, owner: null });
    const events = await eventsAfter(db, id, 0);
    expect(events.map(({ type, data }) => [type, (data as { status?: string }).status])).toEqual([
      ['status', 'running'],
      ['progress', undefined],
      ['status', 'succeeded'],
    ]);
    expect(await eventsAfter(db, id, events[1]!.id)).toHaveLength(1);
  });

  it('tries a job whose worker died once more, alone, then fails it', async () => {
    const { id } = await insertJob(db, job());
    await insertJob(db, job());
    const store = storeOf('one');
    expect(await store.claim('draw', 4)).toHaveLength(2);
    expect(await store.crashed(id, 'signal SIGSEGV')).toBe('queued');
    await insertJob(db, job());
    expect((await store.claim('draw', 4)).map((each) => each.id)).toEqual([id]);
    expect(await store.crashed(id, 'signal SIGSEGV')).toBe('failed');
    expect(await findJob(db, id)).toMatchObject({
      status: 'failed',
      error_code: 'worker_crashed',
      crashes: 2,
    });
  });

  it('takes jobs over whose server stopped without a word, and gives up after the fifth time', async () => {
    const { id } = await insertJob(db, job());
    for (let restart = 0; restart <= 5; restart++) {
      expect(await storeOf('one').claim('draw', 1)).toHaveLength(1);
      expect(await storeOf('another').claim('draw', 1)).toEqual([]);
      await recover(db, 'one');
    }
    expect(await storeOf('another').claim('draw', 1)).toEqual([]);
    expect(await findJob(db, id)).toMatchObject({ status: 'failed', error_code: 'interrupted' });
  });

  it('cancels what waits at once, and what runs through its owner', async () => {
    const waiting = await insertJob(db, job({ batchKey: null }));
    expect((await cancelJob(db, waiting.id, watch.changed))!.status).toBe('cancelled');
    const { id } = await insertJob(db, job({ batchKey: null }));
    const store = storeOf('one');
    await store.claim('draw', 1);
    expect(await store.heartbeat([id])).toEqual([]);
    expect((await cancelJob(db, id, watch.changed))!.status).toBe('running');
    expect(await store.heartbeat([id])).toEqual([id]);
    await store.release(id);
    expect((await findJob(db, id))!.status).toBe('cancelled');
    expect(await cancelJob(db, 'job_none', watch.changed)).toBeUndefined();
  });

  it('puts a stopped job back once, at the end of the queue', async () => {
    const alone = job({ batchKey: null });
    const { id } = await insertJob(db, alone);
    const store = storeOf('one');
    await store.claim('draw', 1);
    expect(await requeueStopped(db, id, watch.changed)).toBeUndefined();
    await store.finish(id, { status: 'failed', code: 'job_failed', message: 'no' });
    const other = await insertJob(db, alone);
    const row = (await requeueStopped(db, id, watch.changed))!;
    const clean = { error_code: null, error_message: null, finished_at: null, cancel_requested: false };
    expect(row).toMatchObject({ status: 'queued', crashes: 0, ...clean });
    expect(await jobsAhead(db, row)).toBe(1);
    expect(await requeueStopped(db, id, watch.changed)).toBeUndefined();
    expect((await store.claim('draw', 1)).map((each) => each.id)).toEqual([other.id]);
    expect((await store.claim('draw', 1))[0]).toMatchObject({ id, attempts: 2 });
  });

  it('gives a job back to its place without counting the attempt', async () => {
    const { id } = await insertJob(db, job());
    const store = storeOf('one');
    await store.claim('draw', 1);
    await store.release(id);
    expect(await findJob(db, id)).toMatchObject({ status: 'queued', attempts: 0, owner: null });
  });

  it('keeps no secret of a key, and refuses revoked and expired ones', async () => {
    const values = { jobsPerMinute: 3, imagesPerDay: null, expiresAt: null };
    expect(await hasAdminKey(db)).toBe(false);
    const created = await createKey(db, { name: 'one', scopes: ['train'], ...values });
    const { rows } = await sql<{ text: string }>`select api_keys::text as text from api_keys`.execute(db);
    expect(rows[0]!.text).not.toContain(created.secret.slice(12));
    expect(rows[0]!.text).toContain(hashSecret(created.secret));
    expect(scopesOf((await findKey(db, created.secret))!)).toEqual(['generate', 'train']);
    expect(await findKey(db, `${created.secret}x`)).toBeUndefined();
    const past = '2020-01-01T00:00:00.000Z';
    const expired = await createKey(db, { name: 'two', scopes: ['admin'], ...values, expiresAt: past });
    expect(await findKey(db, expired.secret)).toBeUndefined();
    expect(await revokeKey(db, created.id)).toBe(true);
    expect(await findKey(db, created.secret)).toBeUndefined();
    expect(await revokeKey(db, 'key_none')).toBe(false);
    expect((await listKeys(db)).map(({ name }) => name).sort()).toEqual(['one', 'two']);
  });

  it('saves, replaces and removes targets', async () => {
    await saveTarget(db, { name: 'mine', description: '', target: 'gender=50/50' });
    await saveTarget(db, { name: 'mine', description: 'better', target: { gender: '40/60' } });
    const saved = (await listTargets(db)).filter(({ builtIn }) => !builtIn);
    expect(saved).toEqual([
      { name: 'mine', description: 'better', target: { gender: '40/60' }, builtIn: false },
    ]);
    expect([await deleteTarget(db, 'mine'), await deleteTarget(db, 'mine')]).toEqual([true, false]);
  });
});

describe('migrations', () => {
  it('lead from every version to the schema of a new database, and keep what is in it', async () => {
    const fresh = await openDatabase('memory:');
    const expected = await schemaOf(fresh);
    await fresh.destroy();
    for (const version of VERSIONS) {
      const old = connect('memory:');
      await migrate(old as Kysely<never>, version);
      await insertJob(old, job());
      await migrate(old as Kysely<never>);
      await migrate(old as Kysely<never>);
      expect(await schemaOf(old), version).toEqual(expected);
      expect((await old.selectFrom('jobs').selectAll().execute()).length).toBe(1);
      await old.destroy();
    }
    expect(expected.some((line) => line.startsWith('jobs.lease_until timestamp with time zone'))).toBe(true);
  });

  it('know no way back', () => {
    for (const migration of Object.values(MIGRATIONS)) expect(migration.down).toBeUndefined();
  });

  it('say where the database is, without its password, when nothing answers', async () => {
    const opened = openDatabase('postgres://someone:secret@127.0.0.1:1/nothing');
    await expect(opened).rejects.toThrow(/^database postgres:\/\/127\.0\.0\.1:1\/nothing: /);
  });
});

describe('backup of a PostgreSQL server', () => {
  it('is a dump that another database takes whole', async () => {
    const db = await openDatabase(postgres.url);
    await sql`truncate jobs, job_events, api_keys, targets, adapters`.execute(db);
    const { id } = await insertJob(db, job());
    await db.destroy();
    const dump = execFileSync(path.join(postgres.bin, 'pg_dump'), ['--dbname', postgres.url]);
    const other = postgres.url.replace(/postgres$/, 'restored');
    const psql = path.join(postgres.bin, 'psql');
    execFileSync(psql, ['--dbname', postgres.url, '--command', 'create database restored'], {
      stdio: 'ignore',
    });
    execFileSync(psql, ['--dbname', other, '--quiet'], { input: dump, stdio: ['pipe', 'ignore', 'pipe'] });
    const restored = await openDatabase(other);
    expect(await findJob(restored, id)).toMatchObject({
      status: 'queued',
      request: { prompts: ['a nurse'] },
    });
    await insertJob(restored, job());
    await restored.destroy();
  });
});
