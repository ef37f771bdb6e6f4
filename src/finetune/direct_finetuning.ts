/**
 * Direct finetuning (specification eqs. 9-10, Algorithm A.1): the gradient of a loss on generated images.
 *
 * The sampler is linear in the noise predictions, z_0 = a z_T + sum b_i eps_i. On the detached route each z_t enters the
 * U-Net as a constant: the cotangent of eps_i is C_i b_i dL/dz_0, and every timestep is one vector-Jacobian product of its
 * own. On the exact route the products follow each other backwards through the latents. Memory grows with the number of
 * steps on neither: only the latents of each step are kept.
 */

import type { Adapter } from '../diffusion/adapter.ts';
import { adapterFeeds, adapterLayout, changesPart, feedsOfPart, layoutKey } from '../diffusion/adapter.ts';
import { putBatch, takeBatch } from '../diffusion/batches.ts';
import type { LatentSize } from '../diffusion/graphs.ts';
import { contextLength } from '../diffusion/graphs.ts';
import type { TextToImagePipeline } from '../diffusion/pipeline.ts';
import type { SamplerPlan } from '../diffusion/schedulers/plan.ts';
import type { Executable, TensorData } from '../graph/index.ts';
import { sideBySide } from '../graph/index.ts';
import { walkBackwards } from './exact_route.ts';
import { LossScale } from './loss_scale.ts';
import type { GuidanceBranches, Outputs } from './product_graphs.ts';
import {
  contextProduct,
  decoderProduct,
  denoiserProduct,
  inputOfGradient,
  usesBothBranches,
} from './product_graphs.ts';
import type { GradientRoute } from './timestep_choice.ts';

/** A finished sampling run and what its backward pass needs. */
export interface BackwardRequest {
  /** What entered the denoiser at each step [count, channels, h, w]. */
  readonly trajectory: readonly Float32Array[];
  /** Final latents [count, channels, h, w]. */
  readonly latents: Float32Array;
  readonly size: LatentSize;
  readonly plan: SamplerPlan;
  readonly guidanceScale: number;
  /** Conditions [count, length, width] with which the images were sampled. */
  readonly condition: Float32Array;
  readonly unconditional: Float32Array;
  /** dL/dx of each image [count, 3, H, W]. */
  readonly imageGradient?: Float32Array;
  /** dL/dz_0 [count, channels, h, w], where it is known; taken from `imageGradient` when left out. */
  readonly latentGradient?: Float32Array;
  readonly adapter: Adapter;
  /** Which timesteps take part and with what factor, or the exact gradient. */
  readonly route: GradientRoute;
  readonly branches: GuidanceBranches;
  /** Whether the gradients of the conditions are wanted; true when left out. */
  readonly conditions?: boolean;
  /** Told of the gradients of the U-Net's trained inputs that each evaluation adds, by name, for every batch of images. */
  readonly onGradients?: (index: number, gradients: Readonly<Record<string, Float32Array>>) => void;
  readonly signal?: AbortSignal;
}

/** How large the gradient is that arrives at the predicted noise of one evaluation (what figure 6b shows). */
export interface TimestepScale {
  /** Position in the plan. */
  readonly index: number;
  readonly timestep: number;
  /** ||dL/d eps_i|| of each image, all factors (C_i, subsampling) included. */
  readonly norms: Float64Array;
}

/** Gradients by what they belong to. */
export interface BackwardResult {
  /** dL/dz_0 [count, channels, h, w]. */
  readonly latentGradient: Float32Array;
  /** dL/d condition [count, length, width]; zeros where conditions are not wanted. */
  readonly condition: Float32Array;
  /** dL/d negative condition [count, length, width]; zeros for branches `conditional`. */
  readonly unconditional: Float32Array;
  /** Gradients of the adapter's U-Net inputs by name. */
  readonly unet: Map<string, Float32Array>;
  /** By evaluation that took part, noisiest first. */
  readonly scales: readonly TimestepScale[];
}

/** Compiled vector-Jacobian products of a pipeline's graphs. */
export class DirectFinetuning {
  /** By which cotangents are multiplied on their way through float16; null where nothing is computed in it. */
  readonly lossScale: LossScale | null;
  readonly #pipeline: TextToImagePipeline;
  readonly #graphs = new Map<string, Promise<Executable>>();

  /** Graphs are compiled when first needed. */
  constructor(pipeline: TextToImagePipeline) {
    this.#pipeline = pipeline;
    this.lossScale = pipeline.model.precision === 'float16' ? new LossScale() : null;
  }

