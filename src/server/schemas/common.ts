/** What every route shares: the shape of errors, identifiers, lists and times. */

import { z } from '@hono/zod-openapi';

/** The one shape of errors, but for the compatible routes, which answer in their own API's shape. */
export const errorSchema = z
  .object({
    error: z.object({
      /** Stable name from the catalogue, see `errors.ts`. */
      code: z.string(),
      /** What was expected, what was received, and where. */
      message: z.string(),
      /** Field of the request that is wrong, joined by dots. */
      field: z.string().optional(),
      /** Job that the request made and that goes on without it. */
      job: z.string().optional(),
      /** The id that the log and the header X-Request-Id hold. */
      requestId: z.string(),
    }),
  })
  .openapi('Error');

/** A point in time, ISO 8601 in UTC. */
export const timeSchema = z.string().openapi({ format: 'date-time', example: '2026-11-25T08:30:00.000Z' });

/** Names that people give to models, adapters and targets: they are parts of addresses and of file names. */
export const nameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/,
    'expected 1 to 100 letters, digits, "-", "_" and ".", a letter or digit first',
  )
  .openapi({ example: 'gender-balanced' });

/** Header that makes sending again harmless: the same key gives what was asked for first. */
export const idempotencyHeader = z.object({ 'idempotency-key': z.string().min(1).max(200).optional() });

/** Path parameter of routes about one thing with an id. */
export const idParameter = z.object({
  id: z
    .string()
    .min(1)
    .max(100)
    .openapi({ param: { name: 'id', in: 'path' }, example: 'job_2f1c9e4b7a0d4c53' }),
});

/** Path parameter of routes about one thing with a name. */
export const nameParameter = z.object({
  name: nameSchema.openapi({ param: { name: 'name', in: 'path' } }),
});
