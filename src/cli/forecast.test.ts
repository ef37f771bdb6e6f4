import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { writeTinyJudgedModel } from '../../test/tiny_judged_model.ts';
import type { RunForecast } from './forecast.ts';
import { forecastFindings, forecastRun } from './forecast.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'doctor-'));
afterAll(() => rmSync(folder, { recursive: true }));
writeTinyJudgedModel(folder);

const GIB = 2 ** 30;

describe('the forecast of a run', () => {
  it('leaves no folder behind, also where the configuration is refused', async () => {
    const own = path.join(folder, 'tmp');
    mkdirSync(own);
    vi.stubEnv('TMPDIR', own);
    const set = ['prompts.imagesPerPrompt=4', 'sampler.steps=[3, 3]'];
    await forecastRun({ config: 'gender', model: folder, set, threads: 1 });
    await expect(forecastRun({ config: 'gender', model: folder, set: ['optimizer=1'] })).rejects.toThrow();
    // ONNX Runtime and tsx write files of their own there.
    expect(readdirSync(own).filter((name) => name.startsWith('evenhand'))).toEqual([]);
    vi.unstubAllEnvs();
  });

  it('counts what a preset does on a model, and measures the pace of the machine', async () => {
    const set = ['prompts.imagesPerPrompt=4', 'sampler.steps=[3, 3]', 'optimizer.iterations=7'];
    const forecast = await forecastRun({ config: 'gender', model: folder, set, threads: 1 });
    expect(forecast.iterations).toBe(7);
    for (const [name, rate] of Object.entries(forecast.rates)) expect(rate, name).toBeGreaterThan(0);
    // Four images fit into one batch: three steps with the adapter and three without, on one graph, for the text is trained.
    const sampling = forecast.graphs.find(({ label }) => label === 'unet: output');
    expect(sampling!.runs).toBe(6);
    expect(forecast.seconds).toBeGreaterThan(forecast.around);
    expect(forecast.peakBytes).toBeGreaterThan(0.1 * GIB);
  });

  it.each([
    [2, null, 'good', undefined],
    [1, null, 'note', /large graphs will give way to each other/],
    [2, 1, 'note', /large graphs will give way to each other/],
    [0.5, null, 'note', /too little; a smaller microBatch needs less/],
  ] as const)('tells whether %d GiB are enough, within %d', (available, limit, state, advice) => {
    const work = { matrixFlops: 1e9, convolutionFlops: 0, bytes: 0, nodes: 1 };
    const forecast: RunForecast = {
      seconds: 90,
      around: 9,
      graphs: [{ label: 'unet: output', work, runs: 12, seconds: 81 }],
      flops: 3e12,
      iterations: 100,
      rates: { matrix: 1e11, convolution: 5e10, bytes: 1e10, node: 1e-6, run: 1e-4 },
      peakBytes: 1.5 * GIB,
      leastBytes: 0.75 * GIB,
      memory: { total: 4 * GIB, available: available * GIB, limit: limit && limit * GIB },
    };
    const findings = forecastFindings(forecast);
    expect(findings.map(({ text }) => text).join('\n')).toMatch(
      /3\.00 TFLOP.*100 take.*unet: output 90% \(12 runs\), around the graphs 10%.*100 GFLOP\/s.*1\.5 GiB/s,
    );
    expect(findings.at(-1)!.state).toBe(state);
    if (advice !== undefined) expect(findings.at(-1)!.advice).toMatch(advice);
  });
});