  /** dL/dz_0 of images decoded from `latents` with cotangents `imageGradient`, both of `count` images. */
  async latentGradient(
    latents: Float32Array,
    imageGradient: Float32Array,
    size: LatentSize,
  ): Promise<Float32Array> {
    const pipeline = this.#pipeline;
    const batchSize = pipeline.batchSizes.decoder;
    const executable = await this.#graph(`decoder ${size.height}x${size.width}`, () =>
      decoderProduct(pipeline.model, batchSize, size),
    );
    const elements = pipeline.latentElements(size);
    const count = latents.length / elements;
    const pixels = imageGradient.length / count;
    const result = new Float32Array(latents.length);
    const scale = this.lossScale?.value ?? 1;
    await sideBySide(Math.ceil(count / batchSize), pipeline.concurrency, async (position) => {
      const start = position * batchSize;
      const outputs = await executable.run({
        latents: takeBatch(latents, elements, count, start, batchSize),
        cotangent: scaled(takeBatch(imageGradient, pixels, count, start, batchSize), scale),
      });
      putBatch(result, elements, count, start, scaled(outputs.result as Float32Array, 1 / scale));
    });
    return result;
  }

  /** Backward pass from the images to the conditions and to the U-Net's trained inputs. */
  async backward(request: BackwardRequest): Promise<BackwardResult> {
    const pipeline = this.#pipeline;
    const { size, route, plan } = request;
    const { imageGradient } = request;
    const latentGradient =
      request.latentGradient ??
      (imageGradient && (await this.latentGradient(request.latents, imageGradient, size)));
    if (latentGradient === undefined)
      throw new Error('backward: expected imageGradient or latentGradient, received neither');
    const elements = pipeline.latentElements(size);
    const count = request.latents.length / elements;
    const context = pipeline.contextSize;
    const batchSize = pipeline.batchSizes.denoiser;
    const scales = new Map<number, Float64Array>();
    const result = {
      latentGradient,
      condition: new Float32Array(count * context),
      unconditional: new Float32Array(count * context),
      unet: new Map<string, Float32Array>(),
    };
    const executable = await this.#denoiserProduct(request);
    const scale = this.lossScale?.value ?? 1;
    for (let start = 0; executable !== null && start < count; start += batchSize) {
      const fixed = this.#fixedFeeds(request, count, start);
      const product = async (index: number, cotangent: Float32Array, factor: number) => {
        request.signal?.throwIfAborted();
        noteNorms(scales, request, index, { cotangent, factor, count, start, elements });
        return executable.run({
          ...fixed,
          latents: takeBatch(request.trajectory[index]!, elements, count, start, batchSize),
          timestep: Float32Array.of(plan.steps[index]!.timestep),
          cotangent,
          factor: Float32Array.of(factor * scale),
        });
      };
      const add = (index: number, outputs: Readonly<Record<string, TensorData>>) => {
        const trained: Record<string, Float32Array> = {};
        for (const [name, values] of Object.entries(outputs)) {
          if (name === 'latent_gradient') continue;
          const part = scaled(values as Float32Array, 1 / scale);
          if (name === 'condition' || name === 'unconditional')
            addBatch(result[name], context, count, start, part);
          else trained[inputOfGradient(name)] = part;
        }
        for (const [name, part] of Object.entries(trained)) accumulate(result.unet, name, part);
        request.onGradients?.(index, trained);
      };
      const cotangents = takeBatch(latentGradient, elements, count, start, batchSize).slice();
      // The items that pad the last batch must not add to the shared gradients of the U-Net.
      cotangents.fill(0, Math.min(batchSize, count - start) * elements);
      if (route.kind === 'exact') {
        await walkBackwards(plan, cotangents, async (index, cotangent) => {
          const outputs = await product(index, cotangent, 1);
          add(index, outputs);
          return scaled(outputs.latent_gradient as Float32Array, 1 / scale);
        });
      } else {
        const { timesteps } = route;
        await sideBySide(
          timesteps.length,
          pipeline.concurrency,
          (i) => product(timesteps[i]!.index, cotangents, timesteps[i]!.factor),
          (outputs, i) => add(timesteps[i]!.index, outputs),
        );
      }
    }
    return { ...result, scales: listScales(plan, scales) };
  }

  #fixedFeeds(request: BackwardRequest, count: number, start: number): Record<string, Float32Array> {
    const { guidanceScale } = request;
    const batchSize = this.#pipeline.batchSizes.denoiser;
    const context = this.#pipeline.contextSize;
    const feeds: Record<string, Float32Array> = {
      condition_in: takeBatch(request.condition, context, count, start, batchSize),
      ...feedsOfPart(adapterFeeds(request.adapter), 'unet'),
    };
    if (guidanceScale !== 1) feeds.guidance = Float32Array.of(guidanceScale);
    if (usesBothBranches(request)) {
      feeds.unconditional_in = takeBatch(request.unconditional, context, count, start, batchSize);
    }
    return feeds;
  }

  /** The product of one timestep; `null` where nothing depends on the denoiser. */
  async #denoiserProduct(request: BackwardRequest): Promise<Executable | null> {
    const { size, adapter, guidanceScale, branches, conditions = true } = request;
    const { model, batchSizes } = this.#pipeline;
    const layout = adapterLayout(adapter);
    if (!conditions && !changesPart(layout, 'unet')) return null;
    const latents = request.route.kind === 'exact';
    const branch = `${guidanceScale !== 1} ${usesBothBranches(request)}`;
    const key = `denoiser ${size.height}x${size.width} ${branch} ${conditions} ${latents} ${layoutKey(layout, 'unet')}`;
    const choice = { batchSize: batchSizes.denoiser, size, layout, guidanceScale, branches };
    return this.#graph(key, () => denoiserProduct(model, { ...choice, conditions, latents }));
  }

  /**
   * Gradients of the adapter's text encoder inputs (soft tokens, low-rank factors, whole weights), by name.
   * @param prompts distinct prompts
   * @param cotangents dL/d condition of each prompt, summed over its images [prompts, length, width]
   */
  async textEncoderGradient(
    prompts: readonly string[],
    cotangents: Float32Array,
    adapter: Adapter,
  ): Promise<Map<string, Float32Array>> {
    const pipeline = this.#pipeline;
    const { prompts: batchSize } = pipeline.batchSizes;
    const layout = adapterLayout(adapter);
    const executable = await this.#graph(`context ${layoutKey(layout, 'textEncoder')}`, () =>
      contextProduct(pipeline.model, batchSize, layout),
    );
    const feeds = feedsOfPart(adapterFeeds(adapter), 'textEncoder');
    const size = contextLength(pipeline.model) * pipeline.model.textEncoder.config.hidden_size;
    const result = new Map<string, Float32Array>();
    for (let start = 0; start < prompts.length; start += batchSize) {
      const batch = Array.from(
        { length: batchSize },
        (_, i) => prompts[Math.min(prompts.length - 1, start + i)]!,
      );
      const cotangent = takeBatch(cotangents, size, prompts.length, start, batchSize).slice();
      cotangent.fill(0, Math.min(batchSize, prompts.length - start) * size);
      const outputs = await executable.run({ ids: pipeline.tokenIds(batch), cotangent, ...feeds });
      for (const [name, values] of Object.entries(outputs))
        accumulate(result, inputOfGradient(name), values as Float32Array);
    }
    return result;
  }

  /** Releases every compiled graph. */
  async release(): Promise<void> {
    const graphs = [...this.#graphs.values()];
    this.#graphs.clear();
    for (const graph of graphs) await (await graph).release();
  }

  #graph(key: string, build: () => Outputs): Promise<Executable> {
    let graph = this.#graphs.get(key);
    if (graph === undefined) {
      graph = this.#pipeline.runtime.compile(build());
      this.#graphs.set(key, graph);
      graph.catch(() => this.#graphs.delete(key));
    }
    return graph;
  }
}

