/** Text to image: encodes prompts, samples latents with classifier-free guidance, decodes images. */

import { LARGE_WEIGHTS, sideBySide, weightBytes } from '../graph/building.ts';
import type { Executable, GraphRuntime, Runtime } from '../graph/index.ts';
import type { Adapter } from './adapter.ts';
import {
  adapterFeeds,
  adapterLayout,
  feedsOfPart,
  layoutKey,
  NO_ADAPTER,
  NO_ADAPTER_LAYOUT,
} from './adapter.ts';
import type { TextToImageModel } from './assemble_model.ts';
import { putBatch, takeBatch } from './batches.ts';
import type { LatentSize } from './graphs.ts';
import { contextLength, guidedDenoiser, imageDecoder, promptContext } from './graphs.ts';
import { gaussianNoise } from './noise.ts';
import type { SamplerPlan } from './schedulers/plan.ts';
import { denoiserInput, initialLatents, oldestNeeded, stepLatents } from './schedulers/plan.ts';

/** How to sample. */
export interface SampleRequest {
  /** Conditions of the images [count, length, width]. */
  readonly condition: Float32Array;
  /** Conditions of the negative prompts [count, length, width]; not read when the guidance scale is 1. */
  readonly unconditional: Float32Array;
  /** Seed of each image; its noise depends on nothing else. */
  readonly seeds: readonly number[];
  /** Standard normal noise to start from [count, channels, h, w], in place of the seeds' own (diffusers' `latents`). */
  readonly initialNoise?: Float32Array;
  readonly plan: SamplerPlan;
  readonly guidanceScale: number;
  readonly size: LatentSize;
  readonly adapter?: Adapter;
  /** Keep what entered the denoiser at each step (adjusted direct finetuning needs it). */
  readonly keepTrajectory?: boolean;
  /** Called after each step of each batch; batches may take turns. */
  readonly onStep?: (event: StepEvent) => void;
  readonly signal?: AbortSignal;
}

/** Progress of sampling: what a preview or a progress bar needs. */
export interface StepEvent {
  /** First image of the batch, and its number of images. */
  readonly first: number;
  readonly images: number;
  /** Finished steps of this batch and steps in all. */
  readonly step: number;
  readonly steps: number;
  /** The batch's latents after the step; valid during the call. */
  readonly latents: Float32Array;
}

/** Sampled latents. */
export interface Sample {
  /** Final latents [count, channels, h, w], before the decoder. */
  readonly latents: Float32Array;
  /** By evaluation of the plan, what entered the denoiser [count, channels, h, w]; empty unless asked for. */
  readonly trajectory: readonly Float32Array[];
}

/** Sizes of batches by what runs. */
export interface BatchSizes {
  readonly prompts: number;
  readonly denoiser: number;
  readonly decoder: number;
}

const DEFAULT_BATCH_SIZES: BatchSizes = Object.freeze({ prompts: 4, denoiser: 8, decoder: 8 });

/** A model with the compiled graphs of generation on one runtime: a worker thread's, or a browser's. */
export class TextToImagePipeline<On extends GraphRuntime = Runtime> {
  readonly model: TextToImageModel;
  readonly runtime: On;
  readonly batchSizes: BatchSizes;
  readonly #graphs = new Map<string, Promise<Executable>>();
  #concurrency: number | null = null;

  /** Graphs are compiled when first needed, one for each shape and adapter layout. */
  constructor(runtime: On, model: TextToImageModel, batchSizes: Partial<BatchSizes> = {}) {
    this.runtime = runtime;
    this.model = model;
    this.batchSizes = { ...DEFAULT_BATCH_SIZES, ...batchSizes };
  }

  /** Latent size of images of `height` x `width` pixels; throws when a side is not divisible by the model's factor. */
  latentSize(height: number = this.model.defaultSide, width: number = this.model.defaultSide): LatentSize {
    const { downscale } = this.model;
    for (const [name, side] of Object.entries({ height, width })) {
      if (!Number.isInteger(side) || side <= 0 || side % downscale !== 0) {
        throw new Error(`${name}: expected a positive multiple of ${downscale} pixels, received ${side}`);
      }
    }
    return { height: height / downscale, width: width / downscale };
  }

