/** Drawing the images of an iteration or a validation: latents from seeds, with what their backward pass needs. */

import type { Adapter } from '../diffusion/adapter.ts';
import type { LatentSize } from '../diffusion/graphs.ts';
import type { Sample, TextToImagePipeline } from '../diffusion/pipeline.ts';
import { createPlan } from '../diffusion/schedulers/create_plan.ts';
import type { SamplerPlan } from '../diffusion/schedulers/plan.ts';

/** What to draw: one image of a prompt for each seed. */
export interface DrawRequest {
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly guidanceScale: number;
  readonly seeds: readonly number[];
  readonly steps: number;
  readonly adapter: Adapter;
  /** Whether what entered the denoiser is kept for a backward pass. */
  readonly keepTrajectory?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Sampled latents with everything that their backward pass needs. */
export interface DrawnLatents extends Sample {
  readonly condition: Float32Array;
  readonly unconditional: Float32Array;
  readonly plan: SamplerPlan;
  readonly size: LatentSize;
  readonly guidanceScale: number;
}

/** Samples the latents of a request. */
export async function drawLatents(
  pipeline: TextToImagePipeline,
  request: DrawRequest,
): Promise<DrawnLatents> {
  const { seeds, adapter, guidanceScale, keepTrajectory = false, signal } = request;
  const size = pipeline.latentSize();
  const plan = createPlan({ scheduler: pipeline.model.scheduler, steps: request.steps });
  const repeated = (text: string) =>
    pipeline.encodePrompts(
      seeds.map(() => text),
      adapter,
    );
  const condition = await repeated(request.prompt);
  const unconditional = await repeated(request.negativePrompt);
  const conditions = { condition, unconditional, plan, guidanceScale, size };
  const sample = await pipeline.sample({
    ...conditions,
    seeds,
    adapter,
    keepTrajectory,
    ...(signal ? { signal } : {}),
  });
  return { ...sample, ...conditions };
}

/** The images [seeds, 3, H, W] of a request. */
export async function drawImages(pipeline: TextToImagePipeline, request: DrawRequest): Promise<Float32Array> {
  const { latents, size } = await drawLatents(pipeline, request);
  return pipeline.decode(latents, size);
}

/** Splits a list into pieces of at most `size`, in order. */
export function chunk<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}
