/** Routes of jobs: send, list, look, cancel, remove, and their files. */

import { createRoute, z } from '@hono/zod-openapi';
import { requireScope } from '../accounts/authenticate.ts';
import { FILE_POLICY } from '../accounts/headers.ts';
import type { App, ServerContext } from '../context.ts';
import { ApiFault } from '../errors.ts';
import { describeJob, isShown, jobFiles, whereaboutsOf } from '../jobs/describe.ts';
import { resumeJob, stopJob, submitJob } from '../jobs/submit.ts';
import { idempotencyHeader, idParameter } from '../schemas/common.ts';
import { jobFileSchema, jobListQuery, jobListSchema, jobRequestSchema, jobSchema } from '../schemas/jobs.ts';
import { folderOfJob } from '../storage/data_folder.ts';
import type { JobRow } from '../storage/jobs.ts';
import { findJob, isFinal } from '../storage/jobs.ts';
import { sendFile } from './send_file.ts';
import { fileAnswer, jsonAnswer, jsonBody, refusals, security } from './shared.ts';

const tags = ['jobs'];
const middleware = requireScope('generate');
const common = { tags, security, middleware };

const send = createRoute({
  ...common,
  method: 'post',
  path: '/api/v1/jobs',
  summary: 'Send a job',
  description: 'The header Idempotency-Key makes sending again harmless: the same key gives the first job.',
  request: {
    ...jsonBody(jobRequestSchema),
    headers: idempotencyHeader,
  },
  responses: { 202: jsonAnswer('The job, queued', jobSchema), ...refusals },
});

const list = createRoute({
  ...common,
  method: 'get',
  path: '/api/v1/jobs',
  summary: 'List jobs, newest first',
  request: { query: jobListQuery },
  responses: { 200: jsonAnswer('Jobs', jobListSchema), ...refusals },
});

const look = createRoute({
  ...common,
  method: 'get',
  path: '/api/v1/jobs/{id}',
  summary: 'One job, with progress and result',
  request: { params: idParameter },
  responses: { 200: jsonAnswer('The job', jobSchema), ...refusals },
});

const cancel = createRoute({
  ...common,
  method: 'post',
  path: '/api/v1/jobs/{id}/cancel',
  summary: 'Cancel a job; running work stops at its next denoising step',
  request: { params: idParameter },
  responses: { 202: jsonAnswer('The job', jobSchema), ...refusals },
});

const resume = createRoute({
  ...common,
  method: 'post',
  path: '/api/v1/jobs/{id}/resume',
  summary: 'Let a stopped fine-tuning or evaluation go on',
  description:
    'Takes jobs that failed or were cancelled. A fine-tuning goes on from its newest whole checkpoint and gives the numbers ' +
    'of an uninterrupted one; an evaluation does not draw again what it has judged.',
  request: { params: idParameter },
  responses: { 202: jsonAnswer('The job, queued again', jobSchema), ...refusals },
});

const remove = createRoute({
  ...common,
  method: 'delete',
  path: '/api/v1/jobs/{id}',
  summary: 'Remove a finished job and its files; its adapters stay',
  request: { params: idParameter },
  responses: { 204: { description: 'Removed' }, ...refusals },
});

const files = createRoute({
  ...common,
  method: 'get',
  path: '/api/v1/jobs/{id}/files',
  summary: 'Files of a job',
  request: { params: idParameter },
  responses: { 200: jsonAnswer('Files', z.object({ files: z.array(jobFileSchema) })), ...refusals },
});

/** Described by itself: a name with slashes in it is no parameter of a checked route. */
const file = {
  tags,
  security,
  method: 'get',
  path: '/api/v1/jobs/{id}/files/{path}',
  summary: 'One file of a job; `path` is its name in the list, slashes included',
  request: {
    params: idParameter.extend({ path: z.string().openapi({ param: { name: 'path', in: 'path' } }) }),
  },
  responses: { 200: fileAnswer('The file, in its own media type'), ...refusals },
} as const;

