/**
 * Text in PNG files: reading and inserting the chunks tEXt, zTXt and iTXt (PNG specification, third edition,
 * section 11.3.3).
 */

import { inflateSync } from 'node:zlib';
import type { PngChunk, PngText } from './png_chunks.ts';
import { CHUNK_OVERHEAD, crc32, SIGNATURE, textChunk, writePngChunks } from './png_chunks.ts';

export { type PngChunk, type PngText, writePngChunks } from './png_chunks.ts';

/**
 * Largest text that a compressed chunk may unpack to, in bytes: deflate packs up to 1000 to 1, and no record
 * of an image comes near this, so a larger one is an attack.
 */
export const MAX_UNPACKED_TEXT = 16 * 1024 * 1024;

/**
 * Splits a PNG file into its chunks and checks signature, lengths, order and every checksum.
 * @throws when the bytes are not a complete, intact PNG file
 */
export function readPngChunks(bytes: Uint8Array): PngChunk[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!buffer.subarray(0, SIGNATURE.length).equals(SIGNATURE))
    throw new Error('PNG: the signature is missing');
  const chunks: PngChunk[] = [];
  let position = SIGNATURE.length;
  while (chunks.at(-1)?.type !== 'IEND') {
    if (position + CHUNK_OVERHEAD > buffer.length) {
      throw new Error(`PNG: the file is cut: expected a chunk at byte ${position} of ${buffer.length}`);
    }
    const length = buffer.readUInt32BE(position);
    const type = buffer.toString('latin1', position + 4, position + 8);
    if (!/^[A-Za-z]{4}$/.test(type)) throw new Error(`PNG: the chunk at byte ${position} has no valid type`);
    const end = position + CHUNK_OVERHEAD + length;
    if (end > buffer.length) {
      throw new Error(`PNG: the file is cut: the chunk ${type} at byte ${position} claims ${length} bytes`);
    }
    if (crc32(buffer.subarray(position + 4, end - 4)) !== buffer.readUInt32BE(end - 4)) {
      throw new Error(`PNG: the checksum of the chunk ${type} at byte ${position} is wrong`);
    }
    chunks.push({ type, data: buffer.subarray(position + 8, end - 4) });
    position = end;
  }
  if (chunks[0].type !== 'IHDR')
    throw new Error(`PNG: expected the first chunk to be IHDR, received ${chunks[0].type}`);
  return chunks;
}

function unpack(data: Uint8Array, keyword: string): Buffer {
  try {
    return inflateSync(data, { maxOutputLength: MAX_UNPACKED_TEXT });
  } catch (error) {
    const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    const fault = isTooLarge
      ? `unpacks to more than ${MAX_UNPACKED_TEXT} bytes`
      : 'is not valid compressed data';
    throw new Error(`PNG: the text ${JSON.stringify(keyword)} ${fault}`, { cause: error });
  }
}

/** Cuts `data` at its first NUL after `from`. */
function untilNul(data: Uint8Array, from: number, type: string): { text: Buffer; next: number } {
  const end = data.indexOf(0, from);
  if (end < 0) throw new Error(`PNG: a ${type} chunk lacks the NUL after its fields`);
  return { text: Buffer.from(data.subarray(from, end)), next: end + 1 };
}

function readText({ type, data }: PngChunk): PngText {
  const { text: keywordBytes, next } = untilNul(data, 0, type);
  const keyword = keywordBytes.toString('latin1');
  if (type === 'tEXt') return { keyword, text: Buffer.from(data.subarray(next)).toString('latin1') };
  if (type === 'zTXt') {
    if (data[next] !== 0)
      throw new Error(`PNG: the text ${JSON.stringify(keyword)} has an unknown compression`);
    return { keyword, text: unpack(data.subarray(next + 1), keyword).toString('latin1') };
  }
  const [isCompressed, method] = [data[next], data[next + 1]];
  const language = untilNul(data, next + 2, type);
  const translated = untilNul(data, language.next, type);
  const body = data.subarray(translated.next);
  if (isCompressed !== 1) return { keyword, text: Buffer.from(body).toString('utf8') };
  if (method !== 0) throw new Error(`PNG: the text ${JSON.stringify(keyword)} has an unknown compression`);
  return { keyword, text: unpack(body, keyword).toString('utf8') };
}

function isTextChunk({ type }: PngChunk): boolean {
  return type === 'tEXt' || type === 'zTXt' || type === 'iTXt';
}

/**
 * Every text in a PNG file, by keyword; the last one where a keyword occurs again.
 * @throws when the file is damaged or a compressed text unpacks beyond {@link MAX_UNPACKED_TEXT}
 */
export function readPngTexts(bytes: Uint8Array): ReadonlyMap<string, string> {
  const texts = readPngChunks(bytes).filter(isTextChunk).map(readText);
  return new Map(texts.map(({ keyword, text }) => [keyword, text]));
}

/**
 * The PNG file with texts put in behind its header, where readers that stop at the pixels find them. Texts
 * that were there under the same keywords are replaced.
 * @throws when the file is damaged, or a keyword or text is not allowed by the format
 */
export function insertPngTexts(bytes: Uint8Array, texts: readonly PngText[]): Uint8Array {
  const replaced = new Set(texts.map(({ keyword }) => keyword));
  const [header, ...rest] = readPngChunks(bytes).filter(
    (chunk) =>
      !isTextChunk(chunk) || !replaced.has(untilNul(chunk.data, 0, chunk.type).text.toString('latin1')),
  );
  return writePngChunks([header, ...texts.map(textChunk), ...rest]);
}
