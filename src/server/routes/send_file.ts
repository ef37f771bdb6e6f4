/** Sends a file of the disk as it is read. */

import { createReadStream, statSync } from 'node:fs';
import { Readable } from 'node:stream';
import type { Context } from 'hono';
import type { AppEnv } from '../context.ts';
import { mediaTypeOf } from '../storage/files.ts';

/**
 * The answer that holds a file; 304 when the browser has it.
 * @param headers besides type, length and tag
 * @param known tag of the content; from size and time of the file when left out
 */
export function sendFile(
  c: Context<AppEnv>,
  file: string,
  headers: Readonly<Record<string, string>> = {},
  known?: string,
): Response {
  const { size, mtimeMs } = statSync(file);
  const tag = known ?? `"${size.toString(16)}-${Math.round(mtimeMs).toString(16)}"`;
  const all = {
    ...headers,
    ETag: tag,
    'Content-Type': mediaTypeOf(file),
    'X-Content-Type-Options': 'nosniff',
  };
  if (c.req.header('if-none-match') === tag) return c.body(null, 304, all);
  const stream = Readable.toWeb(createReadStream(file)) as unknown as ReadableStream;
  return c.body(stream, 200, { ...all, 'Content-Length': String(size) });
}
