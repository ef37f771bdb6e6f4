/** Checks that imports follow the direction in which data flows: a room imports only from itself and rooms before it. */

import path from 'node:path';
import ts from 'typescript';
import type { SourceFile } from './source_files.ts';
import { report, sourceFiles } from './source_files.ts';

/** Rooms of `src/` in the order in which data flows. */
export const ROOMS: readonly string[] = Object.freeze([
  'graph',
  'weights',
  'text',
  'models',
  'diffusion',
  'faces',
  'fairness',
  'finetune',
  'evaluate',
  'data',
  'training',
  'portraits',
  'cluster',
  'server',
  'cli',
]);

/** `src/index.ts` is the library: it gathers every room. */
const LIBRARY = 'src/index.ts';

/** Faults of one file's imports, each as `file:line: what is wrong`. */
export function importFaults({ path: file, text }: SourceFile): string[] {
  const room = roomOf(file);
  if (room === null && file !== LIBRARY) return [`${file}:1: expected a file inside a room of src/`];
  if (room !== null && !ROOMS.includes(room)) {
    return [`${file}:1: expected one of the rooms ${ROOMS.join(', ')}, received ${room}`];
  }
  return ts
    .preProcessFile(text, true, true)
    .importedFiles.filter(({ fileName }) => fileName.startsWith('.'))
    .flatMap(({ fileName, pos }) => {
      const fault = importFault(file, room, fileName);
      return fault === null ? [] : [`${file}:${text.slice(0, pos).split('\n').length}: ${fault}`];
    });
}

function importFault(file: string, room: string | null, specifier: string): string | null {
  if (!/\.(ts|tsx|json)$/.test(specifier)) return `expected an import ending in .ts, received ${specifier}`;
  const target = path.posix.join(path.posix.dirname(file), specifier);
  if (!target.startsWith('src/')) {
    const allowed = file.endsWith('.test.ts') && target.startsWith('test/');
    return allowed
      ? null
      : `src/ may not import ${target}${target.startsWith('test/') ? ' outside tests' : ''}`;
  }
  const imported = roomOf(target);
  if (imported === null) return `a room may not import ${target}`;
  if (room === null || ROOMS.indexOf(imported) <= ROOMS.indexOf(room)) return null;
  return `${room} comes before ${imported} and may not import ${target}`;
}

function roomOf(file: string): string | null {
  return /^src\/([^/]+)\//.exec(file)?.[1] ?? null;
}

if (process.argv[1] === import.meta.filename) {
  const files = sourceFiles(['src']);
  report('check_imports', files.length, files.flatMap(importFaults));
}
