/** Measures who a model draws, before and after an adapter, and writes the report. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Adapter } from '../diffusion/adapter.ts';
import { NO_ADAPTER } from '../diffusion/adapter.ts';
import { openTextToImageModel } from '../diffusion/model.ts';
import { TextToImagePipeline } from '../diffusion/pipeline.ts';
import type { TextContext } from '../diffusion/text_context.ts';
import { withTextContext } from '../diffusion/text_context.ts';
import type { AttributeResult } from '../evaluate/attribute_result.ts';
import type { Evaluation, EvaluationRequest } from '../evaluate/evaluate.ts';
import { evaluate } from '../evaluate/evaluate.ts';
import type { EvaluationReportInput } from '../evaluate/evaluation_report.ts';
import type { MeasuredBias } from '../evaluate/export/measured.ts';
import type { ImageFeatures } from '../evaluate/image_features.ts';
import { loadImageFeatures } from '../evaluate/image_features.ts';
import type { JudgementRecord } from '../evaluate/judgement_record.ts';
import { openJudgementRecord, settingsDigest } from '../evaluate/judgement_record.ts';
import type { ProvenanceFile } from '../evaluate/provenance.ts';
import { provenanceOf, sha256OfFile } from '../evaluate/provenance.ts';
import type { AdapterArtifact, Artifact, Setup } from '../evaluate/report_data.ts';
import type { AttributeClassifier, AttributeHead, FaceDetector } from '../faces/index.ts';
import {
  createAttributeClassifier,
  filesOfCard,
  filesOfFaceModel,
  isCard,
  joinAttributeModels,
  loadAttributeModel,
  loadFaceDetector,
  locateFaceModel,
} from '../faces/index.ts';
import type { TargetDistribution } from '../fairness/index.ts';
import { marginalTarget, uniformTarget } from '../fairness/index.ts';
import type { Runtime } from '../graph/index.ts';
import { DRAWING_FOLDERS } from '../weights/relevant_files.ts';
import { hashModel, modelName } from './models.ts';
import { packageVersion } from './package.ts';
import type { Progress } from './progress.ts';

/** Folders of the models that judge, beside a model's components; none of them is in the loss but the detector. */
export const JUDGES = Object.freeze({ detector: 'face_detector', classifier: 'classifier_evaluation' });

/** Folders of the encoders beside the judges; the loss uses them too, unlike `clip_evaluation` and `dino_evaluation`. */
const ENCODERS = Object.freeze({ clip: 'clip', dino: 'dino' });

/** For measurements that take no features. */
const NO_ENCODERS: EncoderFolders = Object.freeze({ clip: null, dino: null });

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
  /** CLIP and DINOv2, as far as there are any. */
  readonly features: ImageFeatures;
  /** Folder that CLIP and DINOv2 came from, and detector and classifier unless others were named. */
  readonly judges: string;
  /** Cards or folders of the models that look at faces. */
  readonly faces: FaceJudges;
  /** Folders of the encoders. */
  readonly encoders: EncoderFolders;
}

/** Absolute paths of cards or folders of the models that look at faces. */
export interface FaceJudges {
  readonly detector: string;
  readonly classifiers: readonly string[];
}

/** Models that look at faces, as a configuration names them; the judges' own where it names none. */
export interface FaceChoice {
  readonly detector?: string | undefined;
  readonly classifiers?: readonly string[] | undefined;
}

function resolveFaces(judges: string, { detector, classifiers }: FaceChoice): FaceJudges {
  const named = (name: string) => locateFaceModel(name, '.');
  return {
    detector: detector === undefined ? path.join(judges, JUDGES.detector) : named(detector),
    classifiers: classifiers?.map(named) ?? [path.join(judges, JUDGES.classifier)],
  };
}

/** Folders of CLIP and DINOv2; null for one that takes no part. */
export interface EncoderFolders {
  readonly clip: string | null;
  readonly dino: string | null;
}

/**
 * Encoders that are asked for: a folder, or the name of one beside the judges; one that is left out is `clip` or `dino` beside
 * the judges, if it is there.
 */
export type EncoderChoice = { readonly [Name in keyof EncoderFolders]?: EncoderFolders[Name] | undefined };

/**
 * Folders of the encoders that a choice means.
 * @throws Error naming a folder that was asked for and is not there
 */
