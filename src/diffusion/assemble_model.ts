/** A text-to-image model from its parts, wherever they lie: configurations, weights by reference, tokenizer, scheduler. */

import type { ClipTextConfig, Parameters, UNetConfig, VaeConfig } from '../models/index.ts';
import {
  assertComplete,
  fileParameters,
  parseClipTextConfig,
  parseUNetConfig,
  parseVaeConfig,
  vaeDownscale,
} from '../models/index.ts';
import type { ClipTokenizer } from '../text/create_clip_tokenizer.ts';
import type { JsonObject } from '../weights/json_object.ts';
import type { WeightSource } from '../weights/weights_in_memory.ts';
import type { Precision } from './precision.ts';
import type { SchedulerConfig } from './schedulers/scheduler_config.ts';
import { parseSchedulerConfig } from './schedulers/scheduler_config.ts';
import type { TextContext } from './text_context.ts';

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
  /** Which tokens of a prompt the denoiser sees; `padded` as opened. */
  readonly textContext: TextContext;
  /** In which precision denoiser and decoder compute; `float32` as opened. */
  readonly precision: Precision;
}

/** Guidance scale where a model directory does not say another (METHOD: s = 7.5). */
export const DEFAULT_GUIDANCE_SCALE = 7.5;

/** A network as it is stored. */
export interface StoredPart {
  /** Where it comes from, for messages. */
  readonly path: string;
  /** Content of `config.json`. */
  readonly config: JsonObject;
  readonly weights: WeightSource;
}

/** What a model is put together from. */
export interface ModelParts {
  /** Where the model comes from. */
  readonly path: string;
  readonly textEncoder: StoredPart;
  readonly unet: StoredPart;
  readonly vae: StoredPart;
  /** Content of scheduler_config.json. */
  readonly schedulerFile: JsonObject;
  /** `guidance_scale` of model_index.json; {@link DEFAULT_GUIDANCE_SCALE} for anything but a number. */
  readonly guidanceScale: unknown;
  readonly tokenizer: ClipTokenizer;
  /** Whether the autoencoder comes without its half that encodes images. */
  readonly decoderOnly?: boolean;
}

/**
 * Puts a model together.
 * @throws Error naming the field that is missing or unsupported, and listing weights that are missing, left over or of another
 * shape
 */
export function assembleTextToImageModel(parts: ModelParts): TextToImageModel {
  const { path, textEncoder, unet, vae, schedulerFile, guidanceScale, tokenizer } = parts;
  const configs = {
    textEncoder: parseClipTextConfig(textEncoder.config),
    unet: parseUNetConfig(unet.config),
    vae: parseVaeConfig(vae.config),
  };
  checkLatents(unet.path, configs.unet, configs.vae);
  assertComplete('textEncoder', configs.textEncoder, textEncoder.weights);
  assertComplete('unet', configs.unet, unet.weights);
  if (!parts.decoderOnly) assertComplete('vae', configs.vae, vae.weights);
  const part = <Config>(config: Config, weights: WeightSource): ModelPart<Config> =>
    Object.freeze({ config, parameters: fileParameters(weights), weights });
  const downscale = vaeDownscale(configs.vae);
  return Object.freeze({
    path,
    tokenizer,
    textEncoder: part(configs.textEncoder, textEncoder.weights),
    unet: part(configs.unet, unet.weights),
    vae: part(configs.vae, vae.weights),
    schedulerFile,
    scheduler: parseSchedulerConfig(schedulerFile, { scheduler: 'dpmsolver++' }),
    downscale,
    defaultSide: [configs.unet.sample_size ?? 64].flat()[0]! * downscale,
    defaultGuidanceScale: typeof guidanceScale === 'number' ? guidanceScale : DEFAULT_GUIDANCE_SCALE,
    textContext: 'padded',
    precision: 'float32',
  });
}

/** Inpainting and depth models take more than latents: what stands around them has no place in text to image. */
function checkLatents(path: string, unet: UNetConfig, vae: VaeConfig): void {
  if (unet.in_channels === vae.latent_channels) return;
  throw new Error(
    `${path}: expected a U-Net that takes the autoencoder's ${vae.latent_channels} latent channels, received one that takes ` +
      `${unet.in_channels}, as models for inpainting and depth do`,
  );
}
