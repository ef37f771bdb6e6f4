/** Routes from which browsers take what they need to run a model themselves. */

import path from 'node:path';
import { createRoute, z } from '@hono/zod-openapi';
import { requireScope } from '../accounts/authenticate.ts';
import type { App, ServerContext } from '../context.ts';
import { ApiFault } from '../errors.ts';
import { browserModelSchema } from '../schemas/browser_models.ts';
import { nameParameter } from '../schemas/common.ts';
import { createBrowserModels } from '../storage/browser_models.ts';
import { sendFile } from './send_file.ts';
import { fileAnswer, jsonAnswer, refusals, security } from './shared.ts';

/** Folder in the data folder. */
const FOLDER = 'browser';

const tags = ['resources'];

const route = createRoute({
  tags,
  security,
  middleware: requireScope('generate'),
  method: 'get',
  path: '/api/v1/models/{name}/browser',
  summary: 'What a browser needs to draw with a model itself',
  request: { params: nameParameter },
  responses: { 200: jsonAnswer('The model for browsers', browserModelSchema), ...refusals },
});

const weights = {
  tags,
  security,
  method: 'get',
  path: '/api/v1/models/{name}/browser/{file}',
  summary: 'The weights of a model for browsers, at the address that its description names',
  request: {
    params: nameParameter.extend({ file: z.string().openapi({ param: { name: 'file', in: 'path' } }) }),
  },
  responses: { 200: fileAnswer('A .safetensors file'), ...refusals },
} as const;

/** Adds the routes of models for browsers. */
export function addBrowserModelRoutes(app: App, { catalogue, data, version }: ServerContext): void {
  const models = createBrowserModels(path.join(data.path, FOLDER), version);
  app.openapi(route, async (c) => {
    const { shown } = await models.of(catalogue.model(c.req.valid('param').name));
    return c.json(shown, 200, { 'Cache-Control': 'private, no-cache' });
  });
  app.openAPIRegistry.registerPath(weights);
  app.get('/api/v1/models/:name/browser/:file', requireScope('generate'), async (c) => {
    const { shown, file } = await models.of(catalogue.model(c.req.param('name')));
    const asked = c.req.param('file');
    if (asked !== path.basename(file)) {
      throw new ApiFault('not_found', `weights: expected ${path.basename(file)}, received ${asked}`);
    }
    const headers = { 'Cache-Control': 'private, max-age=31536000, immutable' };
    return sendFile(c, file, headers, `"${shown.weights.sha256}"`);
  });
}