/** Values times a power of two; the array itself for 1. */
function scaled(values: Float32Array, factor: number): Float32Array {
  return factor === 1 ? values : values.map((value) => value * factor);
}

interface ArrivingGradient {
  readonly cotangent: Float32Array;
  readonly factor: number;
  readonly count: number;
  readonly start: number;
  readonly elements: number;
}

/** Norms of the cotangents of one batch; dL/d eps = dL/dv / sqrt(abar) for a denoiser that predicts v. */
function noteNorms(
  scales: Map<number, Float64Array>,
  { plan }: BackwardRequest,
  index: number,
  { cotangent, factor, count, start, elements }: ArrivingGradient,
): void {
  const norms = scales.get(index) ?? new Float64Array(count);
  scales.set(index, norms);
  const conversion = plan.prediction === 'epsilon' ? 1 : Math.sqrt(plan.steps[index]!.alphaBar);
  for (let item = 0; start + item < count && item * elements < cotangent.length; item++) {
    const values = cotangent.subarray(item * elements, (item + 1) * elements);
    const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
    norms[start + item] = (norm * Math.abs(factor)) / conversion;
  }
}

function listScales(plan: SamplerPlan, scales: ReadonlyMap<number, Float64Array>): TimestepScale[] {
  return [...scales]
    .sort(([a], [b]) => a - b)
    .map(([index, norms]) => ({ index, timestep: plan.steps[index]!.timestep, norms }));
}

/** Adds `part` to the sum of that name, or begins it with a copy. */
export function accumulate(sums: Map<string, Float32Array>, name: string, part: Float32Array): void {
  const sum = sums.get(name);
  if (sum === undefined) {
    sums.set(name, part.slice());
    return;
  }
  for (let i = 0; i < sum.length; i++) sum[i]! += part[i]!;
}

function addBatch(
  target: Float32Array,
  itemSize: number,
  count: number,
  start: number,
  batch: Float32Array,
): void {
  const kept = Math.min(batch.length / itemSize, count - start) * itemSize;
  const offset = start * itemSize;
  for (let i = 0; i < kept; i++) target[offset + i]! += batch[i]!;
}
