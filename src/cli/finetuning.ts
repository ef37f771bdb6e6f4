/** Carries out a finetuning configuration: opens what it names, trains with progress, writes the adapter. */

import { totalmem } from 'node:os';
import path from 'node:path';
import type { Adapter } from '../diffusion/adapter.ts';
import { writeAdapter } from '../diffusion/adapter_file.ts';
import type { TextToImagePipeline } from '../diffusion/pipeline.ts';
import type { CurvePoint } from '../evaluate/comparison_report.ts';
import { evenTargetFault } from '../fairness/even_target.ts';
import type { FinetuneResources, PreparedFinetune } from '../finetune/assemble.ts';
import { preparedCost, prepareFinetune } from '../finetune/assemble.ts';
import { listCheckpoints } from '../finetune/checkpoint.ts';
import type { FinetuneConfig } from '../finetune/config.ts';
import { configuredAttributes, configuredGroups, finetuneDigest } from '../finetune/config.ts';
import type { IterationCost } from '../finetune/cost.ts';
import { secondsPerUnit } from '../finetune/cost.ts';
import type { RunInspection } from '../finetune/run.ts';
import { finetune } from '../finetune/run.ts';
import { readLog } from '../finetune/run_log.ts';
import { requireOwnFolder } from '../finetune/run_state.ts';
import { openScore } from '../finetune/score_file.ts';
import type { FinetuneProgress, FinetuneResult } from '../finetune/settings.ts';
import type { Runtime } from '../graph/index.ts';
import { writeTextAtomically } from '../weights/atomic_file.ts';
import { formatConfig } from './config.ts';
import { asUsage, asUsageLater, UsageError } from './errors.ts';
import { writeLivePage } from './live_page.ts';
import { modelName, resolveModel } from './models.ts';
import { outputFolder } from './options.ts';
import { packageVersion } from './package.ts';
import type { Progress } from './progress.ts';
import { formatDuration, formatNumber } from './progress.ts';
import { noteOfPrompts, resolvePrompts, spreadItems } from './prompts.ts';

/** Peak memory over that of the machine beyond which a run can't succeed; estimates are surer than that. */
const MOST_OVERCOMMITTED = 4;

/** Files of a run folder that hold its adapters from the first checkpoint on. */
const ADAPTER_FILES = Object.freeze({ average: 'adapter.safetensors', best: 'best.safetensors' });

/** A finished run and its files. */
export interface FinetuneOutcome extends FinetuneResult {
  /** Adapter with the moving average of the weights. */
  readonly adapterFile: string;
  /** Adapter of the best validation; null without validations. */
  readonly bestFile: string | null;
  /** Page with curves and samples. */
  readonly page: string;
  /** One JSON object an iteration. */
  readonly log: string;
}

/** What a caller of {@link runFinetune} may have already, and may want to see. */
export interface FinetuneChoices {
  /** An opened pipeline of the configured model, to be used again. */
  readonly pipeline?: TextToImagePipeline;
  readonly inspection?: RunInspection | null;
}

/**
 * Carries out a run to its end, from its newest checkpoint if it was begun.
 * @throws Error naming what does not fit, or that it needs far more memory than there is, before long work; or the signal's reason, after a checkpoint
 */
export async function runFinetune(
  runtime: Runtime,
  config: FinetuneConfig,
  progress: Progress,
  signal: AbortSignal,
  { pipeline: given, inspection = null }: FinetuneChoices = {},
): Promise<FinetuneOutcome> {
  const modelDirectory = resolveModel(config.model);
  const resources = {
    runtime,
    modelDirectory,
    ...promptsOf(config),
    ...(given === undefined ? {} : { pipeline: given }),
    scores: await asUsageLater(() =>
      Promise.all(config.objectives.map(({ file, ...options }) => openScore(file, options))),
    ),
  };
  const prepared = asUsage(() => prepareFinetune(config, resources));
  try {
    asUsage(() => requireOwnFolder(prepared.settings));
    outputFolder(config.output);
    writeTextAtomically(path.join(config.output, 'config.yaml'), formatConfig(config));
    const { model, pipeline, objective, settings, guard } = prepared;
    const { promptsApart = [] } = settings;
    for (const note of noteOfPrompts('set apart, for they name what the target would decide', promptsApart))
      progress.note(note);
    if (config.loss.targetSet === 'even') {
      const faults = prepared.targets.groups.map(({ target }) =>
        evenTargetFault(target, settings.imagesPerPrompt),
      );
      for (const fault of new Set(faults.filter((each) => each !== null))) progress.note(fault);
    }
    const cost = await tellCost(prepared, progress);
    const title = `Fine-tuning of ${modelName(modelDirectory)}: ${describedTargetOf(config)}`;
    const texts = { title, cost, configuration: formatConfig(config) };
    const file = (name: string) => path.join(config.output, name);
    const write = (name: string, adapter: Adapter, iteration: number) => {
      writeAdapter(file(name), adapter, adapterMetadata(config, modelDirectory, iteration), model);
      return file(name);
    };
    let page = file('index.html');
    let writtenBest: number | null = null;
    const result = await finetune(
      pipeline,
      objective,
      settings,
      {
        onProgress(step) {
          progress.update(progressOf(step, config));
          for (const warning of step.warnings)
            progress.note(`warning, iteration ${step.iteration}: ${warning}`);
        },
        onSnapshot(snapshot, { average, best }) {
          page = writeLivePage(snapshot, texts);
          // A run that is stopped leaves its adapters as they were at its last checkpoint.
          write(ADAPTER_FILES.average, average, snapshot.iteration);
          if (best !== null && snapshot.best !== null && snapshot.best.iteration !== writtenBest) {
            write(ADAPTER_FILES.best, best, snapshot.best.iteration);
            writtenBest = snapshot.best.iteration;
          }
          progress.saved?.();
        },
      },
      { guard, inspection, signal },
    );
    if (result.stopped !== null) progress.note(`stopped after ${result.iterations}: ${result.stopped}`);
    const { best } = result;
    return {
      ...result,
      adapterFile: write(ADAPTER_FILES.average, result.adapter, result.iterations),
      bestFile: best && write(ADAPTER_FILES.best, best.adapter, best.iteration),
      page,
      log: file('log.jsonl'),
    };
  } finally {
    await prepared.release();
  }
}

