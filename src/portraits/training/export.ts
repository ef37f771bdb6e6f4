/** Writes trained parameters as a component folder in diffusers layout: config.json and float16 safetensors. */

import path from 'node:path';
import type { Value } from '../../graph/index.ts';
import { writeTextAtomically } from '../../weights/atomic_file.ts';
import { makeFolder } from '../../weights/make_folder.ts';
import { writeSafetensors } from '../../weights/safetensors_writer.ts';
import { openModelWeights } from '../../weights/weight_files.ts';

/** File names that diffusers and transformers give to a component's weights. */
const WEIGHT_FILES: Readonly<Record<string, string>> = {
  vae: 'diffusion_pytorch_model.safetensors',
  unet: 'diffusion_pytorch_model.safetensors',
};

/** Writes `object` as JSON with two-space indentation and a final newline, atomically. */
export function writeJson(file: string, object: unknown): void {
  writeTextAtomically(file, `${JSON.stringify(object, null, 2)}\n`);
}

/**
 * Writes `output/component/config.json` and its weights in float16.
 * @param values the parameters' graph values, for their shapes
 * @param data float32 values by parameter name
 */
export function writeComponent(
  output: string,
  component: string,
  config: unknown,
  values: ReadonlyMap<string, Value>,
  data: ReadonlyMap<string, Float32Array>,
): void {
  const folder = path.join(output, component);
  makeFolder(folder);
  writeJson(path.join(folder, 'config.json'), config);
  const tensors = new Map(
    [...values].map(([name, { shape }]) => [name, { dtype: 'F16' as const, shape, data: data.get(name)! }]),
  );
  writeSafetensors(path.join(folder, WEIGHT_FILES[component] ?? 'model.safetensors'), tensors, {
    format: 'pt',
  });
}

/**
 * Reads what {@link writeComponent} wrote into `output/component`, as float32 values by parameter name.
 * @param values the parameters' graph values, for their names and shapes
 * @throws {Error} naming the first tensor that is missing or has another shape than `values` say
 */
export function readComponent(
  output: string,
  component: string,
  values: ReadonlyMap<string, Value>,
): Map<string, Float32Array> {
  const folder = path.join(output, component);
  const source = openModelWeights(folder);
  const names = new Set(source.names());
  return new Map(
    [...values].map(([name, { shape }]) => {
      const found = names.has(name) ? source.info(name).shape : null;
      if (found === null || found.join() !== shape.join()) {
        throw new Error(
          `${folder}: expected a tensor ${name} of shape [${shape}], ${found === null ? 'found none' : `found [${found}]`}`,
        );
      }
      return [name, source.readFloat32(name)];
    }),
  );
}
