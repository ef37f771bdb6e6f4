/** The finetuning loop: sample, measure the loss, adjusted gradient, optimizer, moving average, validation, checkpoints. */

import { appendFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Adapter } from '../diffusion/adapter.ts';
import { NO_ADAPTER } from '../diffusion/adapter.ts';
import type { LatentSize } from '../diffusion/graphs.ts';
import { createGenerator } from '../diffusion/noise.ts';
import type { Sample, TextToImagePipeline } from '../diffusion/pipeline.ts';
import { createPlan } from '../diffusion/schedulers/create_plan.ts';
import type { SamplerPlan } from '../diffusion/schedulers/plan.ts';
import { loadLatestCheckpoint, saveCheckpoint } from './checkpoint.ts';
import { DirectFinetuning } from './direct_finetuning.ts';
import type { GradientMode } from './gradient_coefficients.ts';
import { ExponentialMovingAverage } from './moving_average.ts';
import type { ImageObjective } from './objective.ts';
import { AdamW } from './optimizer.ts';
import type { GuidanceBranches } from './product_graphs.ts';
import { truncateLog } from './run_log.ts';
import { chooseRoute } from './timestep_choice.ts';
import type { TrainedPart } from './trained_part.ts';
import { initialAdapter, trainedTensors, withTensors } from './trained_part.ts';

/** Everything that a run's numbers follow from. */
export interface FinetuneSettings {
  readonly part: TrainedPart;
  readonly seed: number;
  readonly iterations: number;
  /** Images of one prompt an iteration (N). */
  readonly imagesPerPrompt: number;
  /** Prompts an iteration is drawn from. */
  readonly prompts: readonly string[];
  readonly negativePrompt: string;
  /** Fewest and most sampling steps; each iteration draws its number between them. */
  readonly samplingSteps: readonly [number, number];
  readonly guidanceScale: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly betas: readonly [number, number];
  readonly clipNorm: number;
  readonly averageDecay: number;
  readonly gradient: {
    readonly mode: GradientMode;
    readonly branches: GuidanceBranches;
    /** Timesteps an iteration takes its gradient from; all when left out. */
    readonly timesteps?: number;
  };
  readonly validation: {
    /** Iterations between validations; 0 for none. */
    readonly every: number;
    readonly prompts: readonly string[];
    readonly imagesPerPrompt: number;
    readonly samplingSteps: number;
  };
  readonly checkpointEvery: number;
  /** Run folder: `checkpoints/`, `log.jsonl`, `validation.jsonl`. */
  readonly directory: string;
  /** Digest of the configuration; checkpoints of another configuration are refused. */
  readonly digest: string;
}

/** Progress of a run: one object for terminal, log and curves. */
export interface FinetuneProgress {
  readonly iteration: number;
  readonly iterations: number;
  readonly prompt: string;
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly gradientNorm: number;
  /** Iterations left out so far because a gradient was not finite. */
  readonly skipped: number;
  readonly seconds: number;
  readonly secondsLeft: number;
  /** Means over the validation prompts with the averaged adapter, after iterations that validate. */
  readonly validation: Readonly<Record<string, number>> | null;
}

/** A finished run. */
export interface FinetuneResult {
  /** Moving average of the trained adapter: what is exported. */
  readonly adapter: Adapter;
  /** The adapter as the optimizer left it. */
  readonly latest: Adapter;
  readonly iterations: number;
}

/** Seeds of a run's images stay below 2^53 and apart from small seeds that people choose. */
const TRAINING_SEEDS = 2 ** 40;
const VALIDATION_SEEDS = 2 ** 41;

function seedsFrom(base: number, run: number, first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => base + (run % 1024) * 2 ** 30 + first + i);
}

/**
 * Finetunes until `settings.iterations` are done, from the newest whole checkpoint of the run folder or from the start.
 *
 * Every iteration follows from its number and the state alone, so a resumed run gives the numbers of an uninterrupted one.
 * @throws Error when the checkpoint belongs to another configuration, or the signal's reason once it is raised: within the
 * iteration, of which nothing remains, after a checkpoint of those before it
 */
