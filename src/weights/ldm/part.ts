/** What reading one part of a single-file checkpoint needs and gives: tensors under their names there, weights under diffusers' names. */

import type { JsonObject } from '../json_file.ts';
import type { WeightSource } from '../weight_source.ts';
import type { WeightPlace } from '../weight_view.ts';

/** One model out of a single-file checkpoint. */
export interface LdmPart {
  /** What diffusers or transformers would write into `config.json`, as far as the shapes tell it. */
  readonly config: JsonObject;
  /** Where the weights of each name in diffusers' layout lie. */
  readonly places: ReadonlyMap<string, WeightPlace>;
  /** Tensors of the part that have no counterpart in diffusers' layout. */
  readonly leftOver: readonly string[];
}

/** Collects the places of weights by a rule that names them. */
export function placeWeights(
  source: WeightSource,
  prefix: string,
  rename: (
    name: string,
    shape: readonly number[],
  ) => readonly (readonly [string, Omit<WeightPlace, 'name'>])[],
): Pick<LdmPart, 'places' | 'leftOver'> {
  const places = new Map<string, WeightPlace>();
  const leftOver: string[] = [];
  for (const name of source.names()) {
    if (!name.startsWith(prefix)) continue;
    const renamed = rename(name.slice(prefix.length), source.info(name).shape);
    if (renamed.length === 0) leftOver.push(name);
    for (const [newName, place] of renamed) places.set(newName, { name, ...place });
  }
  return { places, leftOver };
}

/** Size of one axis of a tensor of a part. @throws when the checkpoint lacks the tensor */
export function sizeOf(source: WeightSource, name: string, axis: number): number {
  return source.info(name).shape[axis] ?? 1;
}

/** How many numbered modules `PREFIX0`, `PREFIX1`, ... there are, by any tensor below them. */
export function countModules(source: WeightSource, prefix: string): number {
  const numbers = source
    .names()
    .filter((name) => name.startsWith(prefix))
    .map((name) => Number.parseInt(name.slice(prefix.length), 10))
    .filter((number) => Number.isInteger(number));
  return numbers.length === 0 ? 0 : Math.max(...numbers) + 1;
}
