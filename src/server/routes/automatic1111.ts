/** Routes of AUTOMATIC1111's API: txt2img, progress, png-info, sd-models, loras, samplers. */

import { readFile } from 'node:fs/promises';
import { createRoute, type z } from '@hono/zod-openapi';
import { readPngMetadata, withShownPrompt } from '../../diffusion/image_metadata.ts';
import { requireScope } from '../accounts/authenticate.ts';
import type { App, ServerContext } from '../context.ts';
import { ApiFault } from '../errors.ts';
import type { JobRequest } from '../jobs/check.ts';
import { awaitJob, resultOf, submitJob } from '../jobs/submit.ts';
import type { GenerateRequest } from '../jobs/tasks.ts';
import { readLoraTag } from '../lora_tags.ts';
import { parseSamplerLabel, SAMPLER_LABELS } from '../samplers.ts';
import * as schemas from '../schemas/automatic1111.ts';
import { idempotencyHeader } from '../schemas/common.ts';
import type { generateResultSchema, progressSchema } from '../schemas/jobs.ts';
import { listAdapters } from '../storage/adapters.ts';
import { folderOfJob } from '../storage/data_folder.ts';
import { jsonAnswer, jsonBody, security } from './shared.ts';

type Txt2ImgRequest = z.infer<typeof schemas.txt2imgRequestSchema>;

const refusals = { default: jsonAnswer("An error in AUTOMATIC1111's shape", schemas.a1111ErrorSchema) };
const common = { tags: ['AUTOMATIC1111'], security, middleware: requireScope('generate') };

const txt2img = createRoute({
  ...common,
  method: 'post',
  path: '/sdapi/v1/txt2img',
  summary: 'Draw images and wait for them',
  request: { ...jsonBody(schemas.txt2imgRequestSchema), headers: idempotencyHeader },
  responses: { 200: jsonAnswer('Images', schemas.txt2imgResponseSchema), ...refusals },
});
const progress = createRoute({
  ...common,
  method: 'get',
  path: '/sdapi/v1/progress',
  summary: 'Where the running generation stands',
  responses: { 200: jsonAnswer('Progress', schemas.a1111ProgressSchema), ...refusals },
});
const pngInfo = createRoute({
  ...common,
  method: 'post',
  path: '/sdapi/v1/png-info',
  summary: 'What an image was made from',
  request: jsonBody(schemas.pngInfoRequestSchema),
  responses: { 200: jsonAnswer('Its settings', schemas.pngInfoResponseSchema), ...refusals },
});
const sdModels = createRoute({
  ...common,
  method: 'get',
  path: '/sdapi/v1/sd-models',
  summary: 'Models',
  responses: { 200: jsonAnswer('Models', schemas.sdModelsSchema), ...refusals },
});
const loras = createRoute({
  ...common,
  method: 'get',
  path: '/sdapi/v1/loras',
  summary: 'Adapters, for `<lora:NAME:WEIGHT>` in a prompt',
  responses: { 200: jsonAnswer('Adapters', schemas.lorasSchema), ...refusals },
});
const samplers = createRoute({
  ...common,
  method: 'get',
  path: '/sdapi/v1/samplers',
  summary: 'Samplers',
  responses: { 200: jsonAnswer('Samplers', schemas.samplersSchema), ...refusals },
});

