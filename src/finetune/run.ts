/** The finetuning loop: iterations, validations, checkpoints, the best of them, and the rule that ends it early. */

import type { Adapter } from '../diffusion/adapter.ts';
import type { TextToImagePipeline } from '../diffusion/pipeline.ts';
import { makeFolder } from '../weights/make_folder.ts';
import type { BestCheckpoint } from './best_checkpoint.ts';
import { keepIfBest, loadBest } from './best_checkpoint.ts';
import { DirectFinetuning } from './direct_finetuning.ts';
import type { RunGuard } from './guard.ts';
import type { IterationContext } from './iteration.ts';
import { checkPrompts, computeIteration } from './iteration.ts';
import type { ImageObjective } from './objective.ts';
import type { RunRecords } from './run_log.ts';
import { openRunRecords } from './run_log.ts';
import { RunState } from './run_state.ts';
import type { FinetuneObserver, FinetuneProgress, FinetuneResult, FinetuneSettings } from './settings.ts';
import { reasonToStop } from './stop_rule.ts';
import type { Validation } from './validation.ts';
import { validate } from './validation.ts';

/** Iterations without a finite gradient after which a run is broken: a loss scale of 2^24 is at 1 after 24 halvings. */
const MOST_SKIPPED = 30;

/** Looks at a run from outside, and may end it. */
export interface RunInspection {
  /** Iterations between looks; the end of the run, and the checkpoint that it goes on from, are looked at too. */
  readonly every: number;
  /**
   * Looks at the averaged adapter after an iteration, all of it saved.
   * @returns why the run may end here; null to go on
   */
  look(adapter: Adapter, iteration: number): Promise<string | null>;
}

/** What a run may be given besides its settings. */
export interface FinetuneOptions {
  /** Measures at validation what the loss may have been won with. */
  readonly guard?: RunGuard | null;
  readonly inspection?: RunInspection | null;
  readonly signal?: AbortSignal;
}

/**
 * Finetunes until `settings.iterations` are done, or stop rule or inspection end it, from the newest whole checkpoint of the run folder or
 * from the start.
 *
 * Every iteration follows from its number and the state alone, so a resumed run gives the numbers of an uninterrupted one.
 * @throws Error when the settings ask for more prompts an iteration than there are, when the checkpoint belongs to another
 * configuration, or the signal's reason once it is raised: within the
 * iteration, of which nothing remains, after a checkpoint of those before it; or when no gradient is finite any more
 */
export async function finetune(
  pipeline: TextToImagePipeline,
  objective: ImageObjective,
  settings: FinetuneSettings,
  observer: FinetuneObserver = {},
  options: FinetuneOptions = {},
): Promise<FinetuneResult> {
  checkPrompts(settings);
  const differentiate = new DirectFinetuning(pipeline);
  const run = new FinetuneRun({ pipeline, objective, differentiate, settings }, options, observer);
  try {
    await run.go();
    return run.result();
  } finally {
    await differentiate.release();
  }
}

function brokenOff({ iteration, skippedOnEnd }: RunState): string {
  return (
    `iteration ${iteration}: expected a finite gradient, received none in ${skippedOnEnd} iterations on end; ` +
    `the weights are those of iteration ${iteration - skippedOnEnd}. Loss or images are not finite: ` +
    'look at the log, and begin again with a lower learning rate or precision: float32'
  );
}

class FinetuneRun {
  readonly #context: IterationContext;
  readonly #options: FinetuneOptions;
  readonly #observer: FinetuneObserver;
  readonly #state: RunState;
  readonly #records: RunRecords;
  #best: BestCheckpoint | null;
  #samples: string | null;
  /** Why the inspection ended the run; unlike the stop rule's reason it is not stored, for the next run may inspect otherwise. */
  #ended: string | null = null;
  /** Seconds an iteration, smoothed. */
  #pace = 0;

  constructor(context: IterationContext, options: FinetuneOptions, observer: FinetuneObserver) {
    const { settings, pipeline } = context;
    this.#context = context;
    this.#options = options;
    this.#observer = observer;
    this.#state = new RunState(pipeline.model, settings, context.differentiate.lossScale);
    makeFolder(settings.directory);
    this.#state.restore();
    this.#records = openRunRecords(settings.directory, this.#state.iteration);
    this.#samples = this.#records.samples;
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
      stopped: this.#stopped,
    };
  }

  get #stopped(): string | null {
    return this.#state.stopped ?? this.#ended;
  }

  get #isOver(): boolean {
    return this.#stopped !== null || this.#state.iteration >= this.#context.settings.iterations;
  }

  async go(): Promise<void> {
    const { signal } = this.#options;
    const state = this.#state;
    await this.#inspect();
    while (!this.#isOver) {
      await this.#advance(signal).catch((error: unknown) => {
        // An iteration that was broken off has changed nothing: the finished ones are kept.
        if (signal?.aborted && state.iteration > 0) state.save();
        throw error;
      });
      if (signal?.aborted && !this.#isOver) {
        state.save();
        signal.throwIfAborted();
      }
      await this.#inspect();
    }
  }

  /** Whether the inspection looks at the iteration that was finished last. */
  get #isInspected(): boolean {
    const { inspection = null } = this.#options;
    const { iteration } = this.#state;
    return inspection !== null && iteration > 0 && (iteration % inspection.every === 0 || this.#isOver);
  }

  async #inspect(): Promise<void> {
    if (!this.#isInspected) return;
    const { inspection, signal } = this.#options;
    this.#ended = await inspection!.look(this.#state.averagedAdapter(), this.#state.iteration);
    signal?.throwIfAborted();
    if (this.#ended !== null) await this.#tell();
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
    const { prompts, loss, metrics } = found;
    const progress: FinetuneProgress = {
      ...{ prompts, loss, metrics, gradientNorm, seconds },
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
    const isBroken = state.skippedOnEnd >= MOST_SKIPPED;
    const isSaved = isCheckpointDue || this.#isOver || this.#isInspected || isBroken;
    if (isSaved) state.save();
    this.#observer.onProgress?.(progress);
    if (isSaved || validation !== null) await this.#tell();
    if (isBroken) throw new Error(brokenOff(state));
  }

  #isValidationDue(): boolean {
    const { iterations, validation } = this.#context.settings;
    const { iteration } = this.#state;
    return validation.every > 0 && (iteration % validation.every === 0 || iteration === iterations);
  }

  async #validate(): Promise<Validation> {
    const { settings } = this.#context;
    const state = this.#state;
    const { guard = null } = this.#options;
    const validation = await validate({ ...this.#context, guard }, state.averagedAdapter());
    const { numbers } = validation;
    this.#best = keepIfBest(settings, this.#best, state.iteration, numbers, state.average);
    const reason = reasonToStop(numbers, settings.stop);
    if (reason !== null) state.stop(reason);
    return validation;
  }

  #secondsLeft(): number {
    if (this.#stopped !== null) return 0;
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
      stopped: this.#stopped,
      samples: this.#samples,
    };
    await this.#observer.onSnapshot?.(snapshot, adapters);
  }
}
