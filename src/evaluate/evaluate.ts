/** An evaluation: images of every prompt, their faces and attributes by independent classifiers, and what they measure. */

import type { Adapter } from '../diffusion/adapter.ts';
import { NO_ADAPTER } from '../diffusion/adapter.ts';
import type { RgbImage } from '../diffusion/image.ts';
import { readPlanes } from '../diffusion/image.ts';
import { createGenerator } from '../diffusion/noise.ts';
import type { TextToImagePipeline } from '../diffusion/pipeline.ts';
import { createPlan } from '../diffusion/schedulers/create_plan.ts';
import type { AttributeClassifier, FaceDetector } from '../faces/index.ts';
import type { Observation, TargetDistribution } from '../fairness/index.ts';
import { largestClass, observe } from '../fairness/index.ts';
import type { AttributeResult } from './attribute_result.ts';
import { measureAttribute } from './attribute_result.ts';
import { jointClasses, NO_FACE } from './metrics.ts';

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
  readonly onProgress?: (images: number, all: number) => void;
  readonly signal?: AbortSignal;
}

/** One kept image with what the classifier says of its face. */
export interface JudgedImage {
  readonly prompt: string;
  readonly seed: number;
  readonly image: RgbImage;
  /** Class and its probability by attribute; null where there is no face. */
  readonly attributes: Readonly<
    Record<string, { readonly name: string; readonly probability: number } | null>
  >;
}

/** Classes of every image of one prompt. */
export interface JudgedPrompt {
  readonly prompt: string;
  /** By attribute, class index of the largest face or {@link NO_FACE} [images]. */
  readonly classes: Readonly<Record<string, Int32Array>>;
  /** By attribute, probability of that class, NaN without a face [images]. */
  readonly confidences: Readonly<Record<string, Float32Array>>;
  /** Number of faces of each image. */
  readonly faces: Int32Array;
}

/** Everything an evaluation found; measures are taken from it for any target. */
export interface Evaluation {
  readonly attributes: readonly { readonly name: string; readonly classes: readonly string[] }[];
  readonly prompts: readonly JudgedPrompt[];
  readonly kept: readonly JudgedImage[];
  readonly images: number;
}

/** Generates and judges the images of every prompt. */
export async function evaluate(request: EvaluationRequest): Promise<Evaluation> {
  const { pipeline, detector, classifier, prompts, imagesPerPrompt, seed, keep } = request;
  const size = pipeline.latentSize();
  const [height, width] = [size.height * pipeline.model.downscale, size.width * pipeline.model.downscale];
  const judged: JudgedPrompt[] = [];
  const kept: JudgedImage[] = [];
  let done = 0;
  for (const [position, prompt] of prompts.entries()) {
    const seeds = Array.from({ length: imagesPerPrompt }, (_, i) => seed + position * imagesPerPrompt + i);
    const data = await draw(request, prompt, seeds, (images) => {
      request.onProgress?.(done + images, prompts.length * imagesPerPrompt);
    });
    done += imagesPerPrompt;
    const observation = await observe({ data, count: seeds.length, height, width }, detector, classifier);
    judged.push(judgePrompt(prompt, observation));
    for (let i = 0; i < Math.min(keep, seeds.length); i++) {
      const image = readPlanes(data, i, width, height);
      kept.push({ prompt, seed: seeds[i]!, image, attributes: describeFace(observation, i) });
    }
  }
  return { attributes: classifier.attributes, prompts: judged, kept, images: done };
}

async function draw(
  request: EvaluationRequest,
  prompt: string,
  seeds: readonly number[],
  onImages: (images: number) => void,
): Promise<Float32Array> {
  const { pipeline, steps, guidanceScale, negativePrompt, adapter = NO_ADAPTER, signal } = request;
  const size = pipeline.latentSize();
  const sample = await pipeline.sample({
    condition: await pipeline.encodePrompts(
      seeds.map(() => prompt),
      adapter,
    ),
    unconditional: await pipeline.encodePrompts(
      seeds.map(() => negativePrompt),
      adapter,
    ),
    seeds,
    plan: createPlan({ scheduler: pipeline.model.scheduler, steps }),
    guidanceScale,
    size,
    adapter,
    onStep: ({ first, images, step, steps: all }) => {
      if (step === all) onImages(first + images);
    },
    ...(signal ? { signal } : {}),
  });
  return pipeline.decode(sample.latents, size);
}

function judgePrompt(prompt: string, { attributes, probabilities, selections }: Observation): JudgedPrompt {
  const classes: Record<string, Int32Array> = {};
  const confidences: Record<string, Float32Array> = {};
  attributes.forEach(({ name, classes: names }, axis) => {
    const rows = probabilities[axis]!;
    classes[name] = Int32Array.from(
      selections,
      (_, image) => largestClass(rows, image, names.length) ?? NO_FACE,
    );
    confidences[name] = Float32Array.from(selections, (_, image) => {
      const found = classes[name]![image]!;
      return found === NO_FACE ? Number.NaN : rows[image * names.length + found]!;
    });
  });
  return { prompt, classes, confidences, faces: Int32Array.from(selections, ({ faces }) => faces) };
}

function describeFace({ attributes, probabilities }: Observation, image: number): JudgedImage['attributes'] {
  return Object.fromEntries(
    attributes.map(({ name, classes }, axis) => {
      const rows = probabilities[axis]!;
      const found = largestClass(rows, image, classes.length);
      if (found === null) return [name, null];
      return [name, { name: classes[found]!, probability: rows[image * classes.length + found]! }];
    }),
  );
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
  const sizes = target.attributes.map(({ classes }) => classes.length);
  const predictions = evaluation.prompts.map(({ prompt, classes }) => {
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
  const { uniform } = createGenerator({ seed, stream: 'bootstrap' });
  return measureAttribute(predictions, target, { random: uniform });
}
