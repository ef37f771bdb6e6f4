/** Running a graph of fixed batch size over any number of items: the last batch is padded by repeating its last item. */

/** Items `start`..`start+batchSize-1` of row-major `data`, the last item repeated past `count`. */
export function takeBatch(
  data: Float32Array,
  itemSize: number,
  count: number,
  start: number,
  batchSize: number,
): Float32Array {
  if (start + batchSize <= count) return data.subarray(start * itemSize, (start + batchSize) * itemSize);
  const batch = new Float32Array(batchSize * itemSize);
  for (let i = 0; i < batchSize; i++) {
    const source = Math.min(count - 1, start + i) * itemSize;
    batch.set(data.subarray(source, source + itemSize), i * itemSize);
  }
  return batch;
}

/** Copies the items of a batch that are not padding to their place in `target`. */
export function putBatch(
  target: Float32Array,
  itemSize: number,
  count: number,
  start: number,
  batch: Float32Array,
): void {
  const kept = Math.min(batch.length / itemSize, count - start);
  target.set(batch.subarray(0, kept * itemSize), start * itemSize);
}

/** The smallest size, at most `most`, with which no more batches are needed for `count` items than with `most`. */
export function evenBatchSize(count: number, most: number): number {
  return Math.ceil(count / Math.ceil(count / most));
}
