/** Routes of models, adapters, prompt sets, targets, understanding and estimates. */

import path from 'node:path';
import type { ReadableStream } from 'node:stream/web';
import { createRoute, type z } from '@hono/zod-openapi';
import type { AdapterKind } from '../../diffusion/adapter_scale.ts';
import { CommandSyntaxError, namesAttributes, understand } from '../../text/understanding/index.ts';
import { requireScope } from '../accounts/authenticate.ts';
import { shownModel } from '../catalogue.ts';
import type { App, ServerContext } from '../context.ts';
import { ApiFault } from '../errors.ts';
import { checkRequest, checkTarget } from '../jobs/check.ts';
import type { FinetuneRequest } from '../jobs/tasks.ts';
import { finetuneInput } from '../jobs/train_work.ts';
import { uploadAdapter } from '../jobs/upload.ts';
import { idParameter, nameParameter } from '../schemas/common.ts';
import { finetuneRequestSchema } from '../schemas/jobs.ts';
import * as schemas from '../schemas/resources.ts';
import type { AdapterRow } from '../storage/adapters.ts';
import { deleteAdapter, findAdapter, listAdapters, openAdapterFile } from '../storage/adapters.ts';
import { BUILT_IN_TARGETS, deleteTarget, listTargets, saveTarget } from '../storage/targets.ts';
import { sendFile } from './send_file.ts';
import { fileAnswer, jsonAnswer, jsonBody, refusals, security } from './shared.ts';

const look = { tags: ['resources'], security, middleware: requireScope('generate') };
const change = { tags: ['resources'], security, middleware: requireScope('train') };

const routes = {
  models: createRoute({
    ...look,
    method: 'get',
    path: '/api/v1/models',
    summary: 'Models',
    responses: { 200: jsonAnswer('Models', schemas.modelListSchema), ...refusals },
  }),
  model: createRoute({
    ...look,
    method: 'get',
    path: '/api/v1/models/{name}',
    summary: 'One model',
    request: { params: nameParameter },
    responses: { 200: jsonAnswer('The model', schemas.modelSchema), ...refusals },
  }),
  adapters: createRoute({
    ...look,
    method: 'get',
    path: '/api/v1/adapters',
    summary: 'Adapters, newest first',
    responses: { 200: jsonAnswer('Adapters', schemas.adapterListSchema), ...refusals },
  }),
  adapter: createRoute({
    ...look,
    method: 'get',
    path: '/api/v1/adapters/{id}',
    summary: 'One adapter, by id or name',
    request: { params: idParameter },
    responses: { 200: jsonAnswer('The adapter', schemas.adapterSchema), ...refusals },
  }),
  adapterFile: createRoute({
    ...look,
    method: 'get',
    path: '/api/v1/adapters/{id}/file',
    summary: 'The file of an adapter, as it was trained or sent',
    request: { params: idParameter },
    responses: { 200: fileAnswer('A .safetensors file'), ...refusals },
  }),
  uploadAdapter: createRoute({
    ...change,
    method: 'post',
    path: '/api/v1/adapters',
    summary: 'Send an adapter: a .safetensors file as the body',
    description:
      'LoRA of kohya or diffusers, differences of whole weights, or soft tokens. The file is read before it is kept; one that ' +
      'does not fit the model is refused.',
    request: {
      query: schemas.uploadQuery,
      body: {
        required: true,
        content: { 'application/octet-stream': { schema: schemas.fileSchema } },
      },
    },
    responses: { 201: jsonAnswer('The adapter', schemas.adapterSchema), ...refusals },
  }),
  deleteAdapter: createRoute({
    ...change,
    method: 'delete',
    path: '/api/v1/adapters/{id}',
    summary: 'Remove an adapter and its file',
    request: { params: idParameter },
    responses: { 204: { description: 'Removed' }, ...refusals },
  }),
  promptSets: createRoute({
    ...look,
    method: 'get',
    path: '/api/v1/prompt-sets',
    summary: 'Prompt sets',
    responses: { 200: jsonAnswer('Prompt sets', schemas.promptSetListSchema), ...refusals },
  }),
  promptSet: createRoute({
    ...look,
    method: 'get',
    path: '/api/v1/prompt-sets/{name}',
    summary: 'Prompts of one part of a set',
    request: { params: nameParameter, query: schemas.promptSetQuery },
    responses: { 200: jsonAnswer('Prompts', schemas.promptSetContentSchema), ...refusals },
  }),
  targets: createRoute({
    ...look,
    method: 'get',
    path: '/api/v1/targets',
    summary: 'Target distributions under names',
    responses: { 200: jsonAnswer('Targets', schemas.savedTargetListSchema), ...refusals },
  }),
  saveTarget: createRoute({
    ...change,
    method: 'put',
    path: '/api/v1/targets/{name}',
    summary: 'Save a target under a name',
    request: { params: nameParameter, ...jsonBody(schemas.saveTargetSchema) },
    responses: { 200: jsonAnswer('The target', schemas.savedTargetSchema), ...refusals },
  }),
  deleteTarget: createRoute({
    ...change,
    method: 'delete',
    path: '/api/v1/targets/{name}',
    summary: 'Remove a saved target',
    request: { params: nameParameter },
    responses: { 204: { description: 'Removed' }, ...refusals },
  }),
  understand: createRoute({
    ...look,
    method: 'post',
    path: '/api/v1/understand',
    summary: 'What a prompt says: people, attributes, style, intent',
    request: jsonBody(schemas.understandRequestSchema),
    responses: { 200: jsonAnswer('What it says', schemas.understandingSchema), ...refusals },
  }),
  estimate: createRoute({
    ...change,
    method: 'post',
    path: '/api/v1/estimates',
    summary: 'What a fine-tuning will cost',
    request: jsonBody(finetuneRequestSchema),
    responses: { 200: jsonAnswer('Its cost', schemas.estimateSchema), ...refusals },
  }),
};

