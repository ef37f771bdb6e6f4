/** Batches of images, and graphs that run in batches of a fixed size. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { argMax, input, Runtime, reduceSum, scale } from '../graph/index.ts';
import { compileBatched, graphsBySize, imageBatch, selectImages } from './image_batch.ts';

let runtime: Runtime;
beforeAll(() => {
  runtime = new Runtime({ threads: 1 });
});
afterAll(() => runtime.close());

describe('image batches', () => {
  const images = imageBatch(
    Float32Array.from({ length: 2 * 3 * 4 }, (_, i) => i),
    2,
    2,
    2,
  );

  test('select images in any order', () => {
    expect([...selectImages(images, [1, 0, 1]).data.filter((_, i) => i % 12 === 0)]).toEqual([12, 0, 12]);
    expect(selectImages(images, []).count).toBe(0);
    expect(() => selectImages(images, [2])).toThrow('expected positions in 0..1, received 2');
  });

  test('refuse planes of another size', () => {
    expect(() => imageBatch(new Float32Array(11), 1, 2, 2)).toThrow(
      'expected 1 x 3 x 2 x 2 elements, received 11',
    );
  });
});

describe('batched graphs', () => {
  const build = (batch: number) => {
    const x = input('x', [batch, 3]);
    return { double: scale(x, 2), sum: reduceSum(x, { axes: [1] }), largest: argMax(x, 1) };
  };

  test.each([1, 2, 3, 4, 5])('give %i items the same results as one by one', async (count) => {
    const graph = await compileBatched(runtime, 2, build);
    const x = Float32Array.from({ length: count * 3 }, (_, i) => (7 * i) % 5);
    const { double, sum, largest } = await graph.run(count, { x });
    expect(double).toEqual(x.map((value) => 2 * value));
    const rows = Array.from({ length: count }, (_, i) => [...x.subarray(3 * i, 3 * i + 3)]);
    expect([...sum!]).toEqual(rows.map((row) => row[0]! + row[1]! + row[2]!));
    expect([...largest!].map(Number)).toEqual(rows.map((row) => row.indexOf(Math.max(...row))));
    await graph.release();
  });

  test('say which input is wrong', async () => {
    const graph = await compileBatched(runtime, 2, build);
    await expect(graph.run(2, { x: new Float32Array(5) })).rejects.toThrow(
      'expected 2 x [3] for x, received 5',
    );
    await expect(graph.run(2, {})).rejects.toThrow('received no elements');
    await graph.release();
    await expect(compileBatched(runtime, 2, () => ({ y: input('y', [3]) }))).rejects.toThrow(
      'expected y [2, ...]',
    );
    await expect(compileBatched(runtime, 0, build)).rejects.toThrow(
      'batch size: expected a whole number from 1',
    );
  });

  test('are kept by image size', async () => {
    const sizes: string[] = [];
    const graphs = graphsBySize((size) => {
      sizes.push(`${size.height}x${size.width}`);
      return compileBatched(runtime, 1, (batch) => ({ y: scale(input('x', [batch, size.height]), 2) }));
    });
    const first = await graphs.at({ height: 2, width: 3 });
    expect(await graphs.at({ height: 2, width: 3 })).toBe(first);
    await graphs.at({ height: 4, width: 3 });
    expect(sizes).toEqual(['2x3', '4x3']);
    await graphs.release();
    await expect(first.run(1, { x: new Float32Array(2) })).rejects.toThrow('released');
  });
});
