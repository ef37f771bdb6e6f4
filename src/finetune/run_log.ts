/** The records of a run: one JSON object a line and TensorBoard events, cut back to the checkpoint that a run goes on from. */

import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { writeFileAtomically, writeFully, writeTextAtomically } from '../weights/atomic_file.ts';
import { makeFolder } from '../weights/make_folder.ts';
import { openEventFile } from './event_file.ts';
import type { SampleGrid } from './sample_grid.ts';
import { drawSampleGrid } from './sample_grid.ts';
import type { FinetuneProgress } from './settings.ts';

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

/**
 * Makes the folder of grids, and drops those of steps past `last`.
 * @returns path of the newest one that is left
 */
function truncateSamples(folder: string, last: number): string | null {
  makeFolder(folder);
  const grids = readdirSync(folder)
    .filter((name) => /^\d+\.png$/.test(name))
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
  const [kept, past] = [true, false].map((isKept) =>
    grids.filter((name) => Number.parseInt(name, 10) <= last === isKept),
  ) as [string[], string[]];
  for (const name of past) rmSync(path.join(folder, name));
  const newest = kept.at(-1);
  return newest === undefined ? null : path.join(folder, newest);
}

/**
 * The lines of a log, one JSON object each, in order; none without a file.
 * @throws SyntaxError for a line that is not JSON
 */
export function readLog<Line>(file: string): Line[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

/** What a run writes about itself while it goes. */
export interface RunRecords {
  /** Path of the newest grid that earlier sessions left, null where there is none. */
  readonly samples: string | null;
  /**
   * Records an iteration, and the grid of its validation where there was one.
   * @returns path of the grid's PNG, null without one
   */
  record(progress: FinetuneProgress, grid: SampleGrid | null): Promise<string | null>;
}

/**
 * Opens `log.jsonl`, `tensorboard/` and `samples/` of a run folder, without what lies past iteration `last`.
 */
export function openRunRecords(directory: string, last: number): RunRecords {
  const log = path.join(directory, 'log.jsonl');
  truncateLog(log, 'iteration', last);
  const events = openEventFile(path.join(directory, 'tensorboard'), last);
  const samples = path.join(directory, 'samples');
  return {
    samples: truncateSamples(samples, last),
    async record(progress, grid) {
      appendFileSync(log, `${JSON.stringify(logLine(progress))}\n`);
      const image = grid === null ? null : await drawSampleGrid(grid);
      events.append({
        wallTime: Date.now() / 1000,
        step: progress.iteration,
        scalars: scalarsOf(progress),
        ...(image === null ? {} : { images: { 'validation/samples': image } }),
      });
      if (image === null) return null;
      const name = `${String(progress.iteration).padStart(8, '0')}.png`;
      const file = path.join(samples, name);
      writeFileAtomically(file, (descriptor) => writeFully(descriptor, image.png));
      return file;
    },
  };
}

function scalarsOf({ loss, metrics, gradientNorm, skipped, seconds, validation }: FinetuneProgress) {
  const under = (group: string, values: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [`${group}/${name}`, value]));
  return {
    ...under('train', { loss, ...metrics, 'gradient norm': gradientNorm, skipped, seconds }),
    ...under('validation', validation ?? {}),
  };
}

function logLine(progress: FinetuneProgress): Record<string, unknown> {
  const short = (value: number) => Number(value.toPrecision(6));
  const rounded = (values: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, short(value)]));
  const { iteration, prompts, loss, metrics, gradientNorm, skipped, seconds, validation, warnings } =
    progress;
  return {
    iteration,
    prompts,
    loss: short(loss),
    metrics: rounded(metrics),
    gradientNorm: short(gradientNorm),
    skipped,
    seconds: Number(seconds.toFixed(2)),
    ...(validation === null ? {} : { validation: rounded(validation) }),
    ...(warnings.length === 0 ? {} : { warnings }),
  };
}
