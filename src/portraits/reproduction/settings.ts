/** How much the reproduction trains and measures, in one table for each scale. */

/** Finetuning of a part. */
export interface RunBudget {
  readonly iterations: number;
  /** Prompts of an iteration, and images of each. */
  readonly prompts: number;
  readonly images: number;
  /** Sampling steps, and how many of them receive the gradient. */
  readonly steps: number;
  readonly timesteps: number;
}

/** Measurement of a part. */
export interface MeasureBudget {
  readonly prompts: number;
  readonly images: number;
}

/** Numbers of one scale. */
export interface Budget {
  /** Rank of the low-rank updates. */
  readonly rank: number;
  /** Sampling steps of measurements. */
  readonly measureSteps: number;
  readonly guidanceScale: number | null;
  /** Seed of the first measured image. */
  readonly seed: number;
  readonly table1: RunBudget & {
    /** Iterations of the text encoder alone, which learns slower than the other parts. */
    readonly textEncoderIterations: number;
    /** Least confidence of a target that counts: the method's .8 was made for more images a prompt. */
    readonly confidence: number;
    readonly measure: MeasureBudget;
  };
  /** Many concepts at once: tables 2 and figure 8 share the run. */
  readonly concepts: RunBudget & { readonly imageWeight: number; readonly measure: MeasureBudget };
  /** Gender and race together on occupations alone. */
  readonly occupations: RunBudget & { readonly imageWeight: number; readonly measure: MeasureBudget };
  readonly lossCurves: RunBudget & { readonly averageOver: number; readonly learningRate: number };
  readonly scales: { readonly runs: number; readonly steps: number };
  /** Steps of the sampler in the drawing of the gradient paths. */
  readonly paths: { readonly steps: number };
  readonly grids: MeasureBudget;
  readonly age: RunBudget & { readonly measure: MeasureBudget };
  readonly modes: RunBudget & {
    /** As in {@link table1}. */
    readonly confidence: number;
    readonly seeds: number;
    readonly every: number;
    readonly measure: MeasureBudget;
  };
}

/** Names of the scales. */
export type Scale = 'small' | 'full';

/**
 * The scales: `full` keeps each part within 90 minutes on two cores with Portraits; `small` runs every part in seconds on a
 * tiny model and says nothing about the method.
 */
export const BUDGETS: Readonly<Record<Scale, Budget>> = Object.freeze({
  small: {
    rank: 2,
    measureSteps: 2,
    guidanceScale: 2,
    seed: 1000,
    table1: {
      iterations: 1,
      textEncoderIterations: 2,
      prompts: 1,
      images: 3,
      steps: 2,
      timesteps: 1,
      confidence: 0.6,
      measure: { prompts: 2, images: 4 },
    },
    concepts: {
      iterations: 1,
      prompts: 1,
      images: 3,
      steps: 2,
      timesteps: 1,
      imageWeight: 4,
      measure: { prompts: 1, images: 3 },
    },
    occupations: {
      iterations: 1,
      prompts: 1,
      images: 3,
      steps: 2,
      timesteps: 1,
      imageWeight: 4,
      measure: { prompts: 2, images: 3 },
    },
    lossCurves: {
      iterations: 3,
      prompts: 1,
      images: 2,
      steps: 2,
      timesteps: 2,
      averageOver: 2,
      learningRate: 0.0005,
    },
    scales: { runs: 2, steps: 3 },
    paths: { steps: 3 },
    grids: { prompts: 1, images: 3 },
    age: {
      iterations: 1,
      prompts: 1,
      images: 3,
      steps: 2,
      timesteps: 1,
      measure: { prompts: 2, images: 4 },
    },
    modes: {
      iterations: 2,
      prompts: 1,
      images: 3,
      steps: 2,
      timesteps: 1,
      confidence: 0.6,
      seeds: 2,
      every: 1,
      measure: { prompts: 1, images: 4 },
    },
  },
  full: {
    rank: 50,
    measureSteps: 12,
    guidanceScale: null,
    seed: 1000,
    table1: {
      iterations: 400,
      textEncoderIterations: 1200,
      prompts: 2,
      images: 8,
      steps: 6,
      timesteps: 3,
      confidence: 0.6,
      measure: { prompts: 50, images: 60 },
    },
    concepts: {
      iterations: 450,
      prompts: 2,
      images: 20,
      steps: 6,
      timesteps: 3,
      imageWeight: 4,
      measure: { prompts: 20, images: 160 },
    },
    occupations: {
      iterations: 700,
      prompts: 2,
      images: 20,
      steps: 6,
      timesteps: 3,
      imageWeight: 4,
      measure: { prompts: 50, images: 160 },
    },
    lossCurves: {
      iterations: 100,
      prompts: 1,
      images: 4,
      steps: 20,
      timesteps: 20,
      averageOver: 20,
      learningRate: 0.0005,
    },
    scales: { runs: 20, steps: 20 },
    paths: { steps: 4 },
    grids: { prompts: 3, images: 8 },
    // 32 images of a prompt: three young and one old in each of the eight groups of the even sets.
    age: {
      iterations: 180,
      prompts: 1,
      images: 32,
      steps: 6,
      timesteps: 3,
      measure: { prompts: 20, images: 60 },
    },
    modes: {
      iterations: 60,
      prompts: 2,
      images: 8,
      steps: 6,
      timesteps: 3,
      confidence: 0.6,
      seeds: 5,
      every: 20,
      measure: { prompts: 4, images: 20 },
    },
  },
});

/** Guidance scale at which the unadjusted gradient explodes on Portraits: all gradients are compared there as well. */
export const EXPLODING_GUIDANCE_SCALE = 30;

/**
 * Guidance scales at which the unadjusted gradient is measured beside the model's own and the one above: from none to what
 * Portraits draws badly at.
 */
export const GUIDANCE_SCALES: readonly number[] = Object.freeze([1, 7.5, 15, 60]);

/** Learning rate by trained part: soft tokens are few and start small, the U-Net has many layers. */
export const LEARNING_RATES: Readonly<Record<string, number>> = Object.freeze({
  prompt: 0.01,
  'text-encoder': 0.001,
  unet: 0.003,
  'text-encoder+unet': 0.0015,
});
