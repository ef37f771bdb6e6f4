/** Routes of OpenAI's images API, as the official clients use them. */

import { readFile } from 'node:fs/promises';
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import sharp from 'sharp';
import { requireScope } from '../accounts/authenticate.ts';
import { openAiError } from '../answer_errors.ts';
import type { App, AppEnv, ServerContext } from '../context.ts';
import { ApiFault } from '../errors.ts';
import type { JobRequest } from '../jobs/check.ts';
import { awaitJob, resultOf, submitJob } from '../jobs/submit.ts';
import type { GenerateRequest } from '../jobs/tasks.ts';
import { idempotencyHeader } from '../schemas/common.ts';
import { generateRequestSchema, type generateResultSchema } from '../schemas/jobs.ts';
import * as schemas from '../schemas/openai.ts';
import { listAdapters } from '../storage/adapters.ts';
import { folderOfJob } from '../storage/data_folder.ts';
import type { JobRow } from '../storage/jobs.ts';
import { jsonAnswer, jsonBody, security } from './shared.ts';

type ImagesRequest = z.infer<typeof schemas.imagesRequestSchema>;
type Format = 'png' | 'jpeg' | 'webp';

const refusals = { default: jsonAnswer("An error in OpenAI's shape", schemas.openAiErrorSchema) };
const common = { tags: ['OpenAI'], security, middleware: requireScope('generate') };

const generations = createRoute({
  ...common,
  method: 'post',
  path: '/v1/images/generations',
  summary: 'Draw images and wait for them',
  description:
    'After a broken connection the same Idempotency-Key gives the images of the job that was begun first.',
  request: { ...jsonBody(schemas.imagesRequestSchema), headers: idempotencyHeader },
  responses: {
    200: {
      description: 'The images; with `stream`, events',
      content: {
        'application/json': { schema: schemas.imagesResponseSchema },
        'text/event-stream': { schema: schemas.imageStreamEventSchema },
      },
    },
    ...refusals,
  },
});

const models = createRoute({
  ...common,
  method: 'get',
  path: '/v1/models',
  summary: 'Models, and each adapter as a model of its own',
  responses: { 200: jsonAnswer('Models', schemas.openAiModelListSchema), ...refusals },
});

const model = createRoute({
  ...common,
  method: 'get',
  path: '/v1/models/{model}',
  summary: 'One model',
  request: { params: z.object({ model: z.string().openapi({ param: { name: 'model', in: 'path' } }) }) },
  responses: { 200: jsonAnswer('The model', schemas.openAiModelSchema), ...refusals },
});

/** Steps by the quality that is asked for. */
const STEPS = Object.freeze({ low: 10, medium: 20, high: 40 });

/** Adds the routes of OpenAI's API. */
export function addOpenAiRoutes(app: App, context: ServerContext): void {
  app.openapi(generations, async (c) => {
    const asked = c.req.valid('json');
    if (asked.background === 'transparent') {
      throw new ApiFault('does_not_fit', 'background: expected "opaque" or "auto", received "transparent"', {
        field: 'background',
      });
    }
    const key = c.req.valid('header')['idempotency-key'] ?? null;
    const row = await inOpenAiWords(submitJob(context, generateRequest(asked), c.get('caller'), key));
    if (asked.stream) return streamImages(c, context, asked, row) as never;
    const finished = await awaitJob(context, row.id, c.req.raw.signal);
    const { images } = resultOf<z.infer<typeof generateResultSchema>>(finished);
    const inUrl = asked.response_format === 'url';
    const data = await Promise.all(
      images.map(async ({ url }) =>
        inUrl
          ? { url: new URL(url, c.req.url).href }
          : { b64_json: await readImage(context, row.id, url, asked) },
      ),
    );
    const created = Math.floor(finished.created_at.getTime() / 1000);
    const usage = usageOf(context, finished, images.length);
    return c.json({ created, data, ...looksOf(asked, finished), usage }, 200);
  });
  app.openapi(models, async (c) => c.json({ object: 'list' as const, data: await listModels(context) }, 200));
  app.openapi(model, async (c) => {
    const wanted = c.req.valid('param').model;
    const found = (await listModels(context)).find(({ id }) => id === wanted);
    if (found === undefined)
      throw new ApiFault('model_not_found', `the model ${wanted} does not exist`, { field: 'model' });
    return c.json(found, 200);
  });
}

/** `model` or `model:adapter`; names of other services' models stand for the default, as clients send them unasked. */
function generateRequest(asked: ImagesRequest): JobRequest {
  const [model, adapter] = (asked.model ?? '').split(':') as [string, string | undefined];
  const size = schemas.parseSize(asked.size);
  const request = {
    kind: 'generate',
    prompts: [asked.prompt],
    imagesPerPrompt: asked.n ?? 1,
    negativePrompt: asked.negative_prompt ?? '',
    steps: asked.steps ?? STEPS[qualityOf(asked)],
    previews: asked.stream ? (asked.partial_images ?? 0) : 0,
    ...(model === '' || /^(dall-e-|gpt-image-)/.test(model) ? {} : { model }),
    ...(adapter === undefined ? {} : { adapter }),
    ...(size ?? {}),
    ...(asked.seed == null ? {} : { seed: asked.seed }),
    ...(asked.guidance_scale == null ? {} : { guidanceScale: asked.guidance_scale }),
    ...(asked.adapter_scale == null ? {} : { adapterScale: asked.adapter_scale }),
  };
  const parsed = generateRequestSchema.safeParse(request);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  const field = openAiField(String(path[0]));
  throw new ApiFault('invalid_request', `${field}: ${message}`, { field });
}

