/** Configuration of a from-scratch training: what is common to every recipe, checked before anything starts. */

import { createHash } from 'node:crypto';
import path from 'node:path';
import { z } from 'zod';
import { learningRateAt, learningRateScheduleNames } from '../finetune/learning_rate.ts';
import type { TrainingSettings } from './trainer.ts';

/** Fields that every recipe has. */
export const commonTrainingFields = {
  seed: z.int().min(0),
  steps: z.int().min(1),
  batchSize: z.int().min(1),
  learningRate: z.number().positive(),
  schedule: z.enum(learningRateScheduleNames).default('cosine'),
  /** Waves of the cosine, or whole descents of cosine_with_restarts. */
  cycles: z.number().positive().optional(),
  warmupSteps: z.int().min(0).default(100),
  weightDecay: z.number().min(0).default(0.01),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.99]),
  clipNorm: z.number().positive().default(1),
  averageDecay: z.number().min(0).lt(1).default(0.999),
  checkpointEvery: z.int().min(1).default(200),
  /** The drawn training set: every scene follows from its seed and index. */
  data: z.strictObject({
    seed: z.int().min(0),
    scenes: z.int().min(1),
    /** Exponent on the planted bias of the drawn people: 0 for none, 1 (when left out) for all of it. */
    guidanceCalibration: z.number().min(0).max(1).optional(),
    /** Share of captions that name attributes; .35 when left out. */
    explicitRate: z.number().min(0).max(1).optional(),
    /** How often such a caption names each attribute; gender .65, race .6 and age .45 when left out. */
    namedRates: z
      .strictObject({
        gender: z.number().min(0).max(1),
        race: z.number().min(0).max(1),
        age: z.number().min(0).max(1),
      })
      .refine((rates) => Object.values(rates).some((rate) => rate > 0), 'expected at least one rate above 0')
      .optional(),
    /** Relative frequency of each kind of scene; kinds left out keep their default. */
    weights: z.record(z.string(), z.number().min(0)).optional(),
  }),
};

const commonSchema = z.object(commonTrainingFields);

/** Values of {@link commonTrainingFields}. */
export type CommonTrainingConfig = Readonly<z.output<typeof commonSchema>>;

/** The same without the drawn training set, for recipes on other data. */
export type TrainingConfig = Omit<CommonTrainingConfig, 'data'>;

/**
 * First 16 hexadecimal digits of the SHA-256 of a configuration, which tie checkpoints to it. How long the run is and how its
 * learning rate goes are left out, so that a finished run can be extended.
 */
export function configDigest(config: TrainingConfig): string {
  const {
    steps: _steps,
    schedule: _schedule,
    cycles: _cycles,
    warmupSteps: _warmup,
    checkpointEvery: _every,
    ...rest
  } = config;
  return createHash('sha256').update(JSON.stringify(rest)).digest('hex').slice(0, 16);
}

/** Settings of the training loop for a recipe's configuration and run folder. */
export function trainingSettings(config: TrainingConfig, directory: string): TrainingSettings {
  const { steps, warmupSteps, schedule, learningRate, cycles } = config;
  return {
    steps,
    learningRate: (step) =>
      learningRateAt(
        { name: schedule, warmupSteps, totalSteps: steps, ...(cycles ? { cycles } : {}) },
        learningRate,
        step,
      ),
    weightDecay: config.weightDecay,
    betas: config.betas,
    clipNorm: config.clipNorm,
    averageDecay: config.averageDecay,
    checkpointEvery: config.checkpointEvery,
    directory: path.resolve(directory),
    digest: configDigest(config),
  };
}

/**
 * Indices of the items of one batch: every pass over the data has its own random order, and steps walk through it.
 * @param order random order of 0..count-1 for a pass
 */
export function batchIndices(
  step: number,
  batchSize: number,
  count: number,
  order: (pass: number) => Uint32Array,
): number[] {
  const perPass = Math.max(1, Math.floor(count / batchSize));
  const current = order(Math.floor(step / perPass));
  const start = (step % perPass) * batchSize;
  return Array.from({ length: batchSize }, (_, i) => current[(start + i) % count]!);
}
