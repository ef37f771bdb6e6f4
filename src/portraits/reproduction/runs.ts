/** Configurations of the reproduction's finetuning runs: the method's constants at the budget's size. */

import type { RunBudget } from './settings.ts';
import { LEARNING_RATES } from './settings.ts';
import type { Laboratory, RunFields } from './types.ts';

/** Ratios of the regional weights by attribute (METHOD's table of runs). */
const RATIOS = Object.freeze({
  gender: { outside: 0.2, face: 0.2 },
  race: { outside: 0.6, face: 0.3 },
  age: { outside: 0.6, face: 0.3 },
});

/**
 * Constants of the losses. Over the cells of a joint distribution targets are even sets: with 20 images of a prompt, targets that
 * are drawn are seldom as sure as the confidence asks for while an attribute is far from its shares.
 */
const LOSSES = Object.freeze({
  gender: { confidence: 0.8, faceWeight: 1, imageWeight: 8, targetSet: 'drawn' },
  joint: { confidence: 0.6, faceWeight: 0.1, imageWeight: 8, targetSet: 'even' },
});

/** Shares by the name of the run's target. */
const TARGETS = Object.freeze({
  gender: { gender: 'uniform' },
  'gender x race': { gender: 'uniform', race: 'uniform' },
  'gender x race, age': { gender: 'uniform', race: 'uniform', age: '75/25' },
});

/** Lists of prompts that count as concepts (table 2). */
export const CONCEPTS: readonly string[] = Object.freeze(['occupations', 'sports', 'styled', 'descriptors']);

/** What distinguishes a run. */
export interface RunChoice {
  readonly target: keyof typeof TARGETS;
  readonly part: 'prompt' | 'text-encoder' | 'unet' | 'text-encoder+unet';
  /** Trains on every concept in turn instead of on occupations. */
  readonly concepts?: boolean;
  readonly mode?: string;
  /** The method's for the target when left out. */
  readonly confidence?: number;
  /** Weight of the image semantics loss; the method's when left out. */
  readonly imageWeight?: number;
  readonly seed?: number;
  readonly validation?: Readonly<Record<string, unknown>>;
}

/** A run's size as its results tell it: `150 iterations of 3 prompts with 8 images each`. */
export function sizeInWords({ iterations, prompts, images }: RunBudget): string {
  const each = prompts === 1 ? `${images} images` : `${prompts} prompts with ${images} images each`;
  return `${iterations} iterations of ${each}`;
}

/** The configuration of a run. */
export function runFields({ budget }: Laboratory, run: RunBudget, choice: RunChoice): RunFields {
  const { part, concepts = false, mode = 'adjusted', seed = 1, validation = { every: 0 } } = choice;
  const target = TARGETS[choice.target];
  const losses = choice.target === 'gender' ? LOSSES.gender : LOSSES.joint;
  const { confidence = losses.confidence, imageWeight = losses.imageWeight } = choice;
  const { guidanceScale } = budget;
  return {
    seed,
    train: part === 'prompt' ? { part, tokens: 5 } : { part, rank: budget.rank },
    target: concepts ? CONCEPTS.map((list) => ({ for: list, ...target })) : target,
    prompts: { train: 'occupations', perIteration: run.prompts, imagesPerPrompt: run.images },
    sampler: { steps: [run.steps, run.steps], ...(guidanceScale === null ? {} : { guidanceScale }) },
    gradient: { mode, branches: 'conditional', timesteps: run.timesteps },
    loss: { ...losses, confidence, imageWeight, ratios: RATIOS },
    optimizer: {
      iterations: run.iterations,
      learningRate: LEARNING_RATES[part],
      schedule: 'linear',
      averageDecay: 0.95,
    },
    validation: { prompts: CONCEPTS.length, ...validation },
    checkpointEvery: Math.max(1, Math.min(10, run.iterations)),
  };
}
