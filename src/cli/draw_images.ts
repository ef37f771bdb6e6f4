/** Draws the images of `evenhand generate` and writes each as a PNG file that says what it was made from. */

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { NO_ADAPTER } from '../diffusion/adapter.ts';
import { readPlanes } from '../diffusion/image.ts';
import { encodePng } from '../diffusion/image_metadata.ts';
import type { TextToImageModel } from '../diffusion/model.ts';
import { drawingConcurrency, TextToImagePipeline } from '../diffusion/pipeline.ts';
import type { SamplerPlan } from '../diffusion/schedulers/plan.ts';
import type { SchedulerConfig } from '../diffusion/schedulers/scheduler_config.ts';
import type { TextContext } from '../diffusion/text_context.ts';
import { sha256OfFile } from '../evaluate/provenance.ts';
import { chunk } from '../finetune/drawing.ts';
import type { Runtime } from '../graph/index.ts';
import { sideBySide } from '../graph/index.ts';
import { imageDescription } from '../server/image_description.ts';
import { writeFileAtomically, writeFully } from '../weights/atomic_file.ts';
import { Failure, UsageError } from './errors.ts';
import type { OpenedAdapter } from './export_source.ts';
import { hashModel, modelName } from './models.ts';
import { packageVersion } from './package.ts';
import type { Progress } from './progress.ts';

/** Pixels of the largest image that is tried: nothing is known to draw more, and no machine to hold it. */
const LARGEST_AREA = 8192 ** 2;

/** What to draw and how. */
export interface DrawRequest {
  readonly prompts: readonly string[];
  readonly negativePrompt: string;
  readonly imagesPerPrompt: number;
  /** Seed of the first image of each prompt; the others count on. */
  readonly seed: number;
  readonly scheduler: SchedulerConfig;
  readonly plan: SamplerPlan;
  readonly guidanceScale: number;
  /** Pixels. */
  readonly height: number;
  /** Pixels. */
  readonly width: number;
  /** Images that are computed at once. */
  readonly batchSize: number;
  readonly model: { readonly name: string; readonly opened: TextToImageModel };
  readonly adapter: OpenedAdapter | null;
  /** Folder that the files are written to; it exists. */
  readonly output: string;
}

/**
 * Checks that the model can draw images of the requested size.
 * @throws UsageError naming the side that is wrong
 */
export function checkSize({ height, width, model }: DrawRequest): void {
  const { downscale } = model.opened;
  if (height * width > LARGEST_AREA) {
    throw new UsageError(
      `--width and --height: expected at most ${LARGEST_AREA} pixels together (such as 8192x8192), received ${width}x${height}`,
    );
  }
  for (const [name, side] of Object.entries({ height, width })) {
    if (side % downscale !== 0) {
      throw new UsageError(`--${name}: expected a multiple of ${downscale} pixels, received ${side}`);
    }
  }
}

/**
 * Draws the images of every prompt, batch by batch, and writes each batch once it and those before it are drawn.
 * @returns paths of the files, in order
 * @throws the signal's reason when it is raised; what was finished by then is on disk
 */
export async function drawImages(
  runtime: Runtime,
  request: DrawRequest,
  progress: Progress,
  signal: AbortSignal,
): Promise<string[]> {
  const { prompts, imagesPerPrompt, seed, batchSize, plan } = request;
  const jobs = prompts.flatMap((prompt) =>
    Array.from({ length: imagesPerPrompt }, (_, i) => ({ prompt, seed: seed + i })),
  );
  const concurrency = drawingConcurrency(runtime, request.model.opened);
  const batch = Math.min(batchSize, Math.ceil(jobs.length / concurrency));
  const pipeline = new TextToImagePipeline(runtime, request.model.opened, {
    denoiser: batch,
    decoder: batch,
  });
  const { negativePrompt } = request;
  const describe = await imageDescriber({
    ...request,
    textContext: request.model.opened.textContext,
    model: { name: request.model.name, path: request.model.opened.path },
    adapter: request.adapter && {
      name: path.basename(request.adapter.file, '.safetensors'),
      file: request.adapter.file,
      scale: request.adapter.scale,
    },
  });
  const files: string[] = [];
  const all = jobs.length * plan.steps.length;
  const batches = chunk(jobs, batch);
  const finished = batches.map(() => 0);
  const draw = (position: number) =>
    drawBatch(pipeline, request, batches[position]!, signal, (step) => {
      finished[position] = step * batches[position]!.length;
      const done = finished.reduce((sum, steps) => sum + steps, 0);
      progress.update({ task: 'draw', step: done, steps: all });
    });
  await sideBySide(batches.length, concurrency, draw, async (images, position) => {
    requireNumbers(images, request);
    for (const [i, job] of batches[position]!.entries()) {
      const { pixels } = readPlanes(images, i, request.width, request.height);
      const png = await encodePng(
        pixels,
        request.width,
        request.height,
        describe({ ...job, negativePrompt }),
      );
      files.push(writeNumbered(request.output, job.seed, png));
    }
  });
  await pipeline.release();
  return files;
}

