/** Fingerprints that tell changed weights from the same ones in milliseconds, however large the files are. */

import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { relevantFiles } from './relevant_files.ts';

/** Pieces of a file that are looked at, evenly spread, its first and last among them. */
const PIECES = 64;
/** Bytes of a piece. */
const PIECE = 4096;

/**
 * A fingerprint of files: names, lengths and 64 pieces of 4 KiB of each. Training changes every piece of a weight file; a file that
 * was changed elsewhere on purpose passes, so this is no protection against forgery (`sha256OfFile` is).
 * @param at files, and folders whose own files of weights and configuration count; where they lie does not
 * @returns 16 hexadecimal digits
 * @throws Error from the file system where a file can't be read
 */
export function fingerprintOf(at: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of at.flatMap(relevantFiles)) {
    hash.update(`${path.basename(file)}\0`);
    addPieces(file, (piece) => hash.update(piece));
  }
  return hash.digest('hex').slice(0, 16);
}

function addPieces(file: string, add: (piece: string | Uint8Array) => void): void {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    add(`${size}\0`);
    const buffer = new Uint8Array(PIECE);
    const last = Math.max(0, size - PIECE);
    const count = Math.min(PIECES, Math.ceil(size / PIECE));
    for (let i = 0; i < count; i++) {
      const position = count === 1 ? 0 : Math.round((last * i) / (count - 1));
      const length = readSync(descriptor, buffer, 0, PIECE, position);
      add(buffer.subarray(0, length));
    }
  } finally {
    closeSync(descriptor);
  }
}
