/** From a configuration to a run that is ready to start: model, judges, objective and settings. */

import type { TextToImageModel } from '../diffusion/model.ts';
import { openTextToImageModel } from '../diffusion/model.ts';
import type { BatchSizes } from '../diffusion/pipeline.ts';
import { TextToImagePipeline } from '../diffusion/pipeline.ts';
import type { ImageLoss, JudgeFolders, LossModels, TargetDistribution } from '../fairness/index.ts';
import { createImageLoss, loadJudges } from '../fairness/index.ts';
import type { Runtime } from '../graph/index.ts';
import type { FinetuneConfig } from './config.ts';
import { configuredTarget, configuredWeights, finetuneDigest } from './config.ts';
import { fairnessObjective } from './fairness_objective.ts';
import type { ImageObjective } from './objective.ts';
import type { FinetuneSettings } from './run.ts';

/** A run that is ready to start. */
export interface PreparedFinetune {
  readonly model: TextToImageModel;
  readonly pipeline: TextToImagePipeline;
  readonly judges: LossModels;
  readonly loss: ImageLoss;
  readonly target: TargetDistribution;
  readonly objective: ImageObjective;
  readonly settings: FinetuneSettings;
}

/** What a configuration does not hold itself. */
export interface FinetuneResources {
  readonly runtime: Runtime;
  /** Model directory with its judges. */
  readonly modelDirectory: string;
  readonly trainPrompts: readonly string[];
  readonly validationPrompts: readonly string[];
  /** Batch sizes of the compiled graphs. */
  readonly batchSizes?: Partial<BatchSizes>;
}

/**
 * Opens everything that the run needs and checks it against the configuration, before any long work.
 * @throws Error naming the field, file or class that does not fit
 */
export function prepareFinetune(config: FinetuneConfig, resources: FinetuneResources): PreparedFinetune {
  const { runtime, modelDirectory, trainPrompts, validationPrompts } = resources;
  const [fewest, most] = config.sampler.steps;
  if (fewest > most)
    throw new Error(`sampler.steps: expected the smaller number first, received [${fewest}, ${most}]`);
  const model = openTextToImageModel(modelDirectory);
  const judges = loadJudges(runtime, modelDirectory, (config.judges ?? {}) as JudgeFolders);
  const target = configuredTarget(config, judges.classifier.attributes);
  const loss = createImageLoss(runtime, judges, configuredWeights(config));
  const pipeline = new TextToImagePipeline(runtime, model, resources.batchSizes);
  return {
    model,
    pipeline,
    judges,
    loss,
    target,
    objective: fairnessObjective(loss, target),
    settings: settingsOf(config, model, trainPrompts, validationPrompts),
  };
}

function settingsOf(
  config: FinetuneConfig,
  model: TextToImageModel,
  prompts: readonly string[],
  validationPrompts: readonly string[],
): FinetuneSettings {
  const { train, optimizer, gradient, validation, sampler } = config;
  const part =
    train.part === 'prompt'
      ? ({ kind: 'prompt', tokens: train.tokens } as const)
      : ({
          kind: 'text-encoder',
          rank: train.rank,
          ...(train.alpha === undefined ? {} : { alpha: train.alpha }),
        } as const);
  const { timesteps } = gradient;
  return {
    part,
    seed: config.seed,
    ...optimizer,
    imagesPerPrompt: config.prompts.imagesPerPrompt,
    prompts,
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
      prompts: validationPrompts.slice(0, validation.prompts),
      imagesPerPrompt: validation.imagesPerPrompt,
      samplingSteps: validation.steps,
    },
    checkpointEvery: config.checkpointEvery,
    directory: config.output,
    digest: finetuneDigest(config),
  };
}
