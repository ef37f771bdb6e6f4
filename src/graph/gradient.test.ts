import { afterAll, expect, test } from 'vitest';
import { gradient } from './gradient.ts';
import { defineOperator, required } from './operator.ts';
import { add, mul, scale, sub } from './operators/arithmetic.ts';
import { argMax, zeros } from './operators/indexing.ts';
import { cast, greater } from './operators/logic.ts';
import { matmul } from './operators/matmul.ts';
import { reduceSum } from './operators/reduction.ts';
import { exp, floor, sin } from './operators/unary.ts';
import { Runtime } from './runtime/runtime.ts';
import type { Value } from './value.ts';
import { constant, input, scalar, scope, topologicalOrder } from './value.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const ones = constant([1, 1, 1], [3]);

async function evaluate(value: Value, feeds: Record<string, Float32Array> = {}): Promise<number[]> {
  const graph = await runtime.compile({ value });
  const { value: result } = await graph.run(feeds);
  await graph.release();
  return Array.from(result as Float32Array);
}

test('a value used several times receives the sum of what flows back', async () => {
  const x = input('x', [3]);
  const y = add(add(mul(x, x), scale(x, 3)), x);
  const [dx] = gradient([y], [ones], [x]);
  expect(await evaluate(dx!, { x: Float32Array.of(1, -2, 0.5) })).toEqual([6, 0, 5]);
});

test('several outputs add up, and an output may be asked for directly', async () => {
  const x = input('x', [3]);
  const y = scale(x, 2);
  const z = mul(y, y);
  const [dx, dy] = gradient([y, z], [ones, ones], [x, y]);
  const feeds = { x: Float32Array.of(1, 2, 3) };
  // dz/dy = 2y, and y itself is an output: dy = 1 + 4x, dx = 2 dy.
  expect(await evaluate(dy!, feeds)).toEqual([5, 9, 13]);
  expect(await evaluate(dx!, feeds)).toEqual([10, 18, 26]);
});

test('an intermediate value can be differentiated by', async () => {
  const x = input('x', [3]);
  const hidden = exp(x);
  const [dHidden] = gradient([mul(hidden, hidden)], [ones], [hidden]);
  expect(await evaluate(dHidden!, { x: Float32Array.of(0, 0, 0) })).toEqual([2, 2, 2]);
});

test('nothing outside the part between inputs and outputs is visited', () => {
  const forbidden = defineOperator<null>({
    name: 'forbidden',
    infer: (inputs) => [required(inputs, 0)],
    emit: () => {},
    gradient: () => {
      throw new Error('visited');
    },
  });
  const x = input('x', [3]);
  const other = input('other', [3]);
  const before = forbidden([other], null)[0]!;
  const y = mul(x, before);
  const after = forbidden([y], null)[0]!;
  const [dx] = gradient([y], [ones], [x]);
  expect(topologicalOrder([dx!]).some((node) => node === after.node)).toBe(false);
  expect(() => gradient([after], [ones], [x])).toThrow('visited');
});

test('only the cotangents that are needed are computed', () => {
  const [a, b] = [input('a', [4, 3]), input('b', [3, 2])];
  const y = matmul(a, b);
  const [da] = gradient([y], [input('g', [4, 2])], [a]);
  const products = topologicalOrder([da!]).filter((node) => node.operator.name === 'matmul');
  expect(products.length).toBe(1);
});

test('the gradient is zero where the outputs do not depend on the input', async () => {
  const [x, other] = [input('x', [3]), input('other', [2, 2])];
  const [dx, dOther] = gradient([sin(x)], [ones], [x, other]);
  expect(dOther!.shape).toEqual([2, 2]);
  expect(await evaluate(dOther!)).toEqual([0, 0, 0, 0]);
  expect(dx!.shape).toEqual([3]);
});

test('the gradient is zero through comparisons, rounding and indices', async () => {
  const x = input('x', [3]);
  const passed = cast(greater(x, scalar(0)), 'float32');
  const index = cast(argMax(x), 'float32');
  const [dx] = gradient([add(add(floor(x), passed), index)], [ones], [x]);
  expect(await evaluate(dx!, {})).toEqual([0, 0, 0]);
});

test('zero gradients have the type of their input', () => {
  const [dx] = gradient([zeros([3])], [ones], [input('x', [2], 'float16')]);
  expect(dx).toMatchObject({ dtype: 'float16', shape: [2] });
});

test('an operator without a rule is named with node and scope', () => {
  const opaque = defineOperator<null>({
    name: 'opaque',
    infer: (inputs) => [required(inputs, 0)],
    emit: () => {},
  });
  const x = input('x', [3]);
  const y = scope('decoder', () => opaque([x], null)[0]!);
  expect(() => gradient([y], [ones], [x])).toThrow(
    `gradient: operator opaque has no gradient rule (node ${y.node.id} in decoder)`,
  );
  // Away from the path it does no harm.
  expect(gradient([sub(x, opaque([input('y', [3])], null)[0]!)], [ones], [x]).length).toBe(1);
});

test('a rule that returns a wrong shape is caught', () => {
  const wrong = defineOperator<null>({
    name: 'wrong',
    infer: (inputs) => [required(inputs, 0)],
    emit: () => {},
    gradient: () => [scalar(1)],
  });
  const x = input('x', [3]);
  expect(() => gradient([wrong([x], null)[0]!], [ones], [x])).toThrow(
    'gradient: the rule of wrong returned float32[] for input 0 of float32[3]',
  );
});

test('a cotangent of the wrong shape is refused', () => {
  const x = input('x', [3]);
  expect(() => gradient([x], [scalar(1)], [x])).toThrow(
    'gradient: expected a cotangent float32[3] for output 0, received float32[]',
  );
});

test('gradients of gradients: the second derivative of x^3', async () => {
  const x = input('x', [3]);
  const [first] = gradient([mul(x, mul(x, x))], [ones], [x]);
  const [second] = gradient([reduceSum(first!)], [scalar(1)], [x]);
  expect(await evaluate(second!, { x: Float32Array.of(1, -2, 0.5) })).toEqual([6, -12, 3]);
});

test('a chain of 20000 nodes is differentiated without overflowing the stack', () => {
  const x = input('x', [3]);
  let y = x;
  for (let i = 0; i < 20_000; i++) y = add(y, x);
  const [dx] = gradient([y], [ones], [x]);
  expect(topologicalOrder([dx!]).length).toBeGreaterThan(20_000);
});
