/** Carries out a finetuning configuration: opens what it names, trains with progress, writes the adapter. */

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { writeAdapter } from '../diffusion/adapter_file.ts';
import type { CurvePoint } from '../evaluate/comparison_report.ts';
import type { TargetDescription } from '../fairness/index.ts';
import { describedAttributes } from '../fairness/index.ts';
import { prepareFinetune } from '../finetune/assemble.ts';
import type { FinetuneConfig } from '../finetune/config.ts';
import { finetuneDigest } from '../finetune/config.ts';
import type { FinetuneProgress, FinetuneResult } from '../finetune/run.ts';
import { finetune } from '../finetune/run.ts';
import type { Runtime } from '../graph/index.ts';
import { writeTextAtomically } from '../weights/atomic_file.ts';
import { formatConfig } from './config.ts';
import { resolveModel } from './models.ts';
import { packageVersion } from './package.ts';
import type { Progress } from './progress.ts';
import { resolvePrompts, spreadPrompts } from './prompts.ts';

/** A finished run and its files. */
export interface FinetuneOutcome extends FinetuneResult {
  /** Adapter with the moving average of the weights. */
  readonly adapterFile: string;
  /** One JSON object an iteration. */
  readonly log: string;
}

/**
 * Carries out a run to its end, from its newest checkpoint if it was begun.
 * @throws Error naming what does not fit, before long work; or the signal's reason, after a checkpoint
 */
export async function runFinetune(
  runtime: Runtime,
  config: FinetuneConfig,
  progress: Progress,
  signal: AbortSignal,
): Promise<FinetuneOutcome> {
  const trainPrompts = resolvePrompts(config.prompts.train, 'train');
  const modelDirectory = resolveModel(config.model);
  const prepared = prepareFinetune(config, {
    runtime,
    modelDirectory,
    trainPrompts,
    validationPrompts: spreadPrompts(trainPrompts, config.validation.prompts),
  });
  mkdirSync(config.output, { recursive: true });
  writeTextAtomically(path.join(config.output, 'config.yaml'), formatConfig(config));
  try {
    const result = await finetune(
      prepared.pipeline,
      prepared.objective,
      prepared.settings,
      (step) => progress.update(progressOf(step, config)),
      signal,
    );
    const adapterFile = path.join(config.output, 'adapter.safetensors');
    writeAdapter(adapterFile, result.adapter, adapterMetadata(config, modelDirectory, result.iterations));
    return { ...result, adapterFile, log: path.join(config.output, 'log.jsonl') };
  } finally {
    await prepared.loss.release();
    await prepared.pipeline.release();
  }
}

function progressOf(
  { iteration, iterations, loss, metrics, secondsLeft }: FinetuneProgress,
  config: FinetuneConfig,
) {
  const shown = describedAttributes(config.target as TargetDescription | string).map(
    (name) => `bias ${name}`,
  );
  const numbers = Object.fromEntries(shown.map((name) => [name, metrics[name] ?? Number.NaN]));
  return { task: 'finetune', step: iteration, steps: iterations, numbers: { loss, ...numbers }, secondsLeft };
}

function adapterMetadata(config: FinetuneConfig, model: string, iterations: number): Record<string, string> {
  return {
    'evenhand.version': packageVersion(),
    'evenhand.model': path.basename(model),
    'evenhand.target': JSON.stringify(config.target),
    'evenhand.iterations': String(iterations),
    'evenhand.configuration': finetuneDigest(config),
  };
}

/** The training curve of a run's log: loss and bias of one attribute by iteration. */
export function readCurve(log: string, attribute: string): CurvePoint[] {
  if (!existsSync(log)) return [];
  const key = `bias ${attribute}`;
  return readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { iteration, loss, metrics, validation } = JSON.parse(line) as {
        iteration: number;
        loss: number;
        metrics: Readonly<Record<string, number | null>>;
        validation?: Readonly<Record<string, number | null>>;
      };
      return {
        iteration,
        loss,
        bias: metrics[key] ?? Number.NaN,
        validation: validation?.[key] ?? null,
      };
    });
}
