/** The program `evenhand`: its commands, its help, and how errors become messages and exit statuses. */

import { Command, CommanderError } from 'commander';
import { EXIT, exitStatusOf, isExplained } from './errors.ts';
import type { Io } from './io.ts';
import { PROCESS_IO } from './io.ts';
import { packageVersion } from './package.ts';

/** Makes one command; it writes to `io`. */
export type CommandFactory = (io: Io) => Command;

/**
 * Runs one command line.
 * @param args arguments after the program's name
 * @returns exit status: 0 done, 1 failed, 2 wrong usage or configuration, 130 stopped by the user
 */
export async function runProgram(
  args: readonly string[],
  commands: readonly CommandFactory[],
  io: Io = PROCESS_IO,
): Promise<number> {
  try {
    await createProgram(commands, io).parseAsync(args, { from: 'user' });
    return EXIT.done;
  } catch (error) {
    // Help, version and complaints about options were written by commander itself.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    io.stderr.write(`${describeError(error)}\n`);
    return exitStatusOf(error);
  }
}

function createProgram(commands: readonly CommandFactory[], io: Io): Command {
  const program = new Command('evenhand')
    .description(
      'Fine-tune text-to-image diffusion models until the people they draw follow a distribution that you choose,\n' +
        'and prove it with measurements.',
    )
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpCommand('help [command]', 'show what a command does, its options and examples')
    .addHelpText(
      'after',
      '\nExit status: 0 done, 1 failed, 2 wrong usage or configuration, 130 stopped by Ctrl-C.',
    );
  for (const create of commands) program.addCommand(create(io));
  for (const command of withSubcommands(program)) {
    command
      .exitOverride()
      .showHelpAfterError(`(${nameOf(command)} --help shows the options)`)
      .configureOutput({
        writeOut: (text) => io.stdout.write(text),
        writeErr: (text) => io.stderr.write(text),
        getOutHelpWidth: () => io.stdout.columns ?? 100,
        getErrHelpWidth: () => io.stderr.columns ?? 100,
      });
  }
  return program;
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap((each) => withSubcommands(each as Command))];
}

/** How a command is called: `evenhand models download`. */
function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

/** Text of an error for people; `EVENHAND_TRACE=1` adds where it came from. */
function describeError(error: unknown): string {
  if (!(error instanceof Error)) return `error: ${String(error)}`;
  if (process.env.EVENHAND_TRACE === '1' && error.stack) return `error: ${error.stack}`;
  const advice = isExplained(error) ? '' : '\n(EVENHAND_TRACE=1 shows where this happened)';
  return `error: ${error.message}${advice}`;
}
