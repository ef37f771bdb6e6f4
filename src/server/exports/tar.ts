/** Folders as a tar archive (POSIX.1-2001: ustar headers, pax records where those are too small), written as it is sent. */

import { createReadStream } from 'node:fs';

/** A file that goes into an archive. */
export interface TarEntry {
  /** Path in the archive, with `/`. */
  readonly name: string;
  /** Where it lies now. */
  readonly file: string;
  readonly bytes: number;
}

const BLOCK = 512;
/** Fields of a ustar header: offset and length in bytes (POSIX.1-2001, pax, "ustar Interchange Format"). */
const FIELDS = Object.freeze({
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  time: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  magic: [257, 8],
  prefix: [345, 155],
} as const);
/** The largest size that eleven octal digits hold. */
const LARGEST_SIZE = 8 ** 11 - 1;
const END = Buffer.alloc(2 * BLOCK);

/** Bytes of the archive of these files. */
export function tarBytes(entries: readonly TarEntry[]): number {
  return entries.reduce((sum, entry) => sum + headersOf(entry, 0).length + padded(entry.bytes), END.length);
}

/**
 * The archive, piece by piece.
 * @param modified when the files were made, in seconds since 1970
 * @throws Error when a file has another size than its entry says
 */
export async function* tarArchive(entries: readonly TarEntry[], modified: number): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    yield headersOf(entry, modified);
    let bytes = 0;
    for await (const chunk of createReadStream(entry.file) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      yield chunk;
    }
    if (bytes !== entry.bytes) {
      throw new Error(`${entry.name}: expected ${entry.bytes} bytes, received ${bytes}`);
    }
    if (padded(bytes) > bytes) yield Buffer.alloc(padded(bytes) - bytes);
  }
  yield END;
}

function padded(bytes: number): number {
  return Math.ceil(bytes / BLOCK) * BLOCK;
}

/** The header of a file, with pax records before it where its name or size does not fit. */
function headersOf({ name, bytes }: TarEntry, modified: number): Buffer {
  const place = splitName(name);
  const records = [
    ...(place === null ? [paxRecord('path', name)] : []),
    ...(bytes > LARGEST_SIZE ? [paxRecord('size', String(bytes))] : []),
  ];
  const { name: short, prefix } = place ?? {
    name: Buffer.from(name).toString('latin1').slice(-100),
    prefix: '',
  };
  const own = header({ name: short, prefix, size: bytes > LARGEST_SIZE ? 0 : bytes, type: '0', modified });
  if (records.length === 0) return own;
  const text = Buffer.from(records.join(''));
  const content = Buffer.alloc(padded(text.length));
  text.copy(content);
  const before = header({ name: 'PaxHeaders/file', prefix: '', size: text.length, type: 'x', modified });
  return Buffer.concat([before, content, own]);
}

/** Name and prefix of a path that fits the two fields in ASCII; null for others. */
function splitName(name: string): { readonly name: string; readonly prefix: string } | null {
  if (!/^[\x20-\x7e]+$/.test(name)) return null;
  const [, most] = FIELDS.name;
  if (name.length <= most) return { name, prefix: '' };
  const slash = name.indexOf('/', name.length - most - 1);
  if (slash < 1 || slash > FIELDS.prefix[1]) return null;
  return { name: name.slice(slash + 1), prefix: name.slice(0, slash) };
}

/** `length key=value\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return `${length} ${key}=${value}\n`;
}

interface Header {
  readonly name: string;
  readonly prefix: string;
  readonly size: number;
  readonly type: '0' | 'x';
  readonly modified: number;
}

function header({ name, prefix, size, type, modified }: Header): Buffer {
  const block = Buffer.alloc(BLOCK);
  const put = (field: keyof typeof FIELDS, text: string) =>
    block.write(text, FIELDS[field][0], FIELDS[field][1], 'latin1');
  const octal = (field: keyof typeof FIELDS, value: number) =>
    put(
      field,
      Math.floor(value)
        .toString(8)
        .padStart(FIELDS[field][1] - 1, '0'),
    );
  put('name', name);
  octal('mode', 0o644);
  octal('uid', 0);
  octal('gid', 0);
  octal('size', size);
  octal('time', modified);
  put('type', type);
  put('magic', 'ustar\x0000');
  put('prefix', prefix);
  // The sum counts its own field as spaces.
  put('checksum', ' '.repeat(8));
  const sum = block.reduce((total, byte) => total + byte, 0);
  put('checksum', `${sum.toString(8).padStart(6, '0')}\x00 `);
  return block;
}
