/** Times graphs on a runtime: best of several runs, with random feeds. */

import { gaussianNoise } from '../src/diffusion/noise.ts';
import type { Executable, Runtime, TensorData, Value } from '../src/graph/index.ts';
import { countFlops, elementCount } from '../src/graph/index.ts';

/** One line of the results. */
export interface BenchEntry {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  /** Arithmetic done per second over the machine's GEMM rate; `null` where the entry isn't arithmetic. */
  readonly peakFraction: number | null;
}

/** A graph to time. */
export interface BenchCase {
  readonly name: string;
  /** Builds the outputs; called when the case is timed, so that graphs don't pile up. */
  build(): Readonly<Record<string, Value>>;
}

/** How often a graph is run. */
export interface RunCounts {
  /** Runs before those that count. */
  readonly warmup: number;
  /** Runs at least, and seconds that they take at least. */
  readonly least: number;
  readonly seconds: number;
}

/** How often a graph runs: at least so often and so long, after runs that warm it up. */
const RUNS: RunCounts = Object.freeze({ warmup: 2, least: 5, seconds: 1.5 });

/** How often a graph runs that takes many seconds. */
export const FEW_RUNS: RunCounts = Object.freeze({ warmup: 1, least: 2, seconds: 0 });

/**
 * Seconds of the fastest run of a compiled graph, and of its feeds' way to the worker and back.
 * @param together runs that are begun at once; the seconds are of all of them
 */
export async function bestSeconds(
  executable: Executable,
  runs: RunCounts = RUNS,
  together = 1,
): Promise<number> {
  const feeds = randomFeeds(executable);
  const runAll = () => Promise.all(Array.from({ length: together }, () => executable.run(feeds)));
  for (let run = 0; run < runs.warmup; run++) await runAll();
  let best = Number.POSITIVE_INFINITY;
  const begun = performance.now();
  for (let run = 0; run < runs.least || performance.now() - begun < runs.seconds * 1000; run++) {
    const started = performance.now();
    await runAll();
    best = Math.min(best, (performance.now() - started) / 1000);
  }
  return best;
}

/** Standard normal numbers for floating-point inputs, small whole numbers for the others; the same at every call. */
export function randomFeeds({ inputs }: Executable): Record<string, TensorData> {
  return Object.fromEntries(
    inputs.map(({ name, shape, dtype }) => {
      const count = elementCount(shape);
      const noise = gaussianNoise({ seed: 1, stream: name }, count);
      if (dtype === 'float32') return [name, noise];
      const whole = Int32Array.from(noise, (value) => Math.floor(Math.abs(value) * 100));
      if (dtype === 'int32') return [name, whole];
      if (dtype !== 'int64')
        throw new Error(`bench: expected float32, int32 or int64 for ${name}, received ${dtype}`);
      return [name, BigInt64Array.from(whole, BigInt)];
    }),
  );
}

/** How fast a case ran. */
export interface CaseTime {
  readonly name: string;
  readonly seconds: number;
  /** Counted floating-point operations a second; 0 where the case has none that count. */
  readonly rate: number;
}

/**
 * Times one case: with every thread of the runtime, or `sideBySide` as many runs at once as the runtime allows, of which the
 * seconds are those of one.
 * @param runs how often; often enough for graphs that take milliseconds when left out
 */
export async function measureCase(
  runtime: Runtime,
  { name, build }: BenchCase,
  { runs = RUNS, sideBySide = false }: { readonly runs?: RunCounts; readonly sideBySide?: boolean } = {},
): Promise<CaseTime> {
  const outputs = build();
  const flops = countFlops(Object.values(outputs));
  const together = sideBySide ? runtime.concurrency : 1;
  const executable = await runtime.compile(outputs, { wide: !sideBySide });
  const seconds = (await bestSeconds(executable, runs, together)) / together;
  await executable.release();
  return { name: sideBySide ? `${name}, side by side` : name, seconds, rate: flops / seconds };
}

/**
 * A case's line of the results.
 * @param peak floating-point operations a second that count as 1
 */
export function entryOf({ name, seconds, rate }: CaseTime, peak: number): BenchEntry {
  return { name, unit: 'ms', value: seconds * 1000, peakFraction: rate === 0 ? null : rate / peak };
}
