/** Whether the files that an encoded model refers to hold its weights: asked before a session is made of it. */

import { statSync } from 'node:fs';
import type { EncodedWeight } from './encode.ts';

/**
 * Checks that the bytes of every weight are there.
 * @throws Error naming the weight whose file is missing or too short
 */
export function assertWeightsThere(weights: readonly EncodedWeight[]): void {
  const sizes = new Map<string, number | null>();
  for (const { name, region } of weights) {
    const { file, offset, length } = region;
    let size = sizes.get(file);
    if (size === undefined) {
      size = statSync(file, { throwIfNoEntry: false })?.size ?? null;
      sizes.set(file, size);
    }
    if (size === null) throw new Error(`weight ${name}: expected a file at ${file}, found none`);
    if (size < offset + length) {
      throw new Error(`weight ${name}: expected at least ${offset + length} bytes in ${file}, found ${size}`);
    }
  }
}
