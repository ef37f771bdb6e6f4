/** Accounts of the native API: who is asking, and API keys. */

import { z } from '@hono/zod-openapi';
import { timeSchema } from './common.ts';

/** What a key may do: draw and look; fine-tune and evaluate besides; everything. */
export const scopes = Object.freeze(['generate', 'train', 'admin'] as const);

/** Who is asking, and what server answers: the first thing a terminal reads. */
export const sessionSchema = z
  .object({
    version: z.string(),
    /** Whether the server asks for a key at all; without login everything is allowed, from this machine alone. */
    login: z.boolean(),
    /** The key that was given, null for none; with login and without a key only this route answers. */
    key: z.object({ id: z.string(), name: z.string() }).nullable(),
    scopes: z.array(z.enum(scopes)),
  })
  .openapi('Session');

/** A key to start a browser session with. */
export const loginSchema = z.strictObject({ key: z.string().min(1).max(200) }).openapi('Login');

const limits = {
  /** Jobs a minute; null for no limit. */
  jobsPerMinute: z.int().min(1).nullable().default(null),
  /** Images a day (24 hours back from now); null for no limit. */
  imagesPerDay: z.int().min(1).nullable().default(null),
};

/** What `POST /api/v1/keys` takes. */
export const createKeySchema = z
  .strictObject({
    name: z.string().min(1).max(100),
    scopes: z.array(z.enum(scopes)).min(1),
    ...limits,
    expiresAt: timeSchema.nullable().default(null),
  })
  .openapi('CreateKey');

/** A key; the secret itself is kept nowhere. */
export const keySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    /** First characters of the secret, to tell keys apart. */
    prefix: z.string(),
    scopes: z.array(z.enum(scopes)),
    jobsPerMinute: z.int().nullable(),
    imagesPerDay: z.int().nullable(),
    createdAt: timeSchema,
    lastUsedAt: timeSchema.nullable(),
    expiresAt: timeSchema.nullable(),
    revokedAt: timeSchema.nullable(),
  })
  .openapi('Key');

/** A new key with its secret, shown this once. */
export const createdKeySchema = keySchema.extend({ secret: z.string() }).openapi('CreatedKey');

/** All keys. */
export const keyListSchema = z.object({ keys: z.array(keySchema) }).openapi('KeyList');
