/**
 * Model directories in the layout of Hugging Face diffusers: `model_index.json` and one folder a component.
 */

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isJsonObject, type JsonObject, readJsonObject } from './json_file.ts';
import type { ComponentClass, ModelComponent } from './stored_model.ts';
import { openModelWeights } from './weight_files.ts';

/** An opened model directory; components are opened on demand. */
export interface DiffusersDirectory {
  /** Absolute path. */
  readonly path: string;
  /** Pipeline class, such as `StableDiffusionPipeline`. */
  readonly pipelineClass: string;
  /** Components by name, without those that the pipeline leaves empty (such as a null safety checker). */
  readonly components: ReadonlyMap<string, ComponentClass>;
  /** The remaining fields of `model_index.json`, such as `requires_safety_checker`. */
  readonly settings: JsonObject;
  /** Folder of a component. @throws when the pipeline has no such component or its folder is missing */
  folderOf(component: string): string;
  /** Config and weights of a component. @throws when folder, config or weights are missing or unusable */
  openModel(component: string, options?: { readonly variant?: string }): ModelComponent;
  /** Content of `scheduler/scheduler_config.json`. @throws when it is missing */
  schedulerConfig(): JsonObject;
}

const INDEX_NAME = 'model_index.json';

function parseComponents(indexPath: string, index: JsonObject): Map<string, ComponentClass> {
  const components = new Map<string, ComponentClass>();
  for (const [name, value] of Object.entries(index)) {
    if (name.startsWith('_') || !Array.isArray(value) || value.length !== 2) continue;
    const [library, className] = value as unknown[];
    if (library === null || className === null) continue;
    if (typeof library !== 'string' || typeof className !== 'string') {
      throw new Error(`${indexPath}: ${name}: expected [library, class], received ${JSON.stringify(value)}`);
    }
    if (!/^\w+$/.test(name))
      throw new Error(`${indexPath}: ${JSON.stringify(name)} is not a component's folder name`);
    components.set(name, Object.freeze({ library, className }));
  }
  return components;
}

/**
 * Opens a model directory by its `model_index.json`.
 * @throws when the directory or its index is missing or malformed
 */
export function openDiffusersDirectory(directory: string): DiffusersDirectory {
  const path = resolve(directory);
  const indexPath = join(path, INDEX_NAME);
  if (!existsSync(indexPath)) {
    throw new Error(
      `${path}: expected a diffusers model directory with ${INDEX_NAME}, but there is no such file`,
    );
  }
  const index = readJsonObject(indexPath);
  const components = parseComponents(indexPath, index);
  const { _class_name: pipelineClass, ...fields } = index;
  if (typeof pipelineClass !== 'string')
    throw new Error(`${indexPath}: _class_name: expected the name of a pipeline class`);
  const isSetting = ([name, value]: [string, unknown]) =>
    !name.startsWith('_') && !Array.isArray(value) && !isJsonObject(value);

  const folderOf = (component: string): string => {
    if (!components.has(component)) {
      throw new Error(
        `${indexPath}: has no component ${component}, only ${[...components.keys()].join(', ')}`,
      );
    }
    const folder = join(path, component);
    if (!existsSync(folder)) throw new Error(`${path}: the folder of the component ${component} is missing`);
    return folder;
  };
  return Object.freeze({
    path,
    pipelineClass,
    components,
    settings: Object.freeze(Object.fromEntries(Object.entries(fields).filter(isSetting))),
    folderOf,
    openModel: (component: string, options: { readonly variant?: string } = {}) => {
      const folder = folderOf(component);
      const config = readJsonObject(join(folder, 'config.json'));
      return Object.freeze({ path: folder, config, weights: openModelWeights(folder, options.variant) });
    },
    schedulerConfig: () => readJsonObject(join(folderOf('scheduler'), 'scheduler_config.json')),
  });
}
