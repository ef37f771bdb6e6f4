/** What definitions of routes share: JSON bodies, JSON answers and the errors that any route may give. */

import type { z } from '@hono/zod-openapi';
import { errorSchema } from '../schemas/common.ts';
import { fileSchema } from '../schemas/resources.ts';

/** Content of a JSON body or answer. */
export function json<Schema extends z.ZodType>(schema: Schema) {
  return { 'application/json': { schema } };
}

/** A JSON body that must be there. */
export function jsonBody<Schema extends z.ZodType>(schema: Schema) {
  return { body: { content: json(schema), required: true as const } };
}

/** A JSON answer. */
export function jsonAnswer<Schema extends z.ZodType>(description: string, schema: Schema) {
  return { description, content: json(schema) };
}

/** Answers of a route that may refuse: the errors in the shape of the native API. */
export const refusals = {
  default: jsonAnswer('An error of the catalogue', errorSchema),
} as const;

/** An answer of bytes as they are stored. */
export function fileAnswer(description: string, mediaType = 'application/octet-stream') {
  return { description, content: { [mediaType]: { schema: fileSchema } } };
}

/** Keys are asked for in the header Authorization. */
export const security = [{ bearer: [] }];
