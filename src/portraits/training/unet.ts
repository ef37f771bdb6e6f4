/** Trains the U-Net of Portraits on encoded scenes and captions, with the frozen text encoder inside the graph. */

import path from 'node:path';
import { z } from 'zod';
import { createGenerator } from '../../diffusion/noise.ts';
import { createNoiseSchedule } from '../../diffusion/schedulers/noise_schedule.ts';
import type { Prediction } from '../../diffusion/schedulers/prediction.ts';
import { stableDiffusionScheduler } from '../../diffusion/schedulers/scheduler_config.ts';
import type { Runtime } from '../../graph/index.ts';
import { input } from '../../graph/index.ts';
import {
  clipText,
  fileParameters,
  parseClipTextConfig,
  parseUNetConfig,
  trainableParameters,
} from '../../models/index.ts';
import { loadClipTokenizer } from '../../text/clip_tokenizer.ts';
import { commonTrainingFields } from '../../training/config.ts';
import { initializeParameters } from '../../training/initialization.ts';
import type { PreparedTraining } from '../../training/recipe.ts';
import { indexSampler } from '../../training/recipe.ts';
import { denoisingBatch, denoisingLoss } from '../../training/recipes/denoiser.ts';
import { readJsonObject } from '../../weights/json_file.ts';
import { makeFolder } from '../../weights/make_folder.ts';
import { openModelWeights } from '../../weights/weight_files.ts';
import type { Dataset } from '../dataset.ts';
import { tokenIds } from './clip.ts';
import { readComponent, writeComponent, writeJson } from './export.ts';
import { encodeLatents, readScalingFactor, writeScalingFactor } from './latents.ts';

/** Configuration of the recipe. */
export const unetRecipeSchema = z.strictObject({
  model: z.literal('unet'),
  ...commonTrainingFields,
  /** Share of captions replaced by the empty one, for classifier-free guidance (Ho and Salimans). */
  captionDropout: z.number().min(0).max(1).default(0.1),
  /** What the U-Net predicts; written into `scheduler/scheduler_config.json`. */
  prediction: z.enum(['epsilon', 'v_prediction']).default('epsilon'),
  /** Where the weights start: drawn at random, or the U-Net that is in the model folder, to be trained on. */
  initial: z.enum(['random', 'trained']).default('random'),
  /** Signal-to-noise ratio beyond which a timestep counts less (Min-SNR). */
  gamma: z.number().positive().default(5),
  architecture: z.record(z.string(), z.unknown()),
});

/** Guidance scale that suits a model of this size: stronger guidance sharpens its bias beyond the planted one. */
const GUIDANCE_SCALE = 2.75;

/** A checked configuration of the recipe. */
export type UNetRecipe = Readonly<z.output<typeof unetRecipeSchema>>;

/**
 * Prepares the training: encodes the data set with the trained autoencoder, then builds the graph.
 * @param output model folder with trained `vae/`, `text_encoder/` and `tokenizer/`; `unet/` and `scheduler/` are written into it
 * @throws {Error} when a trained U-Net is to be trained on and the one in `output` has another architecture
 */
export async function prepareUNet(
  recipe: UNetRecipe,
  data: Dataset,
  output: string,
  runtime: Runtime,
  onProgress: (done: number, count: number) => void = () => {},
): Promise<PreparedTraining> {
  const latents = await encodeLatents(runtime, data, output, path.join('.cache', 'latents'), onProgress);
  const goesOn = recipe.initial === 'trained';
  const factor = goesOn ? readScalingFactor(output) : writeScalingFactor(output, latents);
  const config = parseUNetConfig(recipe.architecture);
  const textFolder = path.join(output, 'text_encoder');
  const textConfig = parseClipTextConfig(readJsonObject(path.join(textFolder, 'config.json')));
  const tokenizer = loadClipTokenizer(path.join(output, 'tokenizer'));
  const length = textConfig.max_position_embeddings;
  const { batchSize, seed, captionDropout, gamma, prediction } = recipe;
  const ids = input('ids', [batchSize, length], 'int64');
  const context = clipText(textConfig, fileParameters(openModelWeights(textFolder)), { ids }).lastHiddenState;
  const { parameters, values } = trainableParameters();
  const side = Math.sqrt(latents.size / config.in_channels);
  const { loss, metrics } = denoisingLoss(config, parameters, context, side);
  const sample = indexSampler(seed, 'unet data', data.count, batchSize);
  const alphasCumprod = createNoiseSchedule(stableDiffusionScheduler()).alphasCumulative;
  const task = {
    name: 'unet',
    loss,
    metrics,
    parameters: values,
    batch(step: number) {
      const indices = sample(step);
      const clean = new Float32Array(batchSize * latents.size);
      indices.forEach((index, position) => {
        const source = index * latents.size;
        for (let i = 0; i < latents.size; i++)
          clean[position * latents.size + i] = latents.data[source + i]! * factor;
      });
      const random = createGenerator({ seed, index: step, stream: 'caption dropout' });
      const captions = indices.map((index) =>
        random.uniform() < captionDropout ? '' : data.record(index).caption,
      );
      const noise = { seed, alphasCumprod, gamma, prediction };
      return { ...denoisingBatch(clean, batchSize, step, noise), ids: tokenIds(tokenizer, captions, length) };
    },
  };
  const initial = goesOn
    ? readComponent(output, 'unet', values)
    : initializeParameters(values, seed, [
        [/conv_out\.weight|conv2\.weight|proj_out\.weight/, { kind: 'fan-in', gain: 0.01 }],
        [/to_out\.0\.weight|ff\.net\.2\.weight/, { kind: 'fan-in', gain: 0.5 }],
      ]);
  return {
    task,
    initial,
    exportModel({ average }) {
      writeComponent(output, 'unet', recipe.architecture, values, average);
      writePipeline(output, prediction);
    },
  };
}

/** Writes `model_index.json` and `scheduler/scheduler_config.json` as diffusers expects them. */
export function writePipeline(output: string, prediction: Prediction): void {
  const { trainTimesteps, betaStart, betaEnd, betaSchedule } = stableDiffusionScheduler();
  makeFolder(path.join(output, 'scheduler'));
  writeJson(path.join(output, 'scheduler', 'scheduler_config.json'), {
    _class_name: 'DPMSolverMultistepScheduler',
    num_train_timesteps: trainTimesteps,
    beta_start: betaStart,
    beta_end: betaEnd,
    beta_schedule: betaSchedule,
    prediction_type: prediction,
    algorithm_type: 'dpmsolver++',
    solver_type: 'midpoint',
    solver_order: 2,
    lower_order_final: true,
    final_sigmas_type: 'zero',
    timestep_spacing: 'linspace',
    steps_offset: 1,
  });
  writeJson(path.join(output, 'model_index.json'), {
    _class_name: 'StableDiffusionPipeline',
    feature_extractor: [null, null],
    safety_checker: [null, null],
    scheduler: ['diffusers', 'DPMSolverMultistepScheduler'],
    text_encoder: ['transformers', 'CLIPTextModel'],
    tokenizer: ['transformers', 'CLIPTokenizer'],
    unet: ['diffusers', 'UNet2DConditionModel'],
    vae: ['diffusers', 'AutoencoderKL'],
    requires_safety_checker: false,
    guidance_scale: GUIDANCE_SCALE,
  });
}