export async function finetune(
  pipeline: TextToImagePipeline,
  objective: ImageObjective,
  settings: FinetuneSettings,
  onProgress: (progress: FinetuneProgress) => void,
  signal?: AbortSignal,
): Promise<FinetuneResult> {
  const run = new FinetuneRun(pipeline, objective, settings);
  try {
    run.restore();
    let smoothed = 0;
    while (run.iteration < settings.iterations) {
      const started = performance.now();
      const step = await run.step(signal).catch((error: unknown) => {
        // An iteration that was broken off has changed nothing: the finished ones are kept.
        if (signal?.aborted && run.iteration > 0) run.save();
        throw error;
      });
      // Not broken off: a resumed run would lack its numbers.
      const validation = run.isValidationDue() ? await run.validate() : null;
      const seconds = (performance.now() - started) / 1000;
      smoothed = smoothed === 0 ? seconds : smoothed * 0.8 + seconds * 0.2;
      const progress = {
        ...step,
        iteration: run.iteration,
        iterations: settings.iterations,
        seconds,
        secondsLeft: smoothed * (settings.iterations - run.iteration),
        validation,
      };
      run.log(progress);
      if (run.iteration % settings.checkpointEvery === 0 || run.iteration === settings.iterations) run.save();
      onProgress(progress);
      if (signal?.aborted && run.iteration < settings.iterations) {
        run.save();
        signal.throwIfAborted();
      }
    }
    return { adapter: run.averagedAdapter(), latest: run.adapter(), iterations: run.iteration };
  } finally {
    await run.release();
  }
}

/** Images of one prompt with everything that their backward pass needs. */
interface DrawnImages extends Sample {
  readonly images: Float32Array;
  readonly condition: Float32Array;
  readonly unconditional: Float32Array;
  readonly plan: SamplerPlan;
  readonly size: LatentSize;
  readonly height: number;
  readonly width: number;
}

class FinetuneRun {
  readonly #pipeline: TextToImagePipeline;
  readonly #objective: ImageObjective;
  readonly #settings: FinetuneSettings;
  readonly #initial: Adapter;
  readonly #tensors: Map<string, Float32Array>;
  readonly #optimizer: AdamW;
  readonly #average: ExponentialMovingAverage;
  readonly #differentiate: DirectFinetuning;
  #iteration = 0;
  #skipped = 0;

  constructor(pipeline: TextToImagePipeline, objective: ImageObjective, settings: FinetuneSettings) {
    this.#pipeline = pipeline;
    this.#objective = objective;
    this.#settings = settings;
    this.#initial = initialAdapter(pipeline.model, settings.part, settings.seed);
    this.#tensors = trainedTensors(this.#initial);
    const { betas, weightDecay, averageDecay } = settings;
    this.#optimizer = new AdamW(this.#tensors, { betas, epsilon: 1e-8, weightDecay });
    this.#average = new ExponentialMovingAverage(this.#tensors, { decay: averageDecay });
    this.#differentiate = new DirectFinetuning(pipeline);
  }

  get iteration(): number {
    return this.#iteration;
  }

