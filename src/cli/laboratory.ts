/** What the reproduction works with, on this machine: a model with its judges, runs in folders, and a record of judged images. */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { TextToImagePipeline } from '../diffusion/pipeline.ts';
import { withPrecision } from '../diffusion/precision.ts';
import type { ProvenanceFile } from '../evaluate/provenance.ts';
import { loadClipImageEncoder, loadDinoImageEncoder } from '../fairness/index.ts';
import { finetuneConfigSchema } from '../finetune/config.ts';
import { finetune } from '../finetune/run.ts';
import { readLog } from '../finetune/run_log.ts';
import type { Runtime } from '../graph/index.ts';
import type { Budget, FinishedRun, Laboratory, LogLine } from '../portraits/reproduction/index.ts';
import { UsageError } from './errors.ts';
import { runFinetune } from './finetuning.ts';
import type { MeasuringPlan } from './measuring.ts';
import { describeFeatures, describeSetup, measure, openMeasuringBench, openRecord } from './measuring.ts';
import type { Progress } from './progress.ts';
import { resolvePrompts, spreadItems } from './prompts.ts';

/** Digest of what can be written as JSON: 16 hexadecimal digits. */
export function shortDigest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}

/** Where a laboratory works. */
export interface LaboratoryPlace {
  readonly runtime: Runtime;
  /** Model folder with its judges. */
  readonly model: string;
  /** Folder of runs and judged images. */
  readonly work: string;
  readonly budget: Budget;
}

/**
 * Opens a laboratory; nothing is drawn yet.
 * @throws Error naming a missing model or judge
 */
export function openLaboratory(
  { runtime, model: folder, work, budget }: LaboratoryPlace,
  progress: Progress,
  signal: AbortSignal,
): Laboratory {
  const bench = openMeasuringBench(runtime, folder, folder, { features: {} });
  const { model } = bench.pipeline;
  const files = new Map<string, readonly ProvenanceFile[]>();
  const filesOf = async (plan: MeasuringPlan, run: FinishedRun | null) => {
    const key = run?.name ?? '';
    if (!files.has(key)) files.set(key, (await describeSetup(bench, plan, run?.file ?? null)).files ?? []);
    return files.get(key)!;
  };
  const encoders = [
    ...(existsSync(path.join(folder, 'clip')) ? [loadClipImageEncoder(path.join(folder, 'clip'))] : []),
    ...(existsSync(path.join(folder, 'dino')) ? [loadDinoImageEncoder(path.join(folder, 'dino'))] : []),
  ];
  if (encoders.length === 0)
    throw new UsageError(`${folder}: expected clip/ or dino/ to compare images with`);
  return {
    budget,
    runtime,
    pipeline: bench.pipeline,
    signal,
    openPipeline: (batch, precision = 'float32') =>
      new TextToImagePipeline(runtime, withPrecision(model, precision), {
        prompts: Math.min(batch, 2),
        denoiser: batch,
        decoder: batch,
      }),
    encoders: () => encoders,
    prompts: (list, split, count) => spreadItems(resolvePrompts(list, split), count),
    async train(name, fields) {
      const output = path.join(work, `${name}-${shortDigest(fields)}`);
      const config = finetuneConfigSchema.parse({ ...fields, model: folder, output });
      progress.note(
        `run ${name}: ${config.optimizer.iterations} iterations, in ${path.relative('.', output)}`,
      );
      const { adapter, adapterFile, log } = await runFinetune(runtime, config, progress, signal);
      return { name, adapter, file: adapterFile, log: readLog<LogLine>(log) };
    },
    async trainOwn(name, { pipeline, objective, settings }) {
      const directory = path.join(work, `${name}-${shortDigest(settings)}`);
      progress.note(`run ${name}: ${settings.iterations} iterations, in ${path.relative('.', directory)}`);
      await finetune(
        pipeline,
        objective,
        { ...settings, directory },
        {
          onProgress: ({ iteration, iterations, loss, secondsLeft }) =>
            progress.update({
              task: name,
              step: iteration,
              steps: iterations,
              numbers: { loss },
              secondsLeft,
            }),
        },
        { signal },
      );
      return readLog<LogLine>(path.join(directory, 'log.jsonl'));
    },
    async measure(run, { prompts, imagesPerPrompt, keep = 0 }) {
      const plan: MeasuringPlan = {
        prompts,
        imagesPerPrompt,
        seed: budget.seed,
        steps: budget.measureSteps,
        guidanceScale: budget.guidanceScale ?? model.defaultGuidanceScale,
        negativePrompt: '',
        keep: { images: keep, prompts: prompts.length },
      };
      const record = openRecord(work, bench, plan, await filesOf(plan, run), run && 1);
      const task = `measure ${run?.name ?? 'original'}`;
      return measure(bench, plan, run?.adapter ?? null, task, progress, signal, { record });
    },
    features: (prompts) => describeFeatures(bench, prompts),
    progress: (task, step, steps) => progress.update({ task, step, steps }),
  };
}
