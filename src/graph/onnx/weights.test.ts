import { readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { gradient } from '../gradient.ts';
import { toBfloat16, toHalf } from '../half.ts';
import { add, mul, scale } from '../operators/arithmetic.ts';
import { cast } from '../operators/logic.ts';
import { linear, matmul } from '../operators/matmul.ts';
import { reshape } from '../operators/shape.ts';
import type { SessionSettings } from '../runtime/messages.ts';
import { Runtime } from '../runtime/runtime.ts';
import type { Value } from '../value.ts';
import { constant, input, weight } from '../value.ts';
import { encodeModel } from './encode.ts';

let folder: string;
const runtime = new Runtime({ threads: 1 });
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'evenhand weights ü-'));
});
afterAll(async () => {
  await runtime.close();
  await rm(folder, { recursive: true, force: true });
});

const MATRIX = [1.5, -2, 0.25, 8, 3, -0.125];

/** Writes `data` behind `offset` other bytes, as tensors lie behind the header of a .safetensors file. */
async function writeBehind(name: string, offset: number, data: ArrayBufferView): Promise<string> {
  const file = path.join(folder, name);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  await writeFile(file, Buffer.concat([Buffer.alloc(offset, 0xff), bytes, Buffer.alloc(5, 0xff)]));
  return file;
}

async function evaluate(
  outputs: Record<string, Value>,
  feeds = {},
  settings: Partial<SessionSettings> = {},
): Promise<Record<string, number[]>> {
  const graph = await runtime.compile(outputs, settings);
  const results = await graph.run(feeds);
  await graph.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, data]) => [name, Array.from(data as Float32Array)]),
  );
}

test.each([0, 8, 4096, 4099, 13])('a float32 weight at byte %d', async (offset) => {
  const file = await writeBehind(`at-${offset}.safetensors`, offset, Float32Array.from(MATRIX));
  const w = weight('w', [2, 3], 'float32', { file, offset, length: 24 });
  expect((await evaluate({ y: scale(w, 2) })).y).toEqual(MATRIX.map((value) => value * 2));
});

test.each([
  ['float16', toHalf, true],
  ['float16', toHalf, false],
  ['bfloat16', toBfloat16, true],
  ['bfloat16', toBfloat16, false],
] as const)(
  'a %s weight at an odd byte, cast to float32, and its gradient by the other factor',
  async (dtype, word, folding) => {
    const file = await writeBehind(`${dtype}.safetensors`, 7, Uint16Array.from(MATRIX, word));
    const w = cast(weight('w', [2, 3], dtype, { file, offset: 7, length: 12 }), 'float32');
    const x = input('x', [1, 2]);
    const [dx] = gradient([matmul(x, w)], [constant([1, 1, 1], [1, 3])], [x]);
    const results = await evaluate({ y: matmul(x, w), dx: dx! }, { x: Float32Array.of(1, 2) }, { folding });
    expect(results.y).toEqual([17.5, 4, 0]);
    expect(results.dx).toEqual([-0.25, 10.875]);
  },
);

test('a weight read through a symbolic link, and two regions of one file', async () => {
  const file = await writeBehind('pair.safetensors', 3, Float32Array.from(MATRIX));
  const link = path.join(folder, 'link.safetensors');
  await symlink(file, link);
  const first = weight('first', [3], 'float32', { file: link, offset: 3, length: 12 });
  const second = weight('second', [3], 'float32', { file: link, offset: 15, length: 12 });
  expect((await evaluate({ y: add(first, second) })).y).toEqual([9.5, 1, 0.125]);
});

test('a large weight is mapped from its file and gives the same product', async () => {
  const [rows, columns] = [300, 200];
  const data = Float32Array.from({ length: rows * columns }, (_, i) => ((i * 37) % 101) / 64);
  const file = await writeBehind('large.safetensors', 1001, data);
  const w = weight('w', [rows, columns], 'float32', { file, offset: 1001, length: data.byteLength });
  const x = constant(new Array<number>(rows).fill(1), [1, rows]);
  const { y } = await evaluate({ y: matmul(x, w) });
  const expected = Array.from({ length: columns }, (_, column) => {
    let sum = 0;
    for (let row = 0; row < rows; row++) sum += data[row * columns + column]!;
    return sum;
  });
  y!.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 2);
  });
});

