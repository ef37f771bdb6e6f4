/** Means of what was measured of several prompts. */

/**
 * Means over the prompts for which a number was measured: groups of prompts may have different attributes, and images of a
 * prompt no face.
 * @returns by name; NaN where no prompt has a number
 */
export function meanMetrics(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const values = new Map<string, number[]>();
  for (const metrics of all) {
    for (const [name, value] of Object.entries(metrics))
      values.set(name, [...(values.get(name) ?? []), ...(Number.isNaN(value) ? [] : [value])]);
  }
  return Object.fromEntries(
    [...values].map(([name, found]) => [name, found.reduce((sum, value) => sum + value, 0) / found.length]),
  );
}
