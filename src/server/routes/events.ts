/** The stream of a job's events (Server-Sent Events, HTML standard, section 9.2), which goes on where a connection broke. */

import { createRoute, z } from '@hono/zod-openapi';
import { streamSSE } from 'hono/streaming';
import { requireScope } from '../accounts/authenticate.ts';
import type { App, ServerContext } from '../context.ts';
import { describeJob } from '../jobs/describe.ts';
import { idParameter } from '../schemas/common.ts';
import { jobEventSchema } from '../schemas/job_events.ts';
import type { Preview } from '../storage/events.ts';
import { eventsAfter } from '../storage/events.ts';
import { findJob, isFinal } from '../storage/jobs.ts';
import { requireJob } from './jobs.ts';
import { refusals, security } from './shared.ts';

/** Milliseconds between looks at the database: another server may work on the job. */
const POLL_MILLISECONDS = 1000;
/** Milliseconds of silence after which a comment keeps proxies from closing the connection. */
const COMMENT_MILLISECONDS = 15_000;
/** Milliseconds after which a browser connects again. */
const RETRY_MILLISECONDS = 1000;

const events = createRoute({
  method: 'get',
  path: '/api/v1/jobs/{id}/events',
  tags: ['jobs'],
  security,
  summary: 'Events of a job as they come (SSE), from Last-Event-ID on, until `end`',
  request: { params: idParameter, headers: z.object({ 'last-event-id': z.string().optional() }) },
  responses: {
    200: {
      description: 'Events: `event` is the type, `data` its JSON',
      content: { 'text/event-stream': { schema: jobEventSchema } },
    },
    ...refusals,
  },
});

/** Adds the route of events. */
export function addEventRoutes(app: App, context: ServerContext): void {
  app.openAPIRegistry.registerPath(events);
  app.get('/api/v1/jobs/:id/events', requireScope('generate'), async (c) => {
    const { id } = await requireJob(context, c.req.param('id'));
    const last = Number(c.req.header('last-event-id') ?? c.req.query('after') ?? 0);
    c.header('X-Accel-Buffering', 'no');
    return streamSSE(c, async (stream) => {
      const previews: Preview[] = [];
      const watching = context.watch.open(id, (preview) => {
        previews.push(preview);
        context.watch.changed(id);
      });
      stream.onAbort(() => watching.close());
      let after = Number.isSafeInteger(last) && last > 0 ? last : 0;
      let quiet = performance.now();
      await stream.write(`retry: ${RETRY_MILLISECONDS}\n\n`);
      while (!stream.aborted && !context.draining) {
        const row = await findJob(context.db, id);
        const events = await eventsAfter(context.db, id, after);
        for (const event of events) {
          after = event.id;
          await stream.writeSSE({
            id: String(event.id),
            event: event.type,
            data: JSON.stringify(event.data),
          });
        }
        for (const preview of previews.splice(0)) {
          await stream.writeSSE({ event: 'preview', data: JSON.stringify(preview) });
        }
        // Read before the events: all of them are sent once it says that the job is over.
        if (row === undefined) break;
        if (isFinal(row.status)) {
          if (events.length > 0) continue;
          const data = JSON.stringify(await describeJob(context, row));
          await stream.writeSSE({ event: 'end', data, ...(after > 0 ? { id: String(after) } : {}) });
          break;
        }
        if (events.length > 0) quiet = performance.now();
        if (performance.now() - quiet > COMMENT_MILLISECONDS) {
          await stream.write(': still here\n\n');
          quiet = performance.now();
        }
        await watching.next(POLL_MILLISECONDS);
      }
      watching.close();
    });
  });
}
