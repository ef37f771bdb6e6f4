/** Reproducible pseudo-random elements for tests. */

/** A source of numbers uniform in 0..1 (1 excluded). */
export type Random = () => number;

/** Source seeded by a text (FNV-1a hash), stepping by Steele and Vigna's SplitMix32. */
export function createRandom(seed: string): Random {
  let state = 0x811c9dc5;
  for (let i = 0; i < seed.length; i++) state = Math.imul(state ^ seed.charCodeAt(i), 0x01000193);
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** Elements uniform between `low` and `high`. */
export function uniform(low: number, high: number): (count: number, random: Random) => Float64Array {
  return (count, random) => Float64Array.from({ length: count }, () => low + (high - low) * random());
}

/** Elements uniform between `low` and `high` but at least `distance` away from each of `points` (kinks). */
export function away(
  points: readonly number[],
  distance = 0.1,
  low = -1,
  high = 1,
): (count: number, random: Random) => Float64Array {
  const draw = (random: Random): number => {
    const value = low + (high - low) * random();
    return points.some((point) => Math.abs(value - point) < distance) ? draw(random) : value;
  };
  return (count, random) => Float64Array.from({ length: count }, () => draw(random));
}

/** Elements `spacing` apart around 0, in random order: none ties with another. */
export function distinct(spacing = 0.2): (count: number, random: Random) => Float64Array {
  return (count, random) => {
    const values = Float64Array.from({ length: count }, (_, i) => (i - (count - 1) / 2) * spacing);
    for (let i = count - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [values[i], values[j]] = [values[j]!, values[i]!];
    }
    return values;
  };
}

/** Integers from 0 to `limit` - 1, repeated at random. */
export function integers(limit: number): (count: number, random: Random) => Float64Array {
  return (count, random) => Float64Array.from({ length: count }, () => Math.floor(random() * limit));
}
