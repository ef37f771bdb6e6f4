/**
 * Chunks of PNG files and their bytes (PNG specification, third edition, section 5). Nothing here needs Node.
 */

/** The bytes that every PNG file begins with. */
export const SIGNATURE: Uint8Array = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** Bytes of a chunk besides its data: length, type, checksum. */
export const CHUNK_OVERHEAD = 12;

/** One chunk of a PNG file. */
export interface PngChunk {
  /** Four letters, such as `IHDR`. */
  readonly type: string;
  readonly data: Uint8Array;
}

/** A text entry: keyword and text, as AUTOMATIC1111 and others keep under `parameters`. */
export interface PngText {
  /** 1 to 79 printable Latin-1 characters, without spaces at the ends or doubled. */
  readonly keyword: string;
  /** Any text without NUL. */
  readonly text: string;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** The checksum CRC-32 of ISO 3309, with which chunks end. */
export function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = (value >>> 8) ^ CRC_TABLE[(value ^ byte) & 0xff]!;
  return (value ^ 0xffffffff) >>> 0;
}

/** A PNG file from its chunks, with checksums. */
export function writePngChunks(chunks: readonly PngChunk[]): Uint8Array<ArrayBuffer> {
  const length = chunks.reduce((sum, { data }) => sum + CHUNK_OVERHEAD + data.length, SIGNATURE.length);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes.set(SIGNATURE);
  let position = SIGNATURE.length;
  for (const { type, data } of chunks) {
    view.setUint32(position, data.length);
    bytes.set(latin1(type), position + 4);
    bytes.set(data, position + 8);
    const end = position + 8 + data.length;
    view.setUint32(end, crc32(bytes.subarray(position + 4, end)));
    position = end + 4;
  }
  return bytes;
}

/** Latin-1 text as bytes. */
function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function checkKeyword(keyword: string): void {
  const isPrintable = /^[\x20-\x7e\xa1-\xff]{1,79}$/.test(keyword);
  if (!isPrintable || keyword.trim() !== keyword || keyword.includes('  ')) {
    throw new Error(
      `PNG: keyword: expected 1 to 79 printable Latin-1 characters without outer or doubled spaces, received ${JSON.stringify(keyword)}`,
    );
  }
}

/**
 * Chunk for a text: tEXt if all characters are Latin-1, else iTXt (uncompressed, without language).
 * @throws when the format does not allow the keyword or the text
 */
export function textChunk({ keyword, text }: PngText): PngChunk {
  checkKeyword(keyword);
  if (text.includes('\0'))
    throw new Error(`PNG: the text ${keyword} contains NUL, which the format does not allow`);
  if (/^[\0-\xff]*$/.test(text)) return { type: 'tEXt', data: latin1(`${keyword}\0${text}`) };
  // After the keyword: compression flag, compression method, language tag and translated keyword, the last
  // two empty.
  const head = latin1(`${keyword}\0\0\0\0\0`);
  const body = new TextEncoder().encode(text);
  const data = new Uint8Array(head.length + body.length);
  data.set(head);
  data.set(body, head.length);
  return { type: 'iTXt', data };
}
