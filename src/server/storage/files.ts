/** Files of the data folder, and of the terminal: found only inside their folder, with their media types. */

import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';

const MEDIA_TYPES: Readonly<Record<string, string>> = Object.freeze({
  '.css': 'text/css; charset=utf-8',
  '.csv': 'text/csv; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.jsonl': 'application/jsonl',
  '.map': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
  '.yaml': 'application/yaml',
});

/** Media type of a file by its name. */
export function mediaTypeOf(name: string): string {
  return MEDIA_TYPES[path.extname(name).toLowerCase()] ?? 'application/octet-stream';
}

/** Whether a path is made of plain names joined by `/`: none empty or hidden, and without backslash, colon and NUL. */
export function isPlainPath(name: string): boolean {
  return name.split('/').every((part) => part !== '' && !part.startsWith('.') && !/[\\\0:]/.test(part));
}

/**
 * The file that a path of an address means, null when it is none inside `folder`: dots, links that lead elsewhere, absolute paths,
 * NUL and hidden files find nothing.
 * @param name decoded path with `/`
 */
export function fileInside(folder: string, name: string): string | null {
  if (!isPlainPath(name) || !existsSync(folder)) return null;
  const root = realpathSync(folder);
  const file = path.join(root, ...name.split('/'));
  if (!existsSync(file)) return null;
  const real = realpathSync(file);
  if (!real.startsWith(root + path.sep) || !statSync(real).isFile()) return null;
  return real;
}

/** A file of a folder. */
export interface ListedFile {
  /** Path in the folder, with `/`. */
  readonly name: string;
  readonly bytes: number;
}

/** Files below a folder in the order of their names, without hidden ones. */
export function listFiles(folder: string): ListedFile[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .map((file) => ({ file, name: path.relative(folder, file).split(path.sep).join('/') }))
    .filter(({ name }) => !name.split('/').some((part) => part.startsWith('.')))
    .map(({ file, name }) => ({ name, bytes: statSync(file).size }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}
