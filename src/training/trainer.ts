/** The training loop: runs a loss graph step by step, updates parameters, logs, checkpoints and resumes exactly. */

import { appendFileSync } from 'node:fs';
import path from 'node:path';
import type { StoredTensor } from '../finetune/checkpoint.ts';
import { loadLatestCheckpoint, saveCheckpoint } from '../finetune/checkpoint.ts';
import { ExponentialMovingAverage } from '../finetune/moving_average.ts';
import { AdamW } from '../finetune/optimizer.ts';
import { truncateLog } from '../finetune/run_log.ts';
import type { Runtime, Tensors, Value } from '../graph/index.ts';
import { gradient, scalar } from '../graph/index.ts';
import { makeFolder } from '../weights/make_folder.ts';

/** What is trained and on what: a loss graph, its parameters and a pure function from step to batch. */
export interface TrainingTask {
  /** Name shown in progress and logs. */
  readonly name: string;
  /** Scalar float32 value to minimise. */
  readonly loss: Value;
  /** Further scalars to log, by name. */
  readonly metrics: Readonly<Record<string, Value>>;
  /** Trained parameters: graph inputs by name. */
  readonly parameters: ReadonlyMap<string, Value>;
  /**
   * The other inputs of a step; depends on nothing but its arguments, so that a resumed run sees the same data.
   * @param average the moving average of the parameters as it stands before the step
   */
  batch(step: number, average: ReadonlyMap<string, Float32Array>): Tensors | Promise<Tensors>;
}

/** How long and how fast to train. */
export interface TrainingSettings {
  readonly steps: number;
  /** Learning rate by finished steps. */
  readonly learningRate: (step: number) => number;
  readonly weightDecay: number;
  readonly betas: readonly [number, number];
  /** Largest global norm of the gradient; larger ones are scaled down. */
  readonly clipNorm: number;
  /** Decay of the moving average once warmed up. */
  readonly averageDecay: number;
  readonly checkpointEvery: number;
  /** Run folder: `checkpoint-*.safetensors`, `log.jsonl`. */
  readonly directory: string;
  /** Digest of the configuration; a checkpoint of another configuration is refused. */
  readonly digest: string;
}

/** One line of a run's log. */
export interface TrainingProgress {
  readonly name: string;
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly learningRate: number;
  readonly gradientNorm: number;
  readonly skipped: number;
  /** Seconds of this step. */
  readonly seconds: number;
  /** Estimated seconds until the last step. */
  readonly secondsLeft: number;
}

/** Trained values by parameter name. */
export interface TrainingResult {
  readonly parameters: ReadonlyMap<string, Float32Array>;
  /** Moving average of the parameters. */
  readonly average: ReadonlyMap<string, Float32Array>;
}

/**
 * Trains until `settings.steps` steps are done, from the newest whole checkpoint of the run folder or from `initial`.
 * @param onProgress called after every step
 * @param signal stops after the current step, with a checkpoint
 * @throws Error when the folder's checkpoint belongs to another configuration, or the signal was raised
 */
export async function train(
  runtime: Runtime,
  task: TrainingTask,
  initial: ReadonlyMap<string, Float32Array>,
  settings: TrainingSettings,
  onProgress: (progress: TrainingProgress) => void,
  signal?: AbortSignal,
): Promise<TrainingResult> {
  const names = [...task.parameters.keys()];
  const parameters = new Map(names.map((name) => [name, initial.get(name)!.slice()]));
  const { betas, weightDecay } = settings;
  const optimizer = new AdamW(parameters, { betas, epsilon: 1e-8, weightDecay });
  const average = new ExponentialMovingAverage(parameters, { decay: settings.averageDecay });
  const log = path.join(settings.directory, 'log.jsonl');
  makeFolder(settings.directory);
  let { step, skipped } = restore(settings, parameters, optimizer, average);
  truncateLog(log, 'step', step);

  const executable = await compileTask(runtime, task, names);
  try {
    let next = step < settings.steps ? Promise.resolve(task.batch(step, average.values)) : null;
    let smoothed = 0;
    while (step < settings.steps) {
      const started = performance.now();
      const batch = await next!;
      const running = executable.run({ ...batch, ...Object.fromEntries(parameters) });
      const upcoming = step + 1;
      // The next batch is prepared while the worker computes; a task that reads the average sees the one before this step.
      next = upcoming < settings.steps ? Promise.resolve(task.batch(upcoming, average.values)) : null;
      const outputs = await running;
      const gradients = new Map(names.map((name) => [name, outputs[`gradient ${name}`] as Float32Array]));
      const rate = settings.learningRate(step);
      const report = optimizer.step(gradients, { learningRate: rate, clipNorm: settings.clipNorm });
      if (report.skipped) skipped++;
      else average.update();
      step++;
      const seconds = (performance.now() - started) / 1000;
      smoothed = smoothed === 0 ? seconds : smoothed * 0.95 + seconds * 0.05;
      const progress: TrainingProgress = {
        name: task.name,
        step,
        steps: settings.steps,
        loss: Number(outputs.loss![0]),
        metrics: Object.fromEntries(Object.keys(task.metrics).map((key) => [key, Number(outputs[key]![0])])),
        learningRate: rate,
        gradientNorm: report.gradientNorm,
        skipped,
        seconds,
        secondsLeft: smoothed * (settings.steps - step),
      };
      appendFileSync(log, `${JSON.stringify(logLine(progress))}\n`);
      onProgress(progress);
      const stopping = signal?.aborted === true;
      if (stopping || step % settings.checkpointEvery === 0 || step === settings.steps) {
        save(settings, { step, skipped }, task, parameters, optimizer, average);
      }
      if (stopping)
        throw new Error(`${task.name}: stopped after step ${step}; run the same command to go on`);
    }
  } finally {
    await executable.release();
  }
  return { parameters, average: average.values };
}

