/** From a configuration to a run that is ready to start: model, judges, objective and settings. */

import { evenBatchSize } from '../diffusion/batches.ts';
import type { TextToImageModel } from '../diffusion/model.ts';
import { openTextToImageModel } from '../diffusion/model.ts';
import type { BatchSizes } from '../diffusion/pipeline.ts';
import { TextToImagePipeline } from '../diffusion/pipeline.ts';
import { withPrecision } from '../diffusion/precision.ts';
import { withTextContext } from '../diffusion/text_context.ts';
import { DEFAULT_BATCH_SIZE } from '../faces/index.ts';
import type { ImageLoss, LossModels, PromptTargets } from '../fairness/index.ts';
import { createImageLoss, loadJudges, sameTarget, targetsByGroup } from '../fairness/index.ts';
import { imageLossGraph } from '../fairness/loss_graph.ts';
import { overriddenAttributes, overriddenPrompts } from '../fairness/overridden_attributes.ts';
import type { Runtime } from '../graph/index.ts';
import { bestMetric } from './best_metric.ts';
import type { FinetuneConfig } from './config.ts';
import {
  configuredGroups,
  configuredGroupTargets,
  configuredJudges,
  configuredTarget,
  configuredWeights,
  finetuneDigest,
  groupName,
} from './config.ts';
import type { IterationCost } from './cost.ts';
import { iterationCost } from './cost.ts';
import { fairnessObjective } from './fairness_objective.ts';
import type { RunGuard } from './guard.ts';
import { guardFolders, openGuard } from './guard_models.ts';
import { checkPrompts } from './iteration.ts';
import type { ImageObjective } from './objective.ts';
import { weightsOfRun } from './run_weights.ts';
import type { ImageScore, ScoreObjective } from './score_objective.ts';
import { addObjectives, checkScore, scoreObjective } from './score_objective.ts';
import type { FinetuneSettings } from './settings.ts';
import type { TrainedPart } from './trained_part.ts';

/** A run that is ready to start. */
export interface PreparedFinetune {
  readonly model: TextToImageModel;
  readonly pipeline: TextToImagePipeline;
  readonly judges: LossModels;
  readonly loss: ImageLoss;
  readonly targets: PromptTargets;
  readonly objective: ImageObjective;
  /** The objectives beside fairness, which are part of `objective`. */
  readonly scores: readonly ScoreObjective[];
  /** Null where none is configured. */
  readonly guard: RunGuard | null;
  readonly settings: FinetuneSettings;
  /** Gives the memory of all graphs back, but that of a pipeline which was given. */
  release(): Promise<void>;
}

/** What a configuration does not hold itself. */
export interface FinetuneResources {
  readonly runtime: Runtime;
  /** Model directory with its judges. */
  readonly modelDirectory: string;
  readonly trainPrompts: readonly string[];
  /** Prompts by group, in the configuration's order, where its target is a list; together they are the others here. */
  readonly promptGroups?: readonly {
    readonly train: readonly string[];
    readonly validation: readonly string[];
  }[];
  readonly validationPrompts: readonly string[];
  /** The configuration's objectives, opened, in its order. */
  readonly scores?: readonly ImageScore[];
  /** An opened pipeline of the model, whose graphs are used where batch sizes and text context are those of the configuration. */
  readonly pipeline?: TextToImagePipeline;
  /** Batch sizes of the compiled graphs. */
  readonly batchSizes?: Partial<BatchSizes>;
}

/**
 * Opens everything that the run needs and checks it against the configuration, before any long work.
 * @throws Error naming the field, file or class that does not fit
 */
