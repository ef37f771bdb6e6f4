/** What a run will cost, told before it starts: U-Net evaluations, images, memory, and the pace of a short trial. */

import type { AdapterLayout } from '../diffusion/adapter.ts';
import { adapterLayout, changesPart, NO_ADAPTER, NO_ADAPTER_LAYOUT } from '../diffusion/adapter.ts';
import { guidedDenoiser, imageDecoder, promptContext } from '../diffusion/graphs.ts';
import type { TextToImagePipeline } from '../diffusion/pipeline.ts';
import { createPlan } from '../diffusion/schedulers/create_plan.ts';
import { LARGE_WEIGHTS, peakActivations, weightBytes } from '../graph/index.ts';
import { drawLatents } from './drawing.ts';
import type { Outputs } from './product_graphs.ts';
import { contextProduct, decoderProduct, denoiserProduct } from './product_graphs.ts';
import type { FinetuneSettings } from './settings.ts';
import { initialAdapter, trainedTensors } from './trained_part.ts';

/** Cost of an iteration. One unit is one U-Net evaluation of one image. */
export interface IterationCost {
  readonly images: number;
  /** Mean number of sampling steps. */
  readonly steps: number;
  /** Units an image: sampling with and without the adapter, and the gradient. */
  readonly sampling: number;
  readonly gradient: number;
  /** Units of all images. */
  readonly units: number;
  /** Units an image and sampling step. */
  readonly unitsPerImageStep: number;
  /** Trained numbers. */
  readonly parameters: number;
  /** Estimated peak memory in bytes: weights and activations of the graphs, trained state, images. */
  readonly peakBytes: number;
  /** The same where large graphs give way to each other, so that there is one at a time. */
  readonly leastBytes: number;
}

/** A differentiated evaluation in units: once forward, twice as much backward. */
const DIFFERENTIATED = 3;
/** Bytes of a process that has opened the runtime, and of each session beside weights and activations (measured). */
const PROCESS_BYTES = 200 * 2 ** 20;
const SESSION_BYTES = 20 * 2 ** 20;
/**
 * Memory of a small graph over the largest sum of its values: ONNX Runtime first allocates value by value, and from the second
 * run on one planned block beside that, both in chunks of powers of two (measured: 2.3 on Portraits).
 */
const SMALL_GRAPH_FACTOR = 2.3;
/** Memory of a large graph over its values as they are planned: what ONNX Runtime's arena can't use (measured: 1.0 to 1.15). */
const LARGE_GRAPH_FACTOR = 1.1;
/** Copies of the trained tensors: parameters, gradient, two moments, moving average. */
const STATE_COPIES = 5;

/**
 * Estimates the cost of an iteration from the settings and the shapes of the graphs; nothing is compiled or run.
 * @param others further graphs that an iteration runs: those of the loss
 */
export function iterationCost(
  pipeline: TextToImagePipeline,
  settings: FinetuneSettings,
  others: readonly Outputs[] = [],
): IterationCost {
  const { imagesPerPrompt, promptsPerIteration = 1, samplingSteps, guidanceScale, gradient } = settings;
  const images = promptsPerIteration * imagesPerPrompt;
  const steps = (samplingSteps[0] + samplingSteps[1]) / 2;
  const { scheduler } = pipeline.model;
  const evaluations = createPlan({ scheduler, steps: Math.round(steps) }).steps.length;
  const branches = guidanceScale === 1 ? 1 : 2;
  const sampling = 2 * branches * evaluations;
  const differentiated = Math.min(gradient.timesteps ?? evaluations, evaluations);
  const backward = DIFFERENTIATED * (gradient.branches === 'both' ? branches : 1) * differentiated;
  const adapter = initialAdapter(pipeline.model, settings.part, settings.seed);
  const parameters = [...trainedTensors(adapter).values()].reduce((sum, { length }) => sum + length, 0);
  const graphs = [...runGraphs(pipeline, settings, adapterLayout(adapter)), ...others];
  const sessions = sessionBytes(graphs, pipeline.concurrency);
  const rest = PROCESS_BYTES + STATE_COPIES * 4 * parameters + imageBytes(pipeline, settings, evaluations);
  return {
    images,
    steps,
    sampling,
    gradient: backward,
    units: images * (sampling + backward),
    unitsPerImageStep: (sampling + backward) / steps,
    parameters,
    peakBytes: sessions.all + rest,
    leastBytes: sessions.least + rest,
  };
}

/** Bytes of the sessions of graphs: with all of them open, and with large ones open one at a time. */
export interface SessionBytes {
  readonly all: number;
  readonly least: number;
}