export function resolveEncoders(judges: string, choice: EncoderChoice = {}): EncoderFolders {
  const at = (name: keyof EncoderFolders) => {
    const folder = choice[name];
    if (folder === null) return null;
    const beside = path.resolve(judges, folder ?? ENCODERS[name]);
    const found = (folder === undefined ? [beside] : [folder, beside]).find((each) => existsSync(each));
    if (found !== undefined) return found;
    if (folder === undefined) return null;
    throw new Error(`features.${name}: expected a folder, found none at ${folder}, nor at ${beside}`);
  };
  return { clip: at('clip'), dino: at('dino') };
}

/**
 * Opens a model, and the judges in its folder or in another one.
 * @param choice encoders whose features are measured, none when left out; detector and classifiers in place of the judges'
 * own; the tokens that the denoiser sees
 * @throws Error naming the folder or file that is missing or wrong
 */
export function openMeasuringBench(
  runtime: Runtime,
  folder: string,
  judges: string = folder,
  choice: {
    readonly features?: EncoderChoice | undefined;
    readonly faces?: FaceChoice | undefined;
    readonly textContext?: TextContext | undefined;
  } = {},
): MeasuringBench {
  const encoders = resolveEncoders(judges, choice.features ?? NO_ENCODERS);
  const faces = resolveFaces(judges, choice.faces ?? {});
  const model = withTextContext(openTextToImageModel(folder), choice.textContext ?? 'padded');
  return Object.freeze({
    folder,
    pipeline: new TextToImagePipeline(runtime, model),
    detector: loadFaceDetector(runtime, faces.detector),
    classifier: createAttributeClassifier(
      runtime,
      joinAttributeModels(faces.classifiers.map(loadAttributeModel)),
    ),
    features: loadImageFeatures(runtime, { ...encoders, tokenizer: path.join(folder, 'tokenizer') }),
    judges,
    faces,
    encoders,
  });
}

/**
 * Draws and judges the images of a plan.
 * @param options `record`: where judged images are recorded, and taken from if they are there; `onJudged`: hears of each part
 */
export async function measure(
  { pipeline, detector, classifier, features }: MeasuringBench,
  plan: MeasuringPlan,
  adapter: Adapter | null,
  task: string,
  progress: Progress,
  signal: AbortSignal,
  options: Pick<EvaluationRequest, 'record' | 'onJudged'> = {},
): Promise<Evaluation> {
  const { keep, ...request } = plan;
  return evaluate({
    ...request,
    pipeline,
    detector,
    classifier,
    features,
    adapter: adapter ?? NO_ADAPTER,
    keep: keep.images,
    keepPrompts: keep.prompts,
    onStep: (images, all) => progress.update({ task, step: Math.floor(images), steps: all }),
    signal,
    ...options,
  });
}

/** CLIP's embeddings of prompts by prompt; `undefined` where the bench has no CLIP with a text half. */
async function embedPrompts(
  { features }: MeasuringBench,
  prompts: readonly string[],
): Promise<ReadonlyMap<string, Float32Array> | undefined> {
  const { clip } = features.dimensions;
  if (features.encodeTexts === null || clip === undefined) return undefined;
  const embeddings = await features.encodeTexts(prompts);
  return new Map(prompts.map((prompt, i) => [prompt, embeddings.slice(i * clip, (i + 1) * clip)]));
}

/** What a report needs to know of the features that a bench measured, and of its prompts. */
export async function describeFeatures(
  bench: MeasuringBench,
  prompts: readonly string[],
): Promise<Pick<EvaluationReportInput, 'dimensions' | 'texts'>> {
  const texts = await embedPrompts(bench, prompts);
  return { dimensions: bench.features.dimensions, ...(texts ? { texts } : {}) };
}

/**
 * The record of judged images in a folder that belongs to a bench, a plan's settings and an adapter: other prompts, seeds and
 * numbers of images share it, other weights or samplers do not.
 * @param files every file that takes part, as the setup describes them
 * @param adapterScale how strongly the adapter counts; null where none takes part
 */
