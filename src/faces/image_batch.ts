/** Batches of images in memory, and graphs over images that run in batches of a fixed size. */

import type { Executable, NamedTensorType, Runtime, TensorData, Tensors, Value } from '../graph/index.ts';
import { elementCount, sideBySide } from '../graph/index.ts';

/** Images of equal size as float32 planes in -1..1. */
export interface ImageBatch {
  /** [count, 3, height, width] in row-major order. */
  readonly data: Float32Array;
  readonly count: number;
  /** Pixels from top to bottom. */
  readonly height: number;
  /** Pixels from left to right. */
  readonly width: number;
}

/** Height and width of images in pixels. */
export type ImageSize = Pick<ImageBatch, 'height' | 'width'>;

/**
 * A batch of images from their planes.
 * @throws Error when the number of elements is not count * 3 * height * width
 */
export function imageBatch(data: Float32Array, count: number, height: number, width: number): ImageBatch {
  if (data.length !== count * 3 * height * width) {
    throw new Error(
      `images: expected ${count} x 3 x ${height} x ${width} elements, received ${data.length} of them`,
    );
  }
  return Object.freeze({ data, count, height, width });
}

/** The images at `positions` of a batch, in that order; a position may be named several times. */
export function selectImages(images: ImageBatch, positions: readonly number[]): ImageBatch {
  const { data, count, height, width } = images;
  const length = 3 * height * width;
  const selected = new Float32Array(positions.length * length);
  positions.forEach((position, i) => {
    if (!(position >= 0 && position < count)) {
      throw new Error(`images: expected positions in 0..${count - 1}, received ${position}`);
    }
    selected.set(data.subarray(position * length, (position + 1) * length), i * length);
  });
  return { data: selected, count: positions.length, height, width };
}

/** A graph whose inputs and outputs all begin with the batch axis, for any number of items. */
export interface BatchedGraph {
  /**
   * Computes the outputs of `count` items, batch after batch; the last batch is filled up with zeros.
   * @param feeds [count, ...] for each input
   * @returns [count, ...] for each output
   * @throws Error naming the input when one has another number of elements
   */
  run(count: number, feeds: Tensors): Promise<Record<string, TensorData>>;
  /** Gives the session's memory back. */
  release(): Promise<void>;
}

/**
 * Compiles a graph for batches of a fixed size.
 * @param build makes the outputs by name for a number of items, from inputs [batch, ...]
 * @throws Error naming the input or output that does not begin with the batch axis
 */
export async function compileBatched(
  runtime: Runtime,
  batchSize: number,
  build: (batch: number) => Readonly<Record<string, Value>>,
): Promise<BatchedGraph> {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new Error(`batch size: expected a whole number from 1, received ${batchSize}`);
  }
  const executable = await runtime.compile(build(batchSize));
  for (const { name, shape } of [...executable.inputs, ...executable.outputs]) {
    if (shape[0] !== batchSize) {
      throw new Error(`batched graph: expected ${name} [${batchSize}, ...], received [${shape}]`);
    }
  }
  return {
    run: (count, feeds) => runBatches(executable, { batchSize, limit: runtime.concurrency }, count, feeds),
    async release() {
      await executable.release();
    },
  };
}

async function runBatches(
  { inputs, outputs, run }: Executable,
  { batchSize, limit }: { readonly batchSize: number; readonly limit: number },
  count: number,
  feeds: Tensors,
): Promise<Record<string, TensorData>> {
  const itemLength = ({ shape }: NamedTensorType) => elementCount(shape.slice(1));
  for (const each of inputs) {
    const length = feeds[each.name]?.length;
    if (length !== count * itemLength(each)) {
      throw new Error(
        `batched graph: expected ${count} x [${each.shape.slice(1)}] for ${each.name}, ` +
          `received ${length ?? 'no'} elements`,
      );
    }
  }
  const results: Record<string, TensorData> = {};
  for (const each of outputs) results[each.name] = emptyTensor(each, count * itemLength(each));
  await sideBySide(Math.ceil(count / batchSize), limit, async (position) => {
    const start = position * batchSize;
    const end = Math.min(count, start + batchSize);
    const batch: Record<string, TensorData> = {};
    for (const each of inputs) {
      const length = itemLength(each);
      const part = feeds[each.name]!.subarray(start * length, end * length) as TensorData;
      batch[each.name] = end - start === batchSize ? part : padded(part, batchSize * length);
    }
    const computed = await run(batch);
    for (const each of outputs) {
      const length = itemLength(each);
      const part = computed[each.name]!.subarray(0, (end - start) * length);
      results[each.name]!.set(part as never, start * length);
    }
  });
  return results;
}

function emptyTensor({ name, dtype }: NamedTensorType, length: number): TensorData {
  if (dtype === 'float32') return new Float32Array(length);
  if (dtype === 'int64') return new BigInt64Array(length);
  if (dtype === 'int32') return new Int32Array(length);
  throw new Error(`batched graph: expected float32, int64 or int32 for ${name}, received ${dtype}`);
}

function padded(part: TensorData, length: number): TensorData {
  const whole = new (part.constructor as new (length: number) => TensorData)(length);
  whole.set(part as never);
  return whole;
}

/**
 * Keeps one batched graph for each image size.
 * @param compile makes the graph for images of a size
 * @returns the graph for a size, and a function that releases all of them
 */
export function graphsBySize(compile: (size: ImageSize) => Promise<BatchedGraph>): {
  readonly at: (size: ImageSize) => Promise<BatchedGraph>;
  readonly release: () => Promise<void>;
} {
  const graphs = new Map<string, Promise<BatchedGraph>>();
  return {
    at({ height, width }) {
      const key = `${height}x${width}`;
      let graph = graphs.get(key);
      if (graph === undefined) {
        graph = compile({ height, width });
        graphs.set(key, graph);
        graph.catch(() => graphs.delete(key));
      }
      return graph;
    },
    async release() {
      const all = [...graphs.values()];
      graphs.clear();
      for (const graph of all) await (await graph).release();
    },
  };
}
