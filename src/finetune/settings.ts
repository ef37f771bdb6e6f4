/** What a finetuning run is told and what it tells: settings, progress, and the state that a page or terminal shows. */

import type { Adapter } from '../diffusion/adapter.ts';
import type { GradientMode } from './gradient_coefficients.ts';
import type { LearningRateScheduleName } from './learning_rate.ts';
import type { GuidanceBranches } from './product_graphs.ts';
import type { TrainedPart } from './trained_part.ts';

/** How an iteration takes its gradient. */
export interface GradientSettings {
  readonly mode: GradientMode;
  readonly branches: GuidanceBranches;
  /** Timesteps an iteration takes its gradient from; all when left out. */
  readonly timesteps?: number;
}

/** When to validate and on what. Noise and prompts are the same every time. */
export interface ValidationSettings {
  /** Iterations between validations; 0 for none. */
  readonly every: number;
  readonly prompts: readonly string[];
  readonly imagesPerPrompt: number;
  readonly samplingSteps: number;
  /** Which validation is the best one: the checkpoint of it is kept. */
  readonly best?: {
    readonly metric: string;
    readonly goal: 'smallest' | 'largest';
    /** Models of the guard that measure it: values by others can't be compared. */
    readonly measuredBy?: readonly string[];
  };
  /** Level of the intervals, .95 when left out. */
  readonly level?: number;
}

/** When to stop early: the upper end of the interval of the distance to the target, less the noise floor, is at most this. */
export interface StopSettings {
  readonly distance: number;
  /** Groups of prompts with targets of their own, each of which must be that near; none where there is one target. */
  readonly groups?: readonly string[];
}

/** Everything that a run's numbers follow from. */
export interface FinetuneSettings {
  readonly part: TrainedPart;
  readonly seed: number;
  readonly iterations: number;
  /** Prompts of an iteration, each with its own batch of images; 1 when left out. At most as many as there are. */
  readonly promptsPerIteration?: number;
  /** Images of each prompt of an iteration (N). */
  readonly imagesPerPrompt: number;
  /** Images in memory at once; all of them when left out. The gradient is that of the whole batch either way. */
  readonly microBatch?: number;
  /** Prompts an iteration is drawn from. */
  readonly prompts: readonly string[];
  /** Groups of the prompts: an iteration draws a group, then one of its prompts. All alike when left out. */
  readonly promptGroups?: readonly (readonly string[])[];
  /** How often each group is drawn, compared with the others; all alike when left out. */
  readonly groupWeights?: readonly number[];
  /** Prompts among them that are never drawn, because they name what their target would decide. */
  readonly promptsApart?: readonly string[];
  readonly negativePrompt: string;
  /** Fewest and most sampling steps; each iteration draws its number between them. */
  readonly samplingSteps: readonly [number, number];
  readonly guidanceScale: number;
  readonly learningRate: number;
  /** Learning rate of what is trained in the text encoder; `learningRate` when left out. */
  readonly textEncoderLearningRate?: number;
  /** How the learning rate changes over `iterations`; constant when left out. */
  readonly schedule?: LearningRateScheduleName;
  /** Iterations of linear growth of the learning rate, of every schedule but `constant`; 0 when left out. */
  readonly warmupSteps?: number;
  readonly weightDecay: number;
  readonly betas: readonly [number, number];
  readonly clipNorm: number;
  readonly averageDecay: number;
  readonly gradient: GradientSettings;
  readonly validation: ValidationSettings;
  /** Never before `iterations` when left out. */
  readonly stop?: StopSettings;
  readonly checkpointEvery: number;
  /** Run folder: `checkpoints/`, `best/`, `tensorboard/`, `samples/`, `log.jsonl`. */
  readonly directory: string;
  /** Digest of the configuration; checkpoints of another configuration are refused. */
  readonly digest: string;
  /** Fingerprints of what a run's numbers follow from besides, by role; checkpoints with others are refused. Unchecked when left out. */
  readonly weights?: Readonly<Record<string, string>>;
}

/** Progress of a run: one object for terminal, log and curves. */
export interface FinetuneProgress {
  readonly iteration: number;
  readonly iterations: number;
  /** The prompts that the iteration drew. */
  readonly prompts: readonly string[];
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly gradientNorm: number;
  /** Iterations left out so far because a gradient was not finite. */
  readonly skipped: number;
  readonly seconds: number;
  readonly secondsLeft: number;
  /** What validation measured of the averaged adapter, after iterations that validate. */
  readonly validation: Readonly<Record<string, number>> | null;
  /** What validation warns of. */
  readonly warnings: readonly string[];
}

/** The validation that was best so far. */
export interface BestValidation {
  readonly iteration: number;
  readonly metric: string;
  readonly value: number;
}

/** Where a run stands when it has just written a checkpoint or validated. */
export interface RunSnapshot {
  readonly settings: FinetuneSettings;
  readonly iteration: number;
  readonly secondsLeft: number;
  readonly best: BestValidation | null;
  /** Why the run ended before its last iteration. */
  readonly stopped: string | null;
  /** Path of the newest grid of validation images, if there is one. */
  readonly samples: string | null;
}

/** Who is told of a run. */
export interface FinetuneObserver {
  readonly onProgress?: (progress: FinetuneProgress) => void;
  /** Called after each checkpoint and validation: the place to draw a page, and to write the adapters as they are. */
  readonly onSnapshot?: (snapshot: RunSnapshot, adapters: RunAdapters) => void | Promise<void>;
}

/** The adapters of a run that goes on; they change with the next iteration. */
export interface RunAdapters {
  /** Moving average. */
  readonly average: Adapter;
  /** The average at the best validation; null before the first. */
  readonly best: Adapter | null;
}

/** A finished run. */
export interface FinetuneResult {
  /** Moving average of the trained adapter: what is exported. */
  readonly adapter: Adapter;
  /** The adapter as the optimizer left it. */
  readonly latest: Adapter;
  readonly iterations: number;
  /** The averaged adapter at its best validation; null without validations. */
  readonly best: (BestValidation & { readonly adapter: Adapter }) | null;
  /** Why the run ended before its last iteration; null where it did not. */
  readonly stopped: string | null;
}
