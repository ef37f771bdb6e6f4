/** Finding a model's weights in a folder by the file names that diffusers and transformers write. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isJsonObject, readJsonObject } from './json_file.ts';
import { openWeights, type WeightSource, weightsFromShards } from './weight_source.ts';

/** Base names of weight files: diffusers models, transformers models. */
export const WEIGHT_STEMS = Object.freeze(['diffusion_pytorch_model', 'model'] as const);

/** Extensions of pickled weights, which can run code when loaded and are not read. */
export const PICKLED_WEIGHTS = /\.(bin|ckpt|pt|pth)$/;

/**
 * Weight source from a sharded model's index (`*.safetensors.index.json`). Shards lie beside the index;
 * tensors that the shards hold beyond the index are left out, as the libraries do.
 * @throws when the index names a file outside its folder, or a shard is missing or lacks a tensor
 */
export function openShardedWeights(indexPath: string): WeightSource {
  const { weight_map: weightMap } = readJsonObject(indexPath);
  if (!isJsonObject(weightMap))
    throw new Error(`${indexPath}: weight_map: expected an object from tensor to file name`);
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(weightMap)) {
    if (typeof shard !== 'string' || !/^[^/\\]+\.safetensors$/.test(shard)) {
      throw new Error(
        `${indexPath}: weight_map[${JSON.stringify(name)}]: expected a .safetensors file beside the index, received ${JSON.stringify(shard)}`,
      );
    }
    shardOf.set(name, join(indexPath, '..', shard));
  }
  return weightsFromShards(indexPath, shardOf);
}

function variantFileNames(stem: string, variant: string | null): string[] {
  if (variant === null) return [`${stem}.safetensors`, `${stem}.safetensors.index.json`];
  return [
    `${stem}.${variant}.safetensors`,
    `${stem}.safetensors.index.${variant}.json`,
    `${stem}.${variant}.safetensors.index.json`,
  ];
}

function explainMissing(folder: string, wanted: readonly string[], present: readonly string[]): Error {
  const pickled = present.filter((name) => PICKLED_WEIGHTS.test(name));
  const other = present.filter((name) => name.endsWith('.safetensors'));
  const advice =
    pickled.length > 0
      ? `; ${pickled.join(', ')} holds pickled weights, which are not read because loading them can run code: ` +
        'convert the model to safetensors (in diffusers: pipeline.save_pretrained(folder, safe_serialization=True))'
      : other.length > 0
        ? `; the folder has ${other.join(', ')} instead`
        : '';
  return new Error(`${folder}: expected one of the weight files ${wanted.join(', ')}${advice}`);
}

/**
 * Opens the weights in a component's folder: a single file or a sharded index.
 * @param variant `fp16` for `diffusion_pytorch_model.fp16.safetensors` and the like; if not given, the plain
 * files come first and those of `fp16` serve where there are no others
 * @throws when the folder has none of these files, with advice when only pickled weights are there
 */
export function openModelWeights(folder: string, variant?: string): WeightSource {
  const present = readdirSync(folder);
  const variants = variant === undefined ? [null, 'fp16'] : [variant];
  const wanted = variants.flatMap((each) => WEIGHT_STEMS.flatMap((stem) => variantFileNames(stem, each)));
  const found = wanted.find((name) => present.includes(name));
  if (found === undefined) throw explainMissing(folder, wanted, present);
  const path = join(folder, found);
  return found.endsWith('.json') ? openShardedWeights(path) : openWeights([path]);
}
