/** The log of a run: one JSON object a line, cut back to the checkpoint that a run goes on from. */

import { existsSync, readFileSync } from 'node:fs';
import { writeTextAtomically } from '../weights/atomic_file.ts';

/**
 * Drops log lines past step `last`, and a line that a crash left half written; without a file nothing happens.
 * @param field name of the step's number in each line, such as `iteration`
 */
export function truncateLog(file: string, field: string, last: number): void {
  if (!existsSync(file)) return;
  const kept = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && stepOf(line, field) <= last);
  writeTextAtomically(file, kept.map((line) => `${line}\n`).join(''));
}

function stepOf(line: string, field: string): number {
  try {
    return Number((JSON.parse(line) as Record<string, unknown>)[field]);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
