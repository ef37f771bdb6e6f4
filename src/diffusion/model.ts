/** A text-to-image model opened from a diffusers directory: configurations, weights by reference, tokenizer, scheduler. */

import type { ClipTextConfig, Parameters, UNetConfig, VaeConfig } from '../models/index.ts';
import {
  fileParameters,
  parseClipTextConfig,
  parseUNetConfig,
  parseVaeConfig,
  vaeDownscale,
} from '../models/index.ts';
import type { ClipTokenizer } from '../text/clip_tokenizer.ts';
import { loadClipTokenizer } from '../text/clip_tokenizer.ts';
import { openDiffusersDirectory } from '../weights/diffusers_directory.ts';
import type { SchedulerConfig } from './schedulers/scheduler_config.ts';
import { parseSchedulerConfig } from './schedulers/scheduler_config.ts';

/** Everything that generating images from text needs; weights stay in their files. */
export interface TextToImageModel {
  /** Absolute path of the directory. */
  readonly path: string;
  readonly tokenizer: ClipTokenizer;
  readonly textEncoder: { readonly config: ClipTextConfig; readonly parameters: Parameters };
  readonly unet: { readonly config: UNetConfig; readonly parameters: Parameters };
  readonly vae: { readonly config: VaeConfig; readonly parameters: Parameters };
  /** The scheduler of the directory, read as DPM-Solver++ unless the caller asks for another. */
  readonly scheduler: SchedulerConfig;
  /** Image pixels a latent pixel, per side. */
  readonly downscale: number;
  /** Side of the images that the model was trained on, in pixels. */
  readonly defaultSide: number;
  /** Guidance scale that the model is meant to be used with. */
  readonly defaultGuidanceScale: number;
}

/** Guidance scale where a model directory does not say another (METHOD: s = 7.5). */
export const DEFAULT_GUIDANCE_SCALE = 7.5;

/**
 * Opens a Stable Diffusion 1.x or 2.x directory in diffusers layout.
 *
 * A directory may name `guidance_scale` in model_index.json; diffusers ignores the field.
 * @throws Error naming the component or field when something is missing or unsupported
 */
export function openTextToImageModel(directory: string): TextToImageModel {
  const opened = openDiffusersDirectory(directory);
  const textEncoder = opened.openModel('text_encoder');
  const unet = opened.openModel('unet');
  const vae = opened.openModel('vae');
  const unetConfig = parseUNetConfig(unet.config);
  const vaeConfig = parseVaeConfig(vae.config);
  const downscale = vaeDownscale(vaeConfig);
  const sampleSize = Number(unet.config.sample_size ?? 64);
  const guidance = opened.settings.guidance_scale;
  return Object.freeze({
    path: opened.path,
    tokenizer: loadClipTokenizer(opened.folderOf('tokenizer')),
    textEncoder: {
      config: parseClipTextConfig(textEncoder.config),
      parameters: fileParameters(textEncoder.weights),
    },
    unet: { config: unetConfig, parameters: fileParameters(unet.weights) },
    vae: { config: vaeConfig, parameters: fileParameters(vae.weights) },
    scheduler: parseSchedulerConfig(opened.schedulerConfig(), { scheduler: 'dpmsolver++' }),
    downscale,
    defaultSide: sampleSize * downscale,
    defaultGuidanceScale: typeof guidance === 'number' ? guidance : DEFAULT_GUIDANCE_SCALE,
  });
}
