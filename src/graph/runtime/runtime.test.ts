import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { add, scale } from '../operators/arithmetic.ts';
import { conv2d } from '../operators/convolution.ts';
import { matmul } from '../operators/matmul.ts';
import { exp } from '../operators/unary.ts';
import { input, scope } from '../value.ts';
import { summarizeProfile } from './profile.ts';
import { Runtime } from './runtime.ts';

// A worker whose thread dies in the middle of a run, as it does when its memory is used up.
const dying = vi.hoisted(() => ({ next: false }));
vi.mock('./start_worker.ts', async (importActual) => {
  const actual = await importActual<typeof import('./start_worker.ts')>();
  return {
    startWorker: (...args: Parameters<typeof actual.startWorker>) => {
      if (!dying.next) return actual.startWorker(...args);
      dying.next = false;
      const code = `require('node:worker_threads').parentPort.on('message', (m) => {
        if (m.kind === 'run') setTimeout(() => { throw new Error('out of memory'); }, 10);
        else require('node:worker_threads').parentPort.postMessage({ id: m.id, done: true });
      });`;
      return new Worker(code, { eval: true });
    },
  };
});

let folder: string;
let runtime: Runtime;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'evenhand-runtime-'));
  runtime = new Runtime({ threads: 1 });
});
afterAll(async () => {
  await runtime.close();
  await rm(folder, { recursive: true, force: true });
});

const double = () => ({ y: scale(input('x', [2]), 2) });

test('equal graphs share one session, which the last release frees', async () => {
  const [first, second, other] = [
    await runtime.compile(double()),
    await runtime.compile(double()),
    await runtime.compile({ y: scale(input('x', [2]), 3) }),
  ];
  expect(runtime.sessions).toBe(2);
  await first.release();
  await first.release();
  expect(runtime.sessions).toBe(2);
  await expect(first.run({ x: Float32Array.of(1, 2) })).rejects.toThrow('this graph was released');
  expect((await second.run({ x: Float32Array.of(1, 2) })).y).toEqual(Float32Array.of(2, 4));
  await second.release();
  await other.release();
  expect(runtime.sessions).toBe(0);
});

test('different settings make different sessions', async () => {
  const graphs = [
    await runtime.compile(double()),
    await runtime.compile(double(), { optimization: 'basic' }),
  ];
  expect(runtime.sessions).toBe(2);
  for (const graph of graphs) await graph.release();
});

test('feeds are copied and results belong to the caller', async () => {
  const graph = await runtime.compile(double());
  const x = Float32Array.of(1, 2);
  const first = graph.run({ x });
  x.fill(100);
  const second = graph.run({ x });
  expect((await first).y).toEqual(Float32Array.of(2, 4));
  expect((await second).y).toEqual(Float32Array.of(200, 200));
  const third = await graph.run({ x: Float32Array.of(5, 6) });
  await graph.run({ x: Float32Array.of(7, 8) });
  expect(third.y).toEqual(Float32Array.of(10, 12));
  expect(x).toEqual(Float32Array.of(100, 100));
  await graph.release();
});

test.each([
  ['a missing input', {}, 'runtime: expected input x (float32[2]), received none'],
  [
    'an unknown input',
    { x: Float32Array.of(1, 2), z: Float32Array.of(1) },
    'runtime: expected inputs x, received z',
  ],
  ['a wrong length', { x: Float32Array.of(1) }, 'runtime: expected float32[2] for x, received 1 elements'],
])('%s is refused by name', async (_what, feeds, message) => {
  const graph = await runtime.compile(double());
  await expect(graph.run(feeds as Record<string, Float32Array>)).rejects.toThrow(message);
  await graph.release();
});

test('a model that ONNX Runtime refuses is an error, and the runtime goes on', async () => {
  const broken = {
    bytes: new Uint8Array([1, 2, 3]),
    inputs: [],
    outputs: [],
    externalRoot: null,
    weights: [],
  };
  await expect(runtime.load(broken)).rejects.toThrow(/^runtime: cpu could not compile the graph: /);
  const graph = await runtime.compile(double());
  expect((await graph.run({ x: Float32Array.of(1, 2) })).y).toEqual(Float32Array.of(2, 4));
  await graph.release();
  expect(runtime.sessions).toBe(0);
});

test('when the worker dies, pending and later runs are rejected', async () => {
  dying.next = true;
  const doomed = new Runtime({ threads: 1 });
  const graph = await doomed.compile(double());
  const runs = [graph.run({ x: Float32Array.of(1, 2) }), graph.run({ x: Float32Array.of(3, 4) })];
  for (const result of await Promise.allSettled(runs)) {
    expect(result).toMatchObject({ status: 'rejected', reason: { message: 'out of memory' } });
  }
  await expect(graph.run({ x: Float32Array.of(1, 2) })).rejects.toThrow('out of memory');
  await expect(doomed.compile(double())).rejects.toThrow('out of memory');
  await doomed.close();
});

