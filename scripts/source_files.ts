/** The repository's own TypeScript files, for the checks that read them. */

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** A source file: its path from the repository's root with forward slashes, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Absolute path of the repository's root. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Every `.ts` and `.tsx` file below the given folders of `root`, sorted by path; folders that don't exist have none. */
export function sourceFiles(folders: readonly string[], root: string = ROOT): SourceFile[] {
  return folders.flatMap((folder) => listFolder(path.join(root, folder))).map((file) => read(root, file));
}

function listFolder(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return names
    .filter((name) => /\.tsx?$/.test(name) && !name.split(path.sep).includes('node_modules'))
    .sort()
    .map((name) => path.join(folder, name));
}

function read(root: string, file: string): SourceFile {
  return { path: path.relative(root, file).split(path.sep).join('/'), text: readFileSync(file, 'utf8') };
}

/** Prints what a check found, one line a fault, and sets the exit status. */
export function report(check: string, files: number, faults: readonly string[]): void {
  for (const fault of faults) console.error(fault);
  console.log(`${check}: ${files} files, ${faults.length} faults`);
  if (faults.length > 0) process.exitCode = 1;
}
