/** Files on their way into a bucket: in one request, or in parts where they are large; read from the disk as they are sent. */

import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { workAtOnce } from './at_once.ts';
import { StorageFault } from './faults.ts';
import type { RequestBody, S3Client } from './requests.ts';
import { elements, escapeXml, textOf } from './xml.ts';

/** Name of the header in which objects carry the SHA-256 of their content, in hexadecimal. */
export const DIGEST_HEADER = 'x-amz-meta-sha256';

const MIB = 2 ** 20;
const USUAL_PART = 16 * MIB;
/** Most parts of an upload (Amazon S3 User Guide, "Multipart upload limits"). */
const MOST_PARTS = 10_000;
const PARTS_AT_ONCE = 4;
/** The storage may put parts together for minutes, and sends spaces meanwhile or nothing. */
const COMPLETE_MILLISECONDS = 300_000;
const PIECE = 256 * 1024;

/** Bytes of the parts of a file, all of them but the last. */
export function partBytesOf(bytes: number, usual: number = USUAL_PART): number {
  return bytes <= usual * MOST_PARTS ? usual : Math.ceil(bytes / MOST_PARTS / MIB) * MIB;
}

/**
 * Puts the first `bytes` of an open file, whatever is appended meanwhile.
 * @param key whole key
 * @returns the entity tag
 * @throws StorageFault; nothing of an upload in parts remains then, unless the storage cannot be told
 */
export async function putFile(
  client: S3Client,
  key: string,
  handle: FileHandle,
  bytes: number,
): Promise<string> {
  const size = partBytesOf(bytes, client.settings.partBytes);
  const { sha256, parts } = await digestParts(handle, bytes, size);
  if (parts.length > 1) return putParts(client, key, parts, { bytes, sha256 });
  const headers = () => ({ [DIGEST_HEADER]: sha256 });
  const request = { operation: 'put', method: 'PUT' as const, key, headers, body: parts[0]! };
  return client.send(request, async (answer) => {
    await answer.text();
    return answer.header('etag') ?? '';
  });
}

/** Reads a file once: its SHA-256, and its parts with theirs. */
async function digestParts(handle: FileHandle, bytes: number, size: number) {
  const whole = createHash('sha256');
  const parts: RequestBody[] = [];
  const buffer = Buffer.allocUnsafe(PIECE);
  for (let start = 0; start === 0 || start < bytes; start += size) {
    const end = Math.min(bytes, start + size);
    const own = createHash('sha256');
    for await (const piece of readRange(handle, start, end, buffer)) {
      whole.update(piece);
      own.update(piece);
    }
    parts.push({
      bytes: end - start,
      sha256: own.digest('hex'),
      open: () => Readable.from(readRange(handle, start, end), { objectMode: false }),
    });
  }
  return { sha256: whole.digest('hex'), parts };
}

/** Bytes of an open file piece by piece; the pieces are only good until the next one is asked for where `buffer` is given. */
async function* readRange(
  handle: FileHandle,
  start: number,
  end: number,
  buffer?: Buffer,
): AsyncGenerator<Buffer> {
  for (let position = start; position < end; ) {
    const wanted = Math.min(PIECE, end - position);
    const into = buffer ?? Buffer.allocUnsafe(wanted);
    const { bytesRead } = await handle.read(into, 0, wanted, position);
    if (bytesRead === 0) throw new Error(`expected a file of at least ${end} bytes, it ended at ${position}`);
    yield into.subarray(0, bytesRead);
    position += bytesRead;
  }
}

/** Uploads parts (CreateMultipartUpload, UploadPart, CompleteMultipartUpload), or takes everything back. */
async function putParts(
  client: S3Client,
  key: string,
  parts: readonly RequestBody[],
  whole: { readonly bytes: number; readonly sha256: string },
): Promise<string> {
  const uploadId = await client.send(
    {
      ...{ operation: 'begin', method: 'POST', key, query: { uploads: '' } },
      headers: () => ({ [DIGEST_HEADER]: whole.sha256 }),
    },
    async (answer) => textOf(await answer.text(), 'UploadId') ?? '',
  );
  try {
    const tags = await putEach(client, key, uploadId, parts);
    return await complete(client, key, uploadId, tags, whole);
  } catch (error) {
    await client
      .send({ operation: 'abort', method: 'DELETE', key, query: { uploadId }, accept: [404] }, (answer) =>
        answer.text(),
      )
      // The fault that led here is the one to tell.
      .catch(() => {});
    throw error;
  }
}

async function putEach(
  client: S3Client,
  key: string,
  uploadId: string,
  parts: readonly RequestBody[],
): Promise<string[]> {
  const tags: string[] = Array.from({ length: parts.length });
  await workAtOnce(parts, PARTS_AT_ONCE, async (body, i) => {
    const query = { partNumber: String(i + 1), uploadId };
    const request = { operation: 'part', method: 'PUT' as const, key, query, body };
    tags[i] = await client.send(request, async (answer) => {
      await answer.text();
      return answer.header('etag') ?? '';
    });
  });
  return tags;
}

async function complete(
  client: S3Client,
  key: string,
  uploadId: string,
  tags: readonly string[],
  whole: { readonly bytes: number; readonly sha256: string },
): Promise<string> {
  const list = tags.map(
    (tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${escapeXml(tag)}</ETag></Part>`,
  );
  const request = {
    ...{ operation: 'complete', method: 'POST' as const, key, query: { uploadId }, accept: [404] },
    body: bodyOf(`<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`),
    silenceMilliseconds: COMPLETE_MILLISECONDS,
  };
  const tag = await client.send(request, async (answer) => {
    const text = await answer.text();
    if (answer.status === 404) return null;
    const [refused] = elements(text, 'Error');
    if (refused === undefined) return textOf(text, 'ETag') ?? '';
    // The answer began before its end was known (Amazon S3 API Reference, CompleteMultipartUpload).
    const code = textOf(refused, 'Code') ?? '';
    const message = `storage: putting ${key} together failed: ${code}: ${textOf(refused, 'Message') ?? ''}`;
    throw new StorageFault(message, { status: answer.status, code, isTransient: true });
  });
  if (tag !== null) return tag;
  // An answer that was lost: the upload is over, and the object there or not.
  const found = await client.send(
    { operation: 'head', method: 'HEAD', key, accept: [404] },
    async (answer) => {
      await answer.text();
      const isOurs =
        answer.header(DIGEST_HEADER) === whole.sha256 &&
        Number(answer.header('content-length')) === whole.bytes;
      return isOurs ? (answer.header('etag') ?? '') : null;
    },
  );
  if (found !== null) return found;
  const message = `storage: the upload of ${key} was ended by someone else before it was whole`;
  throw new StorageFault(message, { status: 404, code: 'NoSuchUpload', isTransient: false });
}

function bodyOf(text: string): RequestBody {
  const bytes = Buffer.from(text);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { bytes: bytes.length, sha256, open: () => Readable.from([bytes]) };
}
