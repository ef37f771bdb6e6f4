/** Goes on training the decoder of Portraits with its encoder frozen, so that the U-Net's latents stay what they are. */

import path from 'node:path';
import { z } from 'zod';
import { createGenerator, gaussianNoise } from '../../diffusion/noise.ts';
import type { Runtime } from '../../graph/index.ts';
import { parseVaeConfig, trainableParameters } from '../../models/index.ts';
import { commonTrainingFields } from '../../training/config.ts';
import type { PreparedTraining } from '../../training/recipe.ts';
import { indexSampler } from '../../training/recipe.ts';
import { decoderLoss } from '../../training/recipes/decoder.ts';
import { readJsonObject } from '../../weights/json_file.ts';
import { openModelWeights } from '../../weights/weight_files.ts';
import type { Dataset } from '../dataset.ts';
import { writeComponent } from './export.ts';
import { encodeLatents } from './latents.ts';
import { faceWeights, reconstructionFields } from './reconstruction_fields.ts';
import { imageBatch } from './vae.ts';

/** Configuration of the recipe. */
export const decoderRecipeSchema = z.strictObject({
  model: z.literal('decoder'),
  ...commonTrainingFields,
  ...reconstructionFields,
  /** Standard deviation of the noise added to latents, as the encoder's own distribution and the sampler's errors have. */
  noise: z.number().min(0).default(0.05),
});

/** A checked configuration of the recipe. */
export type DecoderRecipe = Readonly<z.output<typeof decoderRecipeSchema>>;

/**
 * Prepares the training.
 * @param output model folder with a trained `vae/`, whose decoder is replaced when the training ends
 */
export async function prepareDecoder(
  recipe: DecoderRecipe,
  data: Dataset,
  output: string,
  runtime: Runtime,
  onProgress: (done: number, count: number) => void = () => {},
): Promise<PreparedTraining> {
  const folder = path.join(output, 'vae');
  const file = readJsonObject(path.join(folder, 'config.json'));
  const config = parseVaeConfig(file);
  const source = openModelWeights(folder);
  const latents = await encodeLatents(runtime, data, output, path.join('.cache', 'latents'), onProgress);
  const { parameters, values } = trainableParameters();
  const { batchSize, seed, faceWeight, noise } = recipe;
  const { loss, metrics } = decoderLoss(config, parameters, batchSize, data.size, recipe);
  const sample = indexSampler(seed, 'decoder data', data.count, batchSize);
  const task = {
    name: 'decoder',
    loss,
    metrics,
    parameters: values,
    batch(step: number) {
      const indices = sample(step);
      const batch = gaussianNoise({ seed, index: step, stream: 'decoder noise' }, batchSize * latents.size);
      // Half of each batch is decoded without noise, half with noise of random size.
      const random = createGenerator({ seed, index: step, stream: 'decoder noise size' });
      indices.forEach((index, position) => {
        const deviation = position % 2 === 0 ? 0 : noise * random.uniform();
        const [from, to] = [index * latents.size, position * latents.size];
        for (let i = 0; i < latents.size; i++)
          batch[to + i] = batch[to + i]! * deviation + latents.data[from + i]!;
      });
      return {
        latents: batch,
        image: imageBatch(data, indices),
        weights: faceWeights(data, indices, faceWeight),
      };
    },
  };
  const initial = new Map([...values.keys()].map((name) => [name, source.readFloat32(name)]));
  return {
    task,
    initial,
    exportModel({ average }) {
      const encoder = trainableParameters();
      const all = new Map(values);
      const data = new Map(average);
      for (const name of source.names()) {
        if (values.has(name)) continue;
        all.set(name, encoder.parameters.tensor(name, source.info(name).shape));
        data.set(name, source.readFloat32(name));
      }
      writeComponent(output, 'vae', file, all, data);
    },
  };
}