/**
 * Estimated memory of the sessions of graphs. Small graphs each have their own copy of their weights; large ones share the
 * pages of their files.
 * @param copies sessions of each small graph: as many as there are runs side by side
 */
export function sessionBytes(graphs: readonly Outputs[], copies = 1): SessionBytes {
  const weighed = graphs.map((graph) => ({ graph, weights: weightBytes(graph) }));
  const small = weighed
    .filter(({ weights }) => weights < LARGE_WEIGHTS)
    .map(
      ({ graph, weights }) =>
        copies * (SESSION_BYTES + weights + SMALL_GRAPH_FACTOR * peakActivations(graph)),
    );
  const large = weighed
    .filter(({ weights }) => weights >= LARGE_WEIGHTS)
    .map((each) => ({ ...each, own: SESSION_BYTES + LARGE_GRAPH_FACTOR * peakActivations(each.graph) }));
  const shared = Object.fromEntries(
    large.flatMap(({ graph }, i) => Object.entries(graph).map(([name, value]) => [`${i} ${name}`, value])),
  );
  const sum = (bytes: readonly number[]) => bytes.reduce((total, each) => total + each, 0);
  return {
    all: sum(small) + weightBytes(shared) + sum(large.map(({ own }) => own)),
    least: sum(small) + Math.max(0, ...large.map(({ weights, own }) => weights + own)),
  };
}

/** The graphs that an iteration runs; each keeps its own memory between runs. */
function runGraphs(
  { model, batchSizes }: TextToImagePipeline,
  settings: FinetuneSettings,
  layout: AdapterLayout,
): Outputs[] {
  const side = model.defaultSide / model.downscale;
  const size = { height: side, width: side };
  const guided = settings.guidanceScale !== 1;
  const { mode, branches } = settings.gradient;
  const denoiser = (each: AdapterLayout): Outputs => ({
    output: guidedDenoiser(model, batchSizes.denoiser, size, each, guided).value,
  });
  const adapted = changesPart(layout, 'unet');
  const trainsText = changesPart(layout, 'textEncoder');
  return [
    { context: promptContext(model, batchSizes.prompts, layout).value },
    ...(trainsText ? [contextProduct(model, batchSizes.prompts, layout)] : []),
    denoiser(NO_ADAPTER_LAYOUT),
    ...(adapted ? [denoiser(layout)] : []),
    denoiserProduct(model, {
      batchSize: batchSizes.denoiser,
      size,
      layout,
      guidanceScale: settings.guidanceScale,
      branches,
      conditions: trainsText,
      latents: mode === 'unadjusted',
    }),
    { images: imageDecoder(model, batchSizes.decoder, size).images },
    decoderProduct(model, batchSizes.decoder, size),
  ];
}

/** Bytes of the images, originals and gradient that are held at once, and of the latents of every step, of the prompts in work. */
function imageBytes(
  { model, concurrency }: TextToImagePipeline,
  { imagesPerPrompt, microBatch = imagesPerPrompt, promptsPerIteration = 1 }: FinetuneSettings,
  evaluations: number,
): number {
  const prompts = Math.min(promptsPerIteration, concurrency);
  const side = model.defaultSide / model.downscale;
  const latents = model.unet.config.in_channels * side * side;
  const pixels = 3 * model.defaultSide ** 2;
  const images = 3 * Math.min(microBatch, imagesPerPrompt) * pixels;
  return 4 * prompts * (images + imagesPerPrompt * latents * evaluations);
}

/**
 * Seconds of one unit, from a trial: one sampling step of as many full batches as are drawn at once, the second of two, for the
 * first one compiles.
 */
export async function secondsPerUnit(
  pipeline: TextToImagePipeline,
  settings: Pick<FinetuneSettings, 'guidanceScale' | 'negativePrompt' | 'prompts'>,
  signal?: AbortSignal,
): Promise<number> {
  const { guidanceScale, negativePrompt, prompts } = settings;
  const seeds = Array.from({ length: pipeline.batchSizes.denoiser * pipeline.concurrency }, (_, i) => i);
  const request = {
    prompt: prompts[0]!,
    negativePrompt,
    guidanceScale,
    seeds,
    steps: 1,
    adapter: NO_ADAPTER,
    signal,
  };
  await drawLatents(pipeline, request);
  const started = performance.now();
  await drawLatents(pipeline, request);
  const units = seeds.length * (guidanceScale === 1 ? 1 : 2);
  return (performance.now() - started) / 1000 / units;
}