function logLine({ step, loss, metrics, learningRate, gradientNorm, skipped, seconds }: TrainingProgress) {
  const short = (value: number) => Number(value.toPrecision(6));
  const named = Object.fromEntries(Object.entries(metrics).map(([key, value]) => [key, short(value)]));
  return {
    step,
    loss: short(loss),
    ...named,
    learningRate: short(learningRate),
    gradientNorm: short(gradientNorm),
    ...(skipped > 0 ? { skipped } : {}),
    seconds: Number(seconds.toFixed(3)),
  };
}

function compileTask(runtime: Runtime, task: TrainingTask, names: readonly string[]) {
  const values = names.map((name) => task.parameters.get(name)!);
  const gradients = gradient([task.loss], [scalar(1)], values);
  const outputs: Record<string, Value> = { loss: task.loss, ...task.metrics };
  names.forEach((name, i) => {
    outputs[`gradient ${name}`] = gradients[i]!;
  });
  return runtime.compile(outputs, { wide: true });
}

/** Steps done, and how many of them were left out because their gradient was not finite. */
interface StepCounts {
  readonly step: number;
  readonly skipped: number;
}

function save(
  settings: TrainingSettings,
  { step, skipped }: StepCounts,
  task: TrainingTask,
  parameters: ReadonlyMap<string, Float32Array>,
  optimizer: AdamW,
  average: ExponentialMovingAverage,
): void {
  const tensors = new Map<string, StoredTensor>();
  const add = (group: string, values: ReadonlyMap<string, Float32Array>) => {
    for (const [name, data] of values) {
      const shape = task.parameters.get(name)?.shape ?? [data.length];
      tensors.set(`${group}/${name}`, { shape: shape.length === 0 ? [1] : shape, data });
    }
  };
  add('parameters', parameters);
  add('average', average.values);
  for (const [group, values] of Object.entries(optimizer.state())) add(group, values);
  const metadata = {
    digest: settings.digest,
    optimizerSteps: String(optimizer.steps),
    averageUpdates: String(average.updates),
    skipped: String(skipped),
  };
  saveCheckpoint(settings.directory, { step, tensors, metadata });
}

/** Loads the newest checkpoint into the given objects; returns what it had counted. */
function restore(
  settings: TrainingSettings,
  parameters: ReadonlyMap<string, Float32Array>,
  optimizer: AdamW,
  average: ExponentialMovingAverage,
): StepCounts {
  const checkpoint = loadLatestCheckpoint(settings.directory, (message) => process.emitWarning(message));
  if (checkpoint === null) return { step: 0, skipped: 0 };
  if (checkpoint.metadata.digest !== settings.digest) {
    throw new Error(
      `${settings.directory}: expected checkpoints of configuration ${settings.digest}, received ` +
        `${checkpoint.metadata.digest}; choose another folder or remove this one`,
    );
  }
  const group = (prefix: string) =>
    new Map(
      [...checkpoint.tensors]
        .filter(([name]) => name.startsWith(`${prefix}/`))
        .map(([name, { data }]) => [name.slice(prefix.length + 1), data]),
    );
  for (const [name, data] of group('parameters')) parameters.get(name)!.set(data);
  average.restore(group('average'), Number(checkpoint.metadata.averageUpdates));
  optimizer.restore(Number(checkpoint.metadata.optimizerSteps), {
    firstMoment: group('firstMoment'),
    secondMoment: group('secondMoment'),
  });
  return { step: checkpoint.step, skipped: Number(checkpoint.metadata.skipped ?? 0) };
}
