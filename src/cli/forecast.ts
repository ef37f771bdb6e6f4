/** What a fine-tuning configuration will take on this machine, told before it starts. */

import { mkdtempSync, rmSync } from 'node:fs';
import { freemem, tmpdir, totalmem } from 'node:os';
import path from 'node:path';
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
}

/** A forecast of a run. */
export interface RunForecast extends IterationForecast {
  readonly iterations: number;
  readonly rates: MachineRates;
  /** Memory if every graph keeps its own between runs, and memory of the machine: all of it and what is free. */
  readonly peakBytes: number;
  readonly memory: { readonly total: number; readonly free: number };
}

const GIB = 2 ** 30;

/**
 * Measures the device for a second or two and lets the real code run on a runtime that only counts.
 * @throws Error naming what does not fit in the configuration, as a run would
 */
export async function forecastRun(request: ForecastRequest): Promise<RunForecast> {
  const output = mkdtempSync(path.join(tmpdir(), 'evenhand-forecast-'));
  const overrides = [...(request.set ?? []), `output=${output}`];
  const config = loadConfig(finetuneConfigSchema, { file: resolveConfigFile(request.config), overrides });
  const choice = request.threads === undefined ? {} : { threads: request.threads };
  const runtime = new Runtime({ device: await selectDevice(request.device ?? 'cpu'), ...choice });
  const counting = new CountingRuntime({ threads: 1 });
  try {
    const rates = await measureRates(runtime);
    const prepared = prepareFinetune(config, {
      runtime: counting,
      modelDirectory: resolveModel(request.model ?? config.model),
      ...promptsOf(config),
      scores: await Promise.all(config.objectives.map(({ file, ...options }) => openScore(file, options))),
    });
    const { iterations } = prepared.settings;
    const forecast = await forecastIteration(prepared, counting, rates);
    const { peakBytes } = preparedCost(prepared);
    return { ...forecast, iterations, rates, peakBytes, memory: { total: totalmem(), free: freemem() } };
  } finally {
    await counting.close();
    await runtime.close();
    rmSync(output, { recursive: true });
  }
}

/** A forecast as findings of the doctor. */
export function forecastFindings(forecast: RunForecast): Finding[] {
  const { seconds, iterations, graphs, around, flops, rates, peakBytes, memory } = forecast;
  const share = (part: number) => `${((100 * part) / seconds).toFixed(0)}%`;
  const longest = graphs
    .slice(0, 4)
    .map((graph) => `${graph.label} ${share(graph.seconds)} (${graph.runs} runs)`);
  const gib = (bytes: number) => `${(bytes / GIB).toFixed(1)} GiB`;
  const text = `peak memory about ${gib(peakBytes)}; this machine has ${gib(memory.total)}, ${gib(memory.free)} of it free`;
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
    peakBytes <= memory.free
      ? { state: 'good', text }
      : {
          state: 'note',
          text,
          advice:
            'large graphs give way to each other where memory is short, which takes a few seconds an iteration; ' +
            'a smaller microBatch needs less',
        },
  ];
}
