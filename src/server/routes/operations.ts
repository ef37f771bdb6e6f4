/** Routes for whoever runs the server: health, readiness, status, metrics. */

import { createRoute } from '@hono/zod-openapi';
import { sql } from 'kysely';
import { requireScope } from '../accounts/authenticate.ts';
import type { App, ServerContext } from '../context.ts';
import { healthSchema, readinessSchema, statusSchema } from '../schemas/operations.ts';
import { countOpenJobs } from '../storage/jobs.ts';
import { fileAnswer, jsonAnswer, refusals, security } from './shared.ts';

const tags = ['operations'];

const health = createRoute({
  tags,
  method: 'get',
  path: '/healthz',
  summary: 'The process answers',
  responses: { 200: jsonAnswer('It does', healthSchema) },
});

const readiness = createRoute({
  tags,
  method: 'get',
  path: '/readyz',
  summary: 'Whether the server takes work',
  responses: {
    200: jsonAnswer('It does', readinessSchema),
    503: jsonAnswer('It does not', readinessSchema),
  },
});

const status = createRoute({
  tags,
  security,
  middleware: requireScope('generate'),
  method: 'get',
  path: '/api/v1/status',
  summary: 'Queue and workers',
  responses: { 200: jsonAnswer('Queue and workers', statusSchema), ...refusals },
});

const metricsRoute = {
  tags,
  security,
  method: 'get',
  path: '/metrics',
  summary: 'Measurements for Prometheus',
  responses: { 200: fileAnswer("Prometheus's text format", 'text/plain'), ...refusals },
} as const;

/** Adds the routes of operations. */
export function addOperationRoutes(app: App, context: ServerContext): void {
  const { db, files, queue, metrics } = context;
  app.openapi(health, (c) => c.json({ status: 'ok' as const }, 200));
  app.openapi(readiness, async (c) => {
    const database = await sql`select 1`.execute(db).then(
      () => true,
      () => false,
    );
    const storage = files.kind === 'folder' ? {} : { storage: (await files.fault()) === null };
    const checks = { database, ...storage, running: !context.draining };
    const ready = Object.values(checks).every(Boolean);
    return c.json({ ready, checks }, ready ? 200 : 503);
  });
  app.openapi(status, async (c) => {
    const open = await countOpenJobs(db);
    const count = (lane: string, status: string) =>
      open.find((row) => row.lane === lane && row.status === status)?.count ?? 0;
    return c.json(
      {
        version: context.version,
        uptimeSeconds: (performance.now() - context.startedAt) / 1000,
        draining: context.draining,
        storage: { kind: files.kind, answers: (await files.fault()) === null },
        lanes: queue.workers().map((worker) => ({
          ...worker,
          queued: count(worker.name, 'queued'),
          running: count(worker.name, 'running'),
        })),
      },
      200,
    );
  });
  app.openAPIRegistry.registerPath(metricsRoute);
  app.get('/metrics', requireScope('admin'), async (c) =>
    c.body(await metrics.registry.metrics(), 200, { 'Content-Type': metrics.registry.contentType }),
  );
}