  /** How many batches are worth computing at once, see {@link drawingConcurrency}. */
  get concurrency(): number {
    this.#concurrency ??= drawingConcurrency(this.runtime, this.model);
    return this.#concurrency;
  }

  /** Elements of one prompt's condition. */
  get contextSize(): number {
    return contextLength(this.model) * this.model.textEncoder.config.hidden_size;
  }

  /** Elements of one image's latents. */
  latentElements({ height, width }: LatentSize): number {
    return this.model.unet.config.in_channels * height * width;
  }

  /**
   * Conditions of prompts [prompts, length, width]; equal prompts are encoded once.
   */
  async encodePrompts(prompts: readonly string[], adapter: Adapter = NO_ADAPTER): Promise<Float32Array> {
    const distinct = [...new Set(prompts)];
    const { prompts: batchSize } = this.batchSizes;
    const layout = adapterLayout(adapter);
    const executable = await this.#graph(`context ${layoutKey(layout, 'textEncoder')}`, () => ({
      context: promptContext(this.model, batchSize, layout).value,
    }));
    const feeds = feedsOfPart(adapterFeeds(adapter), 'textEncoder');
    const encoded = new Float32Array(distinct.length * this.contextSize);
    for (let start = 0; start < distinct.length; start += batchSize) {
      const batch = Array.from(
        { length: batchSize },
        (_, i) => distinct[Math.min(distinct.length - 1, start + i)]!,
      );
      const { context } = await executable.run({ ids: this.tokenIds(batch), ...feeds });
      putBatch(encoded, this.contextSize, distinct.length, start, context as Float32Array);
    }
    const result = new Float32Array(prompts.length * this.contextSize);
    prompts.forEach((prompt, i) => {
      const source = distinct.indexOf(prompt) * this.contextSize;
      result.set(encoded.subarray(source, source + this.contextSize), i * this.contextSize);
    });
    return result;
  }

  /** Token ids of prompts [prompts, length], padded and cut as the model's tokenizer does. */
  tokenIds(prompts: readonly string[]): BigInt64Array {
    const length = contextLength(this.model);
    const { tokenizer } = this.model;
    return BigInt64Array.from(
      prompts.flatMap((prompt) => tokenizer.encode(prompt, { maxLength: length }).ids),
      BigInt,
    );
  }

  /**
   * Samples latents. The noise of an image follows from its seed alone, whatever else is in the batch.
   * @throws the signal's reason when it is raised, before the next step
   */
  async sample(request: SampleRequest): Promise<Sample> {
    const { seeds, plan, size, keepTrajectory = false } = request;
    const elements = this.latentElements(size);
    const latents = new Float32Array(seeds.length * elements);
    const trajectory = keepTrajectory ? plan.steps.map(() => new Float32Array(latents.length)) : [];
    const batchSize = this.batchSizes.denoiser;
    await sideBySide(Math.ceil(seeds.length / batchSize), this.concurrency, async (position) => {
      const start = position * batchSize;
      const batch = await this.#sampleBatch(request, start, (index, values) => {
        if (keepTrajectory) putBatch(trajectory[index]!, elements, seeds.length, start, values);
      });
      putBatch(latents, elements, seeds.length, start, batch);
    });
    return { latents, trajectory };
  }

  async #sampleBatch(
    request: SampleRequest,
    start: number,
    keep: (index: number, values: Float32Array) => void,
  ): Promise<Float32Array> {
    const { seeds, plan, size, guidanceScale, adapter = NO_ADAPTER } = request;
    const batchSize = this.batchSizes.denoiser;
    const count = seeds.length;
    const elements = this.latentElements(size);
    const guided = guidanceScale !== 1;
    const layout = adapterLayout(adapter);
    const executable = await this.#graph(
      `denoiser ${batchSize} ${size.height}x${size.width} ${guided} ${layoutKey(layout, 'unet')}`,
      () => ({ output: guidedDenoiser(this.model, batchSize, size, layout, guided).value }),
    );
    const fixed: Record<string, Float32Array> = {
      condition_in: takeBatch(request.condition, this.contextSize, count, start, batchSize),
      ...feedsOfPart(adapterFeeds(adapter), 'unet'),
    };
    if (guided) {
      fixed.unconditional_in = takeBatch(request.unconditional, this.contextSize, count, start, batchSize);
      fixed.guidance = Float32Array.of(guidanceScale);
    }
    const noiseOf = (stream: string, index: number) => {
      const noise = new Float32Array(batchSize * elements);
      for (let i = 0; i < batchSize; i++) {
        const seed = seeds[Math.min(count - 1, start + i)]!;
        noise.set(gaussianNoise({ seed, index, stream }, elements), i * elements);
      }
      return noise;
    };
    const { initialNoise } = request;
    const noise = initialNoise
      ? takeBatch(initialNoise, elements, count, start, batchSize)
      : noiseOf('latents', 0);
    const history: (Float32Array | undefined)[] = [initialLatents(plan, noise)];
    const outputs: (Float32Array | undefined)[] = [];
    for (const [index, step] of plan.steps.entries()) {
      request.signal?.throwIfAborted();
      const entering = denoiserInput(plan, index, history[index]!);
      keep(index, entering);
      const timestep = Float32Array.of(step.timestep);
      const { output } = await executable.run({ latents: entering, timestep, ...fixed });
      outputs[index] = output as Float32Array;
      const injected = step.noise === 0 ? undefined : noiseOf('step noise', index);
      history[index + 1] = stepLatents(plan, index, history, outputs, injected);
      for (let old = 0; old < oldestNeeded(plan, index + 1); old++) {
        history[old] = undefined;
        outputs[old] = undefined;
      }
      const images = Math.min(batchSize, count - start);
      request.onStep?.({
        first: start,
        images,
        step: index + 1,
        steps: plan.steps.length,
        latents: history[index + 1]!.subarray(0, images * elements),
      });
    }
    return history[plan.steps.length]!;
  }

  /** Images [count, 3, H, W] in -1..1 of latents [count, channels, h, w]. */
  async decode(latents: Float32Array, size: LatentSize): Promise<Float32Array> {
    const elements = this.latentElements(size);
    const count = latents.length / elements;
    const batchSize = this.batchSizes.decoder;
    const executable = await this.#graph(`decoder ${batchSize} ${size.height}x${size.width}`, () => ({
      images: imageDecoder(this.model, batchSize, size).images,
    }));
    const pixels = 3 * size.height * size.width * this.model.downscale ** 2;
    const images = new Float32Array(count * pixels);
    await sideBySide(Math.ceil(count / batchSize), this.concurrency, async (position) => {
      const start = position * batchSize;
      const outputs = await executable.run({
        latents: takeBatch(latents, elements, count, start, batchSize),
      });
      putBatch(images, pixels, count, start, outputs.images as Float32Array);
    });
    return images;
  }

  /** Releases every compiled graph. */
  async release(): Promise<void> {
    const graphs = [...this.#graphs.values()];
    this.#graphs.clear();
    for (const graph of graphs) await (await graph).release();
  }

  #graph(key: string, build: () => Parameters<GraphRuntime['compile']>[0]): Promise<Executable> {
    let graph = this.#graphs.get(key);
    if (graph === undefined) {
      graph = this.runtime.compile(build());
      this.#graphs.set(key, graph);
      graph.catch(() => this.#graphs.delete(key));
    }
    return graph;
  }
}

/**
 * How many batches are worth computing at once: as many as a runtime has places for graphs, but one where the denoiser is large
 * and its sessions would only wait for each other.
 */
export function drawingConcurrency({ concurrency }: GraphRuntime, model: TextToImageModel): number {
  if (concurrency === 1) return 1;
  const side = model.defaultSide / model.downscale;
  const { value: output } = guidedDenoiser(model, 1, { height: side, width: side }, NO_ADAPTER_LAYOUT, false);
  return weightBytes({ output }) >= LARGE_WEIGHTS ? 1 : concurrency;
}
