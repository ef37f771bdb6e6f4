/** The state of a run: trained tensors, optimizer, moving average and counters, in memory and in checkpoints. */

import path from 'node:path';
import type { Adapter } from '../diffusion/adapter.ts';
import { partOfInput } from '../diffusion/adapter.ts';
import type { TextToImageModel } from '../diffusion/model.ts';
import type { Checkpoint, StoredTensor } from './checkpoint.ts';
import { loadLatestCheckpoint, newestMetadata, saveCheckpoint } from './checkpoint.ts';
import { learningRateAt } from './learning_rate.ts';
import type { LossScale, LossScaleState } from './loss_scale.ts';
import { ExponentialMovingAverage } from './moving_average.ts';
import { AdamW } from './optimizer.ts';
import type { FinetuneSettings } from './settings.ts';
import { initialAdapter, trainedTensors, withTensors } from './trained_part.ts';

/** Everything that an iteration changes. */
export class RunState {
  readonly #settings: FinetuneSettings;
  readonly #initial: Adapter;
  readonly #tensors: Map<string, Float32Array>;
  readonly #optimizer: AdamW;
  readonly #average: ExponentialMovingAverage;
  readonly #lossScale: LossScale | null;
  #iteration = 0;
  #skipped = 0;
  #skippedOnEnd = 0;
  #stopped: string | null = null;

  /**
   * The state before the first iteration; {@link restore} takes up a checkpoint.
   * @param lossScale the scale that gradients are computed with in mixed precision, adapted by {@link update}
   */
  constructor(model: TextToImageModel, settings: FinetuneSettings, lossScale: LossScale | null = null) {
    this.#settings = settings;
    this.#lossScale = lossScale;
    this.#initial = initialAdapter(model, settings.part, settings.seed);
    this.#tensors = trainedTensors(this.#initial);
    const { betas, weightDecay, averageDecay } = settings;
    this.#optimizer = new AdamW(this.#tensors, { betas, epsilon: 1e-8, weightDecay });
    this.#average = new ExponentialMovingAverage(this.#tensors, { decay: averageDecay });
  }

  /** Number of finished iterations. */
  get iteration(): number {
    return this.#iteration;
  }

  /** Iterations that were left out because a gradient was not finite. */
  get skipped(): number {
    return this.#skipped;
  }

  /** How many of them were the last ones. */
  get skippedOnEnd(): number {
    return this.#skippedOnEnd;
  }

  /** Why the run is over before its last iteration; null while it isn't. */
  get stopped(): string | null {
    return this.#stopped;
  }

