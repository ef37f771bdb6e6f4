/**
 * Checks that imports follow the direction in which data flows: a room imports only from itself and rooms before it, and the
 * terminal only what a browser can load.
 */

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

/** Where the terminal's own modules lie; the tests and stand-ins beside it run in Node. */
const TERMINAL = 'web/src/';
/** Where a module of the terminal may import from. */
const TERMINAL_SOURCES: readonly string[] = Object.freeze([TERMINAL, 'src/']);

interface Import {
  readonly specifier: string;
  readonly line: number;
  /** Whether something of it is left after compilation. */
  readonly isValue: boolean;
}

/**
 * Faults of the terminal's imports: from elsewhere than the terminal and `src/`, or of values that lead to one of Node's own
 * modules, which no browser has. Types may come from any module of `src/`, as nothing of them is left.
 * @param files those of `web/src/` and of `src/`
 */
export function terminalFaults(files: readonly SourceFile[]): string[] {
  const known = new Map(files.map((file) => [file.path, importsOf(file)]));
  /** The modules from `file` to the first of Node's, null when it leads to none. */
  const wayToNode = (file: string, passed = new Set<string>()): readonly string[] | null => {
    passed.add(file);
    for (const { specifier, isValue } of known.get(file) ?? []) {
      if (!isValue) continue;
      if (specifier.startsWith('node:')) return [file, specifier];
      const target = specifier.startsWith('.') ? resolveFrom(file, specifier) : null;
      const way = target === null || passed.has(target) ? null : wayToNode(target, passed);
      if (way !== null) return [file, ...way];
    }
    return null;
  };
  return files
    .filter(({ path: file }) => file.startsWith(TERMINAL))
    .flatMap(({ path: file }) =>
      known.get(file)!.flatMap(({ specifier, line, isValue }) => {
        const fault = terminalFault(file, specifier, isValue, wayToNode);
        return fault === null ? [] : [`${file}:${line}: ${fault}`];
      }),
    );
}

function terminalFault(
  file: string,
  specifier: string,
  isValue: boolean,
  wayToNode: (file: string) => readonly string[] | null,
): string | null {
  if (specifier.startsWith('node:')) return isValue ? `no browser has ${specifier}` : null;
  if (!specifier.startsWith('.')) return null;
  const target = resolveFrom(file, specifier);
  if (!TERMINAL_SOURCES.some((folder) => target.startsWith(folder))) {
    return `the terminal may import from ${TERMINAL_SOURCES.join(' and ')}, not ${target}`;
  }
  if (!isValue || target.startsWith(TERMINAL)) return null;
  const way = wayToNode(target);
  return way === null ? null : `no browser can load ${way.join(', which imports ')}`;
}

/** A relative specifier as a path; what a bundler reads behind `?` is left out. */
function resolveFrom(file: string, specifier: string): string {
  return path.posix.join(path.posix.dirname(file), specifier.split('?')[0]!);
}

function importsOf({ path: file, text }: SourceFile): Import[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Node | undefined, isValue: boolean) => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
    found.push({ specifier: specifier.text, line, isValue });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node, node.moduleSpecifier, !node.importClause?.isTypeOnly);
    else if (ts.isExportDeclaration(node)) add(node, node.moduleSpecifier, !node.isTypeOnly);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node, node.arguments[0], true);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function roomOf(file: string): string | null {
  return /^src\/([^/]+)\//.exec(file)?.[1] ?? null;
}

if (process.argv[1] === import.meta.filename) {
  const files = sourceFiles(['src']);
  const terminal = sourceFiles([TERMINAL]);
  const faults = [...files.flatMap(importFaults), ...terminalFaults([...terminal, ...files])];
  report('check_imports', files.length + terminal.length, faults);
}
