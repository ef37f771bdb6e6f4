import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { gradient } from './gradient.ts';
import { toHalf } from './half.ts';
import { inMixedPrecision } from './mixed_precision.ts';
import { silu } from './operators/activation.ts';
import { add, scale } from './operators/arithmetic.ts';
import { attention } from './operators/attention.ts';
import { conv2d } from './operators/convolution.ts';
import { cast } from './operators/logic.ts';
import { linear } from './operators/matmul.ts';
import { groupNorm } from './operators/normalization.ts';
import { reshape } from './operators/shape.ts';
import { Runtime } from './runtime/runtime.ts';
import type { Value } from './value.ts';
import { constant, input, topologicalOrder, weight } from './value.ts';

const runtime = new Runtime({ threads: 1 });
const folder = mkdtempSync(path.join(tmpdir(), 'mixed-'));
afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});

/** Numbers of order 1, the same at every call. */
const numbers = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(1 + 7.1 * i + 3.3 * seed));

const file = path.join(folder, 'weights.bin');
writeFileSync(file, Uint16Array.from(numbers(64, 9), toHalf));
const stored = weight('w', [8, 8, 1, 1], 'float16', { file, offset: 0, length: 128 });

/** Convolution, norm, activation, attention and a linear layer, as the U-Net has them. */
function network(x: Value): Value {
  const kernel = constant(
    numbers(8 * 4 * 9, 1).map((each) => each / 6),
    [8, 4, 3, 3],
  );
  const h = conv2d(x, kernel, null, { padding: 1 });
  const normalized = groupNorm(h, 2, constant(numbers(8, 2), [8]), constant(numbers(8, 3), [8]), 1e-5);
  const tokens = reshape(silu(normalized), [1, 2, 25, 4]);
  const mixed = reshape(attention(tokens, tokens, tokens), [25, 8]);
  return add(linear(mixed, reshape(cast(stored, 'float32'), [8, 8]), null), reshape(h, [25, 8]));
}

const x = input('x', [1, 4, 5, 5]);
const feeds = { x: numbers(100, 5) };

async function evaluate(outputs: Record<string, Value>, more = {}) {
  const graph = await runtime.compile(outputs, { folding: false });
  const results = await graph.run({ ...feeds, ...more });
  await graph.release();
  return results as Record<string, Float32Array>;
}

const relative = (got: Float32Array, expected: Float32Array) =>
  Math.hypot(...got.map((value, i) => value - expected[i]!)) / Math.hypot(...expected);

describe('mixed precision', () => {
  const full = network(x);
  const [mixed] = inMixedPrecision([full]) as [Value];

  it('computes products in float16 and norms in float32, and reads stored float16 weights as they are', () => {
    const nodes = topologicalOrder([mixed]);
    const typesOf = (name: string) =>
      nodes.filter(({ operator }) => operator.name === name).map(({ outputs }) => outputs[0]!.dtype);
    for (const name of ['conv2d', 'attention', 'gemm', 'silu', 'add'])
      expect(new Set(typesOf(name)), name).toEqual(new Set(['float16']));
    expect(typesOf('groupNorm')).toEqual(['float32']);
    expect(mixed.dtype).toBe('float32');
    const readers = nodes.filter(({ inputs }) => inputs.includes(stored));
    expect(readers.map(({ operator }) => operator.name)).toEqual(['reshape']);
  });

  it('gives the values and gradients of float32 to three digits, not to seven', async () => {
    const g = constant(numbers(200, 6), full.shape);
    const [dFull] = gradient([full], [g], [x]);
    const [dMixed] = gradient([mixed], [g], [x]);
    expect(dMixed!.dtype).toBe('float32');
    const results = await evaluate({ full, mixed, dFull: dFull!, dMixed: dMixed! });
    for (const [got, expected] of [
      [results.mixed!, results.full!],
      [results.dMixed!, results.dFull!],
    ] as const) {
      expect(relative(got, expected)).toBeLessThan(5e-3);
      expect(relative(got, expected)).toBeGreaterThan(1e-6);
    }
  });

  it('loses small cotangents, which a scale of the loss brings through', async () => {
    const small = 2 ** -26;
    const g = constant(
      numbers(200, 6).map((each) => small * each),
      full.shape,
    );
    const factor = 2 ** 15;
    const [dFull] = gradient([full], [g], [x]);
    const [lost] = gradient([mixed], [g], [x]);
    const [scaled] = gradient([mixed], [scale(g, factor)], [x]);
    const results = await evaluate({ dFull: dFull!, lost: lost!, kept: scale(scaled!, 1 / factor) });
    expect(relative(results.lost!, results.dFull!)).toBeGreaterThan(0.3);
    expect(relative(results.kept!, results.dFull!)).toBeLessThan(1e-2);
  });
});
