/** What a drawn image says of how it was made: settings in AUTOMATIC1111's words, and the record to make it again. */

import type { GenerationParameters } from '../diffusion/image_parameters.ts';
import type { SchedulerConfig } from '../diffusion/schedulers/scheduler_config.ts';
import type { TextContext } from '../diffusion/text_context.ts';
import { SAMPLER_LABELS } from './samplers.ts';

/** What all images of a batch have in common. */
export interface DescribedImages {
  readonly scheduler: SchedulerConfig;
  readonly steps: number;
  readonly guidanceScale: number;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Said where it is not `padded`, as other programs have it. */
  readonly textContext?: TextContext;
  /** Name as the user gave it, name of its folder, and SHA-256 of its weights. */
  readonly model: { readonly name: string; readonly folder: string; readonly sha256: string };
  /** SHA-256 of its file, `null` for a folder of PEFT; its scale is said where it is not 1. */
  readonly adapter: {
    readonly name: string;
    readonly sha256: string | null;
    readonly scale?: number;
  } | null;
  /** Of this package. */
  readonly version: string;
}

/** What tells one image of a batch from the others. */
export interface DescribedImage {
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly seed: number;
}

/** Metadata of an image. */
export interface ImageDescription {
  readonly parameters: GenerationParameters;
  readonly record: Readonly<Record<string, unknown>>;
}

/** A function from image to metadata. */
export function imageDescription(batch: DescribedImages): (image: DescribedImage) => ImageDescription {
  const { scheduler, steps, guidanceScale, width, height, model, adapter, version } = batch;
  const { textContext = 'padded' } = batch;
  const adapterScale = adapter?.scale ?? 1;
  const settings = { steps, guidanceScale, width, height };
  return ({ prompt, negativePrompt, seed }) => ({
    parameters: {
      negativePrompt,
      ...settings,
      prompt,
      seed,
      sampler: SAMPLER_LABELS[scheduler.scheduler],
      ...(scheduler.useKarrasSigmas ? { scheduleType: 'Karras' } : {}),
      modelHash: model.sha256.slice(0, 10),
      model: model.folder,
      ...(adapter === null
        ? {}
        : {
            extra: {
              Adapter: adapter.name,
              ...(adapter.sha256 ? { 'Adapter hash': adapter.sha256.slice(0, 12) } : {}),
              ...(adapterScale === 1 ? {} : { 'Adapter scale': adapterScale }),
            },
          }),
      version: `Evenhand ${version}`,
    },
    record: {
      negativePrompt,
      ...settings,
      prompt,
      seed,
      scheduler,
      ...(textContext === 'padded' ? {} : { textContext }),
      model: { name: model.name, sha256: model.sha256 },
      adapter: adapter && {
        name: adapter.name,
        sha256: adapter.sha256,
        ...(adapterScale === 1 ? {} : { scale: adapterScale }),
      },
      version,
    },
  });
}