export function prepareFinetune(config: FinetuneConfig, resources: FinetuneResources): PreparedFinetune {
  const { runtime, modelDirectory } = resources;
  const opened = withTextContext(openTextToImageModel(modelDirectory), config.textContext ?? 'padded');
  const model = withPrecision(opened, config.precision ?? 'float32');
  for (const score of resources.scores ?? []) checkScore(score, model.defaultSide);
  const folders = configuredJudges(config);
  const { microBatch, prompts } = config;
  const batchSize = batchSizeOf({ ...prompts, ...(microBatch === undefined ? {} : { microBatch }) });
  const judges = loadJudges(runtime, modelDirectory, folders, { batchSize });
  const targets = targetsOf(config, judges, resources);
  const apart = promptsApart(resources, targets);
  const loss = createImageLoss(runtime, judges, { ...configuredWeights(config), batchSize });
  const sizes = { ...resources.batchSizes, ...limitedSizes(batchSize, resources.batchSizes) };
  const isShared = resources.pipeline !== undefined && fits(resources.pipeline, config);
  const pipeline = isShared ? resources.pipeline! : new TextToImagePipeline(runtime, model, sizes);
  const scores = (resources.scores ?? []).map((score, i) =>
    scoreObjective(runtime, score, { ...config.objectives[i]!, batchSize }),
  );
  const guard = openGuard(runtime, config, modelDirectory, judges.detector, batchSize);
  const measures = {
    targets,
    guard: guardFolders(config, modelDirectory),
    scores: resources.scores ?? [],
    directory: modelDirectory,
  };
  const best = bestMetric(config, measures);
  return {
    model,
    pipeline,
    judges,
    loss,
    targets,
    objective: addObjectives([fairnessObjective(loss, targets), ...scores]),
    scores,
    guard,
    settings: {
      ...settingsOf(config, model, resources, apart, best),
      weights: weightsOfRun(config, modelDirectory),
    },
    async release() {
      await guard?.release();
      await Promise.all(scores.map((score) => score.release()));
      await loss.release();
      if (!isShared) await pipeline.release();
    },
  };
}

/** Whether a pipeline draws what a configuration asks for, in batches no larger than it allows. */
function fits(
  { model, batchSizes }: TextToImagePipeline,
  { microBatch, textContext = 'padded', precision = 'float32' }: FinetuneConfig,
): boolean {
  const largest = Math.max(batchSizes.denoiser, batchSizes.decoder);
  const computesAlike = model.textContext === textContext && model.precision === precision;
  return computesAlike && (microBatch === undefined || largest <= microBatch);
}

/** The target of every prompt; validation prompts may be others than those that are trained on. */
function targetsOf(
  config: FinetuneConfig,
  { classifier }: LossModels,
  { promptGroups = [] }: FinetuneResources,
): PromptTargets {
  const groups = configuredGroupTargets(config, classifier.attributes);
  if (groups === null) return sameTarget(configuredTarget(config, classifier.attributes));
  if (groups.length !== promptGroups.length) {
    throw new Error(`target: expected prompts for ${groups.length} groups, received ${promptGroups.length}`);
  }
  return targetsByGroup(
    groups.map((group, i) => ({
      ...group,
      prompts: [...new Set([...promptGroups[i]!.train, ...promptGroups[i]!.validation])],
    })),
  );
}

/**
 * Prompts that name an attribute of their own target themselves: what they say is not overridden, and they are never drawn.
 * @throws Error where no prompt of a group, or none at all, leaves its target's attributes open
 */
function promptsApart(
  {
    trainPrompts,
    validationPrompts,
    promptGroups = [{ train: trainPrompts, validation: [] }],
  }: FinetuneResources,
  { of: groupOf }: PromptTargets,
): ReadonlySet<string> {
  const targetOf = (prompt: string) => groupOf(prompt).target;
  const apart = promptGroups.flatMap(({ train }) => [...overriddenPrompts(train, targetOf)]);
  const trained = new Set(promptGroups.flatMap(({ train }) => train));
  const others = validationPrompts.filter(
    (prompt) => !trained.has(prompt) && overriddenAttributes(prompt, targetOf(prompt)).length > 0,
  );
  return new Set([...apart, ...others]);
}