/** Adds the routes of AUTOMATIC1111's API. */
export function addAutomatic1111Routes(app: App, context: ServerContext): void {
  const { catalogue, files: store, db, watch } = context;
  app.openapi(txt2img, async (c) => {
    const asked = c.req.valid('json');
    const key = c.req.valid('header')['idempotency-key'] ?? null;
    const { prompt } = tagOf(asked);
    const row = await submitJob(context, generateRequest(context, asked), c.get('caller'), key);
    const finished = await awaitJob(context, row.id, c.req.raw.signal);
    const { images, seed } = resultOf<z.infer<typeof generateResultSchema>>(finished);
    const files = await Promise.all(
      images.map(async ({ url }) => {
        const name = decodeURIComponent(url.split('/').at(-1)!);
        const file = await store.open(folderOfJob(row.id), name, 'fixed');
        if (file === null) throw new ApiFault('internal', `job ${row.id}: its image is gone`);
        // The image says what was asked for, with the tag, as AUTOMATIC1111's do.
        return Buffer.from(withShownPrompt(await readFile(file), prompt, asked.prompt));
      }),
    );
    const info = {
      prompt: asked.prompt,
      negative_prompt: asked.negative_prompt,
      seed,
      all_seeds: images.map((image) => image.seed),
      all_prompts: images.map(() => asked.prompt),
      width: images[0]!.width,
      height: images[0]!.height,
      steps: asked.steps,
      cfg_scale: (row.request as GenerateRequest).guidanceScale,
      sampler_name: SAMPLER_LABELS[(row.request as GenerateRequest).scheduler],
      infotexts: files.map((png) => readPngMetadata(png).texts.get('parameters') ?? ''),
      job: row.id,
    };
    const encoded = files.map((png) => png.toString('base64'));
    return c.json({ images: encoded, parameters: { ...asked }, info: JSON.stringify(info) }, 200);
  });
  app.openapi(progress, async (c) => {
    const row = await db
      .selectFrom('jobs')
      .selectAll()
      .where('kind', '=', 'generate')
      .where('status', '=', 'running')
      .orderBy('sequence', 'desc')
      .limit(1)
      .executeTakeFirst();
    const stand = row?.progress as z.infer<typeof progressSchema> | null | undefined;
    const share = stand ? stand.step / stand.steps : 0;
    const seconds = row?.started_at ? (Date.now() - row.started_at.getTime()) / 1000 : 0;
    const latest = watch.latest();
    const request = row?.request as GenerateRequest | undefined;
    return c.json(
      {
        progress: share,
        eta_relative: share > 0 ? (seconds / share) * (1 - share) : 0,
        state: {
          skipped: false,
          interrupted: row?.cancel_requested ?? false,
          job: row?.id ?? '',
          job_count: row === undefined ? 0 : 1,
          job_timestamp: row?.created_at.toISOString().replace(/\D/g, '').slice(0, 14) ?? '',
          job_no: 0,
          sampling_step: Math.floor(share * (request?.steps ?? 0)),
          sampling_steps: request?.steps ?? 0,
        },
        current_image: row !== undefined && latest?.job === row.id ? latest.preview.png : null,
        textinfo: null,
      },
      200,
    );
  });
  app.openapi(pngInfo, (c) => {
    const { image } = c.req.valid('json');
    const bytes = Buffer.from(image.replace(/^data:image\/png;base64,/, ''), 'base64');
    try {
      const { texts, parameters } = readPngMetadata(bytes);
      const items = Object.fromEntries(texts);
      const settings = parameters && {
        Prompt: parameters.prompt,
        'Negative prompt': parameters.negativePrompt,
        ...parameters.settings,
      };
      return c.json({ info: items.parameters ?? '', items, parameters: settings ?? {} }, 200);
    } catch (error) {
      throw new ApiFault('does_not_fit', `image: ${(error as Error).message}`, {
        field: 'image',
        cause: error,
      });
    }
  });
  app.openapi(sdModels, (c) =>
    c.json(
      catalogue.models.map(({ name }) => ({
        title: name,
        model_name: name,
        hash: null,
        sha256: null,
        filename: name,
        config: null,
      })),
      200,
    ),
  );
  app.openapi(loras, async (c) => {
    const adapters = await listAdapters(db);
    return c.json(
      adapters.map(({ name, model, target }) => ({
        name,
        alias: name,
        path: `${name}.safetensors`,
        metadata: {
          'evenhand.model': model,
          ...(target === null ? {} : { 'evenhand.target': JSON.stringify(target) }),
        },
      })),
      200,
    );
  });
  app.openapi(samplers, (c) =>
    c.json(
      Object.entries(SAMPLER_LABELS).map(([name, label]) => ({ name: label, aliases: [name], options: {} })),
      200,
    ),
  );
}

function tagOf({ prompt }: Txt2ImgRequest) {
  try {
    return readLoraTag(prompt);
  } catch (error) {
    const { message } = error as Error;
    throw new ApiFault('does_not_fit', `prompt: ${message}`, { field: 'prompt', cause: error });
  }
}

function generateRequest({ catalogue }: ServerContext, asked: Txt2ImgRequest): JobRequest {
  const label = asked.sampler_name ?? asked.sampler_index ?? SAMPLER_LABELS['dpmsolver++'];
  const sampler = parseSamplerLabel(label);
  if (sampler === null) {
    const known = Object.values(SAMPLER_LABELS).join(', ');
    throw new ApiFault('does_not_fit', `sampler_name: expected ${known}, received ${label}`, {
      field: 'sampler_name',
    });
  }
  const { prompt, adapter } = tagOf(asked);
  if (prompt === '') throw new ApiFault('invalid_request', 'prompt: expected a text', { field: 'prompt' });
  const model = asked.override_settings?.sd_model_checkpoint;
  return {
    kind: 'generate',
    ...(model === undefined ? {} : { model: catalogue.model(model).name }),
    ...(adapter === null ? {} : { adapter: adapter.named, adapterScale: adapter.scale }),
    prompts: [prompt],
    negativePrompt: asked.negative_prompt,
    imagesPerPrompt: asked.batch_size * asked.n_iter,
    ...(asked.seed < 0 ? {} : { seed: asked.seed }),
    steps: asked.steps,
    ...(asked.cfg_scale == null ? {} : { guidanceScale: asked.cfg_scale }),
    ...(asked.width == null ? {} : { width: asked.width }),
    ...(asked.height == null ? {} : { height: asked.height }),
    scheduler: sampler.scheduler,
    karras: sampler.karras || /^karras$/i.test(asked.scheduler ?? ''),
    previews: 3,
  };
}
