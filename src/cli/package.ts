/** This package itself: where its files lie, its version, and the model that it ships. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Absolute path of a file of the package, the same from source and from the build. */
export function packagePath(relative: string): string {
  return fileURLToPath(new URL(`../../${relative}`, import.meta.url));
}

/** Folder of the shipped model Portraits. */
export const PORTRAITS = packagePath('models/portraits');

/** Version of this package. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(packagePath('package.json'), 'utf8')) as { version: string }).version;
}
