/** How much memory a graph takes, from its shapes. */

import { BYTES_PER_ELEMENT, elementCount } from './types.ts';
import type { Value } from './value.ts';
import { leafOf, topologicalOrder } from './value.ts';

/**
 * Bytes of weights from which a graph counts as large. Of large graphs the weights stay mapped from their files and values are
 * held no longer than needed; small ones are compiled for speed.
 */
export const LARGE_WEIGHTS = 64 * 2 ** 20;

/** Bytes of the weights that a graph reads from files; two views of one weight count once. */
export function weightBytes(outputs: Readonly<Record<string, Value>>): number {
  const regions = new Map<string, number>();
  for (const node of topologicalOrder(Object.values(outputs))) {
    const leaf = leafOf(node.outputs[0]!);
    if (leaf?.kind === 'weight') regions.set(`${leaf.region.file}@${leaf.region.offset}`, leaf.region.length);
  }
  return [...regions.values()].reduce((sum, length) => sum + length, 0);
}

/** Largest number of bytes that intermediate values take at once when nodes run in order and values are freed after use. */
export function peakActivations(outputs: Readonly<Record<string, Value>>): number {
  const order = topologicalOrder(Object.values(outputs));
  const last = new Map<Value, number>();
  order.forEach((node, position) => {
    for (const value of node.inputs) if (value !== null) last.set(value, position);
  });
  for (const value of Object.values(outputs)) last.set(value, order.length);
  const sizeOf = (value: Value) =>
    leafOf(value) === null ? elementCount(value.shape) * BYTES_PER_ELEMENT[value.dtype] : 0;
  let live = 0;
  let peak = 0;
  order.forEach((node, position) => {
    for (const value of node.outputs) if (last.has(value)) live += sizeOf(value);
    peak = Math.max(peak, live);
    for (const value of new Set(node.inputs)) {
      if (value !== null && last.get(value) === position) live -= sizeOf(value);
    }
  });
  return peak;
}
