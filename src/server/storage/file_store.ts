/** Where what jobs leave is kept: the data folder itself, or a bucket of which the data folder holds copies. */

import { rmSync } from 'node:fs';
import path from 'node:path';
import type { ListedFile } from './files.ts';
import { fileInside, listFiles } from './files.ts';

/**
 * How a file is looked for: `here`, as work of this server writes it just now; `fixed`, since it never changes once it is there;
 * `changing`, since another server may have written it anew.
 */
export type Whereabouts = 'here' | 'fixed' | 'changing';

/** What is known of a file beforehand. */
export interface KnownFile {
  readonly bytes?: number;
  /** In hexadecimal. */
  readonly sha256?: string;
}

/**
 * Files in folders. Folders are paths in the data folder, such as `jobs/ID`; names are paths in a folder. Work writes its files into
 * the data folder, and then has them kept.
 */
export interface FileStore {
  readonly kind: 'folder' | 's3';
  /** The place in words. */
  readonly place: string;
  /**
   * Path of a file on this disk, brought there if need be.
   * @returns null where there is none, or the name could lead elsewhere
   * @throws StorageFault when the storage refuses or does not answer; Error when a file is not what was kept or is known of it
   */
  open(folder: string, name: string, where: Whereabouts, known?: KnownFile): Promise<string | null>;
  /** Files of a folder in the order of their names, without hidden ones. @throws StorageFault */
  list(folder: string, where: Whereabouts): Promise<ListedFile[]>;
  /** Keeps a file that was written. @throws StorageFault */
  keep(folder: string, name: string): Promise<void>;
  /**
   * Keeps all files of a folder as they are now, and only these.
   * @param rank files of a lower rank are kept before those of a higher one
   * @throws StorageFault; what was kept before is whole then
   */
  keepFolder(folder: string, rank?: (name: string) => number): Promise<void>;
  /** Brings a folder to where its work can go on: what another server has kept since replaces what is here. @throws StorageFault */
  restoreFolder(folder: string): Promise<void>;
  /** Removes a file, here and where it is kept. @throws StorageFault */
  remove(folder: string, name: string): Promise<void>;
  /** Removes a folder with everything in it, here and where it is kept. @throws StorageFault */
  removeFolder(folder: string): Promise<void>;
  /** Why the storage cannot be used now, asked for at most every few seconds; null when it can. */
  fault(): Promise<string | null>;
  close(): void;
}

/** The data folder alone: what is written there is kept. */
export function createFolderStore(root: string): FileStore {
  const at = (folder: string) => path.join(root, ...folder.split('/'));
  return Object.freeze({
    kind: 'folder' as const,
    place: root,
    open: async (folder: string, name: string) => fileInside(at(folder), name),
    list: async (folder: string) => listFiles(at(folder)),
    async keep() {},
    async keepFolder() {},
    async restoreFolder() {},
    async remove(folder: string, name: string) {
      const file = fileInside(at(folder), name);
      if (file !== null) rmSync(file, { force: true });
    },
    async removeFolder(folder: string) {
      rmSync(at(folder), { recursive: true, force: true });
    },
    fault: async () => null,
    close() {},
  });
}
