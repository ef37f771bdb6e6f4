/**
 * Adjusted direct finetuning (specification eqs. 9-10, Algorithm A.1): the gradient of a loss on generated images.
 *
 * The sampler is linear in the noise predictions, z_0 = a z_T + sum b_i eps_i, and each z_t enters the U-Net detached. So
 * the cotangent of eps_i is C_i b_i dL/dz_0, every timestep is one vector-Jacobian product of its own, and memory does not
 * grow with the number of steps.
 */

import type { Adapter } from '../diffusion/adapter.ts';
import { adapterFeeds, adapterLayout, feedsOfPart } from '../diffusion/adapter.ts';
import { putBatch, takeBatch } from '../diffusion/batches.ts';
import type { LatentSize } from '../diffusion/graphs.ts';
import { contextLength, guidedDenoiser, imageDecoder, promptContext } from '../diffusion/graphs.ts';
import type { TextToImagePipeline } from '../diffusion/pipeline.ts';
import type { SamplerPlan } from '../diffusion/schedulers/plan.ts';
import type { Executable, Value } from '../graph/index.ts';
import { gradient, input, mul } from '../graph/index.ts';
import type { TimestepChoice } from './timestep_choice.ts';

/** Through which of guidance's two noise predictions the gradient flows back. */
export type GuidanceBranches = 'both' | 'conditional';

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
  readonly imageGradient: Float32Array;
  readonly adapter: Adapter;
  /** Which timesteps take part, with the factor C_i b_i of each (and of subsampling). */
  readonly timesteps: readonly TimestepChoice[];
  readonly branches: GuidanceBranches;
  readonly signal?: AbortSignal;
}

/** Gradients by what they belong to. */
export interface BackwardResult {
  /** dL/dz_0 [count, channels, h, w]. */
  readonly latentGradient: Float32Array;
  /** dL/d condition [count, length, width]. */
  readonly condition: Float32Array;
  /** dL/d negative condition [count, length, width]; zeros for branches `conditional`. */
  readonly unconditional: Float32Array;
  /** Gradients of the adapter's U-Net inputs by name. */
  readonly unet: Map<string, Float32Array>;
}

/** Compiled vector-Jacobian products of a pipeline's graphs. */
export class DirectFinetuning {
  readonly #pipeline: TextToImagePipeline;
  readonly #graphs = new Map<string, Promise<Executable>>();

  /** Graphs are compiled when first needed. */
  constructor(pipeline: TextToImagePipeline) {
    this.#pipeline = pipeline;
  }

