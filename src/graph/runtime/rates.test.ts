import { expect, test } from 'vitest';
import { countFlops } from '../flops.ts';
import type { Value } from '../value.ts';
import type { Executable, GraphRuntime } from './executable.ts';
import { measureRates } from './rates.ts';

/** A device that computes 10^12 operations a second and needs a tenth of a millisecond a run, on a clock of its own. */
function deviceWithClock(tick: number): { readonly runtime: GraphRuntime; readonly clock: () => number } {
  let now = 0;
  const compile = async ({ result }: { readonly result?: Value }) =>
    ({
      inputs: [],
      async run() {
        now += 1e-4 + countFlops([result!]) / 1e12;
        return {};
      },
      async release() {
        return null;
      },
    }) as unknown as Executable;
  return {
    runtime: { compile } as unknown as GraphRuntime,
    clock: () => Math.floor(now / tick + 1e-6) * tick,
  };
}

test.each([1e-6, 0.004, 0.01])('rates do not depend on a clock that ticks every %f s', async (tick) => {
  const { runtime, clock } = deviceWithClock(tick);
  const rates = await measureRates(runtime, { clock });
  for (const rate of [rates.matrix, rates.convolution]) {
    expect(rate).toBeGreaterThan(0.8e12);
    expect(rate).toBeLessThan(1.25e12);
  }
  expect(rates.run).toBeGreaterThan(0.8e-4);
  expect(rates.run).toBeLessThan(1.25e-4);
});
