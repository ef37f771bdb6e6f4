/** Checks that every module says what it is, every export has a docstring directly above, and no file is too long. */

import ts from 'typescript';
import type { SourceFile } from './source_files.ts';
import { report, sourceFiles } from './source_files.ts';

/** Most lines that a file may have. */
export const MOST_LINES = 500;

/** Faults of one file, each as `file:line: what is wrong`. */
export function docstringFaults({ path: file, text }: SourceFile): string[] {
  const faults: string[] = [];
  const lines = text.split('\n').length - 1;
  if (lines > MOST_LINES) faults.push(`${file}:1: expected at most ${MOST_LINES} lines, received ${lines}`);
  const opening = /^(?:#![^\n]*\n)?\/\*\*(.*?)\*\//s.exec(text);
  // A test file says what it is in its describe().
  if (!file.endsWith('.test.ts') && (!opening || !/\w/.test(opening[1]!))) {
    faults.push(`${file}:1: expected the module to start with a sentence /** ... */ on what it is`);
  }
  const moduleEnd = opening?.[0].length ?? 0;
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  let previousName: string | null = null;
  for (const statement of source.statements) {
    const name = exportedName(statement);
    // The docstring of an overloaded function stands above its first signature.
    const overload = ts.isFunctionDeclaration(statement) && name !== null && name === previousName;
    previousName = name;
    if (name === null || overload || hasDocstring(text, statement, moduleEnd)) continue;
    const { line } = source.getLineAndCharacterOfPosition(statement.getStart(source));
    faults.push(`${file}:${line + 1}: expected a docstring /** ... */ directly above ${name}`);
  }
  return faults;
}

/** Name that a statement declares and exports, or `null`. */
function exportedName(statement: ts.Statement): string | null {
  const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
  if (!modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return null;
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations[0]!.name.getText();
  return (statement as ts.DeclarationStatement).name?.getText() ?? 'default';
}

/** Whether a comment `/** ... *\/` that isn't the module's own ends on the line before the statement. */
function hasDocstring(text: string, statement: ts.Statement, moduleEnd: number): boolean {
  const comments = ts.getLeadingCommentRanges(text, statement.getFullStart()) ?? [];
  let below = statement.getStart();
  for (const { pos, end } of comments.toReversed()) {
    if (!/^[ \t]*\n?[ \t]*$/.test(text.slice(end, below))) return false;
    if (text.startsWith('/**', pos)) return end > moduleEnd;
    // An instruction to the linter must stand directly above what it excuses.
    if (!text.startsWith('// biome-ignore', pos)) return false;
    below = pos;
  }
  return false;
}

if (process.argv[1] === import.meta.filename) {
  const files = sourceFiles(['src', 'web', 'scripts', 'bench', 'test']);
  report('check_docstrings', files.length, files.flatMap(docstringFaults));
}
