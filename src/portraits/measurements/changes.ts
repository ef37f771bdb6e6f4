/** What pictures go through before classifiers of Portraits are measured: soft faults, and the autoencoder. */

import path from 'node:path';
import { degradeImage } from '../../data/degradation.ts';
import { createGenerator } from '../../diffusion/noise.ts';
import { compileBatched } from '../../faces/image_batch.ts';
import type { Runtime } from '../../graph/index.ts';
import { clamp, input } from '../../graph/index.ts';
import { fileParameters, parseVaeConfig, vaeDecode, vaeEncode } from '../../models/index.ts';
import { readJsonObject } from '../../weights/json_file.ts';
import { openModelWeights } from '../../weights/weight_files.ts';

/** Changes pictures [count, 3, size, size] in -1..1. */
export type PictureChange = (pictures: Float32Array, count: number) => Float32Array | Promise<Float32Array>;

/**
 * Reduces each picture's resolution to a random share of at least `resolution`, and adds noise of a random deviation of at
 * most `noise`; equal calls in an equal order give equal results.
 * @param size side of the pictures in pixels
 */
export function softFaults(size: number, resolution: number, noise: number): PictureChange {
  const random = createGenerator({ seed: 0, stream: 'measured faults' });
  return (pictures, count) => {
    const changed = pictures.slice();
    for (let position = 0; position < count; position++) {
      degradeImage(changed, position, size, { probability: 1, resolution, noise }, random);
    }
    return changed;
  };
}

/** Encodes and decodes each picture with the autoencoder in `modelFolder/vae`, latents at their means. */
export async function throughAutoencoder(
  runtime: Runtime,
  modelFolder: string,
  size: number,
): Promise<PictureChange> {
  const folder = path.join(modelFolder, 'vae');
  const config = parseVaeConfig(readJsonObject(path.join(folder, 'config.json')));
  const parameters = fileParameters(openModelWeights(folder));
  const graph = await compileBatched(runtime, 32, (batch) => {
    const { mean } = vaeEncode(config, parameters, input('image', [batch, 3, size, size]));
    return { decoded: clamp(vaeDecode(config, parameters, mean), -1, 1) };
  });
  return async (pictures, count) => {
    const { decoded } = await graph.run(count, { image: pictures });
    return decoded as Float32Array;
  };
}
