/** Models by the names that users give them: the shipped one, a folder in diffusers layout, a single-file checkpoint, or a hub id. */

import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { closestName } from '../fairness/closest_name.ts';
import { modelOfSnapshot } from '../weights/hub/cache.ts';
import { findInCache } from '../weights/hub/download.ts';
import { parseHubId } from '../weights/hub/hub_id.ts';
import { hubSettings } from '../weights/hub/settings.ts';
import type { StoredModel } from '../weights/stored_model.ts';
import { openStoredModel } from '../weights/stored_model.ts';
import { UsageError } from './errors.ts';
import { PORTRAITS } from './package.ts';

export { hashModel } from '../evaluate/model_hash.ts';

/** Name of the shipped model. */
export const EMBEDDED_MODEL = 'portraits';

/**
 * The folder or file that a name means on this machine without the hub; null when there is none.
 * @throws UsageError when what is there is no model
 */
export function localModel(name: string): string | null {
  if (name === EMBEDDED_MODEL) return PORTRAITS;
  const folder = path.resolve(name);
  if (!existsSync(folder)) return null;
  if (existsSync(path.join(folder, 'model_index.json')) || folder.endsWith('.safetensors')) return folder;
  throw new UsageError(
    `--model ${name}: expected a diffusers folder with model_index.json or a .safetensors file, ` +
      `found ${statSync(folder).isDirectory() ? 'a folder without one' : 'another file'} at ${folder}`,
  );
}

/**
 * Folder of a model, or its file.
 * @param name `portraits`, a folder with a `model_index.json`, a `.safetensors` file with the whole model, or the hub id of a model
 * that is in the cache
 * @param variant weights that must be in the cache
 * @throws UsageError when there is no such folder or file
 */
export function resolveModel(name: string = EMBEDDED_MODEL, variant?: string): string {
  const local = localModel(name);
  if (local !== null) return local;
  const onHub = parseHubId(name);
  if (onHub !== null) {
    const found = findInCache(onHub, hubSettings(), variant);
    if (found.folder !== null) return found.folder;
    throw new UsageError(
      `--model ${name}: there is no such folder here, and the cache of the hub does not have the model (${found.reason}); ` +
        `evenhand models download ${name} brings it`,
    );
  }
  const closest = closestName(name, [EMBEDDED_MODEL]);
  const hint = closest === undefined ? '' : `; did you mean ${closest}?`;
  throw new UsageError(
    `--model ${name}: expected ${EMBEDDED_MODEL} or a diffusers folder with model_index.json or a .safetensors file or a hub id ` +
      `(organisation/name), found none at ${path.resolve(name)}${hint}`,
  );
}

/** What a model is called in reports: its hub id where the folder is a snapshot of the cache, else the folder's own name. */
export function modelName(folder: string): string {
  return modelOfSnapshot(folder)?.id ?? path.basename(folder);
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

/** Model folders beside the components that fine-tuning and measuring read. */
export const COMPANIONS: readonly string[] = Object.freeze([
  ...['face_detector', 'face_embedder', 'face_embedder_evaluation', 'classifier', 'classifier_evaluation'],
  ...['clip', 'clip_evaluation', 'dino', 'dino_evaluation'],
]);

/** What a model folder holds. */
export interface ModelSummary {
  readonly path: string;
  readonly pipelineClass: string;
  readonly components: readonly ComponentSummary[];
  /** Which of {@link COMPANIONS} lie beside the components. */
  readonly companions: readonly string[];
}

/** Those of {@link COMPANIONS} that a model folder has. */
export function companionsOf(folder: string): string[] {
  return COMPANIONS.filter((name) => existsSync(path.join(folder, name, 'config.json')));
}

/**
 * Opens every component of a model: of a folder in diffusers layout, or of a single-file checkpoint.
 * @throws Error naming the component whose folder, configuration or weights are missing or damaged
 */
export function summarizeModel(folder: string): ModelSummary {
  const model = openStoredModel(folder);
  const components = [...model.components]
    // A hub's safety checker and the like are not brought, for nothing here uses them.
    .filter(([name]) => modelOfSnapshot(model.path) === null || existsSync(path.join(model.path, name)))
    .map(([name, { className }]) => summarizeComponent(model, name, className));
  const companions = companionsOf(model.path);
  return { path: model.path, pipelineClass: model.pipelineClass, components, companions };
}

function summarizeComponent(model: StoredModel, name: string, className: string): ComponentSummary {
  if (!model.hasWeights(name)) return { name, className, parameters: 0, bytes: 0, dtypes: [] };
  const { weights } = model.openModel(name);
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