type ConfiguredPrompts = Pick<FinetuneResources, 'trainPrompts' | 'promptGroups' | 'validationPrompts'>;

/**
 * The prompts of a configuration, by group where its target is a list; those of validation are spread over each.
 * @throws UsageError naming a list or file that is not there, or fewer validation prompts than groups
 */
export function promptsOf({ target, prompts, validation }: FinetuneConfig): ConfiguredPrompts {
  const groups = configuredGroups(target);
  if (groups === null) {
    const trainPrompts = resolvePrompts(prompts.train, 'train');
    return { trainPrompts, validationPrompts: spreadItems(trainPrompts, validation.prompts) };
  }
  if (validation.prompts < groups.length) {
    throw new UsageError(
      `validation.prompts: expected at least ${groups.length}, one for each group of the target, received ${validation.prompts}`,
    );
  }
  const promptGroups = groups.map((group, i) => {
    const train = resolvePrompts(group.for, 'train');
    const share = Math.floor((validation.prompts + groups.length - 1 - i) / groups.length);
    return { train, validation: spreadItems(train, share) };
  });
  return {
    trainPrompts: promptGroups.flatMap(({ train }) => train),
    validationPrompts: promptGroups.flatMap((group) => group.validation),
    promptGroups,
  };
}

/** Says what the run will cost, before it starts: from shapes, and from the pace of one sampling step. */
async function tellCost(prepared: PreparedFinetune, progress: Progress): Promise<string> {
  const { pipeline, settings } = prepared;
  const cost = preparedCost(prepared);
  if (cost.peakBytes > MOST_OVERCOMMITTED * totalmem()) {
    throw new UsageError(
      `${describeCost(cost)}; this machine has ${(totalmem() / 2 ** 30).toFixed(1)} GiB: ` +
        'draw fewer images (prompts.imagesPerPrompt), or fewer of them at once (microBatch)',
    );
  }
  const done = listCheckpoints(path.join(settings.directory, 'checkpoints')).at(-1) ?? 0;
  const left = Math.max(0, settings.iterations - done);
  const seconds = left === 0 ? 0 : cost.units * (await secondsPerUnit(pipeline, settings));
  const pace =
    left === 0
      ? 'nothing left to do'
      : `about ${formatDuration(seconds)} each in the U-Net, ${formatDuration(seconds * left)} for the ${left} to come`;
  const text = `${describeCost(cost)}; ${pace}`;
  progress.note(text);
  return text;
}

function describeCost({ images, units, unitsPerImageStep, parameters, peakBytes }: IterationCost): string {
  return (
    `an iteration: ${images} images, ${formatNumber(unitsPerImageStep)} U-Net evaluations an image and step, ` +
    `${formatNumber(units)} in all; ${parameters.toLocaleString('en')} trained numbers; ` +
    `peak memory about ${(peakBytes / 2 ** 30).toFixed(1)} GiB`
  );
}

function describedTargetOf({ target }: FinetuneConfig): string {
  return typeof target === 'string' ? target : configuredAttributes(target).join(', ');
}

function progressOf(
  { iteration, iterations, loss, metrics, secondsLeft }: FinetuneProgress,
  config: FinetuneConfig,
) {
  // Prompts of an iteration may all name their class, or show no face: then there is no bias to tell.
  const shown = configuredAttributes(config.target)
    .map((name) => `bias ${name}`)
    .filter((name) => Number.isFinite(metrics[name]));
  const numbers = Object.fromEntries(shown.map((name) => [name, metrics[name]!]));
  return { task: 'finetune', step: iteration, steps: iterations, numbers: { loss, ...numbers }, secondsLeft };
}

function adapterMetadata(config: FinetuneConfig, model: string, iterations: number): Record<string, string> {
  return {
    'evenhand.version': packageVersion(),
    'evenhand.model': modelName(model),
    'evenhand.target': JSON.stringify(config.target),
    'evenhand.iterations': String(iterations),
    'evenhand.configuration': finetuneDigest(config),
  };
}

/** What the curve takes from a line of the log. */
interface LoggedIteration {
  readonly iteration: number;
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly validation?: Readonly<Record<string, number | null>>;
}

/** The training curve of a run's log: loss and bias of one attribute by iteration. */
export function readCurve(log: string, attribute: string): CurvePoint[] {
  const key = `bias ${attribute}`;
  return readLog<LoggedIteration>(log).map(({ iteration, loss, metrics, validation }) => ({
    iteration,
    loss,
    bias: metrics[key] ?? Number.NaN,
    validation: validation?.[key] ?? null,
  }));
}
