/** What whoever runs the server looks at: health, readiness, queue and workers. */

import { z } from '@hono/zod-openapi';

/** The process answers. */
export const healthSchema = z.object({ status: z.literal('ok') }).openapi('Health');

/** Whether the server takes work, and what stands in the way. */
export const readinessSchema = z
  .object({ ready: z.boolean(), checks: z.record(z.string(), z.boolean()) })
  .openapi('Readiness');

/** Lanes of the queue: each has worker processes of its own, so that drawing does not wait for training. */
export const laneNames = Object.freeze(['draw', 'train', 'estimate', 'export'] as const);

/** Queue and workers. */
export const statusSchema = z
  .object({
    version: z.string(),
    uptimeSeconds: z.number(),
    draining: z.boolean(),
    /** Where files are kept: the data folder or a bucket, and whether that answers. */
    storage: z.object({ kind: z.enum(['folder', 's3']), answers: z.boolean() }),
    lanes: z.array(
      z.object({
        name: z.enum(laneNames),
        queued: z.int(),
        running: z.int(),
        /** Whether its worker process is alive; it starts with the first job and ends when idle. */
        worker: z.enum(['stopped', 'idle', 'busy']),
        /** Times that a worker of the lane has crashed. */
        crashes: z.int(),
      }),
    ),
  })
  .openapi('Status');
