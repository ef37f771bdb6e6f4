/** How fast a device computes, measured in a second or two, and how long a graph takes at that pace. */

import type { GraphWork } from '../flops.ts';
import { countFlops, graphWork } from '../flops.ts';
import { add } from '../operators/arithmetic.ts';
import { conv2d } from '../operators/convolution.ts';
import { matmul } from '../operators/matmul.ts';
import { neg } from '../operators/unary.ts';
import type { Value } from '../value.ts';
import { input } from '../value.ts';
import type { GraphRuntime } from './executable.ts';

/** Pace of a device. */
export interface MachineRates {
  /** Floating-point operations a second of matrix products, and of convolutions. */
  readonly matrix: number;
  readonly convolution: number;
  /** Bytes a second that elementwise work moves. */
  readonly bytes: number;
  /** Seconds that a node takes however small it is, and a run. */
  readonly node: number;
  readonly run: number;
}

/** Rounds of each trial; the fastest counts. */
const ROUNDS = 4;

/** Seconds that a round takes at least: clocks of processor time miss some milliseconds of threads that are running. */
const ROUND_SECONDS = 0.06;
const MOST_RUNS = 1024;

/** A chain of `length` applications with one other operand, so that feeding and fetching count little. */
function chain(
  length: number,
  first: Value,
  other: Value,
  apply: (value: Value, other: Value) => Value,
): Value {
  let value = first;
  for (let i = 0; i < length; i++) value = apply(value, other);
  return value;
}

/**
 * Measures a device.
 * @param options `wide`: with every thread of the runtime (when left out) or with those of one of the runs that go side by side;
 * `clock`: seconds so far, of the wall when left out
 */
export async function measureRates(
  runtime: GraphRuntime,
  options: { readonly wide?: boolean; readonly clock?: () => number } = {},
): Promise<MachineRates> {
  const { wide = true, clock = () => performance.now() / 1000 } = options;
  const secondsFor = async (result: Value) => {
    const executable = await runtime.compile({ result }, { wide });
    const feeds = Object.fromEntries(
      executable.inputs.map(({ name, shape }) => [
        name,
        new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(0.01),
      ]),
    );
    await executable.run(feeds);
    const round = async (runs: number) => {
      const started = clock();
      for (let i = 0; i < runs; i++) await executable.run(feeds);
      return clock() - started;
    };
    let runs = 1;
    while (runs < MOST_RUNS && (await round(runs)) < ROUND_SECONDS) runs *= 2;
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < ROUNDS; i++) best = Math.min(best, await round(runs));
    await executable.release();
    return best / runs;
  };
  const run = await secondsFor(neg(input('x', [4])));
  const matrix = chain(4, input('a', [1024, 1024]), input('b', [1024, 1024]), matmul);
  const images = chain(4, input('x', [4, 128, 16, 16]), input('w', [128, 128, 3, 3]), (value, kernel) =>
    conv2d(value, kernel, null, { padding: 1 }),
  );
  const moved = chain(12, input('x', [2 ** 20]), input('y', [2 ** 20]), add);
  const small = chain(256, input('x', [16]), input('y', [16]), add);
  const net = async (result: Value) => Math.max(1e-6, (await secondsFor(result)) - run);
  return {
    matrix: countFlops([matrix]) / (await net(matrix)),
    convolution: countFlops([images]) / (await net(images)),
    bytes: graphWork([moved]).bytes / (await net(moved)),
    node: (await net(small)) / 256,
    run,
  };
}

/** Seconds of one run of a graph at a device's pace. */
export function secondsOf(work: GraphWork, rates: MachineRates): number {
  return (
    work.matrixFlops / rates.matrix +
    work.convolutionFlops / rates.convolution +
    work.bytes / rates.bytes +
    work.nodes * rates.node +
    rates.run
  );
}
