/** What a fine-tuning configuration will take on this machine, told before it starts. */

import { tmpdir, totalmem } from 'node:os';
import { preparedCost, prepareFinetune } from '../finetune/assemble.ts';
import { finetuneConfigSchema } from '../finetune/config.ts';
import type { IterationForecast } from '../finetune/forecast.ts';
import { CountingRuntime, forecastIteration } from '../finetune/forecast.ts';
import { openScore } from '../finetune/score_file.ts';
import type { DeviceName, MachineRates } from '../graph/index.ts';
import { measureRates, Runtime, selectDevice } from '../graph/index.ts';
import { loadConfig } from './config.ts';
import type { Finding } from './diagnosis.ts';
import { promptsOf } from './finetuning.ts';
import { resolveModel } from './models.ts';
import { resolveConfigFile } from './presets.ts';
import { formatDuration } from './progress.ts';

/** What is to be foretold. */
export interface ForecastRequest {
  /** Configuration file or preset. */
  readonly config: string;
  /** Model in place of the configuration's. */
  readonly model?: string;
  /** Overrides of fields, `key=value`. */
  readonly set?: readonly string[];
  readonly device?: DeviceName;
  readonly threads?: number;
  /** Resident memory that the run is to stay within, in GiB. */
  readonly memory?: number;
}

/** A forecast of a run. */
export interface RunForecast extends IterationForecast {
  readonly iterations: number;
  readonly rates: MachineRates;
  /** Memory if every graph keeps its own between runs, and of the one graph that needs most beside what can't give way. */
  readonly peakBytes: number;
  readonly leastBytes: number;
  /** Memory of the machine, all of it and what is available, and what the run is to stay within. */
  readonly memory: { readonly total: number; readonly available: number; readonly limit: number | null };
}

const GIB = 2 ** 30;

/**
 * Measures the device for a second or two and lets the real code run on a runtime that only counts.
 * @throws Error naming what does not fit in the configuration, as a run would
 */
export async function forecastRun(request: ForecastRequest): Promise<RunForecast> {
  // A forecast writes nothing: the folder is only there because a configuration has to name one.
  const overrides = [...(request.set ?? []), `output=${tmpdir()}`];
  const config = loadConfig(finetuneConfigSchema, { file: resolveConfigFile(request.config), overrides });
  const choice = request.threads === undefined ? {} : { threads: request.threads };
  const runtime = new Runtime({ device: await selectDevice(request.device ?? 'cpu'), ...choice });
  const { device, threads } = runtime;
  const counting = new CountingRuntime({ device, threads });
  try {
    const prepared = prepareFinetune(config, {
      runtime: counting,
      modelDirectory: resolveModel(request.model ?? config.model),
      ...promptsOf(config),
      scores: await Promise.all(config.objectives.map(({ file, ...options }) => openScore(file, options))),
    });
    const { iterations } = prepared.settings;
    const rates = await measureRates(runtime, { wide: prepared.pipeline.concurrency === 1 });
    const forecast = await forecastIteration(prepared, counting, rates);
    const { peakBytes, leastBytes } = preparedCost(prepared);
    const memory = {
      total: totalmem(),
      available: process.availableMemory(),
      limit: request.memory === undefined ? null : request.memory * GIB,
    };
    return { ...forecast, iterations, rates, peakBytes, leastBytes, memory };
  } finally {
    await counting.close();
    await runtime.close();
  }
}

/** A forecast as findings of the doctor. */
export function forecastFindings(forecast: RunForecast): Finding[] {
  const { seconds, iterations, graphs, around, flops, rates } = forecast;
  const share = (part: number) => `${((100 * part) / seconds).toFixed(0)}%`;
  const longest = graphs
    .slice(0, 4)
    .map((graph) => `${graph.label} ${share(graph.seconds)} (${graph.runs} runs)`);
  return [
    {
      state: 'good',
      text:
        `an iteration takes about ${formatDuration(seconds)} (${(flops / 1e12).toPrecision(3)} TFLOP), ` +
        `${iterations} take about ${formatDuration(seconds * iterations)}`,
    },
    { state: 'good', text: `most of it: ${[...longest, `around the graphs ${share(around)}`].join(', ')}` },
    {
      state: 'good',
      text:
        `pace: ${(rates.matrix / 1e9).toFixed(0)} GFLOP/s in products, ${(rates.convolution / 1e9).toFixed(0)} in ` +
        `convolutions, ${(rates.bytes / 1e9).toFixed(0)} GB/s`,
    },
    memoryFinding(forecast),
  ];
}

function memoryFinding({ peakBytes, leastBytes, memory }: RunForecast): Finding {
  const gib = (bytes: number) => `${(bytes / GIB).toFixed(1)} GiB`;
  const { total, available, limit } = memory;
  const within = limit === null ? '' : `, of which the run is to take ${gib(limit)}`;
  const text =
    `peak memory about ${gib(peakBytes)}, at least ${gib(leastBytes)}; ` +
    `this machine has ${gib(total)}, ${gib(available)} of it available${within}`;
  const most = Math.min(available, limit ?? available);
  if (peakBytes <= most) return { state: 'good', text };
  const advice =
    leastBytes <= most
      ? 'large graphs will give way to each other, which takes a few seconds an iteration; a smaller microBatch needs less'
      : 'that is too little; a smaller microBatch needs less';
  return { state: 'note', text, advice };
}
