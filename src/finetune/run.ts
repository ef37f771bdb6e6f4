/** The finetuning loop: iterations, validations, checkpoints, the best of them, and the rule that ends it early. */

import { mkdirSync } from 'node:fs';
import type { TextToImagePipeline } from '../diffusion/pipeline.ts';
import type { BestCheckpoint } from './best_checkpoint.ts';
import { keepIfBest, loadBest } from './best_checkpoint.ts';
import { DirectFinetuning } from './direct_finetuning.ts';
import type { RunGuard } from './guard.ts';
import type { IterationContext } from './iteration.ts';
import { computeIteration } from './iteration.ts';
import type { ImageObjective } from './objective.ts';
import type { RunRecords } from './run_log.ts';
import { openRunRecords } from './run_log.ts';
import { RunState } from './run_state.ts';
import type { FinetuneObserver, FinetuneProgress, FinetuneResult, FinetuneSettings } from './settings.ts';
import { reasonToStop } from './stop_rule.ts';
import type { Validation } from './validation.ts';
import { validate } from './validation.ts';

/** What a run may be given besides its settings. */
export interface FinetuneOptions {
  /** Measures at validation what the loss may have been won with. */
  readonly guard?: RunGuard | null;
  readonly signal?: AbortSignal;
}

/**
 * Finetunes until `settings.iterations` are done or the stop rule ends it, from the newest whole checkpoint of the run folder or
 * from the start.
 *
 * Every iteration follows from its number and the state alone, so a resumed run gives the numbers of an uninterrupted one.
 * @throws Error when the checkpoint belongs to another configuration, or the signal's reason once it is raised: within the
 * iteration, of which nothing remains, after a checkpoint of those before it
 */
export async function finetune(
  pipeline: TextToImagePipeline,
  objective: ImageObjective,
  settings: FinetuneSettings,
  observer: FinetuneObserver = {},
  { guard = null, signal }: FinetuneOptions = {},
): Promise<FinetuneResult> {
  const differentiate = new DirectFinetuning(pipeline);
  const run = new FinetuneRun({ pipeline, objective, differentiate, settings }, guard, observer);
  try {
    await run.go(signal);
    return run.result();
  } finally {
    await differentiate.release();
  }
}

class FinetuneRun {
  readonly #context: IterationContext;
  readonly #guard: RunGuard | null;
  readonly #observer: FinetuneObserver;
  readonly #state: RunState;
  readonly #records: RunRecords;
  #best: BestCheckpoint | null;
  #samples: string | null = null;
  /** Seconds an iteration, smoothed. */
  #pace = 0;

  constructor(context: IterationContext, guard: RunGuard | null, observer: FinetuneObserver) {
    const { settings, pipeline } = context;
    this.#context = context;
    this.#guard = guard;
    this.#observer = observer;
    this.#state = new RunState(pipeline.model, settings);
    mkdirSync(settings.directory, { recursive: true });
    this.#state.restore();
    this.#records = openRunRecords(settings.directory, this.#state.iteration);
    this.#best = loadBest(settings, this.#state.iteration);
  }

  result(): FinetuneResult {
    const state = this.#state;
    const best = this.#best;
    return {
      adapter: state.averagedAdapter(),
      latest: state.adapter(),
      iterations: state.iteration,
      best: best && { ...best, adapter: state.adapterOf(best.tensors) },
      stopped: state.stopped,
    };
  }

  async go(signal: AbortSignal | undefined): Promise<void> {
    const { iterations } = this.#context.settings;
    const state = this.#state;
    while (state.iteration < iterations && state.stopped === null) {
      await this.#advance(signal).catch((error: unknown) => {
        // An iteration that was broken off has changed nothing: the finished ones are kept.
        if (signal?.aborted && state.iteration > 0) state.save();
        throw error;
      });
      if (signal?.aborted && state.iteration < iterations && state.stopped === null) {
        state.save();
        signal.throwIfAborted();
      }
    }
  }

  /** One iteration with everything that follows it. */
  async #advance(signal: AbortSignal | undefined): Promise<void> {
    const { settings } = this.#context;
    const state = this.#state;
    const started = performance.now();
    const found = await computeIteration(this.#context, state.iteration, state.adapter(), signal);
    const gradientNorm = state.update(found.gradients);
    // Not broken off: a resumed run would lack its numbers.
    const validation = this.#isValidationDue() ? await this.#validate() : null;
    const seconds = (performance.now() - started) / 1000;
    this.#pace = this.#pace === 0 ? seconds : this.#pace * 0.8 + seconds * 0.2;
    const { prompt, loss, metrics } = found;
    const progress: FinetuneProgress = {
      ...{ prompt, loss, metrics, gradientNorm, seconds },
      skipped: state.skipped,
      iteration: state.iteration,
      iterations: settings.iterations,
      secondsLeft: this.#secondsLeft(),
      validation: validation?.numbers ?? null,
      warnings: validation?.warnings ?? [],
    };
    const samples = await this.#records.record(progress, validation?.grid ?? null);
    this.#samples = samples ?? this.#samples;
    const isCheckpointDue = state.iteration % settings.checkpointEvery === 0;
    const isOver = state.iteration === settings.iterations || state.stopped !== null;
    if (isCheckpointDue || isOver) state.save();
    this.#observer.onProgress?.(progress);
    if (isCheckpointDue || isOver || validation !== null) await this.#tell();
  }

  #isValidationDue(): boolean {
    const { iterations, validation } = this.#context.settings;
    const { iteration } = this.#state;
    return validation.every > 0 && (iteration % validation.every === 0 || iteration === iterations);
  }

  async #validate(): Promise<Validation> {
    const { settings } = this.#context;
    const state = this.#state;
    const validation = await validate({ ...this.#context, guard: this.#guard }, state.averagedAdapter());
    const { numbers } = validation;
    this.#best = keepIfBest(settings, this.#best, state.iteration, numbers, state.average);
    const reason = reasonToStop(numbers, settings.stop);
    if (reason !== null) state.stop(reason);
    return validation;
  }

  #secondsLeft(): number {
    if (this.#state.stopped !== null) return 0;
    return this.#pace * (this.#context.settings.iterations - this.#state.iteration);
  }

  async #tell(): Promise<void> {
    const best = this.#best;
    const state = this.#state;
    const adapters = { average: state.averagedAdapter(), best: best && state.adapterOf(best.tensors) };
    const snapshot = {
      settings: this.#context.settings,
      iteration: state.iteration,
      secondsLeft: this.#secondsLeft(),
      best: best && { iteration: best.iteration, metric: best.metric, value: best.value },
      stopped: state.stopped,
      samples: this.#samples,
    };
    await this.#observer.onSnapshot?.(snapshot, adapters);
  }
}