/** Fields of OpenAI's requests by the fields of jobs that they become, where the names differ. */
const OPENAI_FIELDS: Readonly<Record<string, string>> = Object.freeze({
  width: 'size',
  height: 'size',
  prompts: 'prompt',
  imagesPerPrompt: 'n',
  negativePrompt: 'negative_prompt',
  guidanceScale: 'guidance_scale',
  adapter: 'model',
  adapterScale: 'adapter_scale',
});

function openAiField(field: string): string {
  return OPENAI_FIELDS[field] ?? field;
}

/** The outcome of submitting a job; a fault that names a field of jobs names the field of OpenAI's that it came from. */
async function inOpenAiWords<T>(submitted: Promise<T>): Promise<T> {
  try {
    return await submitted;
  } catch (error) {
    if (!(error instanceof ApiFault) || error.field === null) throw error;
    const { code, message, field: known, retryAfter, job } = error;
    const field = openAiField(known);
    const told = message.startsWith(known) ? field + message.slice(known.length) : message;
    throw new ApiFault(code, told, {
      field,
      cause: error,
      ...(retryAfter === null ? {} : { retryAfter }),
      ...(job === null ? {} : { job }),
    });
  }
}

function qualityOf({ quality }: ImagesRequest): keyof typeof STEPS {
  if (quality === 'low' || quality === 'high') return quality;
  return quality === 'hd' ? 'high' : 'medium';
}

function looksOf(asked: ImagesRequest, row: JobRow) {
  const { width, height } = row.request as GenerateRequest;
  return {
    output_format: (asked.output_format ?? 'png') satisfies Format,
    size: `${width}x${height}`,
    quality: qualityOf(asked),
    background: 'opaque' as const,
  };
}

/** Tokens of the prompt as the model reads it; of images, one for each pixel of its latents. */
function usageOf({ catalogue }: ServerContext, row: JobRow, images: number) {
  const { model, prompts, width = 0, height = 0 } = row.request as GenerateRequest;
  const { countTokens, sideMultiple } = catalogue.model(model);
  const text = countTokens(prompts[0]!);
  const output = images * Math.floor(width / sideMultiple) * Math.floor(height / sideMultiple);
  return {
    total_tokens: text + output,
    input_tokens: text,
    output_tokens: output,
    input_tokens_details: { text_tokens: text, image_tokens: 0 },
  };
}

async function readImage(
  { files }: ServerContext,
  job: string,
  url: string,
  asked: ImagesRequest,
): Promise<string> {
  const name = decodeURIComponent(url.split('/').at(-1)!);
  const file = await files.open(folderOfJob(job), name, 'fixed');
  if (file === null) throw new ApiFault('internal', `job ${job}: its image is gone`);
  return inFormat(await readFile(file), asked);
}

async function inFormat(png: Buffer, { output_format, output_compression }: ImagesRequest): Promise<string> {
  const format = output_format ?? 'png';
  if (format === 'png') return png.toString('base64');
  const quality = Math.max(1, output_compression ?? 100);
  return (await sharp(png).toFormat(format, { quality }).toBuffer()).toString('base64');
}

/** Streams previews and finished images in the order in which they come. */
function streamImages(
  c: Context<AppEnv>,
  context: ServerContext,
  asked: ImagesRequest,
  row: JobRow,
): Response {
  return streamSSE(c, async (stream) => {
    const controller = new AbortController();
    stream.onAbort(() => controller.abort());
    const looks = looksOf(asked, row);
    const created_at = Math.floor(row.created_at.getTime() / 1000);
    const send = (type: string, fields: object) =>
      stream.writeSSE({ event: type, data: JSON.stringify({ type, ...fields, created_at, ...looks }) });
    let sending = Promise.resolve();
    const watching = context.watch.open(row.id, ({ preview, png }) => {
      sending = sending.then(async () => {
        const b64_json = await inFormat(Buffer.from(png, 'base64'), asked);
        await send('image_generation.partial_image', { b64_json, partial_image_index: preview });
      });
      sending.catch(() => controller.abort());
    });
    try {
      const finished = await awaitJob(context, row.id, controller.signal);
      await sending;
      const { images } = resultOf<z.infer<typeof generateResultSchema>>(finished);
      for (const { url } of images) {
        const b64_json = await readImage(context, row.id, url, asked);
        await send('image_generation.completed', { b64_json, usage: usageOf(context, finished, 1) });
      }
    } catch (error) {
      const fault = error instanceof ApiFault ? error : new ApiFault('internal', 'a fault of the server');
      await stream.writeSSE({ event: 'error', data: JSON.stringify(openAiError(fault)) });
    } finally {
      watching.close();
    }
  });
}

async function listModels({ catalogue, db, startedAt }: ServerContext) {
  const created = Math.floor((performance.timeOrigin + startedAt) / 1000);
  const entry = (id: string, time: number) => ({
    id,
    object: 'model' as const,
    created: time,
    owned_by: 'evenhand',
  });
  const adapters = await listAdapters(db);
  return [
    ...catalogue.models.map(({ name }) => entry(name, created)),
    ...adapters.map(({ model, name, created_at }) =>
      entry(`${model}:${name}`, Math.floor(created_at.getTime() / 1000)),
    ),
  ];
}
