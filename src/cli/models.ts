/** Models by the names that users give them: the shipped one, a folder in diffusers layout, or a single-file checkpoint. */

import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { closestName } from '../fairness/closest_name.ts';
import type { DiffusersDirectory } from '../weights/diffusers_directory.ts';
import { openDiffusersDirectory } from '../weights/diffusers_directory.ts';
import { UsageError } from './errors.ts';
import { PORTRAITS } from './package.ts';

export { hashModel } from '../evaluate/model_hash.ts';

/** Name of the shipped model. */
export const EMBEDDED_MODEL = 'portraits';

/**
 * Folder of a model, or its file.
 * @param name `portraits`, a folder with a `model_index.json`, or a `.safetensors` file with the whole model
 * @throws UsageError when there is no such folder or file
 */
export function resolveModel(name: string = EMBEDDED_MODEL): string {
  if (name === EMBEDDED_MODEL) return PORTRAITS;
  const folder = path.resolve(name);
  if (existsSync(path.join(folder, 'model_index.json'))) return folder;
  if (folder.endsWith('.safetensors') && existsSync(folder)) return folder;
  const closest = closestName(name, [EMBEDDED_MODEL]);
  const hint = closest === undefined ? '' : `; did you mean ${closest}?`;
  throw new UsageError(
    `--model ${name}: expected ${EMBEDDED_MODEL} or a diffusers folder with model_index.json or a .safetensors file, found none at ${folder}${hint}`,
  );
}

/** What a model folder's component holds. */
export interface ComponentSummary {
  readonly name: string;
  readonly className: string;
  /** Trained numbers; 0 for a component without weights. */
  readonly parameters: number;
  /** Bytes of its weights. */
  readonly bytes: number;
  /** Element types of its weights. */
  readonly dtypes: readonly string[];
}

/** What a model folder holds. */
export interface ModelSummary {
  readonly path: string;
  readonly pipelineClass: string;
  readonly components: readonly ComponentSummary[];
}

/**
 * Opens every component of a model folder.
 * @throws Error naming the component whose folder, configuration or weights are missing or damaged
 */
export function summarizeModel(folder: string): ModelSummary {
  const directory = openDiffusersDirectory(folder);
  const components = [...directory.components].map(([name, { className }]) =>
    summarizeComponent(directory, name, className),
  );
  return { path: directory.path, pipelineClass: directory.pipelineClass, components };
}

function summarizeComponent(
  directory: DiffusersDirectory,
  name: string,
  className: string,
): ComponentSummary {
  const folder = directory.folderOf(name);
  const hasWeights = readdirSync(folder).some((file) => /\.(safetensors|bin)(\.index.*\.json)?$/.test(file));
  if (!hasWeights && !existsSync(path.join(folder, 'config.json'))) {
    return { name, className, parameters: 0, bytes: 0, dtypes: [] };
  }
  const { weights } = directory.openModel(name);
  const infos = weights.names().map((tensor) => weights.info(tensor));
  return {
    name,
    className,
    parameters: infos.reduce((sum, { shape }) => sum + shape.reduce((count, size) => count * size, 1), 0),
    bytes: infos.reduce((sum, { length }) => sum + length, 0),
    dtypes: [...new Set(infos.map(({ dtype }) => dtype))].sort(),
  };
}

/** Bytes in words: `38.2 MB` (10^6). */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const exponent = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** exponent;
  return `${exponent === 0 ? value : value.toPrecision(3)} ${units[exponent]}`;
}

/** Bytes of all files below a folder; 0 when there is none. */
export function folderBytes(folder: string): number {
  if (!existsSync(folder)) return 0;
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(path.join(entry.parentPath, entry.name)).size, 0);
}
