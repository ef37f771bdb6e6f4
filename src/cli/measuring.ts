/** Measures who a model draws, before and after an adapter, and writes the report. */

import path from 'node:path';
import type { Adapter } from '../diffusion/adapter.ts';
import { NO_ADAPTER } from '../diffusion/adapter.ts';
import { openTextToImageModel } from '../diffusion/model.ts';
import { TextToImagePipeline } from '../diffusion/pipeline.ts';
import type { AttributeResult } from '../evaluate/attribute_result.ts';
import type { Evaluation } from '../evaluate/evaluate.ts';
import { evaluate, measureEvaluation } from '../evaluate/evaluate.ts';
import { contactSheet } from '../evaluate/figures.ts';
import type { Artifact, ReportImage, Setup } from '../evaluate/report_data.ts';
import type { AttributeClassifier, AttributeHead, FaceDetector } from '../faces/index.ts';
import { loadAttributeClassifier, loadFaceDetector } from '../faces/index.ts';
import type { TargetDistribution } from '../fairness/index.ts';
import { marginalTarget, uniformTarget } from '../fairness/index.ts';
import type { Runtime } from '../graph/index.ts';
import { hashFile, hashModel } from './models.ts';
import type { Progress } from './progress.ts';

/** Folders of the models that judge, beside a model's components; none of them is in the loss but the detector. */
const JUDGES = Object.freeze({ detector: 'face_detector', classifier: 'classifier_evaluation' });

/** What to draw for a measurement. */
export interface MeasuringPlan {
  readonly prompts: readonly string[];
  readonly imagesPerPrompt: number;
  /** Seed of the first image; equal plans draw from equal noise. */
  readonly seed: number;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly negativePrompt: string;
  /** Images of each prompt that are kept for the contact sheet, and prompts that keep any. */
  readonly keep: { readonly images: number; readonly prompts: number };
}

/** A model, opened together with its judges. */
export interface MeasuringBench {
  readonly folder: string;
  readonly pipeline: TextToImagePipeline;
  readonly detector: FaceDetector;
  readonly classifier: AttributeClassifier;
  /** Folder that detector and classifier came from. */
  readonly judges: string;
}

/**
 * Opens a model and the judges in its folder, or in another one.
 * @throws Error naming the folder or file that is missing or wrong
 */
export function openMeasuringBench(
  runtime: Runtime,
  folder: string,
  judges: string = folder,
): MeasuringBench {
  return Object.freeze({
    folder,
    pipeline: new TextToImagePipeline(runtime, openTextToImageModel(folder)),
    detector: loadFaceDetector(runtime, path.join(judges, JUDGES.detector)),
    classifier: loadAttributeClassifier(runtime, path.join(judges, JUDGES.classifier)),
    judges,
  });
}

