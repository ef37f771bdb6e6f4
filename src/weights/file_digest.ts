/** Digests of files, read piece by piece. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** Bytes that are read at once. */
const PIECE = 1 << 20;

/**
 * Digest of a file's content.
 * @param algorithm name as OpenSSL has it: `sha256`, `sha1`
 * @param prefix bytes that count as standing before the content
 * @param signal breaks the reading off, with its reason
 * @returns hexadecimal digits
 */
export async function digestOfFile(
  algorithm: string,
  file: string,
  prefix = '',
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash(algorithm).update(prefix);
  for await (const chunk of createReadStream(file, { highWaterMark: PIECE })) {
    signal?.throwIfAborted();
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}

/** Hexadecimal SHA-256 of a file's content. */
export function sha256OfFile(file: string): Promise<string> {
  return digestOfFile('sha256', file);
}
