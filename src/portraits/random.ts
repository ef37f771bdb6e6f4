/** Counter-based pseudo-random streams: the same keys give the same numbers on every machine, in any order. */

/** An endless sequence of reproducible draws, identified by the keys that `randomStream` was given. */
export interface RandomStream {
  /** Uniform number in [0, 1) with 32 random bits. */
  uniform(): number;
  /** Uniform number in [low, high). */
  between(low: number, high: number): number;
  /** Uniform integer in [0, count). */
  integer(count: number): number;
  /** One element of a non-empty list, all equally likely. */
  choose<Item>(items: readonly Item[]): Item;
  /** Index drawn with probability proportional to `weights` (non-negative, not all zero). */
  weighted(weights: ArrayLike<number>): number;
  /** Standard normal number (Box-Muller, one of the pair). */
  normal(): number;
}

/** 32-bit avalanche mix (the finalizer of MurmurHash3): every input bit changes about half of the output bits. */
export function mixBits(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/** 32-bit hash of a list of integers and strings; order matters, and ('ab','c') differs from ('a','bc'). */
export function hashKeys(...keys: readonly (number | string)[]): number {
  let state = 0x9e3779b9;
  for (const key of keys) {
    if (typeof key === 'number') {
      state = mixBits(state ^ mixBits((key | 0) + 0x7f4a7c15));
      state = mixBits(state ^ mixBits(Math.floor(key / 0x100000000) + 0x51ed270b));
    } else {
      for (let index = 0; index < key.length; index++) {
        state = mixBits(Math.imul(state ^ key.charCodeAt(index), 0x01000193) + 0x3c6ef372);
      }
      state = mixBits(state ^ (key.length + 0x2545f491));
    }
  }
  return state >>> 0;
}

/** Opens the stream named by `keys` (integers and strings); draw number n depends on the keys and n only. */
export function randomStream(...keys: readonly (number | string)[]): RandomStream {
  const first = hashKeys(...keys);
  const second = hashKeys('second', ...keys);
  let counter = 0;
  const bits = (): number => {
    counter += 1;
    return mixBits(mixBits(first + Math.imul(counter, 0x9e3779b9)) ^ (second + counter));
  };
  const uniform = (): number => bits() / 0x100000000;
  return {
    uniform,
    between: (low, high) => low + (high - low) * uniform(),
    integer: (count) => Math.floor(uniform() * count),
    choose: (items) => items[Math.floor(uniform() * items.length)]!,
    weighted(weights) {
      let total = 0;
      for (let index = 0; index < weights.length; index++) total += weights[index]!;
      if (!(total > 0)) throw new RangeError(`Random draw: weights must have a positive sum, got ${total}`);
      let rest = uniform() * total;
      for (let index = 0; index < weights.length; index++) {
        rest -= weights[index]!;
        if (rest < 0) return index;
      }
      return weights.length - 1;
    },
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  };
}
