/** Values that files hold are numbers: what is not spreads through everything that is computed with it. */

/**
 * Requires that all values are finite.
 * @param where names the tensor in the message
 * @returns the values
 * @throws Error with the first value that is not a number, and its place
 */
export function requireFinite(values: Float32Array, where: string): Float32Array {
  const place = values.findIndex((value) => !Number.isFinite(value));
  if (place < 0) return values;
  throw new Error(`${where}: expected finite numbers, received ${values[place]} at position ${place}`);
}
