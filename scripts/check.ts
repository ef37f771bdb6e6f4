/** Everything that can be checked without running a model, one line a check: `npm run check`. */

import { spawnSync } from 'node:child_process';
import { ROOT } from './source_files.ts';

/** A check: its name and the command that carries it out, which exits with 0 when nothing is wrong. */
export interface Check {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

/** The checks in the order in which they run; commands are looked up in `node_modules/.bin`. */
export const CHECKS: readonly Check[] = Object.freeze([
  { name: 'types', command: ['tsc', '-p', 'tsconfig.json', '--noEmit'] },
  { name: 'types of the terminal', command: ['tsc', '-p', 'web/tsconfig.json', '--noEmit'] },
  { name: 'lint and format', command: ['biome', 'check', '--error-on-warnings'] },
  { name: 'direction of imports', command: ['tsx', 'scripts/check_imports.ts'] },
  { name: 'docstrings', command: ['tsx', 'scripts/check_docstrings.ts'] },
] satisfies Check[]);

/** What the steps of a run add up to. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
}

/** Runs a command in the repository's root with its output on the terminal; returns its exit status, 1 for a signal. */
export function runCommand([program, ...args]: readonly [string, ...string[]]): number {
  const bin = `${ROOT}node_modules/.bin/${program}`;
  const { status, error } = spawnSync(bin, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error) console.error(`${program}: ${error.message}; run npm ci first`);
  return status ?? 1;
}

/** Runs every check, whether or not an earlier one failed. */
export function runChecks(): Tally {
  const failed = CHECKS.filter(({ name, command }) => {
    const status = runCommand(command);
    console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name}`);
    return status !== 0;
  });
  return { passed: CHECKS.length - failed.length, failed: failed.length };
}

if (process.argv[1] === import.meta.filename) {
  const { passed, failed } = runChecks();
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}
