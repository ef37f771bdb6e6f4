/** `evenhand reproduce`: the method's tables and figures on Portraits, with the published numbers beside. */

import path from 'node:path';
import { Command, Option } from 'commander';
import { closestName } from '../../fairness/closest_name.ts';
import type { Part, Scale } from '../../portraits/reproduction/index.ts';
import { BUDGETS, PARTS } from '../../portraits/reproduction/index.ts';
import { cancellable } from '../cancellation.ts';
import { UsageError } from '../errors.ts';
import { fetchModel } from '../hub_models.ts';
import type { Io } from '../io.ts';
import type { RuntimeChoice } from '../open_runtime.ts';
import { withRuntime } from '../open_runtime.ts';
import { deviceOption, jsonOption, memoryOption, threadsOption } from '../options.ts';
import { createProgress, formatDuration } from '../progress.ts';
import { runReproduction } from '../reproduction.ts';

interface ReproduceOptions extends RuntimeChoice {
  readonly model?: string;
  readonly output: string;
  readonly work: string;
  readonly scale: Scale;
  readonly json?: boolean;
}

const HELP = `
Parts:
${PARTS.map(({ name, summary }) => `  ${name.padEnd(20)}${summary}`).join('\n')}

Each takes at most about 90 minutes on two cores, and what all of them will take is said first. Results are written after
every part: results.json (every number with its interval, the published one beside it), results.csv, the figures as SVG and
PNG, and index.md. A stopped reproduction goes on when the same command is given again; parts that are done stay.

Examples:
  evenhand reproduce
  evenhand reproduce table-1 figure-6b
  evenhand reproduce --output docs/results`;

/** Makes the command. */
export function reproduceCommand(io: Io): Command {
  return new Command('reproduce')
    .summary("make the method's tables and figures")
    .description("Makes the method's tables and figures on the embedded model, from training to report.")
    .argument('[parts...]', 'parts to make; all when left out')
    .option('-m, --model <folder>', 'portraits, a model folder with its judges, or a hub id')
    .option('-o, --output <folder>', 'where results go', path.join('runs', 'results'))
    .option('--work <folder>', 'runs and judged images', path.join('runs', 'reproduce'))
    .addOption(
      new Option('--scale <name>', 'full, or small to see that every part runs')
        .choices(Object.keys(BUDGETS))
        .default('full'),
    )
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(memoryOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((names: readonly string[], options: ReproduceOptions) => runCommand(names, options, io));
}

function chosenParts(names: readonly string[]): readonly Part[] {
  for (const name of names) {
    const known = PARTS.map((part) => part.name);
    if (known.includes(name)) continue;
    const closest = closestName(name, known);
    const hint = closest === undefined ? '' : `; did you mean ${closest}?`;
    throw new UsageError(`reproduce: expected parts ${known.join(', ')}, received ${name}${hint}`);
  }
  return names.length === 0 ? PARTS : PARTS.filter(({ name }) => names.includes(name));
}

async function runCommand(names: readonly string[], options: ReproduceOptions, io: Io): Promise<void> {
  const request = { ...options, parts: chosenParts(names) };
  const progress = createProgress({ json: options.json === true, output: io.stdout, display: io.stderr });
  const started = performance.now();
  try {
    const page = await cancellable(async (signal) => {
      await fetchModel(request.model, progress, signal);
      return withRuntime(options, progress, (runtime) => runReproduction(runtime, request, progress, signal));
    }, progress.note);
    const seconds = (performance.now() - started) / 1000;
    progress.note(
      `${request.parts.length} parts in ${formatDuration(seconds)}; look at ${path.relative('.', page)}`,
    );
    progress.result({ command: 'reproduce', parts: request.parts.map(({ name }) => name), seconds, page });
  } finally {
    progress.finish();
  }
}
