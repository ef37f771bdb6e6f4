/**
 * Single-file checkpoints of Stable Diffusion 1 and 2, as AUTOMATIC1111 and ComfyUI use them, seen as a model in diffusers' layout;
 * every weight stays where it is in the file.
 */

import { resolve } from 'node:path';
import type { JsonObject } from '../json_file.ts';
import type { ComponentClass, ModelComponent, StoredModel } from '../stored_model.ts';
import { listNames, openWeights, type WeightSource } from '../weight_source.ts';
import { weightView } from '../weight_view.ts';
import { HARMLESS, unusedOpenClipLayer, withoutHarmless } from './harmless.ts';
import type { LdmPart } from './part.ts';
import { countModules } from './part.ts';
import { inferPrediction, type PredictionType } from './prediction.ts';
import { readLdmClip, readLdmOpenClip, TEXT_PREFIXES } from './text_encoder.ts';
import { readLdmUNet, UNET_PREFIX } from './unet.ts';
import { readLdmVae, VAE_PREFIX } from './vae.ts';

const COMPONENTS: ReadonlyMap<string, ComponentClass> = new Map([
  ['scheduler', { library: 'diffusers', className: 'PNDMScheduler' }],
  ['text_encoder', { library: 'transformers', className: 'CLIPTextModel' }],
  ['tokenizer', { library: 'transformers', className: 'CLIPTokenizer' }],
  ['unet', { library: 'diffusers', className: 'UNet2DConditionModel' }],
  ['vae', { library: 'diffusers', className: 'AutoencoderKL' }],
]);

/** Families by what their text encoders' tensors begin with. */
function isVersion2(path: string, source: WeightSource): boolean {
  const starts = (prefix: string) => source.names().some((name) => name.startsWith(prefix));
  const lacks = [
    ...(starts(UNET_PREFIX) ? [] : [`a U-Net (${UNET_PREFIX}*)`]),
    ...(starts(VAE_PREFIX) ? [] : [`an autoencoder (${VAE_PREFIX}*)`]),
    ...(starts(TEXT_PREFIXES.clip) || starts(TEXT_PREFIXES.openClip)
      ? []
      : [`a text encoder (${TEXT_PREFIXES.clip}* or ${TEXT_PREFIXES.openClip}*)`]),
  ];
  if (lacks.length > 0) {
    const isXl = starts('conditioner.embedders.');
    throw new Error(
      `${path}: expected a single-file checkpoint of Stable Diffusion 1 or 2; it lacks ${lacks.join(' and ')}` +
        (isXl ? '; this is one of Stable Diffusion XL, which is not supported' : ''),
    );
  }
  return starts(TEXT_PREFIXES.openClip);
}

/** Noise schedule of Stable Diffusion, as its scheduler_config.json has it. */
function schedulerConfig(prediction: PredictionType): JsonObject {
  return {
    _class_name: 'PNDMScheduler',
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    beta_start: 0.00085,
    num_train_timesteps: 1000,
    prediction_type: prediction,
    set_alpha_to_one: false,
    skip_prk_steps: true,
    steps_offset: 1,
    trained_betas: null,
  };
}

/** Sides of the images that the families were trained on, in pixels: velocity belongs to Stable Diffusion 2 at 768. */
const SIDES = Object.freeze({ epsilon: 512, v_prediction: 768 });

/**
 * Opens a single-file checkpoint of Stable Diffusion 1 or 2.
 * @param prediction what its U-Net predicts; found out if not given, see {@link inferPrediction}
 * @throws Error listing the tensors that belong to no part of the model, or naming the parts that it lacks
 */
export function openLdmCheckpoint(file: string, prediction?: PredictionType): StoredModel {
  const path = resolve(file);
  const source = openWeights([path]);
  const version2 = isVersion2(path, source);
  const unet = readLdmUNet(source);
  const vae = readLdmVae(source);
  const text = version2 ? readLdmOpenClip(source) : readLdmClip(source);
  assertNothingLeftOver(path, source, [unet, vae, text], version2);
  const predicts = prediction ?? inferPrediction(path, source, version2);
  const side = version2 ? SIDES[predicts] : SIDES.epsilon;
  const downscale = 2 ** ((vae.config.block_out_channels as readonly number[]).length - 1);
  const parts: Readonly<Record<string, LdmPart>> = {
    unet: { ...unet, config: { ...unet.config, sample_size: side / downscale } },
    vae: { ...vae, config: { ...vae.config, sample_size: side } },
    text_encoder: text,
  };
  return Object.freeze({
    path,
    pipelineClass: 'StableDiffusionPipeline',
    components: COMPONENTS,
    settings: Object.freeze({}),
    tokenizer: { padToken: version2 ? '!' : null },
    hasWeights: (component: string) => parts[component] !== undefined,
    openModel(component: string): ModelComponent {
      const part = parts[component];
      if (part === undefined) throw new Error(`${path}: has no component ${component} with weights`);
      return Object.freeze({ path, config: part.config, weights: weightView(source, part.places) });
    },
    schedulerConfig: () => schedulerConfig(predicts),
  });
}

function assertNothingLeftOver(
  path: string,
  source: WeightSource,
  parts: readonly LdmPart[],
  version2: boolean,
): void {
  const prefixes = [UNET_PREFIX, VAE_PREFIX, version2 ? TEXT_PREFIXES.openClip : TEXT_PREFIXES.clip];
  const outside = source.names().filter((name) => !prefixes.some((prefix) => name.startsWith(prefix)));
  const layers = countModules(source, `${TEXT_PREFIXES.openClip}transformer.resblocks.`);
  const rules = version2 ? [...HARMLESS, unusedOpenClipLayer(layers - 1)] : HARMLESS;
  const left = withoutHarmless([...outside, ...parts.flatMap(({ leftOver }) => leftOver)], rules);
  if (left.length > 0) {
    throw new Error(`${path}: ${left.length} tensors belong to no part of the model: ${listNames(left)}`);
  }
}
