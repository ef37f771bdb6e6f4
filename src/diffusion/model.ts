/** A text-to-image model opened from its files: configurations, weights by reference, tokenizer, scheduler. */

import type { ClipTextConfig, Parameters, UNetConfig, VaeConfig } from '../models/index.ts';
import {
  assertComplete,
  fileParameters,
  parseClipTextConfig,
  parseUNetConfig,
  parseVaeConfig,
  vaeDownscale,
} from '../models/index.ts';
import type { ClipTokenizer } from '../text/clip_tokenizer.ts';
import { loadClipTokenizer } from '../text/clip_tokenizer.ts';
import { clipTokenizer } from '../text/clip_vocabulary.ts';
import type { JsonObject } from '../weights/json_file.ts';
import type { StoredModelOptions, StoredTokenizer } from '../weights/stored_model.ts';
import { openStoredModel } from '../weights/stored_model.ts';
import type { WeightSource } from '../weights/weight_source.ts';
import type { SchedulerConfig } from './schedulers/scheduler_config.ts';
import { parseSchedulerConfig } from './schedulers/scheduler_config.ts';

/** One network of a model. */
export interface ModelPart<Config> {
  readonly config: Config;
  /** Values of the graph. */
  readonly parameters: Parameters;
  /** The stored weights behind them. */
  readonly weights: WeightSource;
}

/** Everything that generating images from text needs; weights stay in their files. */
export interface TextToImageModel {
  /** Absolute path of the directory or single-file checkpoint. */
  readonly path: string;
  readonly tokenizer: ClipTokenizer;
  readonly textEncoder: ModelPart<ClipTextConfig>;
  readonly unet: ModelPart<UNetConfig>;
  readonly vae: ModelPart<VaeConfig>;
  /** Content of scheduler_config.json. */
  readonly schedulerFile: JsonObject;
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
 * Opens a Stable Diffusion 1.x or 2.x model: a directory in diffusers layout or a single-file checkpoint.
 *
 * A directory may name `guidance_scale` in model_index.json; diffusers ignores the field.
 * @throws Error naming the component or field when something is missing or unsupported, and listing weights that are missing,
 * left over or of another shape
 */
export function openTextToImageModel(path: string, options: StoredModelOptions = {}): TextToImageModel {
  const opened = openStoredModel(path, options);
  const textEncoder = opened.openModel('text_encoder');
  const unet = opened.openModel('unet');
  const vae = opened.openModel('vae');
  const configs = {
    textEncoder: parseClipTextConfig(textEncoder.config),
    unet: parseUNetConfig(unet.config),
    vae: parseVaeConfig(vae.config),
  };
  checkLatents(unet.path, configs.unet, configs.vae);
  assertComplete('textEncoder', configs.textEncoder, textEncoder.weights);
  assertComplete('unet', configs.unet, unet.weights);
  assertComplete('vae', configs.vae, vae.weights);
  const part = <Config>(config: Config, weights: WeightSource): ModelPart<Config> =>
    Object.freeze({ config, parameters: fileParameters(weights), weights });
  const downscale = vaeDownscale(configs.vae);
  const guidance = opened.settings.guidance_scale;
  const schedulerFile = opened.schedulerConfig();
  return Object.freeze({
    path: opened.path,
    tokenizer: openTokenizer(opened.tokenizer),
    textEncoder: part(configs.textEncoder, textEncoder.weights),
    unet: part(configs.unet, unet.weights),
    vae: part(configs.vae, vae.weights),
    schedulerFile,
    scheduler: parseSchedulerConfig(schedulerFile, { scheduler: 'dpmsolver++' }),
    downscale,
    defaultSide: [configs.unet.sample_size ?? 64].flat()[0]! * downscale,
    defaultGuidanceScale: typeof guidance === 'number' ? guidance : DEFAULT_GUIDANCE_SCALE,
  });
}

function openTokenizer(stored: StoredTokenizer): ClipTokenizer {
  return 'folder' in stored ? loadClipTokenizer(stored.folder) : clipTokenizer(stored.padToken);
}

/** Inpainting and depth models take more than latents: what stands around them has no place in text to image. */
function checkLatents(path: string, unet: UNetConfig, vae: VaeConfig): void {
  if (unet.in_channels === vae.latent_channels) return;
  throw new Error(
    `${path}: expected a U-Net that takes the autoencoder's ${vae.latent_channels} latent channels, received one that takes ` +
      `${unet.in_channels}, as models for inpainting and depth do`,
  );
}
