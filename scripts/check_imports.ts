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
/**
 * Rooms of `src/` of which the terminal may load modules, itself or through others: what draws in a browser (`server` for the
 * description of an image), the names of groups, and the mathematics of reports. Of every other room it may have types alone.
 */
export const TERMINAL_ROOMS: readonly string[] = Object.freeze([
  'graph',
  'weights',
  'text',
  'models',
  'diffusion',
  'finetune',
  'evaluate',
  'server',
]);
/** Packages that run in a browser, and that the terminal may load, itself or through rooms. */
export const TERMINAL_PACKAGES: readonly string[] = Object.freeze([
  '@bufbuild/protobuf',
  '@huggingface/tokenizers',
  'onnx-buf',
  'onnxruntime-web',
  'react',
  'react-dom',
  'uplot',
  'zod',
]);

interface Import {
  readonly specifier: string;
  readonly line: number;
  /** Whether something of it is left after compilation. */
  readonly isValue: boolean;
}

/**
 * Faults of the terminal's imports: from elsewhere than the terminal and `src/`, or of values that are, or lead to, one of Node's
 * own modules, a package or a room that the terminal may not load. Types may come from any module of `src/`, as nothing of
 * them is left.
 * @param files those of `web/src/` and of `src/`
 */
export function terminalFaults(files: readonly SourceFile[]): string[] {
  const known = new Map(files.map((file) => [file.path, importsOf(file)]));
  /** The modules from `file` to the first that the terminal may not load, null when it leads to none. */
  const wayOut = (file: string, passed = new Set<string>()): readonly string[] | null => {
    passed.add(file);
    const room = roomOf(file);
    if (room !== null && !TERMINAL_ROOMS.includes(room)) return [file];
    for (const { specifier, isValue } of known.get(file) ?? []) {
      if (!isValue) continue;
      if (!specifier.startsWith('.')) {
        if (!isForBrowsers(specifier)) return [file, specifier];
        continue;
      }
      const target = resolveFrom(file, specifier);
      const way = passed.has(target) ? null : wayOut(target, passed);
      if (way !== null) return [file, ...way];
    }
    return null;
  };
  return files
    .filter(({ path: file }) => file.startsWith(TERMINAL))
    .flatMap(({ path: file }) =>
      known.get(file)!.flatMap(({ specifier, line, isValue }) => {
        const fault = terminalFault(file, specifier, isValue, wayOut);
        return fault === null ? [] : [`${file}:${line}: ${fault}`];
      }),
    );
}

function terminalFault(
  file: string,
  specifier: string,
  isValue: boolean,
  wayOut: (file: string) => readonly string[] | null,
): string | null {
  if (!specifier.startsWith('.')) {
    if (!isValue || isForBrowsers(specifier)) return null;
    return specifier.startsWith('node:')
      ? `no browser has ${specifier}`
      : `the terminal may load the packages ${TERMINAL_PACKAGES.join(', ')}, not ${specifier}`;
  }
  const target = resolveFrom(file, specifier);
  if (!TERMINAL_SOURCES.some((folder) => target.startsWith(folder))) {
    return `the terminal may import from ${TERMINAL_SOURCES.join(' and ')}, not ${target}`;
  }
  if (!isValue || target.startsWith(TERMINAL)) return null;
  const way = wayOut(target);
  if (way === null) return null;
  const last = roomOf(way.at(-1)!);
  const why = last === null ? '' : `: of the room ${last} it may have types alone`;
  return `the terminal cannot load ${way.join(', which imports ')}${why}`;
}

/** Whether a specifier names a package that the terminal may load. */
function isForBrowsers(specifier: string): boolean {
  const [first, second] = specifier.split('?')[0]!.split('/');
  return TERMINAL_PACKAGES.includes(first!.startsWith('@') ? `${first}/${second}` : first!);
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
