/** One iteration up to its gradient: draw, judge, differentiate, prompt by prompt; at once or in micro-batches that add up to the same. */

import type { Adapter } from '../diffusion/adapter.ts';
import { NO_ADAPTER } from '../diffusion/adapter.ts';
import type { Generator } from '../diffusion/noise.ts';
import { createGenerator } from '../diffusion/noise.ts';
import type { TextToImagePipeline } from '../diffusion/pipeline.ts';
import { allSideBySide, sideBySide } from '../graph/index.ts';
import type { DirectFinetuning, TimestepScale } from './direct_finetuning.ts';
import { accumulate } from './direct_finetuning.ts';
import type { DrawnLatents, DrawRequest } from './drawing.ts';
import { chunk, drawImages, drawLatents } from './drawing.ts';
import { GradientSum } from './gradient_sum.ts';
import { dropFeatures } from './lora_dropout.ts';
import { meanMetrics } from './mean_metrics.ts';
import type { ImageObjective, ObjectiveRequest } from './objective.ts';
import type { FinetuneSettings } from './settings.ts';

/** What iterations work with. */
export interface IterationContext {
  readonly pipeline: TextToImagePipeline;
  readonly objective: ImageObjective;
  readonly differentiate: DirectFinetuning;
  readonly settings: FinetuneSettings;
}

/** What an iteration finds: means over its prompts. */
export interface IterationResult {
  readonly prompts: readonly string[];
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** By graph input name, of the trained tensors. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  /** How large the gradient is that arrives at each predicted noise, by image, one prompt after the other. */
  readonly scales: readonly TimestepScale[];
}

/** Seeds of a run's images stay below 2^53 and apart from small seeds that people choose. */
const TRAINING_SEEDS = 2 ** 40;

/** `count` seeds of a run from number `first` on, above `base`. */
export function seedsFrom(base: number, run: number, first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => base + (run % 1024) * 2 ** 30 + first + i);
}

/**
 * The gradient of iteration `iteration` (from 0) at `adapter`: the mean of its prompts' own. Prompts, number of steps, noise,
 * dropout and subsets of timesteps follow from the seed and the iteration's number alone.
 */
export async function computeIteration(
  context: IterationContext,
  iteration: number,
  adapter: Adapter,
  signal?: AbortSignal,
): Promise<IterationResult> {
  const { settings } = context;
  const { seed, promptsPerIteration = 1 } = settings;
  const random = createGenerator({ seed, index: iteration, stream: 'finetune iteration' });
  const prompts = choosePrompts(random, settings);
  const [fewest, most] = settings.samplingSteps;
  const steps = fewest + random.integer(most - fewest + 1);
  const rate = 'dropout' in settings.part ? (settings.part.dropout ?? 0) : 0;
  const dropped = dropFeatures(adapter, rate, { seed, iteration });
  const gradients = new Map<string, Float32Array>();
  const judged: Judged[] = [];
  await sideBySide(
    prompts.length,
    context.pipeline.concurrency,
    (i) => {
      const index = iteration * promptsPerIteration + i;
      return computeBatch(context, { index, prompt: prompts[i]!, steps, adapter: dropped.adapter, signal });
    },
    ({ gradients: own, ...found }) => {
      for (const [name, values] of own) accumulate(gradients, name, values);
      judged.push(found);
    },
  );
  const share = 1 / prompts.length;
  if (prompts.length > 1) {
    for (const values of gradients.values()) for (let i = 0; i < values.length; i++) values[i]! *= share;
  }
  dropped.restore(gradients);
  return {
    prompts,
    loss: judged.reduce((sum, { loss }) => sum + loss * share, 0),
    metrics: meanMetrics(judged.map(({ metrics }) => metrics)),
    gradients,
    scales: judged.flatMap(({ scales }) => scales),
  };
}

/**
 * Checks that an iteration can draw as many different prompts as its settings ask for.
 * @param field name of the setting in the message
 * @throws Error naming how many different prompts there are, or a group that is empty
 */
export function checkPrompts(
  settings: Pick<FinetuneSettings, 'prompts' | 'promptGroups' | 'promptsApart' | 'promptsPerIteration'>,
  field = 'promptsPerIteration',
): void {
  const { prompts, promptGroups, promptsApart = [], promptsPerIteration = 1 } = settings;
  const empty = promptGroups?.findIndex(({ length }) => length === 0) ?? -1;
  if (empty >= 0) {
    throw new Error(`promptGroups: expected prompts in every group, received none in group ${empty + 1}`);
  }
  const drawn = new Set(promptGroups?.flat() ?? prompts);
  for (const prompt of promptsApart) drawn.delete(prompt);
  const available = drawn.size;
  if (promptsPerIteration <= available) return;
  throw new Error(
    `${field}: expected at most ${available}, the number of different prompts, received ${promptsPerIteration}`,
  );
}

/**
 * The prompts of an iteration, all different: for each a group is drawn by its weight, then one of its prompts. One that is set
 * apart is drawn again, so that the draws of the others stay what they are without it.
 * @throws Error as {@link checkPrompts}
 */
export function choosePrompts(
  random: Generator,
  settings: Pick<
    FinetuneSettings,
    'prompts' | 'promptGroups' | 'groupWeights' | 'promptsApart' | 'promptsPerIteration'
  >,
): string[] {
  checkPrompts(settings);
  const { prompts, promptGroups = [prompts], groupWeights, promptsPerIteration = 1 } = settings;
  const apart = new Set(settings.promptsApart);
  const chosen = new Set<string>();
  while (chosen.size < promptsPerIteration) {
    const group = promptGroups[chooseGroup(random, promptGroups.length, groupWeights)]!;
    const prompt = group[random.integer(group.length)]!;
    if (!apart.has(prompt)) chosen.add(prompt);
  }
  return [...chosen];
}