  /** The adapter as the optimizer left it. */
  adapter(): Adapter {
    return withTensors(this.#initial, this.#tensors);
  }

  /** The moving average of the adapter. */
  averagedAdapter(): Adapter {
    return withTensors(this.#initial, this.#average.values);
  }

  /** The adapter with other values of the trained tensors. */
  adapterOf(tensors: ReadonlyMap<string, Float32Array>): Adapter {
    return withTensors(this.#initial, tensors);
  }

  /** The moving average by name (not copied). */
  get average(): ReadonlyMap<string, Float32Array> {
    return this.#average.values;
  }

  /** Finishes an iteration with its gradient; returns the gradient's norm. */
  update(gradients: ReadonlyMap<string, Float32Array>): number {
    const { clipNorm, iterations, schedule = 'constant', warmupSteps = 0 } = this.#settings;
    const course = { name: schedule, warmupSteps, totalSteps: iterations };
    const rateNow = (base: number) => learningRateAt(course, base, this.#iteration);
    const learningRate = rateNow(this.#settings.learningRate);
    const textEncoderRate = rateNow(this.#settings.textEncoderLearningRate ?? this.#settings.learningRate);
    const report = this.#optimizer.step(gradients, {
      learningRate,
      learningRateOf: (name) => (partOfInput(name) === 'textEncoder' ? textEncoderRate : learningRate),
      clipNorm,
    });
    this.#lossScale?.update(!report.skipped);
    if (report.skipped) this.#skipped++;
    else this.#average.update();
    this.#skippedOnEnd = report.skipped ? this.#skippedOnEnd + 1 : 0;
    this.#iteration++;
    return report.gradientNorm;
  }

  /** Ends the run here. */
  stop(reason: string): void {
    this.#stopped = reason;
  }

  /** Writes a checkpoint. */
  save(): void {
    const tensors = new Map<string, StoredTensor>();
    const add = (group: string, values: ReadonlyMap<string, Float32Array>) => {
      for (const [name, data] of values) tensors.set(`${group}/${name}`, { shape: [data.length], data });
    };
    const { firstMoment, secondMoment } = this.#optimizer.state();
    add('parameters', this.#tensors);
    add('average', this.#average.values);
    add('firstMoment', firstMoment);
    add('secondMoment', secondMoment);
    saveCheckpoint(this.#folder, {
      step: this.#iteration,
      tensors,
      metadata: {
        digest: this.#settings.digest,
        weights: JSON.stringify(this.#settings.weights ?? {}),
        optimizerSteps: String(this.#optimizer.steps),
        averageUpdates: String(this.#average.updates),
        skipped: String(this.#skipped),
        skippedOnEnd: String(this.#skippedOnEnd),
        ...(this.#lossScale === null ? {} : { lossScale: JSON.stringify(this.#lossScale.state()) }),
        ...(this.#stopped === null ? {} : { stopped: this.#stopped, stopRule: stopRuleOf(this.#settings) }),
      },
    });
  }

  /**
   * Takes up the newest whole checkpoint, if there is one. A run that its stop rule ended stays ended under the same rule.
   * @throws Error when the checkpoint belongs to another configuration or to other weights
   */
  restore(): void {
    const checkpoint = loadLatestCheckpoint(this.#folder, (message) => process.emitWarning(message));
    if (checkpoint === null) return;
    const { metadata } = checkpoint;
    requireSameRun(this.#settings, metadata);
    for (const [name, data] of tensorsOf(checkpoint, 'parameters')) this.#tensors.get(name)!.set(data);
    this.#average.restore(tensorsOf(checkpoint, 'average'), Number(metadata.averageUpdates));
    this.#optimizer.restore(Number(metadata.optimizerSteps), {
      firstMoment: tensorsOf(checkpoint, 'firstMoment'),
      secondMoment: tensorsOf(checkpoint, 'secondMoment'),
    });
    this.#skipped = Number(metadata.skipped);
    this.#skippedOnEnd = Number(metadata.skippedOnEnd ?? 0);
    if (metadata.lossScale !== undefined)
      this.#lossScale?.restore(JSON.parse(metadata.lossScale) as LossScaleState);
    this.#iteration = checkpoint.step;
    this.#stopped = metadata.stopRule === stopRuleOf(this.#settings) ? (metadata.stopped ?? null) : null;
  }

  get #folder(): string {
    return folderOf(this.#settings);
  }
}

function folderOf({ directory }: Pick<FinetuneSettings, 'directory'>): string {
  return path.join(directory, 'checkpoints');
}

/** What ties a run folder to a run. */
type RunIdentity = Pick<FinetuneSettings, 'directory' | 'digest' | 'weights'>;

function requireSameRun({ directory, digest, weights }: RunIdentity, metadata: Checkpoint['metadata']): void {
  const advice = 'choose another output folder or remove this one';
  if (metadata.digest !== digest) {
    throw new Error(
      `${directory}: expected checkpoints of configuration ${digest}, received ${metadata.digest}; ${advice}`,
    );
  }
  if (weights === undefined) return;
  const before = JSON.parse(metadata.weights ?? '{}') as Record<string, string>;
  const changed = Object.keys({ ...before, ...weights }).filter((role) => before[role] !== weights[role]);
  if (changed.length === 0) return;
  throw new Error(
    `${directory}: expected checkpoints made with the present weights, received ones made with others: ` +
      `${changed.join(', ')} changed since; ${advice}`,
  );
}

/**
 * Checks that a run folder is a new one or holds this run, before anything is written into it.
 * @throws Error when its checkpoints belong to another configuration or to other weights
 */
export function requireOwnFolder(run: RunIdentity): void {
  const metadata = newestMetadata(folderOf(run));
  if (metadata !== null) requireSameRun(run, metadata);
}

function stopRuleOf({ stop, validation }: FinetuneSettings): string {
  return JSON.stringify([stop ?? null, validation]);
}

/** Tensors of a checkpoint's group by name. */
export function tensorsOf({ tensors }: Checkpoint, group: string): Map<string, Float32Array> {
  return new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(`${group}/`))
      .map(([name, { data }]) => [name.slice(group.length + 1), data]),
  );
}
