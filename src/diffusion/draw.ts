/** Draws images batch by batch, with previews on the way: the same on a server and in a browser. */

import type { GraphRuntime } from '../graph/building.ts';
import { sideBySide } from '../graph/building.ts';
import type { Adapter } from './adapter.ts';
import type { RgbImage } from './image.ts';
import { readPlanes } from './image.ts';
import type { TextToImagePipeline } from './pipeline.ts';
import { previewAt } from './previews.ts';
import type { SamplerPlan } from './schedulers/plan.ts';

/** An image to draw. */
export interface ImageToDraw {
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly seed: number;
  /** Previews on the way. */
  readonly previews: number;
}

/** What all images have in common. */
export interface DrawSettings {
  readonly plan: SamplerPlan;
  readonly guidanceScale: number;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  readonly adapter: Adapter;
  readonly signal: AbortSignal;
}

/** Who is told how drawing goes. Positions are those in the list of images. */
export interface DrawObserver {
  /** After each step of the images from `first` on. */
  onStep(event: {
    readonly first: number;
    readonly images: number;
    readonly step: number;
    readonly steps: number;
  }): void;
  /** The latents of an image after a step, decoded as they stand. */
  onPreview(event: {
    readonly position: number;
    /** 0-based number among the image's previews. */
    readonly preview: number;
    readonly step: number;
    readonly steps: number;
    readonly image: RgbImage;
  }): Promise<void> | void;
  onImage(position: number, image: RgbImage): Promise<void> | void;
}

/**
 * Draws images in batches of the pipeline's size. The noise of an image follows from its seed alone.
 * @throws the signal's reason when it is raised, before the next step
 */
export async function drawImages<On extends GraphRuntime>(
  pipeline: TextToImagePipeline<On>,
  images: readonly ImageToDraw[],
  { plan, guidanceScale, width, height, adapter, signal }: DrawSettings,
  observer: DrawObserver,
): Promise<void> {
  const size = pipeline.latentSize(height, width);
  const batch = pipeline.batchSizes.denoiser;
  await sideBySide(Math.ceil(images.length / batch), pipeline.concurrency, async (position) => {
    const start = position * batch;
    const part = images.slice(start, start + batch);
    let previews = Promise.resolve();
    const showPreviews = (step: number, steps: number, latents: Float32Array) => {
      const due = part.flatMap(({ previews: count }, i) => {
        const preview = previewAt(step, steps, count);
        return preview === null ? [] : [{ i, preview }];
      });
      if (due.length === 0) return;
      const kept = latents.slice();
      previews = previews.then(async () => {
        const decoded = await pipeline.decode(kept, size);
        for (const { i, preview } of due) {
          const image = readPlanes(decoded, i, width, height);
          await observer.onPreview({ position: start + i, preview, step, steps, image });
        }
      });
    };
    const encode = (prompts: string[]) => pipeline.encodePrompts(prompts, adapter);
    const { latents } = await pipeline.sample({
      condition: await encode(part.map(({ prompt }) => prompt)),
      unconditional: await encode(part.map(({ negativePrompt }) => negativePrompt)),
      seeds: part.map(({ seed }) => seed),
      plan,
      guidanceScale,
      size,
      adapter,
      signal,
      onStep: ({ step, steps, latents: current }) => {
        observer.onStep({ first: start, images: part.length, step, steps });
        showPreviews(step, steps, current);
      },
    });
    await previews;
    signal.throwIfAborted();
    const decoded = await pipeline.decode(latents, size);
    for (let i = 0; i < part.length; i++) {
      await observer.onImage(start + i, readPlanes(decoded, i, width, height));
    }
  });
}
