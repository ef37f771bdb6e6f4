/** What a folder's files were when they were last the same here and in the bucket: a hidden file of the folder. */

import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { writeTextAtomically } from '../../../weights/atomic_file.ts';
import { makeFolder } from '../../../weights/make_folder.ts';

const NAME = '.stored.json';

const manifestSchema = z.object({
  version: z.literal(1),
  files: z.record(z.string(), z.object({ tag: z.string(), mark: z.string() })),
});

/** One file: its tag in the bucket, and what tells whether it has changed here. */
export type ManifestEntry = z.infer<typeof manifestSchema>['files'][string];
/** Files by name. */
export type Manifest = Map<string, ManifestEntry>;

/** The manifest of a folder; empty where there is none, or one that cannot be read: the bucket counts then. */
export function readManifest(folder: string): Manifest {
  const file = path.join(folder, NAME);
  if (!existsSync(file)) return new Map();
  try {
    return new Map(Object.entries(manifestSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).files));
  } catch {
    return new Map();
  }
}

/** Changes the manifest of a folder at once. */
export function changeManifest(folder: string, change: (manifest: Manifest) => void): void {
  const manifest = readManifest(folder);
  change(manifest);
  makeFolder(folder);
  const files = Object.fromEntries(manifest);
  writeTextAtomically(path.join(folder, NAME), JSON.stringify({ version: 1, files }));
}

/** What tells whether a file has changed: size, time and inode. */
export function markOf({ size, mtimeMs, ino }: { size: number; mtimeMs: number; ino: number }): string {
  return `${size} ${mtimeMs} ${ino}`;
}

/** The mark of a file by its path; null where there is none. */
export function markOfFile(file: string): string | null {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? null : markOf(found);
}
