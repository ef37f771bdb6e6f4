/** One iteration of a preset on a full-size directory, in this process: seconds of each stage and peak memory as JSON. */

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
import { resolveConfigFile } from '../../src/cli/presets.ts';
import { prepareFinetune } from '../../src/finetune/assemble.ts';
import { finetuneConfigSchema } from '../../src/finetune/config.ts';
import { DirectFinetuning } from '../../src/finetune/direct_finetuning.ts';
import { computeIteration } from '../../src/finetune/iteration.ts';
import { initialAdapter } from '../../src/finetune/trained_part.ts';
import { Runtime } from '../../src/graph/index.ts';
import { watchMemory } from './memory.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { side: { type: 'string', default: '64' }, threads: { type: 'string', default: '2' } },
});
const [folder, preset, ...overrides] = positionals as [string, string, ...string[]];

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

/** What keeps an iteration short; models and images have their true sizes. */
const SHORT = [
  'prompts.imagesPerPrompt=1',
  'microBatch=1',
  'sampler.steps=[1, 1]',
  'gradient.timesteps=1',
  'optimizer.iterations=1',
  'validation.every=0',
];

const output = mkdtempSync(path.join(tmpdir(), 'full-size-'));
const config = loadConfig(finetuneConfigSchema, {
  file: resolveConfigFile(preset),
  overrides: [`output=${output}`, ...SHORT, ...overrides],
});
const modelDirectory = resized(folder, Number(values.side), path.join(output, 'model'));
const runtime = new Runtime({ threads: Number(values.threads) });
const prepared = prepareFinetune(config, { runtime, modelDirectory, ...promptsOf(config) });
const { pipeline, objective, settings, model } = prepared;
const stages: Record<string, { seconds: number; processorSeconds: number; calls: number }> = {};

/** Adds up the time that methods take, compilation included. */
function timeMethods(owner: object, names: Readonly<Record<string, string>>): void {
  const methods = owner as Record<string, (...args: unknown[]) => Promise<unknown>>;
  for (const [name, label] of Object.entries(names)) {
    const original = methods[name]!.bind(owner);
    Object.defineProperty(owner, name, {
      async value(...args: unknown[]) {
        const [started, before] = [performance.now(), process.cpuUsage()];
        const result = await original(...args);
        const { user, system } = process.cpuUsage(before);
        const stage = stages[label] ?? { seconds: 0, processorSeconds: 0, calls: 0 };
        stage.seconds += (performance.now() - started) / 1000;
        stage.processorSeconds += (user + system) / 1e6;
        stage.calls++;
        stages[label] = stage;
        return result;
      },
    });
  }
}

const differentiate = new DirectFinetuning(pipeline);
timeMethods(pipeline, { encodePrompts: 'text encoder', sample: 'sampling', decode: 'decoding' });
timeMethods(differentiate, {
  latentGradient: 'decoder product',
  backward: 'U-Net product',
  textEncoderGradient: 'text encoder product',
});
const judged = { ...objective };
timeMethods(judged, { evaluate: 'judges and loss' });
const adapter = initialAdapter(model, settings.part, 1);
const context = { pipeline, objective: judged, settings, differentiate };
const started = performance.now();
const { result, peak, anonymousPeak } = await watchMemory(() => computeIteration(context, 0, adapter));
const finite = [...result.gradients.values()].every((each) => each.every(Number.isFinite));
const norm = Math.sqrt(
  [...result.gradients.values()].reduce((sum, each) => each.reduce((total, x) => total + x * x, sum), 0),
);
await runtime.close();
rmSync(output, { recursive: true });
console.log(
  JSON.stringify({
    preset,
    side: Number(values.side),
    part: settings.part.kind,
    seconds: (performance.now() - started) / 1000,
    stages,
    loss: result.loss,
    finite,
    gradientNorm: norm,
    tensors: result.gradients.size,
    peakGib: peak / 2 ** 30,
    anonymousGib: anonymousPeak / 2 ** 30,
  }),
);
