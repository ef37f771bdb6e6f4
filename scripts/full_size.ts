/** Stable Diffusion 1.5 at its true size, with random weights: makes a model directory, measures its graphs, runs iterations. */

import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readdirSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { packagePath } from '../src/cli/package.ts';
import type { WeightDtype } from './full_size/directory.ts';
import { writeFullSizeDirectory } from './full_size/directory.ts';
import { STAGES } from './full_size/stages.ts';

const USAGE = `usage: tsx scripts/full_size.ts make FOLDER [--dtype F16|F32|BF16]
       tsx scripts/full_size.ts measure FOLDER [--only STAGE] [--side 64] [--runs 2] [--against STAGE] [--log FILE]
       tsx scripts/full_size.ts iterate FOLDER [--only RUN] [--side 64] [--images 1] [--steps 2] [--threads 1]
         [--memory GIB] [--threshold 0] [--log FILE] [OVERRIDE ...]

make writes U-Net, autoencoder, text encoder, CLIP ViT-H/14, DINOv2 ViT-B/14 and face models: 3.6 GB in F16, 7 GB in F32.
measure runs each graph in a process of its own: seconds, operations, peak resident memory; with --against another graph runs
before it in the same process, and stays.
iterate foretells and runs one iteration of each of the method's runs (configs/sd15) on a few images with a few sampling steps and
one timestep of the gradient: time and memory of each stage. Its images show no faces: the detector's threshold is lowered,
so that it takes the largest of its boxes for one.
Both print one JSON object a line and append it to the log.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dtype: { type: 'string', default: 'F16' },
    only: { type: 'string', default: '' },
    side: { type: 'string', default: '64' },
    runs: { type: 'string', default: '2' },
    against: { type: 'string' },
    images: { type: 'string', default: '1' },
    steps: { type: 'string', default: '2' },
    threads: { type: 'string', default: '1' },
    memory: { type: 'string' },
    threshold: { type: 'string', default: '0' },
    log: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const [task, folder, ...overrides] = positionals;
if (values.help || folder === undefined || !['make', 'measure', 'iterate'].includes(task!)) {
  console.log(USAGE);
  process.exit(values.help ? 0 : 2);
}

/** Runs a script of this folder and notes what it prints last. */
function runChild(script: string, args: readonly string[]): void {
  const file = path.join(import.meta.dirname, 'full_size', script);
  const { stdout, stderr, status, signal } = spawnSync(
    process.execPath,
    ['--expose-gc', '--import', 'tsx', file, ...args],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
  );
  // A process that used up the memory is killed without a word: that is a result as well.
  const error = /^\w*Error: .*$/m.exec(stderr)?.[0] ?? stderr.trim().split('\n').at(-1);
  const line =
    status === 0
      ? stdout.trim().split('\n').at(-1)!
      : JSON.stringify({ script, args, status, signal, error });
  console.log(line);
  if (values.log !== undefined) appendFileSync(values.log, `${line}\n`);
}

if (task === 'make') {
  if (!['F16', 'F32', 'BF16'].includes(values.dtype))
    throw new Error(`${USAGE}\nreceived --dtype ${values.dtype}`);
  writeFullSizeDirectory(folder, values.dtype as WeightDtype);
} else {
  if (!existsSync(path.join(folder, 'model_index.json')))
    throw new Error(`${folder}: make it first\n${USAGE}`);
  const machine = {
    cpu: cpus()[0]?.model,
    threads: cpus().length,
    memoryGib: totalmem() / 2 ** 30,
    node: process.version,
  };
  console.log(JSON.stringify(machine));
  if (values.log !== undefined) appendFileSync(values.log, `${JSON.stringify(machine)}\n`);
  const chosen = (names: readonly string[]) => names.filter((name) => name.includes(values.only));
  if (task === 'measure') {
    const against = values.against === undefined ? [] : ['--against', values.against];
    const { side, runs } = values;
    for (const stage of chosen(Object.keys(STAGES)))
      runChild('measure_stage.ts', [folder, stage, '--side', side, '--runs', runs, '--gemm', ...against]);
  } else {
    const { side, images, steps, threads, threshold, memory } = values;
    const options = Object.entries({ side, images, steps, threads, threshold, memory }).flatMap(
      ([name, value]) => (value === undefined ? [] : [`--${name}`, value]),
    );
    const configurations = packagePath('configs/sd15');
    for (const name of chosen(readdirSync(configurations)))
      runChild('iterate.ts', [folder, path.join(configurations, name), ...options, ...overrides]);
  }
}
