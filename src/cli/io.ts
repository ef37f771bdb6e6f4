/** What a command gets from the program that runs it. */

import type { Terminal } from './progress.ts';

/** Where a command writes. */
export interface Io {
  /** Results. */
  readonly stdout: Terminal;
  /** Progress, warnings and errors. */
  readonly stderr: Terminal;
}

/** The process's own streams. */
export const PROCESS_IO: Io = Object.freeze({ stdout: process.stdout, stderr: process.stderr });