/** Adds the routes of resources. */
export function addResourceRoutes(app: App, context: ServerContext): void {
  const { db, catalogue, promptSets } = context;
  app.openapi(routes.models, (c) => c.json({ models: catalogue.models.map(shownModel) }, 200));
  app.openapi(routes.model, (c) => c.json(shownModel(catalogue.model(c.req.valid('param').name)), 200));
  addAdapterRoutes(app, context);
  app.openapi(routes.promptSets, (c) => {
    const sets = promptSets.names.map((name) => {
      const train = promptSets.promptsOf(name, 'train');
      return {
        name,
        train: train.length,
        test: promptSets.promptsOf(name, 'test').length,
        example: train[0] ?? '',
      };
    });
    return c.json({ promptSets: sets }, 200);
  });
  app.openapi(routes.promptSet, (c) => {
    const { name } = c.req.valid('param');
    const { split } = c.req.valid('query');
    if (!promptSets.names.includes(name)) {
      throw new ApiFault(
        'not_found',
        `prompt set: expected ${promptSets.names.join(', ')}, received ${name}`,
      );
    }
    return c.json({ name, split, prompts: [...promptSets.promptsOf(name, split)] }, 200);
  });
  app.openapi(routes.targets, async (c) => c.json({ targets: await listTargets(db) }, 200));
  app.openapi(routes.saveTarget, async (c) => {
    const { name } = c.req.valid('param');
    refuseBuiltIn(name);
    const { target, description, model } = c.req.valid('json');
    checkTarget(target, catalogue.model(model));
    await saveTarget(db, { name, description, target });
    return c.json({ name, description, target, builtIn: false }, 200);
  });
  app.openapi(routes.deleteTarget, async (c) => {
    const { name } = c.req.valid('param');
    refuseBuiltIn(name);
    if (!(await deleteTarget(db, name))) {
      throw new ApiFault('not_found', `target: expected the name of a saved target, received ${name}`);
    }
    return c.body(null, 204);
  });
  app.openapi(routes.understand, (c) => {
    try {
      const understood = understand(c.req.valid('json').prompt);
      const answer = { ...understood, named: namesAttributes(understood.prompt) };
      return c.json(answer as z.infer<typeof schemas.understandingSchema>, 200);
    } catch (error) {
      if (!(error instanceof CommandSyntaxError)) throw error;
      throw new ApiFault('does_not_fit', error.message, { field: 'prompt', cause: error });
    }
  });
  app.openapi(routes.estimate, async (c) => {
    const { request } = await checkRequest(context, c.req.valid('json'));
    const folder = context.data.jobFolder('estimate');
    const input = finetuneInput(context, request as FinetuneRequest, folder);
    return c.json(await context.queue.estimate(input), 200);
  });
}

