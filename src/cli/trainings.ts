/** The models of Portraits that `evenhand train` can train: each one's recipe and preparation. */

import type { z } from 'zod';
import type { Runtime } from '../graph/index.ts';
import type { Dataset } from '../portraits/dataset.ts';
import { classifierRecipeSchema, prepareClassifier } from '../portraits/training/classifier.ts';
import { clipRecipeSchema, prepareClip } from '../portraits/training/clip.ts';
import { decoderRecipeSchema, prepareDecoder } from '../portraits/training/decoder.ts';
import { detectorRecipeSchema, prepareDetector } from '../portraits/training/detector.ts';
import { dinoRecipeSchema, prepareDino } from '../portraits/training/dino.ts';
import { embedderRecipeSchema, prepareEmbedder } from '../portraits/training/embedder.ts';
import { prepareUNet, unetRecipeSchema } from '../portraits/training/unet.ts';
import { prepareVae, vaeRecipeSchema } from '../portraits/training/vae.ts';
import type { CommonTrainingConfig } from '../training/config.ts';
import type { PreparedTraining } from '../training/recipe.ts';
import { packagePath } from './package.ts';

/** What a preparation may need besides recipe and data. */
export interface PreparationSetting {
  readonly data: Dataset;
  /** Model folder that is written into, and that earlier trainings have filled. */
  readonly output: string;
  readonly runtime: Runtime;
  /** Progress of work before the first step. */
  readonly onProgress: (done: number, count: number) => void;
}

/** One model that can be trained from scratch. */
export interface Training {
  readonly name: string;
  /** What it is, for the help. */
  readonly summary: string;
  /** Names of the trainings whose results it reads from the model folder. */
  readonly needs: readonly string[];
  readonly schema: z.ZodType<CommonTrainingConfig>;
  /** @param recipe what `schema` made of the configuration */
  prepare(
    recipe: CommonTrainingConfig,
    setting: PreparationSetting,
  ): PreparedTraining | Promise<PreparedTraining>;
}

function training<Recipe extends CommonTrainingConfig>(
  name: string,
  summary: string,
  needs: readonly string[],
  schema: z.ZodType<Recipe>,
  prepare: (recipe: Recipe, setting: PreparationSetting) => PreparedTraining | Promise<PreparedTraining>,
): Training {
  return Object.freeze({
    name,
    summary,
    needs,
    schema,
    prepare: (recipe: CommonTrainingConfig, setting: PreparationSetting) =>
      prepare(recipe as Recipe, setting),
  });
}

/** Every training, in an order in which each finds what it needs. */
export const TRAININGS: readonly Training[] = Object.freeze([
  training(
    'vae',
    'autoencoder: images to latents and back',
    [],
    vaeRecipeSchema,
    (recipe, { data, output }) => prepareVae(recipe, data, output),
  ),
  training(
    'clip',
    'text and vision encoders, contrastive',
    [],
    clipRecipeSchema,
    (recipe, { data, output }) => prepareClip(recipe, data, output),
  ),
  training(
    'decoder',
    "the autoencoder's decoder, trained further on faces",
    ['vae'],
    decoderRecipeSchema,
    (recipe, { data, output, runtime, onProgress }) =>
      prepareDecoder(recipe, data, output, runtime, onProgress),
  ),
  training(
    'unet',
    'the denoiser, conditional on the text encoder',
    ['vae', 'clip'],
    unetRecipeSchema,
    (recipe, { data, output, runtime, onProgress }) => prepareUNet(recipe, data, output, runtime, onProgress),
  ),
  training(
    'clip_evaluation',
    'CLIP for guard and measuring: other seed, data and architecture',
    [],
    clipRecipeSchema,
    (recipe, { data, output }) => prepareClip(recipe, data, output),
  ),
  training('dino', 'vision model without labels', [], dinoRecipeSchema, (recipe, { data, output }) =>
    prepareDino(recipe, data, output),
  ),
  training(
    'dino_evaluation',
    'DINO for guard and measuring: other seed, data and architecture',
    [],
    dinoRecipeSchema,
    (recipe, { data, output }) => prepareDino(recipe, data, output),
  ),
  training(
    'face_detector',
    'face boxes and landmarks',
    [],
    detectorRecipeSchema,
    (recipe, { data, output }) => prepareDetector(recipe, data, output),
  ),
  training('face_embedder', 'who a face is', [], embedderRecipeSchema, (recipe, { data, output }) =>
    prepareEmbedder(recipe, data, output),
  ),
  training(
    'face_embedder_evaluation',
    'who a face is, for the guard: other seed, data and architecture',
    [],
    embedderRecipeSchema,
    (recipe, { data, output }) => prepareEmbedder(recipe, data, output),
  ),
  training(
    'classifier',
    'attributes of a face, for the loss',
    [],
    classifierRecipeSchema,
    (recipe, { data, output }) => prepareClassifier(recipe, data, output),
  ),
  training(
    'classifier_evaluation',
    'attributes of a face, for measuring: other seed, data and architecture',
    [],
    classifierRecipeSchema,
    (recipe, { data, output }) => prepareClassifier(recipe, data, output),
  ),
]);

/** The shipped recipe of a training. */
export function shippedRecipe(name: string): string {
  return packagePath(`models/portraits/recipes/${name}.yaml`);
}
