/** An evaluation: images of every prompt, their faces and attributes by independent classifiers, and what they measure. */

import type { Adapter } from '../diffusion/adapter.ts';
import { NO_ADAPTER } from '../diffusion/adapter.ts';
import { readPlanes } from '../diffusion/image.ts';
import { createGenerator } from '../diffusion/noise.ts';
import type { TextToImagePipeline } from '../diffusion/pipeline.ts';
import { createPlan } from '../diffusion/schedulers/create_plan.ts';
import type { AttributeClassifier, FaceDetector } from '../faces/index.ts';
import type { TargetDistribution } from '../fairness/index.ts';
import { observe } from '../fairness/index.ts';
import { sideBySide } from '../graph/index.ts';
import type { AttributeResult, PromptPredictions } from './attribute_result.ts';
import { measureAttribute } from './attribute_result.ts';
import type { ImageFeatures } from './image_features.ts';
import type { JudgedImage, JudgedPart, JudgedPrompt } from './judgement.ts';
import { joinParts, judgedClasses, keptImages } from './judgement.ts';
import type { JudgementRecord } from './judgement_record.ts';
import { jointClasses } from './metrics.ts';

export type { JudgedImage, JudgedPrompt } from './judgement.ts';

/** What to generate and how to judge it. */
export interface EvaluationRequest {
  readonly pipeline: TextToImagePipeline;
  readonly detector: FaceDetector;
  /** Classifier trained apart from the one in the loss (paragraph 0124). */
  readonly classifier: AttributeClassifier;
  readonly prompts: readonly string[];
  readonly imagesPerPrompt: number;
  /** Image i of prompt p has seed `seed + p imagesPerPrompt + i`: equal requests draw from equal noise. */
  readonly seed: number;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly negativePrompt: string;
  readonly adapter?: Adapter;
  /** Images of each prompt that are kept for grids. */
  readonly keep: number;
  /** Only the first so many prompts keep images; all when left out. */
  readonly keepPrompts?: number;
  /** Encoders whose features of every image are wanted. */
  readonly features?: Pick<ImageFeatures, 'encodeImages'>;
  /** Where judged images are recorded, and taken from when they are wanted again. */
  readonly record?: JudgementRecord;
  /** Called with each part of a prompt that was judged, drawn just now or found in the record. */
  readonly onJudged?: (part: JudgedPart) => void;
  /** Called after each part of a prompt that was drawn. */
  readonly onProgress?: (images: number, all: number) => void;
  /** Called after each sampling step; images in work count by the share of their steps. */
  readonly onStep?: (images: number, all: number) => void;
  readonly signal?: AbortSignal;
}

/** Everything an evaluation found; measures are taken from it for any target. */
export interface Evaluation {
  readonly attributes: readonly { readonly name: string; readonly classes: readonly string[] }[];
  readonly prompts: readonly JudgedPrompt[];
  readonly kept: readonly JudgedImage[];
  readonly images: number;
}

/**
 * Generates and judges the images of every prompt, part by part; parts that the record holds are taken from there.
 * @throws the signal's reason when it is raised; what was judged by then is in the record
 */
export async function evaluate(request: EvaluationRequest): Promise<Evaluation> {
  const { pipeline, classifier, prompts, imagesPerPrompt, seed, keep, record } = request;
  const { keepPrompts = prompts.length } = request;
  const batchSize = pipeline.batchSizes.denoiser;
  const all = prompts.length * imagesPerPrompt;
  // Conditions are held as long as parts of their prompt are drawn.
  const drawers = new Map<number, ReturnType<typeof partDrawer>>();
  const drawerOf = (position: number) => {
    const drawer = drawers.get(position) ?? partDrawer(request, prompts[position]!);
    drawers.set(position, drawer);
    return drawer;
  };
  const places = prompts.flatMap((_, position) =>
    Array.from({ length: Math.ceil(imagesPerPrompt / batchSize) }, (_, i) => ({
      position,
      first: i * batchSize,
      count: Math.min(batchSize, imagesPerPrompt - i * batchSize),
    })),
  );
  const parts: JudgedPart[][] = prompts.map(() => []);
  /** Images' worth of finished steps of parts in work. */
  const begun = new Map<number, number>();
  let done = 0;
  const judge = async (place: number) => {
    request.signal?.throwIfAborted();
    const { position, first, count } = places[place]!;
    const seeds = Array.from({ length: count }, (_, i) => seed + position * imagesPerPrompt + first + i);
    const pictures = position < keepPrompts ? Math.max(0, Math.min(count, keep - first)) : 0;
    const known = (await record?.find(prompts[position]!, seeds, pictures)) ?? null;
    const part =
      known ??
      (await drawerOf(position)(seeds, pictures, (step, steps) => {
        begun.set(place, (step / steps) * count);
        request.onStep?.(
          [...begun.values()].reduce((sum, images) => sum + images, done),
          all,
        );
      }));
    return { part, isNew: known === null };
  };
  await sideBySide(places.length, pipeline.concurrency, judge, async ({ part, isNew }, place) => {
    const { position, first, count } = places[place]!;
    begun.delete(place);
    if (first + count === imagesPerPrompt) drawers.delete(position);
    done += count;
    if (isNew) {
      await record?.add(part);
      request.onProgress?.(done, all);
    }
    request.onJudged?.(part);
    parts[position]!.push(part);
  });
  return {
    attributes: classifier.attributes,
    prompts: parts.map(joinParts),
    kept: parts.flat().flatMap((part) => keptImages(part, classifier.attributes)),
    images: done,
  };
}