  adapter(): Adapter {
    return withTensors(this.#initial, this.#tensors);
  }

  averagedAdapter(): Adapter {
    return withTensors(this.#initial, this.#average.values);
  }

  /** One iteration: images of one prompt, their loss, its gradient, one optimizer step. */
  async step(signal: AbortSignal | undefined) {
    const { seed, prompts, samplingSteps, imagesPerPrompt, learningRate, clipNorm } = this.#settings;
    const iteration = this.#iteration;
    const random = createGenerator({ seed, index: iteration, stream: 'finetune iteration' });
    const prompt = prompts[random.integer(prompts.length)]!;
    const steps = samplingSteps[0] + random.integer(samplingSteps[1] - samplingSteps[0] + 1);
    const seeds = seedsFrom(TRAINING_SEEDS, seed, iteration * imagesPerPrompt, imagesPerPrompt);
    const adapter = this.adapter();
    const drawn = await this.#draw(prompt, seeds, steps, adapter, true, signal);
    const originals = await this.#draw(prompt, seeds, steps, NO_ADAPTER, false, signal);
    const { height, width } = drawn;
    const request = {
      images: drawn.images,
      originals: originals.images,
      count: seeds.length,
      height,
      width,
      prompt,
      iteration,
    };
    const result = await this.#objective.evaluate(request);
    const gradients = await this.#gradients(drawn, prompt, result.gradient, adapter, signal);
    const report = this.#optimizer.step(gradients, { learningRate, clipNorm });
    if (report.skipped) this.#skipped++;
    else this.#average.update();
    this.#iteration++;
    return {
      prompt,
      loss: result.loss,
      metrics: result.metrics,
      gradientNorm: report.gradientNorm,
      skipped: this.#skipped,
    };
  }

  async #draw(
    prompt: string,
    seeds: readonly number[],
    steps: number,
    adapter: Adapter,
    keepTrajectory: boolean,
    signal?: AbortSignal,
  ): Promise<DrawnImages> {
    const pipeline = this.#pipeline;
    const { guidanceScale, negativePrompt } = this.#settings;
    const size = pipeline.latentSize();
    const plan = createPlan({ scheduler: pipeline.model.scheduler, steps });
    const condition = await pipeline.encodePrompts(
      seeds.map(() => prompt),
      adapter,
    );
    const unconditional = await pipeline.encodePrompts(
      seeds.map(() => negativePrompt),
      adapter,
    );
    const sample = await pipeline.sample({
      condition,
      unconditional,
      seeds,
      plan,
      guidanceScale,
      size,
      adapter,
      keepTrajectory,
      ...(signal ? { signal } : {}),
    });
    const images = await pipeline.decode(sample.latents, size);
    const { downscale } = pipeline.model;
    return {
      ...sample,
      images,
      condition,
      unconditional,
      plan,
      size,
      height: size.height * downscale,
      width: size.width * downscale,
    };
  }

  /** Gradients of the trained tensors by name. */
  async #gradients(
    drawn: DrawnImages,
    prompt: string,
    imageGradient: Float32Array,
    adapter: Adapter,
    signal: AbortSignal | undefined,
  ): Promise<Map<string, Float32Array>> {
    const { gradient, seed, guidanceScale, negativePrompt } = this.#settings;
    const draw = { seed, iteration: this.#iteration };
    const route = chooseRoute(drawn.plan, gradient.mode, gradient.timesteps, draw);
    const backward = await this.#differentiate.backward({
      ...drawn,
      guidanceScale,
      imageGradient,
      adapter,
      route,
      branches: gradient.branches,
      ...(signal ? { signal } : {}),
    });
    const both = gradient.branches === 'both';
    const size = this.#pipeline.contextSize;
    const cotangents = new Float32Array((both ? 2 : 1) * size);
    sumItems(cotangents.subarray(0, size), backward.condition);
    if (both) sumItems(cotangents.subarray(size), backward.unconditional);
    const texts = both ? [prompt, negativePrompt] : [prompt];
    const gradients = await this.#differentiate.textEncoderGradient(texts, cotangents, adapter);
    for (const [name, values] of backward.unet) gradients.set(name, values);
    return gradients;
  }

  isValidationDue(): boolean {
    const { every } = this.#settings.validation;
    return every > 0 && (this.#iteration % every === 0 || this.#iteration === this.#settings.iterations);
  }

  /** Means over the validation prompts, always with the same noise, of what the objective measures on the averaged adapter. */
  async validate(): Promise<Record<string, number>> {
    const { prompts, imagesPerPrompt, samplingSteps } = this.#settings.validation;
    const { seed } = this.#settings;
    const sums: Record<string, number> = {};
    for (const [i, prompt] of prompts.entries()) {
      const seeds = seedsFrom(VALIDATION_SEEDS, seed, i * imagesPerPrompt, imagesPerPrompt);
      const drawn = await this.#draw(prompt, seeds, samplingSteps, this.averagedAdapter(), false);
      const originals = await this.#draw(prompt, seeds, samplingSteps, NO_ADAPTER, false);
      const measured = await this.#objective.measure({
        images: drawn.images,
        originals: originals.images,
        count: seeds.length,
        height: drawn.height,
        width: drawn.width,
        prompt,
        iteration: -1 - i,
      });
      for (const [name, value] of Object.entries(measured))
        sums[name] = (sums[name] ?? 0) + value / prompts.length;
    }
    return sums;
  }

  log(progress: FinetuneProgress): void {
    const short = (value: number) => Number(value.toPrecision(6));
    const rounded = (values: Readonly<Record<string, number>>) =>
      Object.fromEntries(Object.entries(values).map(([name, value]) => [name, short(value)]));
    const { iteration, prompt, loss, metrics, gradientNorm, skipped, seconds, validation } = progress;
    const line = {
      iteration,
      prompt,
      loss: short(loss),
      metrics: rounded(metrics),
      gradientNorm: short(gradientNorm),
      skipped,
      seconds: Number(seconds.toFixed(2)),
      ...(validation === null ? {} : { validation: rounded(validation) }),
    };
    appendFileSync(this.#logFile, `${JSON.stringify(line)}\n`);
  }

  get #logFile(): string {
    return path.join(this.#settings.directory, 'log.jsonl');
  }

  get #checkpoints(): string {
    return path.join(this.#settings.directory, 'checkpoints');
  }

  save(): void {
    const tensors = new Map<string, { shape: number[]; data: Float32Array }>();
    const add = (group: string, values: ReadonlyMap<string, Float32Array>) => {
      for (const [name, data] of values) tensors.set(`${group}/${name}`, { shape: [data.length], data });
    };
    const { firstMoment, secondMoment } = this.#optimizer.state();
    add('parameters', this.#tensors);
    add('average', this.#average.values);
    add('firstMoment', firstMoment);
    add('secondMoment', secondMoment);
    saveCheckpoint(this.#checkpoints, {
      step: this.#iteration,
      tensors,
      metadata: {
        digest: this.#settings.digest,
        optimizerSteps: String(this.#optimizer.steps),
        averageUpdates: String(this.#average.updates),
        skipped: String(this.#skipped),
      },
    });
  }

  /** Takes up the newest whole checkpoint, if there is one, and drops log lines past it. */
  restore(): void {
    const { directory, digest } = this.#settings;
    mkdirSync(directory, { recursive: true });
    const checkpoint = loadLatestCheckpoint(this.#checkpoints, (message) => process.emitWarning(message));
    if (checkpoint !== null) {
      const { metadata, tensors } = checkpoint;
      if (metadata.digest !== digest) {
        throw new Error(
          `${directory}: expected checkpoints of configuration ${digest}, received ${metadata.digest}; ` +
            'choose another output folder or remove this one',
        );
      }
      const group = (prefix: string) =>
        new Map(
          [...tensors]
            .filter(([name]) => name.startsWith(`${prefix}/`))
            .map(([name, { data }]) => [name.slice(prefix.length + 1), data]),
        );
      for (const [name, data] of group('parameters')) this.#tensors.get(name)!.set(data);
      this.#average.restore(group('average'), Number(metadata.averageUpdates));
      const moments = { firstMoment: group('firstMoment'), secondMoment: group('secondMoment') };
      this.#optimizer.restore(Number(metadata.optimizerSteps), moments);
      this.#skipped = Number(metadata.skipped);
      this.#iteration = checkpoint.step;
    }
    truncateLog(this.#logFile, 'iteration', this.#iteration);
  }

  async release(): Promise<void> {
    await this.#differentiate.release();
  }
}

/** Adds up items of target's length. */
function sumItems(target: Float32Array, items: Float32Array): void {
  for (let i = 0; i < items.length; i++) target[i % target.length]! += items[i]!;
}
