/** Bodies that are written to a file as they come, hashed and counted on the way. */

import { createHash } from 'node:crypto';
import { createWriteStream, rmSync } from 'node:fs';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';

/** What was received. */
export interface ReceivedFile {
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** A body has more bytes than are taken. */
export class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge';
}

/**
 * Writes a body to a file that is not there yet; nothing of it remains when this fails.
 * @param most bytes that are taken
 * @throws BodyTooLarge after `most` bytes; Error when the body breaks off or the disk is full
 */
export async function receiveFile(
  body: ReadableStream<Uint8Array>,
  file: string,
  most: number,
): Promise<ReceivedFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > most) return done(new BodyTooLarge(`expected at most ${most} bytes`));
      hash.update(chunk);
      done(null, chunk);
    },
  });
  try {
    await pipeline(Readable.fromWeb(body), count, createWriteStream(file, { flags: 'wx', mode: 0o600 }));
    return { bytes, sha256: hash.digest('hex') };
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  }
}
