/** Opening a companion model's folder: config.json, weights and preprocessing together. */

import { join } from 'node:path';
import type { Parameters } from '../models/parameters.ts';
import { buildOnWeights, fileParameters } from '../models/weights.ts';
import { readJsonObject } from '../weights/json_file.ts';
import { openModelWeights } from '../weights/weight_files.ts';
import type { Preprocessing } from './preprocessing.ts';
import { loadPreprocessing } from './preprocessing.ts';

/** An opened model folder. */
export interface ModelFolder<Config> {
  readonly path: string;
  readonly config: Config;
  readonly preprocessing: Preprocessing;
  /** The weights as graph values that stay in their file. */
  readonly parameters: Parameters;
  /**
   * Checks that the weights belong to the model that `build` makes: all there, all of the right shape, none left over.
   * @param unused left-over names that are no fault
   * @throws Error naming the file and the tensors
   */
  check(build: (parameters: Parameters) => unknown, unused?: readonly RegExp[]): void;
}

/**
 * Opens `config.json`, the weights and `preprocessor_config.json` of a folder.
 * @param parse checks the configuration
 * @throws Error naming the folder or file that is missing or wrong
 */
export function openModelFolder<Config>(path: string, parse: (json: unknown) => Config): ModelFolder<Config> {
  const file = join(path, 'config.json');
  const json = readJsonObject(file);
  let config: Config;
  try {
    config = parse(json);
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  }
  const weights = openModelWeights(path);
  return Object.freeze({
    path,
    config,
    preprocessing: loadPreprocessing(path),
    parameters: fileParameters(weights),
    check(build: (parameters: Parameters) => unknown, unused: readonly RegExp[] = []) {
      buildOnWeights(weights, build, unused);
    },
  });
}