  /** dL/dz_0 of images decoded from `latents` with cotangents `imageGradient`, both of `count` images. */
  async latentGradient(
    latents: Float32Array,
    imageGradient: Float32Array,
    size: LatentSize,
  ): Promise<Float32Array> {
    const pipeline = this.#pipeline;
    const batchSize = pipeline.batchSizes.decoder;
    const executable = await this.#graph(`decoder ${size.height}x${size.width}`, () => {
      const decoder = imageDecoder(pipeline.model, batchSize, size);
      const cotangent = input('cotangent', decoder.images.shape);
      const [result] = gradient([decoder.images], [cotangent], [decoder.latents]);
      return { result: result! };
    });
    const elements = pipeline.latentElements(size);
    const count = latents.length / elements;
    const pixels = imageGradient.length / count;
    const result = new Float32Array(latents.length);
    for (let start = 0; start < count; start += batchSize) {
      const outputs = await executable.run({
        latents: takeBatch(latents, elements, count, start, batchSize),
        cotangent: takeBatch(imageGradient, pixels, count, start, batchSize),
      });
      putBatch(result, elements, count, start, outputs.result as Float32Array);
    }
    return result;
  }

  /** Backward pass from the images to the conditions and to the U-Net's trained inputs. */
  async backward(request: BackwardRequest): Promise<BackwardResult> {
    const pipeline = this.#pipeline;
    const { size, timesteps } = request;
    const latentGradient = await this.latentGradient(request.latents, request.imageGradient, size);
    const elements = pipeline.latentElements(size);
    const count = request.latents.length / elements;
    const context = pipeline.contextSize;
    const batchSize = pipeline.batchSizes.denoiser;
    const executable = await this.#denoiserProduct(request);
    const result: BackwardResult = {
      latentGradient,
      condition: new Float32Array(count * context),
      unconditional: new Float32Array(count * context),
      unet: new Map(),
    };
    for (let start = 0; start < count; start += batchSize) {
      const fixed = this.#fixedFeeds(request, count, start);
      const cotangents = takeBatch(latentGradient, elements, count, start, batchSize).slice();
      // The items that pad the last batch must not add to the shared gradients of the U-Net.
      cotangents.fill(0, Math.min(batchSize, count - start) * elements);
      for (const { index, factor } of timesteps) {
        request.signal?.throwIfAborted();
        const outputs = await executable.run({
          ...fixed,
          latents: takeBatch(request.trajectory[index]!, elements, count, start, batchSize),
          timestep: Float32Array.of(request.plan.steps[index]!.timestep),
          cotangent: cotangents,
          factor: Float32Array.of(factor),
        });
        for (const [name, values] of Object.entries(outputs)) {
          const part = values as Float32Array;
          if (name === 'condition' || name === 'unconditional')
            addBatch(result[name], context, count, start, part);
          else accumulate(result.unet, inputOfGradient(name), part);
        }
      }
    }
    return result;
  }

  #fixedFeeds(request: BackwardRequest, count: number, start: number): Record<string, Float32Array> {
    const { guidanceScale, branches } = request;
    const batchSize = this.#pipeline.batchSizes.denoiser;
    const context = this.#pipeline.contextSize;
    const guided = guidanceScale !== 1;
    const feeds: Record<string, Float32Array> = {
      condition_in: takeBatch(request.condition, context, count, start, batchSize),
      ...feedsOfPart(adapterFeeds(request.adapter), 'unet'),
    };
    if (guided) feeds.guidance = Float32Array.of(guidanceScale);
    if (guided && branches === 'both') {
      feeds.unconditional_in = takeBatch(request.unconditional, context, count, start, batchSize);
    }
    return feeds;
  }

  /** The product of one timestep: cotangent `factor * cotangent` of the guided prediction to conditions and U-Net inputs. */
  #denoiserProduct({ size, adapter, guidanceScale, branches }: BackwardRequest): Promise<Executable> {
    const { model, batchSizes } = this.#pipeline;
    const layout = adapterLayout(adapter);
    const guided = guidanceScale !== 1;
    const both = guided && branches === 'both';
    const key = `denoiser ${size.height}x${size.width} ${guided} ${both} ${JSON.stringify([...layout.unet])}`;
    return this.#graph(key, () => {
      const denoiser = guidedDenoiser(model, batchSizes.denoiser, size, layout, both);
      const cotangent = input('cotangent', denoiser.value.shape);
      let scaled = mul(cotangent, input('factor', [1]));
      // d eps / d eps_c = s: through the conditional branch alone, the guided prediction need not be computed.
      if (guided && !both) scaled = mul(scaled, input('guidance', [1]));
      const names = [
        'condition',
        ...(both ? ['unconditional'] : []),
        ...[...denoiser.adapterInputs.keys()].map(gradientName),
      ];
      const values: Value[] = [denoiser.condition];
      if (denoiser.unconditional !== null) values.push(denoiser.unconditional);
      values.push(...denoiser.adapterInputs.values());
      const results = gradient([denoiser.value], [scaled], values);
      return Object.fromEntries(names.map((name, i) => [name, results[i]!]));
    });
  }

  /**
   * Gradients of the adapter's text encoder inputs (soft tokens, low-rank factors), by name.
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
    const executable = await this.#graph(
      `context ${JSON.stringify([...layout.textEncoder, layout.softTokens])}`,
      () => {
        const { value, adapterInputs } = promptContext(pipeline.model, batchSize, layout);
        const names = [...adapterInputs.keys()].map(gradientName);
        const results = gradient([value], [input('cotangent', value.shape)], [...adapterInputs.values()]);
        return Object.fromEntries(names.map((name, i) => [name, results[i]!]));
      },
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

  #graph(key: string, build: () => Readonly<Record<string, Value>>): Promise<Executable> {
    let graph = this.#graphs.get(key);
    if (graph === undefined) {
      graph = this.#pipeline.runtime.compile(build());
      this.#graphs.set(key, graph);
      graph.catch(() => this.#graphs.delete(key));
    }
    return graph;
  }
}

/** Name under which the gradient of an adapter's input leaves a graph: outputs may not be called like inputs. */
function gradientName(input: string): string {
  return `gradient ${input}`;
}

function inputOfGradient(name: string): string {
  return name.slice('gradient '.length);
}

function accumulate(sums: Map<string, Float32Array>, name: string, part: Float32Array): void {
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
