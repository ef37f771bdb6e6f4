/** How much memory a graph takes, from its shapes. */

import { executionOrder, plannedBuffers } from './memory_plan.ts';
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

/**
 * Largest number of bytes that intermediate values take at once as ONNX Runtime computes and places them. Converted weights are
 * there only while they are read, but the place of one is kept for the next of its shape.
 */
export function peakActivations(outputs: Readonly<Record<string, Value>>): number {
  const values = Object.values(outputs);
  const order = executionOrder(values);
  const change = new Float64Array(order.length + 2);
  for (const { bytes, from, until } of plannedBuffers(order, values)) {
    change[from]! += bytes;
    change[until + 1]! -= bytes;
  }
  let live = 0;
  return change.reduce((peak, each) => {
    live += each;
    return Math.max(peak, live);
  }, 0);
}