/** Adds the routes of jobs. */
export function addJobRoutes(app: App, context: ServerContext): void {
  const { db, files: store } = context;
  app.openapi(send, async (c) => {
    const key = c.req.valid('header')['idempotency-key'] ?? null;
    const row = await submitJob(context, c.req.valid('json'), c.get('caller'), key);
    return c.json(await describeJob(context, row), 202, { Location: `/api/v1/jobs/${row.id}` });
  });
  app.openapi(list, async (c) => {
    const { kind, status, limit, before } = c.req.valid('query');
    const page = before === undefined ? null : await requireJob(context, before);
    const rows = await db
      .selectFrom('jobs')
      .selectAll()
      .$if(kind !== undefined, (query) => query.where('kind', '=', kind!))
      .$if(status !== undefined, (query) => query.where('status', '=', status!))
      .$if(page !== null, (query) => query.where('sequence', '<', page!.sequence))
      .orderBy('sequence', 'desc')
      .limit(limit + 1)
      .execute();
    const shown = rows.slice(0, limit);
    const jobs = await Promise.all(shown.map((row) => describeJob(context, row)));
    return c.json({ jobs, next: rows.length > limit ? shown.at(-1)!.id : null }, 200);
  });
  app.openapi(look, async (c) => {
    const row = await requireJob(context, c.req.valid('param').id);
    return c.json(await describeJob(context, row), 200);
  });
  app.openapi(cancel, async (c) => {
    const { id } = c.req.valid('param');
    const row = await stopJob(context, id);
    if (row === undefined) throw unknownJob(id);
    return c.json(await describeJob(context, row), 202);
  });
  app.openapi(resume, async (c) => {
    const row = await resumeJob(context, c.req.valid('param').id, c.get('caller'));
    return c.json(await describeJob(context, row), 202);
  });
  app.openapi(remove, async (c) => {
    const row = await requireJob(context, c.req.valid('param').id);
    if (!isFinal(row.status)) {
      throw new ApiFault(
        'conflict',
        `job ${row.id}: expected one that is over, it is ${row.status}; cancel it first`,
      );
    }
    // A job whose files cannot be removed now stays, so that they can be removed later.
    await store.removeFolder(folderOfJob(row.id));
    await db.deleteFrom('jobs').where('id', '=', row.id).execute();
    return c.body(null, 204);
  });
  app.openapi(files, async (c) => {
    const row = await requireJob(context, c.req.valid('param').id);
    return c.json({ files: await jobFiles(context, row) }, 200);
  });
  app.openAPIRegistry.registerPath(file);
  app.get('/api/v1/jobs/:id/files/:name{.+}', middleware, async (c) => {
    const row = await requireJob(context, c.req.param('id'));
    const name = c.req.param('name');
    const where = whereaboutsOf(context, row);
    const file = isShown(name) ? await store.open(folderOfJob(row.id), name, where) : null;
    if (file === null) {
      const { length } = await jobFiles(context, row);
      throw new ApiFault('not_found', `job ${row.id}: expected one of its ${length} files, received ${name}`);
    }
    // A run's page, log and samples grow while it goes, and when one that was stopped goes on; what succeeded never changes.
    const cache = row.status === 'succeeded' ? 'private, max-age=31536000, immutable' : 'no-cache';
    return sendFile(c, file, { 'Content-Security-Policy': FILE_POLICY, 'Cache-Control': cache });
  });
}

/** The job with an id. @throws ApiFault `not_found` */
export async function requireJob({ db }: ServerContext, id: string): Promise<JobRow> {
  const row = await findJob(db, id);
  if (row === undefined) throw unknownJob(id);
  return row;
}

function unknownJob(id: string): ApiFault {
  return new ApiFault('not_found', `job: expected the id of a job, received ${id}`, { field: 'id' });
}
