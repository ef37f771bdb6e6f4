/** Runs command lines of `evenhand` in this process and keeps what they write. */

import { COMMANDS } from '../src/cli/commands/index.ts';
import { runProgram } from '../src/cli/program.ts';

/** What a command line left. */
export interface CliResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as JSON lines; for `--json`. */
  readonly events: () => readonly Readonly<Record<string, unknown>>[];
}

/**
 * Runs one command line.
 * @param onOutput sees every piece that is written, as it is written
 */
export async function runCli(
  args: readonly string[],
  onOutput: (text: string) => void = () => {},
): Promise<CliResult> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof written) => ({
    write(text: string) {
      written[name] += text;
      onOutput(text);
    },
  });
  const status = await runProgram(args, COMMANDS, { stdout: stream('stdout'), stderr: stream('stderr') });
  const events = () =>
    written.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  return { status, ...written, events };
}
