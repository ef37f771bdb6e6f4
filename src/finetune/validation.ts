/** Validation: the averaged adapter's images of fixed prompts and noise, measured by objective and guard. */

import type { Adapter } from '../diffusion/adapter.ts';
import { NO_ADAPTER } from '../diffusion/adapter.ts';
import { createGenerator } from '../diffusion/noise.ts';
import type { TextToImagePipeline } from '../diffusion/pipeline.ts';
import { allSideBySide } from '../graph/index.ts';
import type { DrawRequest } from './drawing.ts';
import { chunk, drawImages } from './drawing.ts';
import type { RunGuard } from './guard.ts';
import { seedsFrom } from './iteration.ts';
import { meanMetrics } from './mean_metrics.ts';
import type { ImageObjective, Measurement, ObjectiveRequest } from './objective.ts';
import { beginMeasuring } from './objective.ts';
import type { SampleGrid } from './sample_grid.ts';
import type { FinetuneSettings } from './settings.ts';
import { groupDistance } from './stop_rule.ts';
import type { CountedPrompt } from './target_distance.ts';
import { targetDistance } from './target_distance.ts';

/** What a validation needs. */
export interface ValidationContext {
  readonly pipeline: TextToImagePipeline;
  readonly objective: ImageObjective;
  readonly guard: RunGuard | null;
  readonly settings: FinetuneSettings;
}

/** What a validation finds. */
export interface Validation {
  /**
   * Means over the prompts of what the objective measures; `distance NAME` to the target with ` low`, ` high` and ` floor`, and
   * `distance` for the whole target, `distance of GROUP` where groups of prompts have their own; the guard's numbers.
   */
  readonly numbers: Readonly<Record<string, number>>;
  readonly warnings: readonly string[];
  /** The first images of each prompt, before and after. */
  readonly grid: SampleGrid;
}

const VALIDATION_SEEDS = 2 ** 41;
/** Images of each prompt, and prompts, in the grid. */
const GRID = Object.freeze({ images: 8, prompts: 4 });

/**
 * Validates an adapter. Prompts, noise and steps are the same every time, and so is the noise of the intervals; at most
 * `microBatch` images are in memory at once besides those of the grid.
 */
export async function validate(context: ValidationContext, adapter: Adapter): Promise<Validation> {
  const { objective, guard, settings } = context;
  const { prompts } = settings.validation;
  const measurements: Measurement[] = [];
  const guarding = guard?.begin();
  const rows: SampleGrid['rows'][number][] = [];
  let size = { height: 0, width: 0 };
  for (const [i, prompt] of prompts.entries()) {
    const measuring = beginMeasuring(objective);
    const kept: ObjectiveRequest[] = [];
    for await (const part of drawParts(context, adapter, prompt, i)) {
      await measuring.add(part);
      await guarding?.add(part);
      size = { height: part.height, width: part.width };
      if (i < GRID.prompts && kept.reduce((sum, { count }) => sum + count, 0) < GRID.images) kept.push(part);
    }
    measurements.push(measuring.finish());
    if (kept.length > 0) rows.push(gridRow(prompt, kept, size));
  }
  const guarded = guarding?.finish() ?? {};
  return {
    numbers: {
      ...meanMetrics(measurements.map(({ metrics }) => metrics)),
      ...distances(measurements, settings),
      ...guarded,
    },
    warnings: guard?.warnings(guarded) ?? [],
    grid: { ...size, rows },
  };
}

async function* drawParts(
  { pipeline, settings }: ValidationContext,
  adapter: Adapter,
  prompt: string,
  position: number,
): AsyncGenerator<ObjectiveRequest> {
  const { imagesPerPrompt, samplingSteps } = settings.validation;
  const { seed, negativePrompt, guidanceScale, microBatch = imagesPerPrompt } = settings;
  const { height, width } = pipeline.latentSize();
  const { downscale } = pipeline.model;
  const all = seedsFrom(VALIDATION_SEEDS, seed, position * imagesPerPrompt, imagesPerPrompt);
  for (const seeds of chunk(all, microBatch)) {
    const request: DrawRequest = {
      prompt,
      negativePrompt,
      guidanceScale,
      seeds,
      steps: samplingSteps,
      adapter,
    };
    const [images, originals] = await allSideBySide(pipeline.concurrency, [
      () => drawImages(pipeline, request),
      () => drawImages(pipeline, { ...request, adapter: NO_ADAPTER }),
    ] as const);
    yield {
      images,
      originals,
      count: seeds.length,
      height: height * downscale,
      width: width * downscale,
      prompt,
      iteration: -1 - position,
    };
  }
}

function gridRow(
  prompt: string,
  parts: readonly ObjectiveRequest[],
  { height, width }: { readonly height: number; readonly width: number },
): SampleGrid['rows'][number] {
  const shown = GRID.images * 3 * height * width;
  const join = (read: (part: ObjectiveRequest) => Float32Array) => {
    const all = new Float32Array(parts.reduce((sum, part) => sum + read(part).length, 0));
    let offset = 0;
    for (const part of parts) {
      all.set(read(part), offset);
      offset += read(part).length;
    }
    return all.slice(0, shown);
  };
  return { prompt, before: join(({ originals }) => originals), after: join(({ images }) => images) };
}

/**
 * Distances with intervals and floors, each prompt's to its own target: of everything that was counted, over the prompts
 * where it was; and of each group's prompts by themselves, `distance of GROUP`.
 */
function distances(
  measurements: readonly Measurement[],
  { seed, validation }: FinetuneSettings,
): Record<string, number> {
  const counted = new Map<string, CountedPrompt[]>();
  const add = (key: string, prompt: CountedPrompt) => counted.set(key, [...(counted.get(key) ?? []), prompt]);
  for (const { name, group, counts, shares } of measurements.flatMap((each) => each.counts ?? [])) {
    add(name === '' ? 'distance' : `distance ${name}`, { counts, shares });
    if (name === '' && group !== undefined) add(groupDistance(group), { counts, shares });
  }
  const found: Record<string, number> = {};
  for (const [key, prompts] of counted) {
    const random = createGenerator({ seed, stream: 'validation interval' });
    const { level = 0.95 } = validation;
    const { estimate, low, high, floor } = targetDistance(prompts, { random, level });
    found[key] = estimate;
    found[`${key} low`] = low;
    found[`${key} high`] = high;
    found[`${key} floor`] = floor;
  }
  return found;
}
