/** Jobs in the database: sent, listed, claimed under a lease, and ended exactly once. */

import { randomBytes } from 'node:crypto';
import type { Kysely, Selectable, Transaction } from 'kysely';
import { sql } from 'kysely';
import type { ClaimedJob, JobOutcome, JobStore } from '../../cluster/job_store.ts';
import type { jobStatuses } from '../schemas/jobs.ts';
import type { Database, JobTable } from './schema.ts';

/** A row of the table of jobs. */
export type JobRow = Selectable<JobTable>;
/** How a job stands. */
export type JobStatus = (typeof jobStatuses)[number];

/** A new job. */
export interface NewJob {
  readonly kind: string;
  readonly lane: string;
  readonly request: unknown;
  readonly images: number;
  readonly batchKey: string | null;
  readonly apiKey: string | null;
  readonly idempotencyKey: string | null;
}

/** Who is told that something of a job changed: streams, and answers that wait. */
export type OnChange = (id: string) => void;

/** Times that a job's worker process may die, and that the server may stop under it, before it fails. */
const MOST_CRASHES = 2;
const MOST_RESTARTS = 5;
/** Jobs that are looked at to fill a batch. */
const BATCH_WINDOW = 32;

/** Statuses that a job never leaves. */
export function isFinal(status: string): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled';
}

/** A new id: what kind of thing, and 64 random bits. */
export function newId(prefix: string): string {
  return `${prefix}_${randomBytes(8).toString('hex')}`;
}

