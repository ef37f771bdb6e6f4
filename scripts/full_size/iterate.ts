/** One iteration of a configuration on a full-size directory, in this process: time and memory of each stage as JSON. */

import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadConfig } from '../../src/cli/config.ts';
import { promptsOf } from '../../src/cli/finetuning.ts';
import type { Adapter } from '../../src/diffusion/adapter.ts';
import { gaussianNoise } from '../../src/diffusion/noise.ts';
import { locateFaceModel } from '../../src/faces/index.ts';
import { preparedCost, prepareFinetune } from '../../src/finetune/assemble.ts';
import { finetuneConfigSchema } from '../../src/finetune/config.ts';
import { DirectFinetuning } from '../../src/finetune/direct_finetuning.ts';
import { CountingRuntime, forecastIteration } from '../../src/finetune/forecast.ts';
import { computeIteration } from '../../src/finetune/iteration.ts';
import { initialAdapter, trainedTensors, withTensors } from '../../src/finetune/trained_part.ts';
import { measureRates, Runtime } from '../../src/graph/index.ts';
import { FACERES_BANK } from './directory.ts';
import { watchMemory } from './memory.ts';
import { StageClock } from './stage_clock.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    side: { type: 'string', default: '64' },
    threads: { type: 'string', default: '1' },
    images: { type: 'string', default: '1' },
    steps: { type: 'string', default: '2' },
    memory: { type: 'string' },
    threshold: { type: 'string', default: '0' },
    moved: { type: 'string', default: '0.02' },
  },
});
const [folder, file, ...overrides] = positionals as [string, string, ...string[]];

/** The same model with another native size of its latents: links, and a U-Net configuration of its own. */
function resized(model: string, side: number, place: string): string {
  if (side === 64) return path.resolve(model);
  const link = (from: string, to: string, except: string) => {
    mkdirSync(to, { recursive: true });
    for (const name of readdirSync(from))
      if (name !== except) symlinkSync(path.resolve(from, name), path.join(to, name));
  };
  link(model, place, 'unet');
  link(path.join(model, 'unet'), path.join(place, 'unet'), 'config.json');
  const config = JSON.parse(readFileSync(path.join(model, 'unet/config.json'), 'utf8')) as object;
  writeFileSync(path.join(place, 'unet/config.json'), JSON.stringify({ ...config, sample_size: side }));
  return place;
}

/** A detector's card with another threshold: at 0 it takes the largest of its boxes for a face, whatever the image shows. */
function withThreshold(card: string, threshold: number, place: string): string {
  const name = path.join(place, 'detector.yaml');
  writeFileSync(name, `${readFileSync(locateFaceModel(card, '.'), 'utf8')}\nthreshold: ${threshold}\n`);
  return name;
}

/**
 * The adapter as it may be later in a run: what starts at zero is random. At the start images equal the originals, and the
 * image semantics loss and its gradient are zero.
 */
function moved(adapter: Adapter, deviation: number): Adapter {
  const tensors = [...trainedTensors(adapter)].map(([name, data]): [string, Float32Array] => {
    if (data.some((value) => value !== 0)) return [name, data];
    return [name, gaussianNoise({ seed: 3, stream: name }, data.length).map((value) => deviation * value)];
  });
  return withTensors(adapter, new Map(tensors));
}

const output = mkdtempSync(path.join(tmpdir(), 'full-size-'));
const own = loadConfig(finetuneConfigSchema, { file, overrides });
const [images, steps] = [Number(values.images), Number(values.steps)];
const config = loadConfig(finetuneConfigSchema, {
  file,
  overrides: [
    `output=${output}`,
    // What keeps an iteration short; models and images have their true sizes.
    `prompts.imagesPerPrompt=${images}`,
    `sampler.steps=[${steps},${steps}]`,
    'gradient.timesteps=1',
    'optimizer.iterations=1',
    'validation.every=0',
    // Among so few images no target is as sure as a configuration asks.
    'loss.confidence=0',
    ...(own.faces?.detector === undefined
      ? []
      : [`faces.detector=${withThreshold(own.faces.detector, Number(values.threshold), output)}`]),
    ...(own.faces?.embedder === 'faceres-embedding' ? [`judges.bank=${FACERES_BANK}`] : []),
    ...overrides,
  ],
});
const modelDirectory = resized(folder, Number(values.side), path.join(output, 'model'));
const memory = values.memory === undefined ? {} : { memory: Number(values.memory) * 2 ** 30 };
const runtime = new Runtime({ threads: Number(values.threads), ...memory });
const prepare = (on: Runtime) =>
  prepareFinetune(config, { runtime: on, modelDirectory, ...promptsOf(config) });

/** What the doctor would say, in time of one processor, which hardly depends on what else the machine does. */
async function foretell() {
  const processorSeconds = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
  const counting = new CountingRuntime({ threads: 1 });
  const rates = await measureRates(runtime, { clock: processorSeconds });
  const dry = prepare(counting);
  const forecast = await forecastIteration(dry, counting, rates, processorSeconds);
  const { peakBytes, leastBytes } = preparedCost(dry);
  await counting.close();
  const graphs = forecast.graphs
    .filter(({ seconds }) => seconds > 0.01 * forecast.seconds)
    .map(({ label, runs, seconds }) => ({ label, runs, processorSeconds: seconds }));
  return {
    rates,
    processorSeconds: forecast.seconds,
    graphs,
    peakGib: peakBytes / 2 ** 30,
    leastGib: leastBytes / 2 ** 30,
  };
}

const forecast = await foretell();
// A run has not built all graphs before.
globalThis.gc?.();
const prepared = prepare(runtime);
const { pipeline, objective, settings, model, loss } = prepared;
const differentiate = new DirectFinetuning(pipeline);
const clock = new StageClock();
clock.time(runtime, { compile: 'compiling' });
clock.time(pipeline, { encodePrompts: 'text encoder', sample: 'sampling', decode: 'decoding' });
clock.time(loss, { observe: 'faces and classes', describe: 'faces and classes', differentiate: 'loss' });
clock.time(differentiate, {
  latentGradient: 'decoder product',
  backward: 'U-Net product',
  textEncoderGradient: 'text encoder product',
});
const adapter = moved(initialAdapter(model, settings.part, 1), Number(values.moved));
const started = performance.now();
const processorBefore = process.cpuUsage();
const { result, peak, anonymousPeak } = await watchMemory(
  () => computeIteration({ pipeline, objective, settings, differentiate }, 0, adapter),
  { seen: (now) => clock.see(now) },
);
const { user, system } = process.cpuUsage(processorBefore);
const finite = [...result.gradients.values()].every((each) => each.every(Number.isFinite));
const norm = Math.sqrt(
  [...result.gradients.values()].reduce((sum, each) => each.reduce((total, x) => total + x * x, sum), 0),
);
await runtime.close();
rmSync(output, { recursive: true });
console.log(
  JSON.stringify({
    configuration: path.basename(file, '.yaml'),
    side: Number(values.side),
    images,
    steps,
    threads: Number(values.threads),
    memoryLimitGib: values.memory === undefined ? null : Number(values.memory),
    part: settings.part.kind,
    seconds: (performance.now() - started) / 1000,
    processorSeconds: (user + system) / 1e6,
    stages: clock.stages,
    loss: result.loss,
    metrics: result.metrics,
    finite,
    gradientNorm: norm,
    tensors: result.gradients.size,
    forecast,
    peakGib: peak / 2 ** 30,
    anonymousGib: anonymousPeak / 2 ** 30,
  }),
);