test('closing rejects what is pending', async () => {
  const closing = new Runtime({ threads: 1 });
  const graph = await closing.compile(double());
  const pending = graph.run({ x: Float32Array.of(1, 2) });
  const settled = expect(pending).rejects.toThrow('runtime: closed');
  await closing.close();
  await settled;
  await expect(graph.run({ x: Float32Array.of(1, 2) })).rejects.toThrow('runtime: closed');
});

test('the event loop stays free during a long run', async () => {
  const size = 512;
  let product = input('x', [size, size]);
  const x = product;
  for (let i = 0; i < 40; i++) product = scale(matmul(product, x), 1 / size);
  const graph = await runtime.compile({ product });
  const start = performance.now();
  let ticks = 0;
  const timer = setInterval(() => ticks++, 2);
  await graph.run({ x: new Float32Array(size * size).fill(0.5) });
  clearInterval(timer);
  const elapsed = performance.now() - start;
  await graph.release();
  // A run on this thread would let no tick through.
  expect(ticks).toBeGreaterThan(5);
  expect(elapsed).toBeGreaterThan(20);
});

test('a profile adds up kernel times by operator and by scope', async () => {
  const x = input('x', [1, 2, 16, 16]);
  const y = scope('encoder', () => exp(conv2d(x, input('w', [4, 2, 3, 3]), null)));
  const graph = await runtime.compile({ y: add(y, y) }, { profile: path.join(folder, 'trace') });
  const feeds = { x: new Float32Array(512).fill(1), w: new Float32Array(72).fill(0.1) };
  for (let run = 0; run < 3; run++) await graph.run(feeds);
  const file = await graph.release();
  const byOperator = await summarizeProfile(file!);
  expect(byOperator.find(({ name }) => name === 'Conv (CPU)')).toMatchObject({ calls: 3 });
  expect(byOperator.reduce((total, { share }) => total + share, 0)).toBeCloseTo(1);
  expect(byOperator).toEqual(byOperator.toSorted((a, b) => b.milliseconds - a.milliseconds));
  const byScope = await summarizeProfile(file!, 'scope');
  expect(byScope.map(({ name }) => name)).toContain('encoder/conv2d');
});

test('what is no profile is refused by name', async () => {
  const [text, object] = [path.join(folder, 'text'), path.join(folder, 'object')];
  await writeFile(text, 'no json');
  await writeFile(object, '{}');
  await expect(summarizeProfile(text)).rejects.toThrow(`${text}: expected a profile of ONNX Runtime`);
  await expect(summarizeProfile(object)).rejects.toThrow(`${object}: expected a list of events`);
});

/** A graph that takes some milliseconds on one thread. */
function slow(factor: number) {
  const size = 384;
  const x = input('x', [size, size]);
  let product = x;
  for (let i = 0; i < 20; i++) product = scale(matmul(product, x), factor / size);
  return { outputs: { product }, feeds: { x: new Float32Array(size * size).fill(0.5) } };
}

test('runs go side by side up to the concurrency, and give what one after the other gives', async () => {
  const two = new Runtime({ threads: 2 });
  expect([runtime.concurrency, two.concurrency, new Runtime({ threads: 16 }).concurrency]).toEqual([1, 2, 4]);
  const { outputs, feeds } = slow(1);
  const graph = await two.compile(outputs);
  const alone = (await graph.run(feeds)).product!;
  const several = await Promise.all(Array.from({ length: 5 }, () => graph.run(feeds)));
  for (const { product } of several) expect(product).toEqual(alone);
  await graph.release();
  expect(two.sessions).toBe(0);
  await two.close();
});

test('a wide graph runs one at a time, beside others that do not wait for it for ever', async () => {
  const two = new Runtime({ threads: 2 });
  const [wide, narrow] = [slow(1), slow(0.5)];
  const graphs = [await two.compile(wide.outputs, { wide: true }), await two.compile(narrow.outputs)];
  // Both workers have the narrow graph by now.
  await Promise.all([graphs[1]!.run(narrow.feeds), graphs[1]!.run(narrow.feeds)]);
  const order: number[] = [];
  let narrowEnded = false;
  const narrowRun = graphs[1]!.run(narrow.feeds).then(() => {
    narrowEnded = true;
  });
  const runWide = async (name: number) => {
    await graphs[0]!.run(wide.feeds);
    order.push(name);
  };
  // There is always a wide run that waits, until the narrow one has ended or will not.
  const begun = [runWide(0)];
  for (let i = 1; i < 300 && !narrowEnded; i++) {
    begun.push(runWide(i));
    await begun[i - 1];
  }
  expect(narrowEnded).toBe(true);
  await Promise.all([...begun, narrowRun]);
  expect(order).toEqual(order.map((_, i) => i));
  for (const graph of graphs) await graph.release();
  await two.close();
});

test('when one worker dies, runs that wait for any are rejected', async () => {
  const doomed = new Runtime({ threads: 2 });
  const graph = await doomed.compile(double());
  dying.next = true;
  const runs = Array.from({ length: 5 }, () => graph.run({ x: Float32Array.of(1, 2) }));
  const results = await Promise.allSettled(runs);
  expect(results.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0);
  await expect(graph.run({ x: Float32Array.of(1, 2) })).rejects.toThrow('out of memory');
  await doomed.close();
});
