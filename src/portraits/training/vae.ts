/** Trains the autoencoder of Portraits on drawn scenes and writes it as a diffusers `vae` folder. */

import { z } from 'zod';
import { writePlanes } from '../../diffusion/image.ts';
import { gaussianNoise } from '../../diffusion/noise.ts';
import { parseVaeConfig, trainableParameters, vaeDownscale } from '../../models/index.ts';
import { commonTrainingFields } from '../../training/config.ts';
import { initializeParameters } from '../../training/initialization.ts';
import type { PreparedTraining } from '../../training/recipe.ts';
import { indexSampler } from '../../training/recipe.ts';
import { vaeLoss } from '../../training/recipes/vae.ts';
import type { Dataset } from '../dataset.ts';
import { writeComponent } from './export.ts';
import { faceWeights, reconstructionFields } from './reconstruction_fields.ts';

/** Configuration of the recipe. */
export const vaeRecipeSchema = z.strictObject({
  model: z.literal('vae'),
  ...commonTrainingFields,
  ...reconstructionFields,
  divergence: z.number().min(0).default(1e-3),
  architecture: z.record(z.string(), z.unknown()),
});

/** A checked configuration of the recipe. */
export type VaeRecipe = Readonly<z.output<typeof vaeRecipeSchema>>;

/** Images of a data set as planes [indices.length, 3, size, size] in -1..1. */
export function imageBatch(data: Dataset, indices: readonly number[]): Float32Array {
  const batch = new Float32Array(indices.length * 3 * data.size * data.size);
  indices.forEach((index, position) => {
    writePlanes(batch, position, data.pixels(index));
  });
  return batch;
}

/**
 * Prepares the training.
 * @param output model folder into which `vae/` is written; the latents' scaling factor is set by {@link writeScalingFactor}
 */
export function prepareVae(recipe: VaeRecipe, data: Dataset, output: string): PreparedTraining {
  const config = parseVaeConfig(recipe.architecture);
  const { parameters, values } = trainableParameters();
  const { batchSize, seed, faceWeight } = recipe;
  const { loss, metrics } = vaeLoss(config, parameters, batchSize, data.size, recipe);
  const sample = indexSampler(seed, 'vae data', data.count, batchSize);
  const latentSide = data.size / vaeDownscale(config);
  const latentLength = batchSize * config.latent_channels * latentSide * latentSide;
  const task = {
    name: 'vae',
    loss,
    metrics,
    parameters: values,
    batch(step: number) {
      const indices = sample(step);
      return {
        image: imageBatch(data, indices),
        noise: gaussianNoise({ seed, index: step, stream: 'vae sampling' }, latentLength),
        weights: faceWeights(data, indices, faceWeight),
      };
    },
  };
  return {
    task,
    initial: initializeParameters(values, seed),
    exportModel: ({ average }) => writeComponent(output, 'vae', recipe.architecture, values, average),
  };
}
