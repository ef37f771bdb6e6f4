/**
 * Checks that a loader used every tensor of a weight source, and that a source holds exactly what a model
 * needs.
 */

import { listNames, type WeightSource } from './weights_in_memory.ts';

/** A weight source that remembers which tensors were asked for. */
export interface TrackedWeightSource extends WeightSource {
  /** Names never given to `info`, `readBytes` or `readFloat32`, in the order of the source. */
  unused(): readonly string[];
  /**
   * @param ignored left-over names that are no fault, such as `position_ids` buffers of old checkpoints
   * @throws when tensors were left over; the message lists them
   */
  assertAllUsed(ignored?: readonly RegExp[]): void;
}

/**
 * Wraps a source so that its use is recorded; prefixes and renamings laid over the result are recorded as
 * well.
 */
export function trackUse(source: WeightSource): TrackedWeightSource {
  const used = new Set<string>();
  const recorded = <T>(read: (name: string) => T) => {
    return (name: string): T => {
      const result = read(name);
      used.add(name);
      return result;
    };
  };
  const unused = () => source.names().filter((name) => !used.has(name));
  return Object.freeze({
    description: source.description,
    names: () => source.names(),
    has: (name: string) => source.has(name),
    info: recorded((name) => source.info(name)),
    readBytes: recorded((name) => source.readBytes(name)),
    readFloat32: recorded((name) => source.readFloat32(name)),
    unused,
    assertAllUsed: (ignored: readonly RegExp[] = []) => {
      const left = unused().filter((name) => !ignored.some((pattern) => pattern.test(name)));
      if (left.length > 0) {
        throw new Error(
          `${source.description}: ${left.length} tensors belong to no part of the model: ${listNames(left)}`,
        );
      }
    },
  });
}

/**
 * Checks a source against the complete list of what a model needs.
 * @param expected shape by tensor name
 * @param ignored names in the source that are no fault though the model has no use for them
 * @throws one error that lists every missing, left-over and wrongly shaped tensor
 */
export function assertHolds(
  source: WeightSource,
  expected: ReadonlyMap<string, readonly number[]>,
  ignored: readonly RegExp[] = [],
): void {
  const missing = [...expected.keys()].filter((name) => !source.has(name));
  const extra = source
    .names()
    .filter((name) => !expected.has(name) && !ignored.some((pattern) => pattern.test(name)));
  const misshapen = [...expected]
    .filter(([name, shape]) => source.has(name) && source.info(name).shape.join() !== shape.join())
    .map(
      ([name, shape]) =>
        `${name} (expected [${shape.join(', ')}], received [${source.info(name).shape.join(', ')}])`,
    );
  const faults = [
    missing.length > 0 ? `${missing.length} missing: ${listNames(missing)}` : '',
    extra.length > 0 ? `${extra.length} not part of the model: ${listNames(extra)}` : '',
    misshapen.length > 0 ? `${misshapen.length} of another shape: ${listNames(misshapen)}` : '',
  ].filter((fault) => fault !== '');
  if (faults.length > 0) throw new Error(`${source.description}: tensors ${faults.join('; ')}`);
}
