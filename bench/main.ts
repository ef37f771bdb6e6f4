/** `npm run bench`: times the engine, the models and a fine-tuning iteration, against the machine's own GEMM rate. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { cpus } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { STAGES } from '../scripts/full_size/stages.ts';
import { openTextToImageModel } from '../src/diffusion/model.ts';
import { Runtime } from '../src/graph/index.ts';
import { writeTextAtomically } from '../src/weights/atomic_file.ts';
import { compareWith } from './compare.ts';
import type { IterationFigures } from './finetune_iteration.ts';
import { KERNEL_CASES, PEAK_CASE } from './kernels.ts';
import type { BenchCase, BenchEntry, CaseTime } from './measure.ts';
import { entryOf, FEW_RUNS, measureCase } from './measure.ts';
import { modelCases } from './models.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PORTRAITS = path.join(ROOT, 'models/portraits');

/** Sampler steps at which a fine-tuning iteration's memory is compared. */
const ITERATION_STEPS = Object.freeze([10, 50]);

/** What `bench/latest.json` holds. */
export interface BenchResults {
  readonly machine: { readonly cpu: string; readonly threads: number; readonly node: string };
  readonly entries: readonly BenchEntry[];
}

/** The stages of an iteration on a full-size directory, one image with guidance at 512x512. */
function fullSizeCases(folder: string): BenchCase[] {
  const model = openTextToImageModel(folder);
  const side = model.defaultSide / model.downscale;
  return Object.entries(STAGES).map(([name, stage]) => ({
    name: `full size, ${name}`,
    build: () => stage(model, side),
  }));
}

async function runBench(
  only: RegExp,
  fullSize: string | undefined,
  show: (entry: BenchEntry) => void,
): Promise<BenchEntry[]> {
  const times: CaseTime[] = [];
  const runtime = new Runtime();
  let peak = 0;
  // Other work on the machine only ever slows the product down: its best of two times, far apart, is the peak.
  const measurePeak = async () => {
    peak = Math.max(peak, (await measureCase(runtime, PEAK_CASE)).rate);
  };
  try {
    await measurePeak();
    const models = existsSync(path.join(PORTRAITS, 'model_index.json'))
      ? modelCases(openTextToImageModel(PORTRAITS))
      : [];
    for (const each of [...KERNEL_CASES, ...models]) {
      if (!only.test(each.name)) continue;
      times.push(await measureCase(runtime, each));
      show(entryOf(times.at(-1)!, peak));
      if (!models.includes(each)) continue;
      times.push(await measureCase(runtime, each, { sideBySide: true }));
      show(entryOf(times.at(-1)!, peak));
    }
    for (const each of fullSize === undefined ? [] : fullSizeCases(fullSize)) {
      if (!only.test(each.name)) continue;
      times.push(await measureCase(runtime, each, { runs: FEW_RUNS }));
      show(entryOf(times.at(-1)!, peak));
    }
    await measurePeak();
  } finally {
    await runtime.close();
  }
  const top: BenchEntry = { name: PEAK_CASE.name, unit: 'GFLOP/s', value: peak / 1e9, peakFraction: 1 };
  show(top);
  const iterations = ITERATION_STEPS.flatMap((steps) => {
    const name = `fine-tuning iteration, ${steps} sampler steps`;
    return only.test(name) ? iterationEntries(name, steps) : [];
  });
  for (const entry of iterations) show(entry);
  return [top, ...times.map((time) => entryOf(time, peak)), ...iterations];
}

function iterationEntries(name: string, steps: number): BenchEntry[] {
  const { stdout, status, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', path.join(ROOT, 'bench/finetune_iteration.ts'), String(steps)],
    { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
  );
  if (status !== 0) throw new Error(`${name}: ${stderr.trim()}`);
  const { seconds, imagesPerSecond, peakMebibytes } = JSON.parse(stdout) as IterationFigures;
  const entry = (what: string, unit: string, value: number) => ({
    name: `${name}: ${what}`,
    unit,
    value,
    peakFraction: null,
  });
  return [
    entry('time', 's', seconds),
    entry('images', 'images/s', imagesPerSecond),
    entry('peak resident memory', 'MiB', peakMebibytes),
  ];
}

function describeEntry({ name, unit, value, peakFraction }: BenchEntry): string {
  const share = peakFraction === null ? '' : `${(peakFraction * 100).toFixed(0)}% of peak`;
  return `${name.padEnd(66)} ${value.toPrecision(4).padStart(8)} ${unit.padEnd(9)} ${share}`.trimEnd();
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      compare: { type: 'string' },
      only: { type: 'string', default: '' },
      /** Directory that scripts/full_size.ts made: its graphs are timed too, minutes each. */
      'full-size': { type: 'string' },
      output: { type: 'string', default: path.join(ROOT, 'bench/latest.json') },
    },
  });
  const only = new RegExp(values.only, 'i');
  if (values.compare !== undefined) {
    compareWith(ROOT, values.compare, values.only);
    return;
  }
  const entries = await runBench(only, values['full-size'], (entry) => console.log(describeEntry(entry)));
  const machine = {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    threads: cpus().length,
    node: process.versions.node,
  };
  mkdirSync(path.dirname(values.output), { recursive: true });
  writeTextAtomically(
    values.output,
    `${JSON.stringify({ machine, entries } satisfies BenchResults, null, 2)}\n`,
  );
  console.log(`written to ${path.relative('.', values.output)}`);
}

await main();