/** Refuses to write images of which nothing is to be seen. */
function requireNumbers(images: Float32Array, { guidanceScale }: DrawRequest): void {
  if (!images.some((value) => Number.isNaN(value))) return;
  throw new Failure(
    `draw: the model's numbers grew beyond all bounds, so that there is no image; try a guidance scale below ${guidanceScale}, ` +
      'another scheduler or more steps, and check that --prediction-type fits the model',
  );
}

interface Job {
  readonly prompt: string;
  readonly seed: number;
}

async function drawBatch(
  pipeline: TextToImagePipeline,
  request: DrawRequest,
  jobs: readonly Job[],
  signal: AbortSignal,
  onStep: (step: number) => void,
): Promise<Float32Array> {
  const adapter = request.adapter?.read ?? NO_ADAPTER;
  const size = pipeline.latentSize(request.height, request.width);
  const { latents } = await pipeline.sample({
    condition: await pipeline.encodePrompts(
      jobs.map(({ prompt }) => prompt),
      adapter,
    ),
    unconditional: await pipeline.encodePrompts(
      jobs.map(() => request.negativePrompt),
      adapter,
    ),
    seeds: jobs.map(({ seed }) => seed),
    plan: request.plan,
    guidanceScale: request.guidanceScale,
    size,
    adapter,
    onStep: ({ step }) => onStep(step),
    signal,
  });
  return pipeline.decode(latents, size);
}

/** What all images of a batch have in common. */
export interface DescribedBatch {
  readonly scheduler: SchedulerConfig;
  readonly plan: SamplerPlan;
  readonly guidanceScale: number;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Name as the user gave it, and its folder. */
  readonly model: { readonly name: string; readonly path: string };
  /** Which tokens the denoiser saw; `padded` when left out. */
  readonly textContext?: TextContext;
  /** SHA-256 of the model's weights; computed when left out. */
  readonly modelHash?: string;
  readonly adapter: { readonly name: string; readonly file: string; readonly scale?: number } | null;
}

/** A function from image to metadata: settings in AUTOMATIC1111's words, and the record to make the image again. */
export async function imageDescriber(batch: DescribedBatch) {
  const { scheduler, plan, guidanceScale, width, height, textContext, model, adapter } = batch;
  const { modelHash = await hashModel(model.path) } = batch;
  return imageDescription({
    scheduler,
    steps: plan.requestedSteps,
    guidanceScale,
    width,
    height,
    ...(textContext === undefined ? {} : { textContext }),
    model: { name: model.name, folder: modelName(model.path), sha256: modelHash },
    adapter: adapter && {
      name: adapter.name,
      sha256: await hashAdapter(adapter.file),
      scale: adapter.scale ?? 1,
    },
    version: packageVersion(),
  });
}

/** Hash of an adapter's file; `null` for a PEFT folder. */
async function hashAdapter(file: string): Promise<string | null> {
  return file.endsWith('.safetensors') ? sha256OfFile(file) : null;
}

/** Writes `NNNNN-SEED.png` with the first number that no file in the folder has; returns its path. */
function writeNumbered(folder: string, seed: number, png: Uint8Array): string {
  const numbers = readdirSync(folder).map((name) => Number(/^(\d{5,})-\d+\.png$/.exec(name)?.[1] ?? -1));
  const next = Math.max(-1, ...numbers) + 1;
  const file = path.join(folder, `${String(next).padStart(5, '0')}-${seed}.png`);
  writeFileAtomically(file, (descriptor) => writeFully(descriptor, png));
  return file;
}
