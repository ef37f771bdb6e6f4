/** Puts checked requests into the queue, within the limits of their key. */

import type { Kysely, Transaction } from 'kysely';
import { sql } from 'kysely';
import type { Caller, ServerContext } from '../context.ts';
import { ApiFault } from '../errors.ts';
import type { JobRow } from '../storage/jobs.ts';
import { cancelJob, findJob, insertJob, isFinal, requeueStopped } from '../storage/jobs.ts';
import type { Database } from '../storage/schema.ts';
import type { JobRequest } from './check.ts';
import { checkRequest } from './check.ts';

const MINUTE_SECONDS = 60;
/** A job whose images wait for the day's quota may be tried again after so long. */
const QUOTA_RETRY_SECONDS = 3600;

/**
 * Queues a job.
 * @param idempotencyKey the same one again gives the job that it made first
 * @throws ApiFault when the caller may not, a limit is reached, or the request does not fit
 */
export async function submitJob(
  context: ServerContext,
  asked: JobRequest,
  caller: Caller,
  idempotencyKey: string | null = null,
): Promise<JobRow> {
  requireMay(context, asked.kind, caller);
  const { request, lane, images, batchKey } = await checkRequest(context, asked);
  const apiKey = caller.key?.id ?? null;
  const row = await context.db.transaction().execute(async (db) => {
    await lockCaller(db, caller);
    if (idempotencyKey !== null) {
      const earlier = await db
        .selectFrom('jobs')
        .selectAll()
        .where('idempotency_key', '=', idempotencyKey)
        .where('api_key', apiKey === null ? 'is' : '=', apiKey)
        .executeTakeFirst();
      if (earlier !== undefined) return earlier;
    }
    await checkQueue(db, context.mostQueued);
    await checkLimits(db, caller, images);
    return insertJob(db, { kind: request.kind, lane, request, images, batchKey, apiKey, idempotencyKey });
  });
  context.queue.wake(lane);
  return row;
}

/**
 * Lets a fine-tuning or evaluation that failed or was cancelled go on: from its newest whole checkpoint, from its judged images.
 * @throws ApiFault when the caller may not, there is no such job, it was not stopped, or what it needs is gone
 */
export async function resumeJob(context: ServerContext, id: string, caller: Caller): Promise<JobRow> {
  const row = await findJob(context.db, id);
  if (row === undefined) throw new ApiFault('not_found', `job: expected the id of a job, received ${id}`);
  requireMay(context, row.kind, caller);
  if (row.kind === 'generate') {
    throw new ApiFault('conflict', `job ${id}: a generation starts anew; send its request again`);
  }
  await checkRequest(context, row.request as JobRequest);
  await checkQueue(context.db, context.mostQueued);
  const queued = await requeueStopped(context.db, id, context.watch.changed);
  if (queued === undefined) {
    throw new ApiFault(
      'conflict',
      `job ${id}: expected one that failed or was cancelled, it is ${row.status}`,
    );
  }
  context.queue.wake(queued.lane);
  return queued;
}

function requireMay({ draining }: ServerContext, kind: string, { scopes }: Caller): void {
  const scope = kind === 'generate' ? 'generate' : 'train';
  if (!scopes.includes(scope)) {
    throw new ApiFault('forbidden', `expected a key with the scope ${scope} for ${kind}`);
  }
  if (draining) throw new ApiFault('shutting_down', 'the server is shutting down', { retryAfter: 30 });
}

/** Cancels a job wherever it stands. */
export async function stopJob(context: ServerContext, id: string): Promise<JobRow | undefined> {
  const row = await cancelJob(context.db, id, context.watch.changed);
  if (row?.status === 'running') await context.queue.cancel(id);
  return row;
}

/**
 * Waits for the end of a job; raised `signal` cancels it and throws. While the server shuts down, a job that runs is still waited
 * for; of one that goes back to the queue the fault names the id, under which its result can be had later.
 */
export async function awaitJob(context: ServerContext, id: string, signal: AbortSignal): Promise<JobRow> {
  const watching = context.watch.open(id);
  const stop = () => {
    watching.close();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      if (signal.aborted) {
        await stopJob(context, id);
        throw new ApiFault('cancelled', 'the client went away');
      }
      const row = await findJob(context.db, id);
      if (row === undefined) throw new ApiFault('not_found', `job ${id} was removed`);
      if (isFinal(row.status)) return row;
      if (context.draining && row.status === 'queued') {
        const message = `the server is shutting down; the job ${id} goes on when it is back: look for it at /api/v1/jobs/${id}`;
        throw new ApiFault('shutting_down', message, { retryAfter: 30, job: id });
      }
      await watching.next(1000);
    }
  } finally {
    signal.removeEventListener('abort', stop);
    watching.close();
  }
}

/** The result of a job that ended well. @throws ApiFault with the code of another end */
export function resultOf<Result>(row: JobRow): Result {
  if (row.status === 'succeeded') return row.result as Result;
  if (row.status === 'cancelled') throw new ApiFault('cancelled', `job ${row.id} was cancelled`);
  const code =
    row.error_code === 'worker_crashed' || row.error_code === 'interrupted' ? row.error_code : 'job_failed';
  throw new ApiFault(code, row.error_message ?? 'the job failed');
}

/** Jobs of one key are counted one after the other. */
async function lockCaller(db: Transaction<Database>, { key }: Caller): Promise<void> {
  if (key === null) return;
  await db.selectFrom('api_keys').select('id').where('id', '=', key.id).forUpdate().execute();
}

async function checkQueue(db: Kysely<Database>, most: number): Promise<void> {
  const { count } = await db
    .selectFrom('jobs')
    .select(sql<string>`count(*)`.as('count'))
    .where('status', '=', 'queued')
    .executeTakeFirstOrThrow();
  if (Number(count) < most) return;
  throw new ApiFault('queue_full', `expected fewer than ${most} waiting jobs`, { retryAfter: 30 });
}

async function checkLimits(db: Transaction<Database>, { key }: Caller, images: number): Promise<void> {
  if (key === null) return;
  if (key.jobs_per_minute !== null) {
    const { jobs } = await used(db, key.id, MINUTE_SECONDS);
    if (jobs >= key.jobs_per_minute) {
      const message = `this key may send ${key.jobs_per_minute} jobs a minute`;
      throw new ApiFault('rate_limit_exceeded', message, { retryAfter: MINUTE_SECONDS });
    }
  }
  if (key.images_per_day !== null) {
    const { images: drawn } = await used(db, key.id, 24 * 60 * MINUTE_SECONDS);
    if (drawn + images > key.images_per_day) {
      const message = `this key may draw ${key.images_per_day} images a day, has drawn ${drawn} and asks for ${images}`;
      throw new ApiFault('insufficient_quota', message, { retryAfter: QUOTA_RETRY_SECONDS });
    }
  }
}

/** Jobs and images of a key in the last seconds; those that failed or were cancelled count, as they took the machine's time. */
async function used(db: Transaction<Database>, key: string, seconds: number) {
  const { jobs, images } = await db
    .selectFrom('jobs')
    .select([sql<string>`count(*)`.as('jobs'), sql<string>`coalesce(sum(images), 0)`.as('images')])
    .where('api_key', '=', key)
    .where('created_at', '>', sql<Date>`now() - ${seconds} * interval '1 second'`)
    .executeTakeFirstOrThrow();
  return { jobs: Number(jobs), images: Number(images) };
}