export function openRecord(
  folder: string,
  { pipeline }: MeasuringBench,
  { steps, guidanceScale, negativePrompt }: MeasuringPlan,
  files: readonly ProvenanceFile[],
  adapterScale: number | null,
): JudgementRecord {
  const { textContext } = pipeline.model;
  const digest = settingsDigest({
    version: packageVersion(),
    device: pipeline.runtime.device,
    batchSizes: pipeline.batchSizes,
    scheduler: pipeline.model.scheduler,
    ...(textContext === 'padded' ? {} : { textContext }),
    steps,
    guidanceScale,
    negativePrompt,
    ...(adapterScale === null || adapterScale === 1 ? {} : { adapterScale }),
    files: files
      .filter(({ role }) => adapterScale !== null || role !== 'adapter')
      .map(({ role, file, sha256 }) => [role, file, sha256]),
  });
  return openJudgementRecord(folder, digest);
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

/**
 * How a measurement was made, for its report.
 * @param adapterScale how strongly the adapter counts
 */
export async function describeSetup(
  bench: MeasuringBench,
  plan: MeasuringPlan,
  adapterFile: string | null,
  adapterScale = 1,
): Promise<Setup> {
  const { seed, prompts, imagesPerPrompt, steps, guidanceScale, negativePrompt } = plan;
  const last = seed + prompts.length * imagesPerPrompt - 1;
  const encoders = Object.values(bench.encoders).flatMap((folder) => (folder === null ? [] : [folder]));
  return {
    model: { name: modelName(bench.folder), hash: `sha256:${await hashModel(bench.folder)}` },
    ...(adapterFile === null ? {} : { adapter: await describeAdapter(adapterFile, adapterScale) }),
    seeds: `${seed} to ${last}, ${imagesPerPrompt} for each prompt`,
    sampler: bench.pipeline.model.scheduler.scheduler,
    steps,
    guidanceScale,
    classifiers: await Promise.all([bench.faces.detector, ...bench.faces.classifiers].map(describeJudge)),
    files: await describeFiles(bench, adapterFile),
    more: {
      'Negative prompt': negativePrompt === '' ? 'none' : negativePrompt,
      'Images of each prompt': imagesPerPrompt,
      ...(encoders.length === 0 ? {} : { Encoders: encoders.map((each) => path.basename(each)).join(', ') }),
      'Text context': bench.pipeline.model.textContext,
      Device: bench.pipeline.runtime.device,
      Software: `Evenhand ${packageVersion()}`,
    },
  };
}

/** Every file that takes part in a measurement, by its hash. */
async function describeFiles(
  { folder, faces, encoders }: MeasuringBench,
  adapterFile: string | null,
): Promise<ProvenanceFile[]> {
  const { clip, dino } = encoders;
  return [
    ...(await provenanceOf('model', folder, DRAWING_FOLDERS)),
    ...(adapterFile === null ? [] : await provenanceOf('adapter', adapterFile)),
    ...(await faceFiles('detector', faces.detector)),
    ...(await Promise.all(faces.classifiers.map((file) => faceFiles('classifier', file)))).flat(),
    ...(clip === null ? [] : await provenanceOf('clip', clip)),
    ...(dino === null ? [] : await provenanceOf('dino', dino)),
  ];
}

/** Every file of a card's model, or of a folder. */
async function faceFiles(role: string, file: string): Promise<ProvenanceFile[]> {
  return (await Promise.all(filesOfFaceModel(file).map((each) => provenanceOf(role, each)))).flat();
}

async function describeJudge(judge: string): Promise<Artifact> {
  const name = path.basename(judge).replace(/\.ya?ml$/i, '');
  // Of a card the last file holds the weights.
  const file = isCard(judge) ? filesOfCard(judge).at(-1)! : path.join(judge, 'model.safetensors');
  return { name, hash: `sha256:${await sha256OfFile(file)}` };
}

async function describeAdapter(file: string, scale: number): Promise<AdapterArtifact> {
  const hash = file.endsWith('.safetensors') ? { hash: `sha256:${await sha256OfFile(file)}` } : {};
  return { name: path.basename(file), ...hash, ...(scale === 1 ? {} : { scale }) };
}

/** The few numbers of a result. */
export function summarizeResult({ bias, images, prompts }: AttributeResult): MeasuredBias {
  return {
    bias: bias.mean,
    lower: bias.interval?.low ?? null,
    upper: bias.interval?.high ?? null,
    floor: bias.floor,
    images,
    prompts: prompts.length,
  };
}

/** A result in one line: `gender bias 0.67 [0.63, 0.71], floor 0.10`. */
export function describeBias(attribute: string, { bias, lower, upper, floor }: MeasuredBias): string {
  const interval = lower === null || upper === null ? '' : ` [${lower.toFixed(2)}, ${upper.toFixed(2)}]`;
  return `${attribute} bias ${bias.toFixed(2)}${interval}${floor === null ? '' : `, floor ${floor.toFixed(2)}`}`;
}
