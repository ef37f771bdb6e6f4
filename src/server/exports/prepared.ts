/** Exports of adapters on the server's disk: each made once for whoever asks for it, kept a while, and streamed. */

import { createReadStream, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import type { ExportFormat } from '../../evaluate/export/formats.ts';
import { isFolderFormat } from '../../evaluate/export/formats.ts';
import { makeFolder } from '../../weights/make_folder.ts';
import { ApiFault } from '../errors.ts';
import { listFiles } from '../storage/files.ts';
import { tarArchive, tarBytes } from './tar.ts';

/** What was made in the folder that was given. */
export interface MadeExport {
  readonly format: ExportFormat;
  /** File, or folder, in it. */
  readonly name: string;
  /** Evaluation whose numbers are in the header. */
  readonly evaluation: string | null;
}

/** An export that can be downloaded. */
export interface PreparedExport {
  readonly format: ExportFormat;
  /** Name of the file that is downloaded; a folder comes as a tar archive. */
  readonly name: string;
  readonly mediaType: 'application/octet-stream' | 'application/x-tar';
  /** Bytes of the download. */
  readonly bytes: number;
  readonly evaluation: string | null;
  /** The download; the export stays until the stream has closed. */
  open(): Readable;
}

/** How exports are kept. */
export interface KeepOptions {
  /** Folder that they alone use; what an earlier server left in it is removed. */
  readonly folder: string;
  /** Exports that are kept at most, those in use not counted. */
  readonly most: number;
  /** Milliseconds after its last use that an export is kept. */
  readonly milliseconds: number;
}

/** Prepared exports. */
export interface PreparedExports {
  /**
   * The export under a key: the one that is there, or a new one. When nobody waits for it any more, its making is cancelled.
   * @param make writes it into an empty folder
   * @throws ApiFault `cancelled` after `signal`; what `make` throws
   */
  prepare(
    key: string,
    make: (folder: string, signal: AbortSignal) => Promise<MadeExport>,
    signal: AbortSignal,
  ): Promise<PreparedExport>;
}

interface Entry {
  readonly folder: string;
  readonly controller: AbortController;
  readonly prepared: Promise<PreparedExport>;
  isMade: boolean;
  /** Requests that wait for it, and streams that read it. */
  uses: number;
  timer: NodeJS.Timeout | null;
}

/** Makes the place for exports, empty. */
export function createPreparedExports({ folder: root, most, milliseconds }: KeepOptions): PreparedExports {
  rmSync(root, { recursive: true, force: true });
  // In the order of their last use.
  const entries = new Map<string, Entry>();
  let count = 0;

  function remove(key: string, entry: Entry): void {
    if (entry.timer !== null) clearTimeout(entry.timer);
    if (entries.get(key) === entry) entries.delete(key);
    rmSync(entry.folder, { recursive: true, force: true });
  }

  function start(key: string, make: Parameters<PreparedExports['prepare']>[1]): Entry {
    // A cancelled export may still be writing: the next one of the key has another folder.
    const folder = path.join(root, String(++count));
    const controller = new AbortController();
    const prepared = Promise.resolve().then(async () => {
      try {
        makeFolder(folder);
        const made = await make(folder, controller.signal);
        controller.signal.throwIfAborted();
        entry.isMade = true;
        return preparedExport(folder, made, () => hold(key, entry));
      } catch (error) {
        remove(key, entry);
        throw error;
      }
    });
    const entry: Entry = { folder, controller, prepared, isMade: false, uses: 0, timer: null };
    entries.set(key, entry);
    return entry;
  }

  /** Keeps an export until what is returned is called. */
  function hold(key: string, entry: Entry): () => void {
    entry.uses++;
    if (entry.timer !== null) clearTimeout(entry.timer);
    entries.delete(key);
    entries.set(key, entry);
    return () => {
      if (--entry.uses > 0) return;
      if (!entry.isMade) {
        entry.controller.abort();
        if (entries.get(key) === entry) entries.delete(key);
        return;
      }
      entry.timer = setTimeout(() => remove(key, entry), milliseconds);
      entry.timer.unref();
      const idle = [...entries].filter(([, { uses }]) => uses === 0);
      for (const [other, old] of idle.slice(0, Math.max(0, idle.length - most))) remove(other, old);
    };
  }

  return {
    async prepare(key, make, signal) {
      const entry = entries.get(key) ?? start(key, make);
      const release = hold(key, entry);
      try {
        return await untilAborted(entry.prepared, signal);
      } finally {
        release();
      }
    },
  };
}

function preparedExport(
  folder: string,
  { format, name, evaluation }: MadeExport,
  hold: () => () => void,
): PreparedExport {
  const at = path.join(folder, name);
  const stream = (source: Readable): Readable => source.once('close', hold());
  if (!isFolderFormat(format)) {
    const { size: bytes } = statSync(at);
    const open = () => stream(createReadStream(at));
    return { format, name, mediaType: 'application/octet-stream', bytes, evaluation, open };
  }
  const files = listFiles(at).map((listed) => ({
    name: `${name}/${listed.name}`,
    file: path.join(at, listed.name),
    bytes: listed.bytes,
  }));
  const modified = Math.floor(statSync(at).mtimeMs / 1000);
  const open = () => stream(Readable.from(tarArchive(files, modified), { objectMode: false }));
  return {
    format,
    name: `${name}.tar`,
    mediaType: 'application/x-tar',
    bytes: tarBytes(files),
    evaluation,
    open,
  };
}

function untilAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(new ApiFault('cancelled', 'the client went away'));
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
