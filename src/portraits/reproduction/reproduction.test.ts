import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createPlan } from '../../diffusion/schedulers/create_plan.ts';
import { outputWeights } from '../../diffusion/schedulers/plan.ts';
import { stableDiffusionScheduler } from '../../diffusion/schedulers/scheduler_config.ts';
import { lightTheme, pathDiagram, rasterizeSvg } from '../../evaluate/figures.ts';
import { gradientPaths, planGraph } from './gradient_paths.ts';
import { meanWithInterval, resultNumber, windowedMeans } from './measures.ts';
import type { BiasCurve } from './mode_comparison.ts';
import { commonLevel, iterationsTo } from './mode_comparison.ts';
import type { Part } from './parts.ts';
import { commonSettings, PARTS, unitsOf } from './parts.ts';
import { readParts, resultsCsv, resultsPage, writePart, writeResults } from './results.ts';
import type { Budget } from './settings.ts';
import { BUDGETS } from './settings.ts';

describe('the drawing of the gradient paths', () => {
  const plan = createPlan({ scheduler: stableDiffusionScheduler(), steps: 4 });

  it('has the edges of the real updates: their path weights to z(0) add up to b', () => {
    const { updates } = planGraph(plan);
    const weightOf = (node: string): number =>
      node === 'z4'
        ? 1
        : updates.reduce((sum, { from, to, weight }) => sum + (from === node ? weight * weightOf(to) : 0), 0);
    outputWeights(plan).forEach((weight, i) => {
      expect(weightOf(`e${i}`)).toBeCloseTo(weight, 10);
    });
  });

  it('lets only the unadjusted gradient through noise predictions, and draws without text', () => {
    const diagram = gradientPaths(plan);
    const through = diagram.panels.map(({ edges }) => edges.filter(({ series }) => series === 1).length);
    expect(through).toEqual([4, 0]);
    expect(diagram.panels[1]!.title).not.toMatch(/NaN/);
    const svg = pathDiagram(diagram, { theme: lightTheme, labels: 'strokes', id: 'paths' });
    expect(rasterizeSvg(svg).length).toBeGreaterThan(5000);
    const [panel] = diagram.panels;
    const broken = { ...panel!, edges: [{ from: 'z0', to: 'nowhere' }] };
    expect(() => pathDiagram({ ...diagram, panels: [broken] })).toThrow(/expected a node nowhere/);
  });
});

describe('iterations to the same bias', () => {
  const curve = (mode: string, biases: readonly number[]): BiasCurve => ({
    mode,
    points: biases.map((bias, i) => ({ iteration: 10 * (i + 1), bias })),
  });
  it.each([
    [[0.6, 0.4, 0.2], 0.3, 25],
    [[0.6, 0.4, 0.2], 0.4, 20],
    [[0.2, 0.4], 0.3, 10],
    [[0.6, 0.5], 0.3, null],
    [[], 0.3, null],
  ])('of %j at %f', (biases, level, expected) => {
    const found = iterationsTo(curve('adjusted', biases), level);
    if (expected === null) expect(found).toBeNull();
    else expect(found).toBeCloseTo(expected, 10);
  });

  it('are counted to the larger of the mean last biases', () => {
    const curves = [
      curve('adjusted', [0.6, 0.2]),
      curve('adjusted', [0.6, 0.1]),
      curve('reference', [0.6, 0.3]),
      curve('reference', [0.6, 0.4]),
    ];
    expect(commonLevel(curves)).toBeCloseTo(0.35, 12);
  });
});

describe('the parts', () => {
  it('take at most 90 minutes each on two cores, by the pace of the demo', () => {
    // The README's demo: 274 iterations of 16 images and 1,200 measured ones in 7 min 44 s on two cores, judges and losses included.
    const pace = (7 * 60 + 44) / (274 * 16 * (4 * 6 + 3 * 3) + 1200 * 2 * 10);
    // A machine that takes a tenth longer keeps within it, too.
    for (const part of PARTS) {
      expect(unitsOf([part], BUDGETS.full) * pace * 1.1, part.name).toBeLessThan(90 * 60);
    }
  });

  it('count a run that they share once', () => {
    const [tables, grid] = ['table-2', 'figure-8'].map((name) => PARTS.find((part) => part.name === name)!);
    const shared = tables!.shared!(BUDGETS.full)['many-concepts']!;
    const { iterations, prompts, images, steps, timesteps } = BUDGETS.full.concepts;
    expect(shared).toBe(iterations * prompts * images * (4 * steps + 3 * timesteps));
    const both = unitsOf([tables!, grid!], BUDGETS.full);
    expect(both).toBe(unitsOf([tables!], BUDGETS.full) + unitsOf([grid!], BUDGETS.full) - shared);
  });
});

const SHA256_OF_ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