/** A function that draws and judges images of one prompt; the prompt is encoded when it is first called. */
function partDrawer(request: EvaluationRequest, prompt: string) {
  const { pipeline, detector, classifier, steps, guidanceScale, negativePrompt } = request;
  const { adapter = NO_ADAPTER, signal } = request;
  const size = pipeline.latentSize();
  const [height, width] = [size.height * pipeline.model.downscale, size.width * pipeline.model.downscale];
  const plan = createPlan({ scheduler: pipeline.model.scheduler, steps });
  let contexts: Promise<readonly [Float32Array, Float32Array]> | null = null;
  const encode = async () => {
    const both = await pipeline.encodePrompts([prompt, negativePrompt], adapter);
    return [both.subarray(0, pipeline.contextSize), both.subarray(pipeline.contextSize)] as const;
  };
  return async (
    seeds: readonly number[],
    pictures: number,
    onStep: (step: number, steps: number) => void,
  ): Promise<JudgedPart> => {
    contexts ??= encode();
    const [condition, unconditional] = await contexts;
    const { latents } = await pipeline.sample({
      condition: repeatRow(condition, seeds.length),
      unconditional: repeatRow(unconditional, seeds.length),
      seeds,
      plan,
      guidanceScale,
      size,
      adapter,
      onStep: ({ step, steps: all }) => onStep(step, all),
      ...(signal ? { signal } : {}),
    });
    const images = { data: await pipeline.decode(latents, size), count: seeds.length, height, width };
    return {
      prompt,
      seeds,
      ...judgedClasses(await observe(images, detector, classifier)),
      features: (await request.features?.encodeImages(images)) ?? {},
      pictures: Array.from({ length: pictures }, (_, i) => readPlanes(images.data, i, width, height)),
    };
  };
}

function repeatRow(row: Float32Array, count: number): Float32Array {
  const rows = new Float32Array(row.length * count);
  for (let i = 0; i < count; i++) rows.set(row, i * row.length);
  return rows;
}

/**
 * Predicted classes of every prompt for a target's attribute, or for the joint table of its attributes.
 * @throws Error when the classifier does not know an attribute of the target
 */
export function predictionsFor(evaluation: Evaluation, target: TargetDistribution): PromptPredictions[] {
  const sizes = target.attributes.map(({ classes }) => classes.length);
  return evaluation.prompts.map(({ prompt, classes }) => {
    const columns = target.attributes.map(({ name }) => {
      const column = classes[name];
      if (column === undefined) {
        const known = Object.keys(classes).join(', ');
        throw new Error(`evaluation: expected attributes of the classifier (${known}), received ${name}`);
      }
      return column;
    });
    return { prompt, classes: jointClasses(columns, sizes) };
  });
}

/**
 * Bias, distance to the target, their intervals and noise floors for the target's attribute, or for the joint table of its
 * attributes.
 * @param seed of the bootstrap
 * @throws Error when the classifier does not know an attribute of the target
 */
export function measureEvaluation(
  evaluation: Evaluation,
  target: TargetDistribution,
  seed = 0,
): AttributeResult {
  const { uniform } = createGenerator({ seed, stream: 'bootstrap' });
  return measureAttribute(predictionsFor(evaluation, target), target, { random: uniform });
}
