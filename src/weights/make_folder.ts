/** Folders that results are written to: made with their parents, and known to take files before long work begins. */

import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Makes a folder and those above it; what is there already stays.
 *
 * Node's own `recursive` tries for ever where the operating system answers that the folder above does not exist although it
 * does, as in /proc, so each folder is made by itself.
 * @param mode permissions of the folders that are made
 * @returns its absolute path
 * @throws Error naming the folder, and the file in its way or what the operating system said
 */
export function makeFolder(folder: string, mode = 0o777): string {
  const path = resolve(folder);
  const missing: string[] = [];
  let nearest = path;
  while (!existsSync(nearest)) {
    missing.unshift(nearest);
    nearest = dirname(nearest);
  }
  if (!statSync(nearest).isDirectory()) {
    const what = nearest === path ? 'a file is there' : `${nearest} is a file`;
    throw new Error(`${folder}: expected a folder, or a place for one, but ${what}`);
  }
  try {
    for (const each of missing) makeOne(each, mode);
    accessSync(path, constants.W_OK);
  } catch (error) {
    throw new Error(`${folder}: expected a folder that can be written to: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return path;
}

/** Makes a folder that another process may make at the same time. */
function makeOne(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