/** Puts a job into the queue. */
export async function insertJob(db: Kysely<Database>, job: NewJob): Promise<JobRow> {
  return db
    .insertInto('jobs')
    .values({
      id: newId('job'),
      kind: job.kind,
      lane: job.lane,
      status: 'queued',
      request: JSON.stringify(job.request),
      images: job.images,
      batch_key: job.batchKey,
      api_key: job.apiKey,
      idempotency_key: job.idempotencyKey,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** The job with an id. */
export function findJob(db: Kysely<Database>, id: string): Promise<JobRow | undefined> {
  return db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Jobs that will start before a queued one. */
export async function jobsAhead(db: Kysely<Database>, { lane, sequence }: JobRow): Promise<number> {
  const { count } = await db
    .selectFrom('jobs')
    .select(sql<string>`count(*)`.as('count'))
    .where('lane', '=', lane)
    .where('status', '=', 'queued')
    .where('sequence', '<', sequence)
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** Numbers of jobs by lane and status, of those that are not over. */
export async function countOpenJobs(
  db: Kysely<Database>,
): Promise<readonly { readonly lane: string; readonly status: string; readonly count: number }[]> {
  const rows = await db
    .selectFrom('jobs')
    .select(['lane', 'status', sql<string>`count(*)`.as('count')])
    .where('status', 'in', ['queued', 'running'])
    .groupBy(['lane', 'status'])
    .execute();
  return rows.map(({ lane, status, count }) => ({ lane, status, count: Number(count) }));
}

/** Cancels a job: at once when it waits, else by a request that its owner sees. Returns the row, undefined without such a job. */
export async function cancelJob(
  db: Kysely<Database>,
  id: string,
  onChange: OnChange,
): Promise<JobRow | undefined> {
  const row = await db.transaction().execute(async (transaction) => {
    const found = await transaction
      .selectFrom('jobs')
      .selectAll()
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst();
    if (found?.status === 'queued') return end(transaction, id, { status: 'cancelled' });
    if (found?.status !== 'running') return found;
    return transaction
      .updateTable('jobs')
      .set({ cancel_requested: true })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirst();
  });
  onChange(id);
  return row;
}

/**
 * Puts a job that failed or was cancelled back to the end of the queue, as if it had never been stopped; what it left in its
 * folder is what it goes on from. Returns the row, undefined where there is no such job in one of these states.
 */
export async function requeueStopped(
  db: Kysely<Database>,
  id: string,
  onChange: OnChange,
): Promise<JobRow | undefined> {
  const row = await db.transaction().execute(async (transaction) => {
    const found = await transaction
      .updateTable('jobs')
      .set({
        status: 'queued',
        sequence: sql<number>`nextval(pg_get_serial_sequence('jobs', 'sequence'))`,
        progress: null,
        error_code: null,
        error_message: null,
        crashes: 0,
        restarts: 0,
        cancel_requested: false,
        finished_at: null,
      })
      .where('id', '=', id)
      .where('status', 'in', ['failed', 'cancelled'])
      .returningAll()
      .executeTakeFirst();
    if (found !== undefined) await insertEvent(transaction, id, 'status', { status: 'queued' });
    return found;
  });
  if (row !== undefined) onChange(id);
  return row;
}

/** The store of one server's lanes. */
export function databaseJobStore(
  db: Kysely<Database>,
  options: { readonly owner: string; readonly leaseSeconds: number; readonly onChange: OnChange },
): JobStore {
  const { owner, leaseSeconds, onChange } = options;
  const lease = sql<Date>`now() + ${leaseSeconds} * interval '1 second'`;
  const store: JobStore = {
    async claim(lane, mostImages) {
      await reclaim(db, lane, onChange);
      const rows = await db.transaction().execute(async (transaction) => {
        const chosen = await chooseJobs(transaction, lane, mostImages);
        if (chosen.length === 0) return [];
        const claimed = await transaction
          .updateTable('jobs')
          .set({
            status: 'running',
            owner,
            lease_until: lease,
            attempts: sql`attempts + 1`,
            started_at: sql`coalesce(started_at, now())`,
          })
          .where('id', 'in', chosen)
          .returningAll()
          .execute();
        for (const { id } of claimed) await insertEvent(transaction, id, 'status', { status: 'running' });
        return claimed.sort((one, other) => one.sequence - other.sequence);
      });
      for (const { id } of rows) onChange(id);
      return rows.map(({ id, kind, request, attempts }): ClaimedJob => ({ id, kind, request, attempts }));
    },
    async heartbeat(ids) {
      if (ids.length === 0) return [];
      const rows = await db
        .updateTable('jobs')
        .set({ lease_until: lease })
        .where('id', 'in', [...ids])
        .where('owner', '=', owner)
        .where('status', '=', 'running')
        .returning(['id', 'cancel_requested'])
        .execute();
      return rows.filter(({ cancel_requested }) => cancel_requested).map(({ id }) => id);
    },
    async finish(id, outcome) {
      await db.transaction().execute((transaction) => end(transaction, id, outcome, owner));
      onChange(id);
    },
    async release(id) {
      await db.transaction().execute(async (transaction) => {
        const row = await ownRow(transaction, id, owner);
        if (row === undefined) return;
        if (row.cancel_requested) await end(transaction, id, { status: 'cancelled' });
        else await requeue(transaction, row, { attempts: row.attempts - 1 });
      });
      onChange(id);
    },
    async crashed(id, message) {
      const status = await db.transaction().execute(async (transaction) => {
        const row = await ownRow(transaction, id, owner);
        if (row === undefined) return 'failed';
        if (row.cancel_requested) {
          await end(transaction, id, { status: 'cancelled' });
          return 'failed';
        }
        const crashes = row.crashes + 1;
        if (crashes >= MOST_CRASHES) {
          await transaction.updateTable('jobs').set({ crashes }).where('id', '=', id).execute();
          await end(transaction, id, { status: 'failed', code: 'worker_crashed', message });
          return 'failed';
        }
        await requeue(transaction, row, { crashes });
        await insertEvent(transaction, id, 'note', { text: `${message}; trying once more` });
        return 'queued';
      });
      onChange(id);
      return status;
    },
    async progress(id, progress) {
      const data = JSON.stringify(progress);
      await db
        .updateTable('jobs')
        .set({ progress: data })
        .where('id', '=', id)
        .where('status', '=', 'running')
        .execute();
      await store.event(id, 'progress', progress);
    },
    async event(id, type, data) {
      await insertEvent(db, id, type, data);
      onChange(id);
    },
  };
  return store;
}

/** Whether a server works on a job: nobody else may have taken it over since. */
export async function isLeased(db: Kysely<Database>, id: string, owner: string): Promise<boolean> {
  const query = db.selectFrom('jobs').select('id').where('id', '=', id);
  const row = await query.where('owner', '=', owner).where('status', '=', 'running').executeTakeFirst();
  return row !== undefined;
}

/** Gives back to the queue what a server of this name left running when it stopped without a word. */
export async function recover(db: Kysely<Database>, owner: string): Promise<void> {
  await db
    .updateTable('jobs')
    .set({ lease_until: sql`now() - interval '1 second'` })
    .where('owner', '=', owner)
    .where('status', '=', 'running')
    .execute();
}

/** Ids of the oldest queued job and of those that may join it. */
async function chooseJobs(db: Transaction<Database>, lane: string, mostImages: number): Promise<string[]> {
  const queued = db
    .selectFrom('jobs')
    .select(['id', 'images', 'batch_key', 'crashes'])
    .where('lane', '=', lane)
    .where('status', '=', 'queued')
    .orderBy('sequence')
    .forUpdate()
    .skipLocked();
  const first = await queued.limit(1).executeTakeFirst();
  if (first === undefined) return [];
  // A job that may have killed its worker is tried again alone.
  if (first.batch_key === null || first.crashes > 0 || first.images >= mostImages) return [first.id];
  const others = await queued
    .where('batch_key', '=', first.batch_key)
    .where('crashes', '=', 0)
    .where('id', '!=', first.id)
    .limit(BATCH_WINDOW)
    .execute();
  const chosen = [first.id];
  let images = first.images;
  for (const job of others) {
    if (images + job.images > mostImages) break;
    images += job.images;
    chosen.push(job.id);
  }
  return chosen;
}

/** Gives jobs whose lease ran out back to the queue, or ends them when it happened too often. */
async function reclaim(db: Kysely<Database>, lane: string, onChange: OnChange): Promise<void> {
  const expired = await db
    .selectFrom('jobs')
    .select('id')
    .where('lane', '=', lane)
    .where('status', '=', 'running')
    .where('lease_until', '<', sql<Date>`now()`)
    .execute();
  for (const { id } of expired) {
    await db.transaction().execute(async (transaction) => {
      const row = await transaction
        .selectFrom('jobs')
        .selectAll()
        .where('id', '=', id)
        .where('status', '=', 'running')
        .where('lease_until', '<', sql<Date>`now()`)
        .forUpdate()
        .executeTakeFirst();
      if (row === undefined) return;
      const restarts = row.restarts + 1;
      if (row.cancel_requested) {
        await end(transaction, id, { status: 'cancelled' });
      } else if (restarts > MOST_RESTARTS) {
        const message = `the server stopped under this job ${restarts} times`;
        await end(transaction, id, { status: 'failed', code: 'interrupted', message });
      } else {
        await requeue(transaction, row, { restarts });
        await insertEvent(transaction, id, 'note', { text: 'the server stopped; the job goes on' });
      }
    });
    onChange(id);
  }
}

function ownRow(db: Transaction<Database>, id: string, owner: string): Promise<JobRow | undefined> {
  return db
    .selectFrom('jobs')
    .selectAll()
    .where('id', '=', id)
    .where('status', '=', 'running')
    .where('owner', '=', owner)
    .forUpdate()
    .executeTakeFirst();
}

async function requeue(
  db: Transaction<Database>,
  { id }: JobRow,
  counts: { attempts?: number; crashes?: number; restarts?: number },
): Promise<void> {
  await db
    .updateTable('jobs')
    .set({ status: 'queued', owner: null, lease_until: null, progress: null, ...counts })
    .where('id', '=', id)
    .execute();
  await insertEvent(db, id, 'status', { status: 'queued' });
}

/** Ends a job unless it has ended; with `owner`, only one that this server works on. */
async function end(
  db: Transaction<Database>,
  id: string,
  outcome: JobOutcome,
  owner?: string,
): Promise<JobRow | undefined> {
  const row = await db
    .updateTable('jobs')
    .set({
      status: outcome.status,
      owner: null,
      lease_until: null,
      finished_at: sql<Date>`now()`,
      ...(outcome.status === 'succeeded' ? { result: JSON.stringify(outcome.result) } : {}),
      ...(outcome.status === 'failed' ? { error_code: outcome.code, error_message: outcome.message } : {}),
    })
    .where('id', '=', id)
    .where('status', 'in', ['queued', 'running'])
    .$if(owner !== undefined, (query) => query.where('owner', '=', owner!))
    .returningAll()
    .executeTakeFirst();
  if (row !== undefined) await insertEvent(db, id, 'status', { status: outcome.status });
  return row;
}

async function insertEvent(db: Kysely<Database>, job: string, type: string, data: unknown): Promise<void> {
  await db
    .insertInto('job_events')
    .values({ job, type, data: JSON.stringify(data) })
    .execute();
}
