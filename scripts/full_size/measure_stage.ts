/** Measures one stage in this process, so that its peak memory is its own; prints JSON. */

import { parseArgs } from 'node:util';
import { PEAK_CASE } from '../../bench/kernels.ts';
import { randomFeeds } from '../../bench/measure.ts';
import { openTextToImageModel } from '../../src/diffusion/model.ts';
import type { Executable, SessionSettings, TensorData } from '../../src/graph/index.ts';
import { countFlops, Runtime, summarizeProfile } from '../../src/graph/index.ts';
import { watchMemory } from './memory.ts';
import { STAGES } from './stages.ts';

/** Wall and processor time of one run, in seconds; the latter hardly depends on what else the machine does. */
interface Times {
  readonly wall: number;
  readonly processor: number;
}

async function timed(work: () => Promise<unknown>): Promise<Times> {
  const [started, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return { wall: (performance.now() - started) / 1000, processor: (user + system) / 1e6 };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    side: { type: 'string', default: '64' },
    runs: { type: 'string', default: '2' },
    settings: { type: 'string', default: '{}' },
    profile: { type: 'string' },
    gemm: { type: 'boolean', default: false },
    against: { type: 'string' },
    threads: { type: 'string', default: '2' },
  },
});
const [folder, name] = positionals as [string, string];
const runtime = new Runtime({ threads: Number(values.threads) });
const model = openTextToImageModel(folder);
const settings = JSON.parse(values.settings) as Partial<SessionSettings>;

/** Compiles and runs a stage; its session stays, as in a fine-tuning run. */
async function measure(stageName: string, more: Partial<SessionSettings> = {}) {
  const stage = STAGES[stageName];
  if (stage === undefined)
    throw new Error(`expected one of ${Object.keys(STAGES).join(', ')}, received ${stageName}`);
  const outputs = stage(model, Number(values.side));
  const flops = countFlops(Object.values(outputs));
  let executable!: Executable;
  const compile = await timed(async () => {
    executable = await runtime.compile(outputs, { ...settings, ...more });
  });
  const feeds = randomFeeds(executable);
  const runs: Times[] = [];
  let finite = true;
  for (let run = 0; run < Number(values.runs); run++) {
    let results: Record<string, TensorData> = {};
    runs.push(
      await timed(async () => {
        results = await executable.run(feeds);
      }),
    );
    finite &&= Object.values(results).every(
      (each) => !(each instanceof Float32Array) || each.every(Number.isFinite),
    );
  }
  const best = (key: keyof Times) => Math.min(...runs.map((times) => times[key]));
  return {
    executable,
    figures: {
      stage: stageName,
      teraflop: flops / 1e12,
      compileSeconds: compile.wall,
      seconds: best('wall'),
      processorSeconds: best('processor'),
      finite,
    },
  };
}

/** Operations of matrix products in a second of one processor. */
async function gemmRate(): Promise<number> {
  const product = PEAK_CASE.build();
  const executable = await runtime.compile(product);
  const feeds = randomFeeds(executable);
  await executable.run(feeds);
  const { processor } = await timed(async () => {
    for (let run = 0; run < 4; run++) await executable.run(feeds);
  });
  await executable.release();
  return (4 * countFlops(Object.values(product))) / processor;
}

const { result, peak, anonymousPeak } = await watchMemory(async () => {
  const before = values.gemm ? await gemmRate() : null;
  const against = values.against === undefined ? null : (await measure(values.against)).figures;
  const own = await measure(name, values.profile === undefined ? {} : { profile: values.profile });
  const profile = await own.executable.release();
  const rate = before === null ? null : Math.max(before, await gemmRate());
  return { against, own: own.figures, profile, rate };
});
await runtime.close();
const { own, against, rate, profile } = result;
console.log(
  JSON.stringify({
    ...own,
    side: Number(values.side),
    peakGib: peak / 2 ** 30,
    anonymousGib: anonymousPeak / 2 ** 30,
    ...(rate === null
      ? {}
      : {
          gemmGigaflopPerProcessorSecond: rate / 1e9,
          fractionOfGemm: (own.teraflop * 1e12) / own.processorSeconds / rate,
        }),
    ...(against === null ? {} : { against, ratio: own.processorSeconds / against.processorSeconds }),
  }),
);
if (profile !== null) {
  for (const by of ['operator', 'scope'] as const) {
    console.log(by);
    for (const entry of (await summarizeProfile(profile, by)).slice(0, 28)) {
      const share = (entry.share * 100).toFixed(1);
      console.log(`${entry.name.padEnd(64)} ${entry.milliseconds.toFixed(0).padStart(8)} ms ${share}%`);
    }
  }
}