test('a model with external weights holds only their places', async () => {
  const file = await writeBehind('places.safetensors', 0, new Float32Array(10_000));
  const w = weight('w', [10_000], 'float32', { file, offset: 0, length: 40_000 });
  const model = encodeModel({ y: mul(w, w) });
  expect(model.bytes.length).toBeLessThan(1000);
  expect(model.externalRoot).toBe(path.parse(folder).root);
});

test('a file that is missing or too short is named', async () => {
  const missing = path.join(folder, 'missing.safetensors');
  const absent = weight('w', [3], 'float32', { file: missing, offset: 0, length: 12 });
  await expect(runtime.compile({ y: scale(absent, 2) })).rejects.toThrow(
    `weight w: expected a file at ${missing}, found none`,
  );
  const file = await writeBehind('short.safetensors', 0, Float32Array.from(MATRIX));
  const beyond = weight('w', [3], 'float32', { file, offset: 24, length: 12 });
  await expect(runtime.compile({ y: scale(beyond, 2) })).rejects.toThrow(
    `weight w: expected at least 36 bytes in ${file}, found 29`,
  );
});

test('a region whose length does not fit the type is refused', () => {
  expect(() => weight('w', [3], 'float16', { file: '/w', offset: 0, length: 12 })).toThrow(
    'weight w: expected 6 bytes for float16[3], received 12 in /w',
  );
});

test('a 16-bit weight is converted for each of its readers, and in each of its shapes', async () => {
  const file = await writeBehind('readers.safetensors', 4, Uint16Array.from(MATRIX, toBfloat16));
  const w = cast(weight('w', [2, 3], 'bfloat16', { file, offset: 4, length: 12 }), 'float32');
  const column = reshape(w, [6, 1]);
  const outputs = { twice: scale(w, 2), shifted: add(w, w), column: scale(column, 1.5) };
  const model = encodeModel(outputs);
  const casts = Buffer.from(model.bytes).toString('latin1').split('Cast').length - 1;
  expect(casts).toBe(4);
  const results = await evaluate(outputs, {}, { folding: false });
  expect(results.twice).toEqual(MATRIX.map((value) => 2 * value));
  expect(results.shifted).toEqual(results.twice);
  expect(results.column).toEqual(MATRIX.map((value) => 1.5 * value));
});

/** Memory of this process that belongs to no file, in MiB. */
const anonymousMemory = () =>
  Number(/RssAnon:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024;

test.each([
  ['float32', 4],
  ['float16', 2],
  ['bfloat16', 2],
] as const)(
  'linear layers and their products leave %s weights mapped: neither holds a copy',
  async (dtype, size) => {
    const [outputs, inputs, layers] = [2048, 2048, 12];
    const bytes = outputs * inputs * size;
    const file = await writeBehind(`large-${dtype}.safetensors`, 8, new Uint8Array(bytes * layers));
    const x = input('x', [2, 3, inputs]);
    const products: Record<string, Value> = {};
    for (let i = 0; i < layers; i++) {
      // Every other one is stored as a pointwise convolution, as SD 1.x stores proj_in.
      const stored = i % 2 === 0 ? [outputs, inputs] : [outputs, inputs, 1, 1];
      const region = { file, offset: 8 + i * bytes, length: bytes };
      const w = reshape(cast(weight(`w${i}`, stored, dtype, region), 'float32'), [outputs, inputs]);
      const y = linear(x, w, null);
      products[`y${i}`] = y;
      products[`dx${i}`] = gradient([y], [constant(new Float32Array(6 * outputs), y.shape)], [x])[0]!;
    }
    const before = anonymousMemory();
    const graph = await runtime.compile(products);
    await graph.run({ x: new Float32Array(6 * inputs) });
    const grown = anonymousMemory() - before;
    await graph.release();
    expect(grown).toBeLessThan((layers * outputs * inputs * 4) / 2 ** 20 / 3);
  },
);
