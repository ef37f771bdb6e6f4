/** Routes that hand out adapters in the formats of other programs. */

import path from 'node:path';
import { Readable } from 'node:stream';
import { createRoute } from '@hono/zod-openapi';
import { requireScope } from '../accounts/authenticate.ts';
import type { App, ServerContext } from '../context.ts';
import { exportAdapterOf } from '../exports/export_adapter.ts';
import { createPreparedExports } from '../exports/prepared.ts';
import { idParameter } from '../schemas/common.ts';
import { adapterExportSchema, exportQuery } from '../schemas/exports.ts';
import { fileSchema } from '../schemas/resources.ts';
import { requireAdapter } from './resources.ts';
import { jsonAnswer, refusals, security } from './shared.ts';

/** Folder in the data folder. */
const FOLDER = 'exports';
/** Exports that are kept, and for how many milliseconds: a merged model is as large as the model. */
const KEEP = Object.freeze({ most: 4, milliseconds: 900_000 });

const ADDRESS = '/api/v1/adapters/{id}/export';
const common = {
  tags: ['resources'],
  security,
  middleware: requireScope('generate'),
  request: { params: idParameter, query: exportQuery },
};

const prepare = createRoute({
  ...common,
  method: 'post',
  path: ADDRESS,
  summary: 'Prepare an export: what it will be called, its size, and where to fetch it',
  description: 'A merged model takes a while; fetched afterwards, its download begins at once.',
  responses: { 200: jsonAnswer('The export', adapterExportSchema), ...refusals },
});

const fetch = createRoute({
  ...common,
  method: 'get',
  path: ADDRESS,
  summary: 'An adapter in the format of another program, or merged into its model',
  description:
    'One `.safetensors` file for kohya, diffusers and textual-inversion; for peft and merged a tar archive with one folder. The ' +
    'header says what the adapter was trained for and, where an evaluation measured it, its bias before and after.',
  responses: {
    200: {
      description: 'The file',
      content: {
        'application/octet-stream': { schema: fileSchema },
        'application/x-tar': { schema: fileSchema },
      },
    },
    ...refusals,
  },
});

/** Adds the routes of exports. */
export function addExportRoutes(app: App, context: ServerContext): void {
  const exports = createPreparedExports({ folder: path.join(context.data.path, FOLDER), ...KEEP });
  app.openapi(prepare, async (c) => {
    const row = await requireAdapter(context, c.req.valid('param').id);
    const choice = c.req.valid('query');
    const made = await exportAdapterOf(context, exports, row, choice, c.req.raw.signal);
    const { format, name, bytes, evaluation } = made;
    const query = new URLSearchParams({ ...choice, format });
    return c.json(
      { format, name, bytes, evaluation, url: `/api/v1/adapters/${row.id}/export?${query}` },
      200,
    );
  });
  app.openapi(fetch, async (c) => {
    const row = await requireAdapter(context, c.req.valid('param').id);
    const made = await exportAdapterOf(context, exports, row, c.req.valid('query'), c.req.raw.signal);
    const headers = {
      'Content-Type': made.mediaType,
      'Content-Length': String(made.bytes),
      'Content-Disposition': `attachment; filename="${made.name}"`,
      // Weights do not get smaller by compressing, and the length would be gone.
      'Cache-Control': 'private, no-cache, no-transform',
      'X-Content-Type-Options': 'nosniff',
    };
    if (c.req.method === 'HEAD') return c.body(null, 200, headers);
    return c.body(Readable.toWeb(made.open()) as unknown as ReadableStream, 200, headers);
  });
}
