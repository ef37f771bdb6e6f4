/** Batches whose places are filled from fixed pools, every pool walked through in random order again and again. */

import { permutation } from '../../diffusion/noise.ts';

/**
 * A function from step to that step's items.
 * @param pools what to choose from
 * @param pattern the pool of each place of a batch
 * @throws Error when a pool that the pattern names is empty
 */
export function takeTurns<Item>(
  seed: number,
  stream: string,
  pools: readonly (readonly Item[])[],
  pattern: readonly number[],
): (step: number) => Item[] {
  const places = pools.map((_, pool) => pattern.filter((named) => named === pool).length);
  const ordinals = pattern.map((pool, i) => pattern.slice(0, i).filter((named) => named === pool).length);
  const empty = pools.findIndex(({ length }, pool) => length === 0 && places[pool]! > 0);
  if (empty >= 0)
    throw new Error(`${stream}: expected examples in every pool, received none in pool ${empty}`);
  const orders = pools.map(({ length }, pool) => orderOf(seed, `${stream} ${pool}`, length));
  return (step) =>
    pattern.map((pool, i) => pools[pool]![orders[pool]!(step * places[pool]! + ordinals[i]!)]!);
}

/** A function from turn to an index below `length`: each round of `length` turns has a random order of its own. */
function orderOf(seed: number, stream: string, length: number): (turn: number) => number {
  let round = -1;
  let order = new Uint32Array(0);
  return (turn) => {
    const wanted = Math.floor(turn / length);
    if (wanted !== round) {
      round = wanted;
      order = permutation({ seed, index: wanted, stream }, length) as Uint32Array<ArrayBuffer>;
    }
    return order[turn % length]!;
  };
}
