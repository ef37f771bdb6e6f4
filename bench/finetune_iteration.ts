/** One fine-tuning iteration of the demo's configuration, in a process of its own: prints seconds and peak memory as JSON. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadConfig } from '../src/cli/config.ts';
import { PORTRAITS, packagePath } from '../src/cli/package.ts';
import { resolvePrompts } from '../src/cli/prompts.ts';
import { prepareFinetune } from '../src/finetune/assemble.ts';
import { finetuneConfigSchema } from '../src/finetune/config.ts';
import { finetune } from '../src/finetune/run.ts';
import { Runtime } from '../src/graph/index.ts';

/** What is measured. */
export interface IterationFigures {
  /** Seconds of the faster of the iterations after the first, which compiles. */
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** Largest resident memory of the process, in MiB. */
  readonly peakMebibytes: number;
}

/** Iterations that are run; the first one isn't timed. */
const ITERATIONS = 3;

async function measure(steps: number): Promise<IterationFigures> {
  const directory = mkdtempSync(path.join(tmpdir(), 'evenhand-bench-'));
  const overrides = [
    `output=${directory}`,
    `optimizer.iterations=${ITERATIONS}`,
    `sampler.steps=[${steps}, ${steps}]`,
  ];
  const config = loadConfig(finetuneConfigSchema, { file: packagePath('configs/demo.yaml'), overrides });
  const runtime = new Runtime();
  const trainPrompts = resolvePrompts(config.prompts.train, 'train');
  const prepared = prepareFinetune(config, {
    runtime,
    modelDirectory: PORTRAITS,
    trainPrompts,
    validationPrompts: trainPrompts.slice(0, 1),
  });
  let best = Number.POSITIVE_INFINITY;
  try {
    await finetune(prepared.pipeline, prepared.objective, prepared.settings, {
      onProgress: ({ iteration, seconds }) => {
        if (iteration > 1) best = Math.min(best, seconds);
      },
    });
  } finally {
    await runtime.close();
    rmSync(directory, { recursive: true });
  }
  return {
    seconds: best,
    imagesPerSecond: ((config.prompts.perIteration ?? 1) * config.prompts.imagesPerPrompt) / best,
    peakMebibytes: process.resourceUsage().maxRSS / 1024,
  };
}

if (process.argv[1] === import.meta.filename) {
  const steps = Number(process.argv[2]);
  if (!Number.isInteger(steps) || steps < 1)
    throw new Error(`expected a number of steps, received ${process.argv[2]}`);
  console.log(JSON.stringify(await measure(steps)));
}
