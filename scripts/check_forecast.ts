/** Compares what the forecast says of iterations on Portraits with what they take, in time of one processor: JSON a line. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadConfig } from '../src/cli/config.ts';
import { promptsOf } from '../src/cli/finetuning.ts';
import { PORTRAITS } from '../src/cli/package.ts';
import { resolveConfigFile } from '../src/cli/presets.ts';
import { preparedCost, prepareFinetune } from '../src/finetune/assemble.ts';
import { finetuneConfigSchema } from '../src/finetune/config.ts';
import { DirectFinetuning } from '../src/finetune/direct_finetuning.ts';
import { CountingRuntime, forecastIteration } from '../src/finetune/forecast.ts';
import { computeIteration } from '../src/finetune/iteration.ts';
import { initialAdapter } from '../src/finetune/trained_part.ts';
import type { Runtime as GraphRuntime } from '../src/graph/index.ts';
import { measureRates, Runtime } from '../src/graph/index.ts';
import { watchMemory } from './full_size/memory.ts';

/** The time of processors hardly depends on what else the machine does. */
const clock = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', default: PORTRAITS },
    preset: { type: 'string', default: 'gender' },
    threads: { type: 'string', default: '1' },
  },
});
const output = mkdtempSync(path.join(tmpdir(), 'forecast-'));
const overrides = [`output=${output}`, 'prompts.imagesPerPrompt=8', ...positionals];
const config = loadConfig(finetuneConfigSchema, { file: resolveConfigFile(values.preset), overrides });
const prepare = (runtime: GraphRuntime) =>
  prepareFinetune(config, { runtime, modelDirectory: values.model, ...promptsOf(config) });

const threads = Number(values.threads);
const counting = new CountingRuntime({ threads });
const runtime = new Runtime({ threads });
const dry = prepare(counting);
const rates = await measureRates(runtime, { wide: dry.pipeline.concurrency === 1, clock });
const forecast = await forecastIteration(dry, counting, rates, clock);
const { peakBytes } = preparedCost(dry);
await counting.close();

const real = prepare(runtime);
const differentiate = new DirectFinetuning(real.pipeline);
const adapter = initialAdapter(real.model, real.settings.part, 1);
const times: number[] = [];
const { peak } = await watchMemory(async () => {
  for (let iteration = 0; iteration < 3; iteration++) {
    const started = clock();
    await computeIteration({ ...real, differentiate }, iteration, adapter);
    times.push(clock() - started);
  }
});
await runtime.close();
rmSync(output, { recursive: true });
// The first iteration compiles.
const measured = Math.min(...times.slice(1));
console.log(
  JSON.stringify({
    preset: values.preset,
    overrides: positionals,
    gigaflopRates: { matrix: rates.matrix / 1e9, convolution: rates.convolution / 1e9 },
    gigabytesPerSecond: rates.bytes / 1e9,
    microsecondsPerNode: rates.node * 1e6,
    forecastSeconds: forecast.seconds,
    measuredSeconds: measured,
    timeRatio: forecast.seconds / measured,
    forecastMebibytes: peakBytes / 2 ** 20,
    measuredMebibytes: peak / 2 ** 20,
    memoryRatio: peakBytes / peak,
  }),
);
for (const { label, runs, seconds, work } of forecast.graphs.slice(0, 8)) {
  const gigaflop = (work.matrixFlops + work.convolutionFlops) / 1e9;
  console.log(
    `${label.slice(0, 60).padEnd(62)} ${String(runs).padStart(4)} runs ${seconds.toFixed(2).padStart(8)} s ` +
      `${gigaflop.toFixed(2).padStart(8)} GFLOP ${(work.bytes / 1e9).toFixed(2).padStart(7)} GB ${work.nodes} nodes`,
  );
}
