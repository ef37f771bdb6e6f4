/** The planned order and memory of a graph against what ONNX Runtime says in a profile. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { gradient } from './gradient.ts';
import { toHalf } from './half.ts';
import { peakActivations } from './memory.ts';
import { executionOrder } from './memory_plan.ts';
import { gelu, silu } from './operators/activation.ts';
import { add } from './operators/arithmetic.ts';
import { attention } from './operators/attention.ts';
import { conv2d } from './operators/convolution.ts';
import { cast } from './operators/logic.ts';
import { gemm } from './operators/matmul.ts';
import { groupNorm } from './operators/normalization.ts';
import { concat, reshape, transpose } from './operators/shape.ts';
import { Runtime } from './runtime/runtime.ts';
import type { Value } from './value.ts';
import { input, scope, weight } from './value.ts';

const CHANNELS = 64;
const SIDE = 32;
let folder: string;
const runtime = new Runtime({ threads: 1 });
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'evenhand-plan-'));
});
afterAll(async () => {
  await runtime.close();
  await rm(folder, { recursive: true, force: true });
});

/** Weights in float16, one after the other in a file. */
class Weights {
  readonly file = path.join(folder, 'weights.bin');
  #values = 0;

  of(shape: readonly number[]): Value {
    const count = shape.reduce((product, size) => product * size, 1);
    const region = { file: this.file, offset: 2 * this.#values, length: 2 * count };
    this.#values += count;
    return cast(weight(`w${region.offset}`, shape, 'float16', region), 'float32');
  }

  write(): Promise<void> {
    return writeFile(this.file, new Uint8Array(new Uint16Array(this.#values).fill(toHalf(0.01)).buffer));
  }
}

/** A block of a U-Net: norm, convolution, attention in chunks, a skip connection. */
function block(name: string, weights: Weights, x: Value): Value {
  return scope(name, () => {
    const [channels] = [x.shape[1]!];
    const norm = groupNorm(x, 8, weights.of([channels]), weights.of([channels]), 1e-5);
    const y = conv2d(silu(norm), weights.of([CHANNELS, channels, 3, 3]), null, { padding: 1 });
    const tokens = reshape(transpose(y, [0, 2, 3, 1]), [SIDE * SIDE, CHANNELS]);
    const heads = (value: Value) => reshape(value, [1, 1, SIDE * SIDE, CHANNELS]);
    const [q, k, v] = [0, 1, 2].map(() => heads(gemm(tokens, weights.of([CHANNELS, CHANNELS]))));
    const attended = reshape(attention(q!, k!, v!, { chunk: 256 }), [SIDE * SIDE, CHANNELS]);
    const inner = gelu(gemm(attended, weights.of([CHANNELS, 4 * CHANNELS])));
    const outer = gemm(inner, weights.of([4 * CHANNELS, CHANNELS]));
    const rows = reshape(add(tokens, outer), [1, SIDE, SIDE, CHANNELS]);
    return transpose(rows, [0, 3, 1, 2]);
  });
}

interface KernelEvent {
  readonly name: string;
  readonly ts: number;
  readonly args: { readonly op_name: string; readonly mem_bytes_requested_in_use: string };
}

/** What ran under the settings of large graphs, in that order. */
async function profiled(outputs: Readonly<Record<string, Value>>): Promise<KernelEvent[]> {
  const settings = {
    optimization: 'extended',
    prepacking: false,
    folding: false,
    memoryPattern: false,
  } as const;
  const graph = await runtime.compile(outputs, { ...settings, profile: path.join(folder, 'run') });
  const size = (shape: readonly number[]) => shape.reduce((product, each) => product * each, 1);
  await graph.run(
    Object.fromEntries(
      graph.inputs.map(({ name, shape }) => [name, new Float32Array(size(shape)).fill(0.5)]),
    ),
  );
  const events = JSON.parse(await readFile((await graph.release())!, 'utf8')) as KernelEvent[];
  return events.filter(({ name }) => name.endsWith('_kernel_time')).sort((one, other) => one.ts - other.ts);
}

test.each([
  ['forward', false],
  ['backward as well', true],
])('order and memory are those of ONNX Runtime: %s', async (_, differentiated) => {
  const weights = new Weights();
  const x = input('x', [1, CHANNELS, SIDE, SIDE]);
  const down = block('down', weights, x);
  const y = block('up', weights, concat([block('middle', weights, down), down], 1));
  await weights.write();
  const outputs: Record<string, Value> = differentiated
    ? { gradient: gradient([y], [input('g', y.shape)], [x])[0]! }
    : { y };
  const events = await profiled(outputs);
  const ran = events
    .filter(({ args }) => args.op_name === 'Gemm' || args.op_name === 'Conv')
    .map(({ name }) => name.replace(/#.*$/, ''));
  const planned = executionOrder(Object.values(outputs))
    .filter(({ operator }) => operator.name === 'gemm' || operator.name === 'conv2d')
    .map(({ operator, scope: place }) => (place === '' ? operator.name : `${place}/${operator.name}`));
  expect(ran.length).toBeGreaterThan(15);
  expect(planned).toEqual(ran);
  const peak = Math.max(...events.map(({ args }) => Number(args.mem_bytes_requested_in_use)));
  expect(Math.abs(peakActivations(outputs) / peak - 1)).toBeLessThan(0.15);
});