/** Number of a group, drawn in proportion to its weight; all weigh alike where there are no weights. */
function chooseGroup(random: Generator, count: number, weights?: readonly number[]): number {
  // A single group draws no number, so that runs without groups stay the same.
  if (count === 1) return 0;
  if (weights === undefined) return random.integer(count);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let left = random.uniform() * total;
  const found = weights.findIndex((weight) => {
    left -= weight;
    return left < 0;
  });
  return found < 0 ? count - 1 : found;
}

/** The images of one prompt in an iteration. */
interface PromptBatch {
  /** Number of the batch in the run, from 0: its noise, its subset of timesteps and the loss's own draws follow from it. */
  readonly index: number;
  readonly prompt: string;
  readonly steps: number;
  readonly adapter: Adapter;
  readonly signal: AbortSignal | undefined;
}

/** Loss and gradient of the images of one prompt. */
async function computeBatch(
  context: IterationContext,
  { index, prompt, steps, adapter, signal }: PromptBatch,
): Promise<Judged & { readonly gradients: ReadonlyMap<string, Float32Array> }> {
  const { pipeline, differentiate, settings } = context;
  const { seed, imagesPerPrompt, negativePrompt, gradient } = settings;
  const request: DrawRequest = {
    prompt,
    negativePrompt,
    guidanceScale: settings.guidanceScale,
    seeds: seedsFrom(TRAINING_SEEDS, seed, index * imagesPerPrompt, imagesPerPrompt),
    steps,
    adapter,
    keepTrajectory: true,
    signal,
  };
  const sum = new GradientSum(pipeline, differentiate, {
    prompt,
    negativePrompt,
    adapter,
    gradient,
    draw: { seed, iteration: index },
    signal,
  });
  const { microBatch = imagesPerPrompt } = settings;
  const judged =
    microBatch < imagesPerPrompt
      ? await inParts(context, index, request, microBatch, sum)
      : await atOnce(context, index, request, sum);
  return { ...judged, gradients: await sum.finish() };
}

type Judged = Pick<IterationResult, 'loss' | 'metrics' | 'scales'>;

/** Images of a request and of the frozen model from the same noise, as an objective takes them. */
async function judgeable(
  { pipeline }: IterationContext,
  iteration: number,
  request: DrawRequest,
): Promise<{ readonly drawn: DrawnLatents; readonly images: ObjectiveRequest }> {
  const draw = async () => {
    const drawn = await drawLatents(pipeline, request);
    return { drawn, images: await pipeline.decode(drawn.latents, drawn.size) };
  };
  const [{ drawn, images }, originals] = await allSideBySide(pipeline.concurrency, [
    draw,
    () => drawImages(pipeline, { ...request, adapter: NO_ADAPTER, keepTrajectory: false }),
  ] as const);
  const { downscale } = pipeline.model;
  const [height, width] = [drawn.size.height * downscale, drawn.size.width * downscale];
  const { prompt, seeds } = request;
  return { drawn, images: { images, originals, count: seeds.length, height, width, prompt, iteration } };
}

async function atOnce(
  context: IterationContext,
  iteration: number,
  request: DrawRequest,
  sum: GradientSum,
): Promise<Judged> {
  const { drawn, images } = await judgeable(context, iteration, request);
  const { loss, metrics, gradient } = await context.objective.evaluate(images);
  const scales = await sum.add(drawn, gradient);
  return { loss, metrics, scales };
}

/**
 * The same in micro-batches. Between the passes only latents and what the objective has seen are kept: images are decoded
 * again for the second.
 */
async function inParts(
  context: IterationContext,
  iteration: number,
  request: DrawRequest,
  microBatch: number,
  sum: GradientSum,
): Promise<Judged> {
  const { pipeline, objective } = context;
  const { staged } = objective;
  if (staged === undefined) {
    throw new Error(
      `microBatch: expected at least ${request.seeds.length}, for this objective sees only whole batches, received ${microBatch}`,
    );
  }
  const kept: { readonly drawn: DrawnLatents; readonly seen: unknown }[] = [];
  for (const seeds of chunk(request.seeds, microBatch)) {
    const { drawn, images } = await judgeable(context, iteration, { ...request, seeds });
    kept.push({ drawn, seen: await staged.see(images) });
  }
  const decided = staged.decide(
    kept.map(({ seen }) => seen),
    iteration,
  );
  let loss = 0;
  const metrics: Record<string, number> = {};
  const scales: (readonly TimestepScale[])[] = [];
  for (const [i, { drawn }] of kept.entries()) {
    request.signal?.throwIfAborted();
    const images = await pipeline.decode(drawn.latents, drawn.size);
    const result = await decided.parts[i]!.differentiate(images);
    scales.push(await sum.add(drawn, result.gradient));
    loss += result.loss;
    for (const [name, value] of Object.entries(result.metrics)) metrics[name] = (metrics[name] ?? 0) + value;
  }
  return { loss, metrics: { ...metrics, ...decided.metrics }, scales: joinScales(scales) };
}

/** Scales of the parts' images one after the other; every part takes its gradient from the same timesteps. */
function joinScales(parts: readonly (readonly TimestepScale[])[]): TimestepScale[] {
  return parts[0]!.map(({ index, timestep }, i) => ({
    index,
    timestep,
    norms: Float64Array.from(parts.flatMap((part) => [...part[i]!.norms])),
  }));
}
