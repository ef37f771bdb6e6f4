/** The common shape of every recipe: a prepared training and the runner that carries it out. */

import { permutation } from '../diffusion/noise.ts';
import type { Runtime } from '../graph/index.ts';
import type { TrainingConfig } from './config.ts';
import { batchIndices, trainingSettings } from './config.ts';
import type { TrainingProgress, TrainingResult, TrainingTask } from './trainer.ts';
import { train } from './trainer.ts';

/** A training that is ready to start. */
export interface PreparedTraining {
  readonly task: TrainingTask;
  /** Initial parameter values by name. */
  readonly initial: ReadonlyMap<string, Float32Array>;
  /** Writes the trained model; `result` has parameters and their moving average. */
  exportModel(result: TrainingResult): void | Promise<void>;
}

/**
 * Runs a prepared training to its end in a run folder, resuming there if it was begun, and exports the model.
 * @param directory folder for checkpoints and log
 */
export async function runTraining(
  runtime: Runtime,
  prepared: PreparedTraining,
  config: TrainingConfig,
  directory: string,
  onProgress: (progress: TrainingProgress) => void,
  signal?: AbortSignal,
): Promise<TrainingResult> {
  const settings = trainingSettings(config, directory);
  const result = await train(runtime, prepared.task, prepared.initial, settings, onProgress, signal);
  await prepared.exportModel(result);
  return result;
}

/** A function from step to the indices of that step's items, each pass in an order of its own. */
export function indexSampler(
  seed: number,
  stream: string,
  count: number,
  batchSize: number,
): (step: number) => number[] {
  let pass = -1;
  let current = new Uint32Array(0);
  const order = (wanted: number) => {
    if (wanted !== pass) {
      pass = wanted;
      current = permutation({ seed, index: wanted, stream }, count) as Uint32Array<ArrayBuffer>;
    }
    return current;
  };
  return (step) => batchIndices(step, batchSize, count, order);
}
