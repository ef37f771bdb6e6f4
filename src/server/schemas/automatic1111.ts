/** The routes of AUTOMATIC1111's API that other programs use most: txt2img, progress, png-info, sd-models, loras, samplers. */

import { z } from '@hono/zod-openapi';
import { LONGEST_PROMPT, LONGEST_SIDE, MOST_IMAGES } from './jobs.ts';

/** Fields of `txt2img`; further ones are ignored, as AUTOMATIC1111's clients send many. */
export const txt2imgRequestSchema = z
  .looseObject({
    /** `<lora:NAME:WEIGHT>` in it uses an adapter, by name or id; one at a time. */
    prompt: z.string().max(LONGEST_PROMPT).default(''),
    negative_prompt: z.string().max(LONGEST_PROMPT).default(''),
    /** -1 for a random one. */
    seed: z.int().min(-1).default(-1),
    /** Name of a sampler such as `Euler a`; an unknown one is refused. */
    sampler_name: z.string().nullish(),
    sampler_index: z.string().nullish(),
    /** `Karras`, or anything else for the sampler's own. */
    scheduler: z.string().nullish(),
    batch_size: z.int().min(1).max(MOST_IMAGES).default(1),
    n_iter: z.int().min(1).max(MOST_IMAGES).default(1),
    steps: z.int().min(1).max(1000).default(20),
    cfg_scale: z.number().min(1).max(100).nullish(),
    width: z.int().min(8).max(LONGEST_SIDE).nullish(),
    height: z.int().min(8).max(LONGEST_SIDE).nullish(),
    /** `sd_model_checkpoint` chooses the model. */
    override_settings: z.looseObject({ sd_model_checkpoint: z.string().optional() }).nullish(),
  })
  .openapi('Txt2ImgRequest');

/** Images, base64 PNG, with the parameters as sent and as used (`info`, a JSON text). */
export const txt2imgResponseSchema = z
  .object({ images: z.array(z.string()), parameters: z.record(z.string(), z.unknown()), info: z.string() })
  .openapi('Txt2ImgResponse');

/** Where the newest running generation stands. */
export const a1111ProgressSchema = z
  .object({
    /** 0 to 1. */
    progress: z.number(),
    eta_relative: z.number(),
    state: z.object({
      skipped: z.boolean(),
      interrupted: z.boolean(),
      job: z.string(),
      job_count: z.int(),
      job_timestamp: z.string(),
      job_no: z.int(),
      sampling_step: z.int(),
      sampling_steps: z.int(),
    }),
    /** Newest preview, base64 PNG. */
    current_image: z.string().nullable(),
    textinfo: z.string().nullable(),
  })
  .openapi('A1111Progress');

/** An image whose metadata is asked for: base64, with or without `data:image/png;base64,`. */
export const pngInfoRequestSchema = z.object({ image: z.string().min(1) }).openapi('PngInfoRequest');

/** The `parameters` text, every text of the file, and the settings taken apart. */
export const pngInfoResponseSchema = z
  .object({
    info: z.string(),
    items: z.record(z.string(), z.string()),
    parameters: z.record(z.string(), z.unknown()),
  })
  .openapi('PngInfoResponse');

/** Models as AUTOMATIC1111 lists them. */
export const sdModelsSchema = z
  .array(
    z.object({
      title: z.string(),
      model_name: z.string(),
      hash: z.string().nullable(),
      sha256: z.string().nullable(),
      filename: z.string(),
      config: z.string().nullable(),
    }),
  )
  .openapi('SdModels');

/** Adapters as AUTOMATIC1111 lists them; `path` names no file of the server's disk. */
export const lorasSchema = z
  .array(
    z.object({
      name: z.string(),
      alias: z.string(),
      path: z.string(),
      metadata: z.record(z.string(), z.string()),
    }),
  )
  .openapi('Loras');

/** Samplers as AUTOMATIC1111 lists them. */
export const samplersSchema = z
  .array(
    z.object({ name: z.string(), aliases: z.array(z.string()), options: z.record(z.string(), z.string()) }),
  )
  .openapi('Samplers');

/** The shape of errors of AUTOMATIC1111. */
export const a1111ErrorSchema = z
  .object({
    error: z.string(),
    detail: z.string(),
    body: z.string(),
    errors: z.string(),
    /** Job that the request made and that goes on without it. */
    job: z.string().optional(),
  })
  .openapi('A1111Error');
