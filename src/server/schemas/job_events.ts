/** Events of the native API's jobs: what is told while a job waits and runs. */

import { z } from '@hono/zod-openapi';
import { imageSchema, jobSchema, jobStatuses, progressSchema } from './jobs.ts';

/** What an evaluation has measured of one model so far, over the images of all prompts. */
export const measuredSchema = z
  .object({
    /** `model`; with an adapter `original` and `fine-tuned`. */
    label: z.string(),
    /** Group of prompts with a target of its own; null where all have one. */
    group: z.string().nullable(),
    /** Images judged so far, images in all, and images with a face so far. */
    images: z.int(),
    all: z.int(),
    faces: z.int(),
    /** Confidence level of the intervals. */
    level: z.number(),
    attributes: z.array(
      z.object({
        attribute: z.string(),
        classes: z.array(z.string()),
        /** Images of each class, their share among those with a face, and Wilson's interval of it. */
        counts: z.array(z.int()),
        shares: z.array(z.number()),
        intervals: z.array(z.object({ low: z.number(), high: z.number() })),
        /** Target shares; null for an attribute that is only watched. */
        target: z.array(z.number()).nullable(),
      }),
    ),
  })
  .openapi('Measured');

/**
 * Events of `GET /api/v1/jobs/{id}/events` by the SSE field `event`; `data` is JSON. All but `preview` have an id and are sent
 * again after `Last-Event-ID`. `end` is the last one.
 */
export const jobEventSchema = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('status'), data: z.object({ status: z.enum(jobStatuses) }) }),
    z.object({ type: z.literal('progress'), data: progressSchema }),
    z.object({ type: z.literal('note'), data: z.object({ text: z.string() }) }),
    z.object({ type: z.literal('measured'), data: measuredSchema }),
    z.object({ type: z.literal('image'), data: imageSchema }),
    z.object({
      type: z.literal('preview'),
      data: z.object({
        index: z.int(),
        /** 0-based number among the image's previews. */
        preview: z.int(),
        step: z.int(),
        steps: z.int(),
        /** PNG, base64. */
        png: z.string(),
      }),
    }),
    z.object({ type: z.literal('end'), data: jobSchema }),
  ])
  .openapi('JobEvent');
