import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { gradient } from '../gradient.ts';
import { Runtime } from '../runtime/runtime.ts';
import type { Value } from '../value.ts';
import { constant, input, scope, topologicalOrder } from '../value.ts';
import { add, mul } from './arithmetic.ts';
import { attention } from './attention.ts';
import { cast } from './logic.ts';
import { gemm } from './matmul.ts';
import { after } from './order.ts';
import { cos, exp, sin } from './unary.ts';

let folder: string;
const runtime = new Runtime({ threads: 1 });
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'evenhand-order-'));
});
afterAll(async () => {
  await runtime.close();
  await rm(folder, { recursive: true, force: true });
});

/** Scopes of the nodes that ran, in the order in which they did, under the settings of large graphs. */
async function ran(outputs: Record<string, Value>, feeds: Record<string, Float32Array>): Promise<string[]> {
  const settings = { optimization: 'extended', folding: false, memoryPattern: false } as const;
  const graph = await runtime.compile(outputs, { ...settings, profile: path.join(folder, 'run') });
  await graph.run(feeds);
  const profile = await graph.release();
  const events = JSON.parse(await readFile(profile!, 'utf8')) as { name: string; ts: number }[];
  return events
    .filter(({ name }) => name.endsWith('_kernel_time'))
    .sort((one, other) => one.ts - other.ts)
    .map(({ name }) => name.replace(/[/#].*$/, ''));
}

test.each([
  ['without it', false],
  ['with it', true],
])('ONNX Runtime computes what a value comes after before it goes on: %s', async (_, ordered) => {
  const x = input('x', [2, 3]);
  const shared = exp(x);
  const early = scope('early', () => sin(shared));
  const handedOn = ordered ? after(shared, [early]) : shared;
  const late = scope('late', () => cos(add(handedOn, handedOn)));
  const order = await ran({ early, late }, { x: Float32Array.of(1, 2, 3, 4, 5, 6) });
  expect(order.indexOf('early')).toBeGreaterThanOrEqual(0);
  // Depth first from the last output, unless something stands against it.
  expect(order.indexOf('early') < order.indexOf('late')).toBe(ordered);
});

test('weights are converted only when what they are multiplied with is there', async () => {
  const x = scope('values', () => exp(input('x', [2, 3])));
  const half = constant([1, 2, 3, 4, 5, 6], [2, 3], 'float16');
  const weights = scope('weights', () => cast(half, 'float32'));
  const order = await ran({ y: mul(x, weights) }, { x: new Float32Array(6) });
  expect(order).toEqual(['values', 'weights', 'mul']);
});

test('large cotangents flow on only after the gradients that are taken of them; small ones are left alone', () => {
  const waits = (rows: number) => {
    const [x, first, second] = [input('x', [rows, 1024]), input('a', [1024, 1024]), input('b', [1024, 1024])];
    const y = gemm(gemm(x, first), second);
    const gradients = gradient([y], [input('g', y.shape)], [first, second]);
    return topologicalOrder(gradients).filter((node) => node.operator.name === 'after');
  };
  expect(waits(1023)).toEqual([]);
  const [node, ...others] = waits(1024);
  expect(others).toEqual([]);
  expect(node!.inputs.map((value) => value!.shape)).toEqual([
    [1024, 1024],
    [1024, 1024],
  ]);
});

test('the backward pass of an attention is done with one chunk before it begins another', async () => {
  const shape = [1, 2, 8, 4];
  const [q, k, v] = ['q', 'k', 'v'].map((name) => input(name, shape)) as [Value, Value, Value];
  const y = attention(q, k, v, { chunk: 2 });
  const gradients = gradient([y], [input('g', shape)], [q, k, v]);
  const chunks = topologicalOrder(gradients).filter((node) => node.operator.name === 'softmax');
  expect(chunks.length).toBe(4);
  // What a chunk's softmax is made of holds the products that the chunks before took of theirs.
  const counts = chunks.map(
    (node) => topologicalOrder(node.outputs).filter(({ operator }) => operator.name === 'softmax').length,
  );
  expect(counts.sort((one, other) => one - other)).toEqual([1, 2, 3, 4]);
});
