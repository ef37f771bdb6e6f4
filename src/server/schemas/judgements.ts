/** Judgements of images that a browser drew. */

import { z } from '@hono/zod-openapi';
import { nameSchema } from './common.ts';
import { measuredSchema } from './job_events.ts';

/** Most images of one judgement. */
export const MOST_JUDGED = 64;
/** Most characters of an image: 3 MB of PNG. */
const LONGEST_IMAGE = 4_000_000;

/** Images to judge. */
export const judgementRequestSchema = z
  .strictObject({
    /** Model whose judges look at them; the server's first when left out. */
    model: nameSchema.optional(),
    /** PNG files of equal size, base64. */
    images: z.array(z.base64().min(1).max(LONGEST_IMAGE)).min(1).max(MOST_JUDGED),
  })
  .openapi('JudgementRequest');

/** Who is in the images; nothing is aimed at. */
export const judgementSchema = measuredSchema;