/** Draws and judges the images of a plan. */
export async function measure(
  { pipeline, detector, classifier }: MeasuringBench,
  plan: MeasuringPlan,
  adapter: Adapter | null,
  task: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<Evaluation> {
  const { keep, ...request } = plan;
  const evaluation = await evaluate({
    ...request,
    pipeline,
    detector,
    classifier,
    adapter: adapter ?? NO_ADAPTER,
    keep: keep.images,
    onProgress: (step, steps) => progress.update({ task, step, steps }),
    signal,
  });
  return keepPrompts(evaluation, plan);
}

/** Keeps images of the first prompts only: enough to see, few enough to show. */
function keepPrompts(evaluation: Evaluation, { prompts, keep }: MeasuringPlan): Evaluation {
  const shown = new Set(prompts.slice(0, keep.prompts));
  return { ...evaluation, kept: evaluation.kept.filter(({ prompt }) => shown.has(prompt)) };
}

/**
 * What is measured for a target: the target itself, each of its attributes alone where it has several, and the attributes
 * that were not trained, against uniform shares.
 */
export function measuredTargets(
  target: TargetDistribution,
  known: readonly AttributeHead[],
): readonly TargetDistribution[] {
  const names = target.attributes.map(({ name }) => name);
  const parts = names.length > 1 ? names.map((name) => marginalTarget(target, name)) : [];
  const others = known
    .filter(({ name }) => !names.includes(name))
    .map((attribute) => uniformTarget([attribute]));
  return [target, ...parts, ...others];
}

/** How a measurement was made, for its report. */
export async function describeSetup(
  bench: MeasuringBench,
  plan: MeasuringPlan,
  adapterFile: string | null,
): Promise<Setup> {
  const { seed, prompts, imagesPerPrompt, steps, guidanceScale } = plan;
  const last = seed + prompts.length * imagesPerPrompt - 1;
  return {
    model: { name: path.basename(bench.folder), hash: `sha256:${await hashModel(bench.folder)}` },
    ...(adapterFile === null ? {} : { adapter: await describeFile(adapterFile) }),
    seeds: `${seed} to ${last}, ${imagesPerPrompt} for each prompt`,
    sampler: bench.pipeline.model.scheduler.scheduler,
    steps,
    guidanceScale,
    classifiers: await Promise.all(Object.values(JUDGES).map((name) => describeJudge(bench.judges, name))),
  };
}

async function describeJudge(folder: string, name: string): Promise<Artifact> {
  const file = path.join(folder, name, 'model.safetensors');
  return { name, hash: `sha256:${await hashFile(file)}` };
}

async function describeFile(file: string): Promise<Artifact> {
  const name = path.basename(file);
  return file.endsWith('.safetensors') ? { name, hash: `sha256:${await hashFile(file)}` } : { name };
}

/** Contact sheet of one evaluation's kept images with the predicted class of each face. */
export async function evaluationSheet({ kept }: Evaluation, head: AttributeHead): Promise<ReportImage> {
  const prompts = [...new Set(kept.map(({ prompt }) => prompt))];
  const columns = Math.max(
    ...prompts.map((prompt) => kept.filter((image) => image.prompt === prompt).length),
  );
  const png = await contactSheet({
    title: 'Images, a row a prompt',
    attributes: [head],
    columns,
    tileSize: 96,
    tiles: kept.map(({ image, seed, attributes }) => {
      const found = attributes[head.name];
      const bar = found ? { class: head.classes.indexOf(found.name), confidence: found.probability } : null;
      return { ...image, caption: `seed ${seed}`, bars: [bar] };
    }),
  });
  const subjects = prompts.map((prompt) => `"${prompt}"`).join(', ');
  return {
    png,
    alternative: `Generated images for ${subjects}`,
    caption: `From top to bottom: ${subjects}.`,
  };
}

/** A measured attribute in few numbers, as summaries hold it. */
export interface BiasSummary {
  readonly bias: number;
  /** Ends of the 95% bootstrap interval. */
  readonly lower: number | null;
  readonly upper: number | null;
  /** What a model exactly on target would measure with as many images. */
  readonly floor: number | null;
  readonly images: number;
  readonly prompts: number;
}

/** The few numbers of a result. */
export function summarizeResult({ bias, images, prompts }: AttributeResult): BiasSummary {
  return {
    bias: bias.mean,
    lower: bias.interval?.low ?? null,
    upper: bias.interval?.high ?? null,
    floor: bias.floor,
    images,
    prompts: prompts.length,
  };
}

/** Results of every attribute that is measured, by name. */
export function summarizeEvaluation(
  evaluation: Evaluation,
  targets: readonly TargetDistribution[],
): Record<string, BiasSummary> {
  return Object.fromEntries(
    targets.map((target) => {
      const result = measureEvaluation(evaluation, target);
      return [result.attribute, summarizeResult(result)];
    }),
  );
}

/** A result in one line: `gender bias 0.67 [0.63, 0.71], floor 0.10`. */
export function describeBias(attribute: string, { bias, lower, upper, floor }: BiasSummary): string {
  const interval = lower === null || upper === null ? '' : ` [${lower.toFixed(2)}, ${upper.toFixed(2)}]`;
  return `${attribute} bias ${bias.toFixed(2)}${interval}${floor === null ? '' : `, floor ${floor.toFixed(2)}`}`;
}
