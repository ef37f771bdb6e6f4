/** The routes of OpenAI's images API: `POST /v1/images/generations` and `GET /v1/models`, as the official clients use them. */

import { z } from '@hono/zod-openapi';
import { LARGEST_ADAPTER_SCALE } from '../../diffusion/adapter_scale.ts';
import { LONGEST_PROMPT, LONGEST_SIDE } from './jobs.ts';

/** Most images of one request, as OpenAI has it. */
export const MOST_OPENAI_IMAGES = 10;

/** Fields that OpenAI's API has; the last group is this server's own and left out by other clients. */
export const imagesRequestSchema = z
  .object({
    prompt: z.string().min(1).max(LONGEST_PROMPT),
    /** A model's name, or `model:adapter`. */
    model: z.string().max(250).nullish(),
    n: z.int().min(1).max(MOST_OPENAI_IMAGES).nullish(),
    /** `auto`, or width x height in pixels. */
    size: z
      .string()
      .regex(/^(auto|\d{1,4}x\d{1,4})$/, 'expected "auto" or width x height, such as "512x512"')
      .nullish(),
    /** `url` needs the server to stay reachable; images in the answer are the default. */
    response_format: z.enum(['b64_json', 'url']).nullish(),
    output_format: z.enum(['png', 'jpeg', 'webp']).nullish(),
    /** Of jpeg and webp, 0 to 100. */
    output_compression: z.int().min(0).max(100).nullish(),
    stream: z.boolean().nullish(),
    /** Previews of each image when streaming, 0 to 3. */
    partial_images: z.int().min(0).max(3).nullish(),
    /** `low` 10 steps, `medium` (and `standard`, `auto`) 20, `high` (and `hd`) 40. */
    quality: z.enum(['auto', 'low', 'medium', 'high', 'standard', 'hd']).nullish(),
    background: z.enum(['auto', 'opaque', 'transparent']).nullish(),
    moderation: z.enum(['auto', 'low']).nullish(),
    style: z.enum(['vivid', 'natural']).nullish(),
    user: z.string().max(200).nullish(),
    negative_prompt: z.string().max(LONGEST_PROMPT).nullish(),
    seed: z.int().min(0).nullish(),
    steps: z.int().min(1).max(1000).nullish(),
    guidance_scale: z.number().min(1).max(100).nullish(),
    /** How strongly the adapter of `model:adapter` counts: 1, as trained, when left out. */
    adapter_scale: z.number().min(-LARGEST_ADAPTER_SCALE).max(LARGEST_ADAPTER_SCALE).nullish(),
  })
  .openapi('ImagesRequest');

/** Images, as OpenAI answers. */
export const imagesResponseSchema = z
  .object({
    /** Unix time in seconds. */
    created: z.int(),
    data: z.array(
      z.object({
        b64_json: z.string().optional(),
        url: z.string().optional(),
        revised_prompt: z.string().optional(),
      }),
    ),
    output_format: z.enum(['png', 'jpeg', 'webp']),
    size: z.string(),
    quality: z.enum(['low', 'medium', 'high']),
    background: z.literal('opaque'),
    usage: z.object({
      total_tokens: z.int(),
      input_tokens: z.int(),
      output_tokens: z.int(),
      input_tokens_details: z.object({ text_tokens: z.int(), image_tokens: z.int() }),
    }),
  })
  .openapi('ImagesResponse');

/** Events of a streamed generation. */
export const imageStreamEventSchema = z
  .discriminatedUnion('type', [
    z.object({
      type: z.literal('image_generation.partial_image'),
      b64_json: z.string(),
      partial_image_index: z.int(),
      created_at: z.int(),
      size: z.string(),
      quality: z.enum(['low', 'medium', 'high']),
      background: z.literal('opaque'),
      output_format: z.enum(['png', 'jpeg', 'webp']),
    }),
    z.object({
      type: z.literal('image_generation.completed'),
      b64_json: z.string(),
      created_at: z.int(),
      size: z.string(),
      quality: z.enum(['low', 'medium', 'high']),
      background: z.literal('opaque'),
      output_format: z.enum(['png', 'jpeg', 'webp']),
      usage: imagesResponseSchema.shape.usage,
    }),
  ])
  .openapi('ImageStreamEvent');

/** A model as OpenAI lists it. */
export const openAiModelSchema = z
  .object({ id: z.string(), object: z.literal('model'), created: z.int(), owned_by: z.string() })
  .openapi('OpenAiModel');

/** All models. */
export const openAiModelListSchema = z
  .object({ object: z.literal('list'), data: z.array(openAiModelSchema) })
  .openapi('OpenAiModelList');

/** OpenAI's shape of errors. */
export const openAiErrorSchema = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string().nullable(),
      /** Job that the request made and that goes on without it. */
      job: z.string().optional(),
    }),
  })
  .openapi('OpenAiError');

/** Size in pixels of a request's `size`; null for `auto`. */
export function parseSize(size: string | null | undefined): { width: number; height: number } | null {
  if (size == null || size === 'auto') return null;
  const [width, height] = size.split('x').map(Number) as [number, number];
  return { width: Math.min(width, LONGEST_SIDE + 1), height: Math.min(height, LONGEST_SIDE + 1) };
}
