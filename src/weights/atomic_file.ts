/**
 * Files that appear complete or not at all: written under a temporary name in the same folder, flushed, then
 * renamed.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Largest single write, because one write call of the operating system takes less than 2 GiB. */
const LARGEST_WRITE = 1 << 30;

/** Writes all of `bytes` at the current position of the open file `descriptor`. */
export function writeFully(descriptor: number, bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) {
    written += writeSync(descriptor, bytes, written, Math.min(bytes.length - written, LARGEST_WRITE));
  }
}

/** Flushes the directory entry; platforms that cannot open a directory (Windows) flush it with the file. */
function flushDirectory(path: string): void {
  if (process.platform === 'win32') return;
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** A file that is being written under a temporary name. */
export interface AtomicFile {
  /** Open for writing. */
  readonly descriptor: number;
  /** Flushes what was written and gives it the final name. @throws when that fails, after the temporary file is removed */
  commit(): void;
  /** Closes and removes the temporary file. */
  abandon(): void;
}

/**
 * Begins a file that appears as a whole when it is committed.
 * @param path the final name; its folder must exist
 */
export function beginAtomicFile(path: string): AtomicFile {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  const descriptor = openSync(temporary, 'wx');
  let isOpen = true;
  const close = () => {
    if (isOpen) closeSync(descriptor);
    isOpen = false;
  };
  const abandon = () => {
    close();
    rmSync(temporary, { force: true });
  };
  const commit = () => {
    try {
      fsyncSync(descriptor);
      close();
      renameSync(temporary, path);
    } catch (error) {
      abandon();
      throw error;
    }
    flushDirectory(dirname(path));
  };
  return { descriptor, commit, abandon };
}

/**
 * Writes the file `path` atomically: a reader sees the old file or the new one, and a crash leaves the old
 * one.
 * @param path the final name; its folder must exist
 * @param write receives an open file descriptor and writes the content in order
 * @throws whatever `write` throws, after the temporary file is removed
 */
export function writeFileAtomically(path: string, write: (descriptor: number) => void): void {
  const file = beginAtomicFile(path);
  try {
    write(file.descriptor);
  } catch (error) {
    file.abandon();
    throw error;
  }
  file.commit();
}

/** Writes `text` (UTF-8) to the file `path` atomically, as {@link writeFileAtomically} does. */
export function writeTextAtomically(path: string, text: string): void {
  writeFileAtomically(path, (descriptor) => writeFully(descriptor, Buffer.from(text, 'utf8')));
}