describe('what a part follows from', () => {
  const full = BUDGETS.full;
  const changed: [string, Budget, string[]][] = [
    ['figure 6a', { ...full, lossCurves: { ...full.lossCurves, learningRate: 0.1 } }, ['figure-6a']],
    ['table 1', { ...full, table1: { ...full.table1, images: 9 } }, ['table-1']],
    ['many concepts', { ...full, concepts: { ...full.concepts, iterations: 1 } }, ['table-2', 'figure-8']],
    ['occupations', { ...full, occupations: { ...full.occupations, images: 9 } }, ['gender-race']],
    ['the grids', { ...full, grids: { ...full.grids, prompts: 1 } }, ['figure-8']],
    ['age', { ...full, age: { ...full.age, steps: 5 } }, ['figure-9']],
    ['the comparison', { ...full, modes: { ...full.modes, seeds: 2 } }, ['adjusted-reference']],
    ['the paths', { ...full, paths: { steps: 7 } }, ['figure-7']],
    ['the scales', { ...full, scales: { ...full.scales, runs: 7 } }, ['figure-6b']],
  ];
  it.each(changed)('is only its own: %s', (_, budget, names) => {
    const text = (part: Part, of: Budget) => JSON.stringify(part.settings(of));
    const others = PARTS.filter((part) => text(part, budget) !== text(part, full));
    expect(others.map(({ name }) => name)).toEqual(names);
    expect(commonSettings(budget)).toEqual(commonSettings(full));
  });

  it('is common to all where it concerns every measurement', () => {
    expect(commonSettings({ ...full, measureSteps: 3 })).not.toEqual(commonSettings(full));
  });

  it('lets results be read again, but not those of other settings or without their figures', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'results-'));
    try {
      const part = (digest: string, files: string[]) => ({
        ...{ title: 'T', text: [], numbers: [], seconds: 1, digest, figures: [{ caption: 'C', files }] },
      });
      const png = Buffer.from('png');
      const file = path.join(folder, 'adapter.safetensors');
      writeFileSync(file, 'abc');
      const drawn = { name: 'a', caption: 'C', svg: null, png };
      const kept = writePart(
        folder,
        { title: 'T', text: [], numbers: [], figures: [drawn], runs: [{ name: 'run', file }] },
        { digest: 'd', seconds: 1 },
      );
      expect(kept.adapters).toEqual([{ file: 'adapters/run.safetensors', sha256: SHA256_OF_ABC }]);
      expect(readFileSync(path.join(folder, 'adapters', 'run.safetensors'), 'utf8')).toBe('abc');
      const lost = { file: 'adapters/lost.safetensors', sha256: SHA256_OF_ABC };
      writeResults(folder, {
        ...({ format: 'evenhand-reproduction', version: 2, scale: 'full' } as const),
        model: { name: 'portraits', hash: 'sha256:1' },
        updated: '2026-01-02T03:04:05.000Z',
        parts: {
          ...{ kept, lost: part('d', ['b.png']), other: part('e', ['a.png']) },
          withoutAdapter: { ...kept, adapters: [lost] },
        },
      });
      expect(readParts(folder, { kept: 'd', lost: 'd', other: 'd', withoutAdapter: 'd' })).toEqual({ kept });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('means over windows of iterations', () => {
  it('stand at the middle of each window, with intervals, and leave out what was not measured', () => {
    const log = Array.from({ length: 70 }, (_, i) => ({
      iteration: i + 1,
      loss: 0,
      metrics: { bias: i === 3 ? null : i < 50 ? (i % 2 === 0 ? 0.2 : 0.4) : 0.1 },
    }));
    const { points, band } = windowedMeans(log, 'bias');
    expect(points.map(({ x }) => x)).toEqual([25.5, 60.5]);
    expect(points[0]!.y).toBeCloseTo((25 * 0.2 + 24 * 0.4) / 49, 12);
    expect(points[1]!.y).toBeCloseTo(0.1, 12);
    // Deviation .1 around the mean, 49 values: 1.96 times .101 / 7.
    expect(band[0]!.high - band[0]!.low).toBeCloseTo((2 * 1.96 * 0.101) / 7, 4);
    expect(band[1]!.high - band[1]!.low).toBeCloseTo(0, 12);
    expect(windowedMeans(log.slice(0, 1), 'bias').band).toEqual([{ x: 1, low: 0.2, high: 0.2 }]);
    expect(windowedMeans(log, 'other').points).toEqual([]);
  });
});

describe('the results', () => {
  const numbers = [
    resultNumber({
      row: 'a, b',
      measure: 'bias',
      value: 0.25,
      low: 0.2,
      high: 0.3,
      published: { value: 0.67, deviation: 0.29 },
    }),
    resultNumber({ row: 'c', measure: 'CLIP-T', value: Number.NaN }),
  ];
  const part = {
    title: 'Table',
    text: ['Said.'],
    numbers,
    figures: [{ caption: 'Bars', files: ['x.svg', 'x.png'] }],
    adapters: [{ file: 'adapters/run+more.safetensors', sha256: SHA256_OF_ABC }],
    digest: 'd',
    seconds: 61,
  };
  const results = {
    ...({ format: 'evenhand-reproduction', version: 2, scale: 'full' } as const),
    model: { name: 'portraits', hash: 'sha256:1' },
    updated: '2026-01-02T03:04:05.000Z',
    parts: { table: part },
  };

  it('stand on a page with the published ones in italics, and in a table for spreadsheets', () => {
    const page = resultsPage(results);
    expect(page).toContain('| a, b | 0.25 [0.20, 0.30], *0.67 ± 0.29* |  |');
    expect(page).toContain('| c |  | not known |');
    expect(page).toContain('![Bars](x.svg)');
    expect(page).toContain('Adapters: [run+more](adapters/run+more.safetensors).');
    expect(resultsCsv(results).split('\r\n')[1]).toBe('table,"a, b",bias,0.25,0.2,0.3,,,,0.67,0.29');
  });

  it('have means with intervals that hold them, none for a single value', () => {
    const { value, low, high } = meanWithInterval([1, 2, 3, 6]);
    expect(value).toBe(3);
    expect(low!).toBeLessThan(3);
    expect(high!).toBeGreaterThan(3);
    expect(meanWithInterval([4])).toEqual({ value: 4, low: null, high: null });
  });
});
