/** The forecast of an iteration against what a real one does: the same graphs, run as often. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeTinyJudgedModel } from '../../test/tiny_judged_model.ts';
import type { Executable, MachineRates, Value } from '../graph/index.ts';
import { countFlops, Runtime, topologicalOrder } from '../graph/index.ts';
import { prepareFinetune } from './assemble.ts';
import { finetuneConfigSchema } from './config.ts';
import { DirectFinetuning } from './direct_finetuning.ts';
import { CountingRuntime, forecastIteration } from './forecast.ts';
import { computeIteration } from './iteration.ts';
import { initialAdapter } from './trained_part.ts';

/** Computes, and adds up the operations of runs by the network that they belong to. */
class Tally extends Runtime {
  readonly flops = new Map<string, number>();

  override async compile(outputs: Readonly<Record<string, Value>>): Promise<Executable> {
    const executable = await super.compile(outputs);
    const values = Object.values(outputs);
    const flops = countFlops(values);
    const network = networkOf(topologicalOrder(values).map(({ scope }) => scope));
    return {
      ...executable,
      run: (feeds) => {
        this.flops.set(network, (this.flops.get(network) ?? 0) + flops);
        return executable.run(feeds);
      },
    };
  }
}

const networkOf = (scopes: readonly string[]) =>
  ['unet', 'vae', 'clip_vision', 'clip_text'].find((name) =>
    scopes.some((scope) => scope.startsWith(name)),
  ) ?? 'other';

const folder = mkdtempSync(path.join(tmpdir(), 'forecast-'));
writeTinyJudgedModel(folder);
const tally = new Tally({ threads: 1 });
const counting = new CountingRuntime({ threads: 1 });
afterAll(async () => {
  await tally.close();
  await counting.close();
  rmSync(folder, { recursive: true });
});

const RATES: MachineRates = { matrix: 1e9, convolution: 2e9, bytes: 1e10, node: 1e-6, run: 1e-4 };

function prepare(runtime: Runtime, part: string) {
  const config = finetuneConfigSchema.parse({
    output: path.join(folder, 'run'),
    train: { part, rank: 2 },
    target: { gender: 'uniform' },
    prompts: { imagesPerPrompt: 5 },
    microBatch: 2,
    sampler: { steps: [3, 3], guidanceScale: 2 },
    gradient: { timesteps: 2 },
  });
  return prepareFinetune(config, {
    runtime,
    modelDirectory: folder,
    trainPrompts: ['a nurse', 'a pilot'],
    validationPrompts: ['a nurse'],
  });
}

describe('the forecast of an iteration', () => {
  it.each(['text-encoder', 'unet'])('counts the operations of a real one, training the %s', async (part) => {
    const real = prepare(tally, part);
    const adapter = initialAdapter(real.model, real.settings.part, real.settings.seed);
    const differentiate = new DirectFinetuning(real.pipeline);
    tally.flops.clear();
    await computeIteration({ ...real, differentiate }, 1, adapter);
    const { graphs } = await forecastIteration(prepare(counting, part), counting, RATES);
    const foretold = new Map<string, number>();
    for (const { label, work, runs } of graphs) {
      const network = networkOf(label.split(/[+:]/));
      const flops = runs * (work.matrixFlops + work.convolutionFlops);
      foretold.set(network, (foretold.get(network) ?? 0) + flops);
    }
    for (const network of ['unet', 'vae', 'clip_text'])
      expect(foretold.get(network), network).toBe(tally.flops.get(network));
  });

  it('adds up the time of graphs at the pace of the machine, and of what is around them', async () => {
    let seconds = 0;
    const clock = () => {
      seconds += 7;
      return seconds;
    };
    const forecast = await forecastIteration(prepare(counting, 'unet'), counting, RATES, clock);
    expect(forecast.around).toBe(7);
    const expected = forecast.graphs.reduce((sum, { work, runs }) => {
      const products = work.matrixFlops / 1e9 + work.convolutionFlops / 2e9;
      return sum + runs * (products + work.bytes / 1e10 + work.nodes * 1e-6 + 1e-4);
    }, 7);
    expect(forecast.seconds).toBeCloseTo(expected, 9);
    expect(forecast.graphs.map((graph) => graph.seconds)).toEqual(
      forecast.graphs.map((graph) => graph.seconds).sort((a, b) => b - a),
    );
  });
});