function addAdapterRoutes(app: App, context: ServerContext): void {
  const { db, files } = context;
  app.openapi(routes.adapters, async (c) =>
    c.json({ adapters: (await listAdapters(db)).map(describeAdapter) }, 200),
  );
  app.openapi(routes.adapter, async (c) =>
    c.json(describeAdapter(await requireAdapter(context, c.req.valid('param').id)), 200),
  );
  app.openapi(routes.uploadAdapter, async (c) => {
    const { name, model } = c.req.valid('query');
    const length = c.req.header('content-length');
    const row = await uploadAdapter(context, {
      name,
      model,
      body: c.req.raw.body as ReadableStream<Uint8Array> | null,
      declaredBytes: length === undefined ? null : Number(length),
    });
    return c.json(describeAdapter(row), 201, { Location: `/api/v1/adapters/${row.id}` });
  });
  app.openapi(routes.deleteAdapter, async (c) => {
    const row = await requireAdapter(context, c.req.valid('param').id);
    await deleteAdapter(context, row);
    return c.body(null, 204);
  });
  app.openAPIRegistry.registerPath(routes.adapterFile);
  app.get('/api/v1/adapters/:id/file', requireScope('generate'), async (c) => {
    const row = await requireAdapter(context, c.req.param('id'));
    const file = await openAdapterFile(files, row);
    if (file === null) throw new ApiFault('not_found', `adapter ${row.id}: its file is gone`);
    // An id has one content for ever, a name may be given again.
    const isFixed = c.req.param('id') === row.id;
    const headers = {
      'Content-Disposition': `attachment; filename="${row.name}${path.extname(file)}"`,
      'Cache-Control': isFixed ? 'private, max-age=31536000, immutable' : 'private, no-cache',
    };
    return sendFile(c, file, headers, `"${row.sha256}"`);
  });
}

/** The adapter with an id or a name. @throws ApiFault `not_found` */
export async function requireAdapter({ db }: ServerContext, named: string): Promise<AdapterRow> {
  const row = await findAdapter(db, named);
  if (row !== undefined) return row;
  throw new ApiFault('not_found', `adapter: expected the id or name of an adapter, received ${named}`);
}

function describeAdapter(row: AdapterRow): z.infer<typeof schemas.adapterSchema> {
  const { id, name, model, job, bytes, sha256 } = row;
  return {
    id,
    name,
    model,
    job,
    origin: row.origin as 'average' | 'best' | 'upload',
    target: row.target as z.infer<typeof schemas.adapterSchema>['target'],
    kind: row.kind as AdapterKind | null,
    bytes,
    sha256,
    createdAt: row.created_at.toISOString(),
    url: `/api/v1/adapters/${id}/file`,
  };
}

function refuseBuiltIn(name: string): void {
  if (BUILT_IN_TARGETS.some((target) => target.name === name)) {
    throw new ApiFault('conflict', `target ${name}: it ships with the server and cannot be changed`);
  }
}