/** What an iteration of a prepared run costs, its loss included in the memory. */
export function preparedCost({ model, pipeline, judges, settings }: PreparedFinetune): IterationCost {
  const side = model.defaultSide;
  const batch = batchSizeOf(settings);
  return iterationCost(pipeline, settings, [imageLossGraph(judges, batch, { height: side, width: side })]);
}

/** Images that the graphs of a run compute at once: batches of a prompt's images, or of a micro-batch, without many places to fill up. */
function batchSizeOf({
  imagesPerPrompt,
  microBatch = imagesPerPrompt,
}: Pick<FinetuneSettings, 'imagesPerPrompt' | 'microBatch'>): number {
  return evenBatchSize(Math.min(microBatch, imagesPerPrompt), DEFAULT_BATCH_SIZE);
}

/** Batch sizes of the pipeline, none above `most`. */
function limitedSizes(
  most: number,
  { denoiser = most, decoder = most }: Partial<BatchSizes> = {},
): Partial<BatchSizes> {
  return { denoiser: Math.min(most, denoiser), decoder: Math.min(most, decoder) };
}

function trainedPart({ train }: FinetuneConfig): TrainedPart {
  if (train.part === 'prompt') return { kind: 'prompt', tokens: train.tokens };
  if (train.part === 'layers') return { kind: 'layers', patterns: train.layers };
  const { part, rank, alpha, targets, dropout } = train;
  return {
    kind: part,
    rank,
    ...(alpha === undefined ? {} : { alpha }),
    ...(targets === undefined ? {} : { targets }),
    ...(dropout === undefined ? {} : { dropout }),
  };
}

function settingsOf(
  config: FinetuneConfig,
  model: TextToImageModel,
  { trainPrompts: prompts, validationPrompts, promptGroups }: FinetuneResources,
  apart: ReadonlySet<string>,
  best: NonNullable<FinetuneSettings['validation']['best']>,
): FinetuneSettings {
  const { gradient, validation, sampler, microBatch, stop } = config;
  const { timesteps } = gradient;
  const { textEncoderLearningRate, ...optimizer } = config.optimizer;
  const { perIteration } = config.prompts;
  const chosen = {
    prompts,
    ...(promptGroups === undefined ? {} : { promptGroups: promptGroups.map(({ train }) => train) }),
    ...(perIteration === undefined ? {} : { promptsPerIteration: perIteration }),
    ...(apart.size === 0 ? {} : { promptsApart: [...apart] }),
  };
  checkPrompts(chosen, 'prompts.perIteration');
  const described = configuredGroups(config.target);
  const groups = described?.map(groupName) ?? null;
  const weighted = described?.some(({ weight }) => weight !== undefined) ?? false;
  return {
    part: trainedPart(config),
    seed: config.seed,
    ...optimizer,
    ...(textEncoderLearningRate === undefined ? {} : { textEncoderLearningRate }),
    ...chosen,
    ...(weighted ? { groupWeights: described!.map(({ weight = 1 }) => weight) } : {}),
    imagesPerPrompt: config.prompts.imagesPerPrompt,
    ...(microBatch === undefined ? {} : { microBatch }),
    negativePrompt: config.prompts.negative,
    samplingSteps: sampler.steps,
    guidanceScale: sampler.guidanceScale ?? model.defaultGuidanceScale,
    gradient: {
      mode: gradient.mode,
      branches: gradient.branches,
      ...(timesteps === undefined ? {} : { timesteps }),
    },
    validation: {
      every: validation.every,
      prompts: validationPrompts.filter((prompt) => !apart.has(prompt)).slice(0, validation.prompts),
      imagesPerPrompt: validation.imagesPerPrompt,
      samplingSteps: validation.steps,
      best,
      level: validation.level,
    },
    ...(stop === undefined ? {} : { stop: { ...stop, ...(groups === null ? {} : { groups }) } }),
    checkpointEvery: config.checkpointEvery,
    directory: config.output,
    digest: finetuneDigest(config),
  };
}
