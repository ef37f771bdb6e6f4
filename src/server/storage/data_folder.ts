/** The folder that a server keeps its state in, held by one server at a time. */

import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { writeTextAtomically } from '../../weights/atomic_file.ts';
import { makeFolder } from '../../weights/make_folder.ts';

/** A data folder in use. */
export interface DataFolder {
  readonly path: string;
  /** Name of this server in leases; the same after a restart on the same folder. */
  readonly owner: string;
  /** Folder of the embedded database. */
  readonly database: string;
  /** Folder of a job's files. */
  jobFolder(id: string): string;
  /** Lets another server have the folder. */
  release(): void;
}

const LOCK = 'server.pid';

/** Folder of a job's files in the data folder, with `/`. */
export function folderOfJob(id: string): string {
  return `jobs/${id}`;
}

/**
 * Takes a data folder, making it where there is none.
 * @throws Error when a running server has it
 */
export function openDataFolder(folder: string): DataFolder {
  const root = makeFolder(folder, 0o700);
  const lock = path.join(root, LOCK);
  takeLock(lock);
  removeIncoming(path.join(root, 'adapters'));
  const named = path.join(root, 'server-id');
  if (!existsSync(named)) writeTextAtomically(named, `server_${randomBytes(8).toString('hex')}\n`);
  return Object.freeze({
    path: root,
    owner: readFileSync(named, 'utf8').trim(),
    database: path.join(root, 'database'),
    jobFolder: (id: string) => path.join(root, folderOfJob(id)),
    release: () => rmSync(lock, { force: true }),
  });
}

/** Removes what a server that ended in the middle of an upload left of it. */
function removeIncoming(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    if (name.startsWith('.')) rmSync(path.join(folder, name), { force: true });
  }
}

function takeLock(lock: string): void {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(lock, `${process.pid}\n`, { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = Number(readFileSync(lock, 'utf8'));
    if (isAlive(holder)) {
      throw new Error(
        `${path.dirname(lock)}: expected a folder of its own, but the server with process id ${holder} has it`,
      );
    }
    rmSync(lock, { force: true });
  }
  throw new Error(`${lock}: another server took the folder at the same time`);
}

function isAlive(processId: number): boolean {
  if (!Number.isInteger(processId) || processId <= 0 || processId === process.pid) return false;
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
