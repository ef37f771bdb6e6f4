/** Latents of a data set, encoded once and kept in a cache file: what the U-Net is trained on. */

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Runtime } from '../../graph/index.ts';
import { input } from '../../graph/index.ts';
import { fileParameters, parseVaeConfig, vaeDownscale, vaeEncode } from '../../models/index.ts';
import { writeFileAtomically, writeFully } from '../../weights/atomic_file.ts';
import { readJsonObject } from '../../weights/json_file.ts';
import { makeFolder } from '../../weights/make_folder.ts';
import { openModelWeights } from '../../weights/weight_files.ts';
import type { Dataset } from '../dataset.ts';
import { writeJson } from './export.ts';
import { imageBatch } from './vae.ts';

/** Images encoded by one run of the encoder. */
const BATCH = 32;

/** Means of the latents' distributions for every image of a data set, not scaled: count * size floats. */
export interface LatentSet {
  readonly count: number;
  /** Elements of one image's latents. */
  readonly size: number;
  readonly data: Float32Array;
}

/**
 * Encodes a data set with the autoencoder in `modelFolder/vae`, or reads the result of an earlier, equal call.
 * @param cache folder of the cache file, which is named after the weights and the data
 */
export async function encodeLatents(
  runtime: Runtime,
  data: Dataset,
  modelFolder: string,
  cache: string,
  onProgress: (done: number, count: number) => void,
): Promise<LatentSet> {
  const folder = path.join(modelFolder, 'vae');
  const config = parseVaeConfig(readJsonObject(path.join(folder, 'config.json')));
  const side = data.size / vaeDownscale(config);
  const size = config.latent_channels * side * side;
  const weightsDigest = createHash('sha256')
    .update(readFileSync(path.join(folder, 'diffusion_pytorch_model.safetensors')))
    .update(`${path.resolve(data.directory)} ${data.count}`)
    .digest('hex')
    .slice(0, 16);
  const file = path.join(cache, `latents-${weightsDigest}.bin`);
  if (existsSync(file)) {
    const bytes = readFileSync(file);
    return {
      count: data.count,
      size,
      data: new Float32Array(bytes.buffer, bytes.byteOffset, data.count * size),
    };
  }
  const { mean } = vaeEncode(
    config,
    fileParameters(openModelWeights(folder)),
    input('image', [BATCH, 3, data.size, data.size]),
  );
  const executable = await runtime.compile({ mean }, { wide: true });
  const result = new Float32Array(data.count * size);
  for (let start = 0; start < data.count; start += BATCH) {
    const indices = Array.from({ length: BATCH }, (_, i) => Math.min(data.count - 1, start + i));
    const outputs = await executable.run({ image: imageBatch(data, indices) });
    const kept = Math.min(BATCH, data.count - start);
    result.set((outputs.mean as Float32Array).subarray(0, kept * size), start * size);
    onProgress(start + kept, data.count);
  }
  await executable.release();
  makeFolder(cache);
  writeFileAtomically(file, (descriptor) => writeFully(descriptor, new Uint8Array(result.buffer)));
  return { count: data.count, size, data: result };
}

/**
 * The `scaling_factor` in `modelFolder/vae/config.json`, which a U-Net that is trained on has learnt with.
 * @throws {Error} when the file has none
 */
export function readScalingFactor(modelFolder: string): number {
  const file = path.join(modelFolder, 'vae', 'config.json');
  const factor = readJsonObject(file).scaling_factor;
  if (typeof factor !== 'number')
    throw new Error(`${file}: expected a number scaling_factor, found ${factor}`);
  return factor;
}

/**
 * Sets `scaling_factor` in `modelFolder/vae/config.json` to 1/standard deviation of the latents, so that what the U-Net sees
 * has unit variance.
 * @returns the scaling factor
 */
export function writeScalingFactor(modelFolder: string, latents: LatentSet): number {
  let sum = 0;
  let squares = 0;
  for (const value of latents.data) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / latents.data.length;
  const factor = Number((1 / Math.sqrt(squares / latents.data.length - mean * mean)).toFixed(5));
  const file = path.join(modelFolder, 'vae', 'config.json');
  writeJson(file, { ...readJsonObject(file), scaling_factor: factor });
  return factor;
}
