import { afterAll, describe, expect, it } from 'vitest';
import { gaussianNoise } from '../../diffusion/noise.ts';
import { createNoiseSchedule } from '../../diffusion/schedulers/noise_schedule.ts';
import { stableDiffusionScheduler } from '../../diffusion/schedulers/scheduler_config.ts';
import { constant, input, Runtime, reshape, scale, type Tensors, type Value } from '../../graph/index.ts';
import { trainableParameters } from '../../models/index.ts';
import { classificationLoss, classificationTargets } from './classification.ts';
import { matchingLoss } from './contrastive.ts';
import { denoisingBatch } from './denoiser.ts';
import {
  balancedAssignments,
  crowdingLoss,
  distillationLoss,
  prototypeScores,
  twoViewLoss,
} from './self_distillation.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

/** Values of outputs by name. */
async function compute(
  outputs: Record<string, Value>,
  feeds: Tensors = {},
): Promise<Record<string, number[]>> {
  const executable = await runtime.compile(outputs);
  const results = await executable.run(feeds);
  await executable.release();
  return Object.fromEntries(Object.entries(results).map(([name, data]) => [name, [...data].map(Number)]));
}

type Matrix = number[][];

function matrix(rows: number, columns: number, stream: string): Matrix {
  const data = [...gaussianNoise({ seed: 1, stream }, rows * columns)];
  return Array.from({ length: rows }, (_, i) => data.slice(i * columns, (i + 1) * columns));
}

const constantOf = (rows: Matrix) => constant(Float32Array.from(rows.flat()), [rows.length, rows[0]!.length]);

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

const mean = (values: readonly number[]) => sum(values) / values.length;

const unit = (row: readonly number[]) => row.map((value) => value / Math.hypot(...row));

const dot = (a: readonly number[], b: readonly number[]) => sum(a.map((value, i) => value * b[i]!));

function logSoftmax(row: readonly number[]): number[] {
  const logSum = Math.log(sum(row.map(Math.exp)));
  return row.map((value) => value - logSum);
}

describe('the matching loss', () => {
  const [a, b] = [matrix(5, 7, 'a'), matrix(5, 7, 'b')];

  /** Mean of the cross-entropies of rows and of columns. */
  function plain(logScale: number): number {
    const factor = Math.min(Math.exp(logScale), 100);
    const logits = a.map((left) => b.map((right) => factor * dot(unit(left), unit(right))));
    const rows = logits.map((row, i) => -logSoftmax(row)[i]!);
    const columns = logits.map((_, i) => -logSoftmax(logits.map((row) => row[i]!))[i]!);
    return (mean(rows) + mean(columns)) / 2;
  }

  it.each([
    ['as it is', 1.5],
    ['limited to 100', 6],
  ])('is the symmetric cross-entropy of cosines, the scale %s', async (_, logScale) => {
    const { loss } = await compute({
      loss: matchingLoss(constantOf(a), constantOf(b), constant(Float32Array.of(logScale), [1])),
    });
    expect(Math.abs(loss![0]! / plain(logScale) - 1)).toBeLessThan(1e-5);
  });

  it('is about 0 for equal rows and large scales', async () => {
    const { loss } = await compute({
      loss: matchingLoss(constantOf(a), constantOf(a), constant(Float32Array.of(4), [1])),
    });
    expect(loss![0]).toBeLessThan(0.01);
  });
});

describe('self-distillation', () => {
  const scores = matrix(12, 4, 'scores').map(unit);

  function sinkhorn(temperature: number, iterations: number): Matrix {
    let q = scores.map((row) => row.map((value) => Math.exp(value / temperature)));
    for (let i = 0; i < iterations; i++) {
      const columns = q[0]!.map((_, k) => sum(q.map((row) => row[k]!)));
      q = q.map((row) => row.map((value, k) => value / columns[k]!));
      q = q.map((row) => row.map((value) => value / sum(row)));
    }
    return q;
  }

  it('assigns prototypes equally often, each image in whole', async () => {
    const { three, many } = await compute({
      three: balancedAssignments(constantOf(scores), 0.25),
      many: balancedAssignments(constantOf(scores), 0.25, 60),
    });
    const expected = sinkhorn(0.25, 3).flat();
    three!.forEach((value, i) => {
      expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-5);
    });
    for (const [found, tolerance] of [
      [three!, 0.5],
      [many!, 1e-3],
    ] as const) {
      for (let row = 0; row < 12; row++) expect(sum(found.slice(4 * row, 4 * row + 4))).toBeCloseTo(1, 5);
      for (let k = 0; k < 4; k++) {
        const used = sum(found.filter((_, i) => i % 4 === k));
        expect(Math.abs(used - 3)).toBeLessThan(tolerance);
      }
    }
  });

  it('stays finite at the temperatures of training', async () => {
    const { q } = await compute({ q: balancedAssignments(constantOf(scores), 0.04) });
    expect(q!.every((value) => value >= 0 && value <= 1 + 1e-6)).toBe(true);
  });

  it('compares with the cross-entropy at the temperature of the student', async () => {
    const targets = matrix(12, 4, 'targets').map((row) => logSoftmax(row).map(Math.exp));
    const { loss } = await compute({ loss: distillationLoss(constantOf(scores), constantOf(targets), 0.1) });
    const rows = scores.map((row, i) => -dot(targets[i]!, logSoftmax(row.map((value) => value / 0.1))));
    expect(loss![0]).toBeCloseTo(mean(rows), 4);
  });

  it('scores features by cosines to the prototypes', async () => {
    const head = { inputs: 3, hidden: 4, bottleneck: 2, prototypes: 5 };
    const { parameters, values } = trainableParameters();
    const output = prototypeScores(head, parameters, constantOf(matrix(6, 3, 'features')));
    const feeds = Object.fromEntries(
      [...values].map(([name, { shape }]) => [
        name,
        gaussianNoise(
          { seed: 2, stream: name },
          shape.reduce((n, size) => n * size, 1),
        ),
      ]),
    );
    const { found } = await compute({ found: output }, feeds);
    expect(found).toHaveLength(30);
    expect(found!.every((value) => Math.abs(value) <= 1 + 1e-6)).toBe(true);
    const scaled = { ...feeds, 'prototypes.weight': feeds['prototypes.weight']!.map((value) => value * 3) };
    const { found: again } = await compute({ found: output }, scaled);
    again!.forEach((value, i) => {
      expect(value).toBeCloseTo(found![i]!, 5);
    });
  });

  it('asks the student of each view for what the teacher says of the other', async () => {
    // One pixel an image: three scores, its channels.
    const asScores = (factor: number) => (view: Value) => {
      const features = reshape(view, [4, 3]);
      return { features, scores: scale(features, factor) };
    };
    const temperatures = { student: 0.5, teacher: 0.25 };
    const lossOf = (spread: number) => twoViewLoss(asScores(1), asScores(2), 4, 1, { temperatures, spread });
    const [first, second] = [matrix(4, 3, 'first'), matrix(4, 3, 'second')];
    const feeds = { first: Float32Array.from(first.flat()), second: Float32Array.from(second.flat()) };
    const between = (student: Matrix, teacher: Matrix) =>
      distillationLoss(constantOf(student), balancedAssignments(scale(constantOf(teacher), 2), 0.25), 0.5);
    const { found } = await compute({ found: lossOf(0) }, feeds);
    const { found: spread } = await compute({ found: lossOf(0.5) }, feeds);
    const { one, two } = await compute({ one: between(first, second), two: between(second, first) });
    expect(found![0]).toBeCloseTo((one![0]! + two![0]!) / 2, 5);
    expect(Math.abs(one![0]! - two![0]!)).toBeGreaterThan(0.01);
    const { a, b } = await compute({
      a: crowdingLoss(constantOf(first)),
      b: crowdingLoss(constantOf(second)),
    });
    expect(spread![0]! - found![0]!).toBeCloseTo(0.25 * (a![0]! + b![0]!), 5);
  });

  it('measures how crowded features are by the distance to the nearest other', async () => {
    const rows = matrix(5, 3, 'features');
    const unit = rows.map((row) => row.map((value) => value / Math.hypot(...row)));
    const nearest = unit.map((row, i) =>
      Math.min(
        ...unit
          .filter((_, k) => k !== i)
          .map((other) => Math.hypot(...other.map((value, j) => value - row[j]!))),
      ),
    );
    const { found } = await compute({ found: crowdingLoss(constantOf(rows)) });
    expect(found![0]).toBeCloseTo(-mean(nearest.map(Math.log)), 4);
    const twins = await compute({ found: crowdingLoss(constantOf([rows[0]!, rows[0]!, rows[1]!])) });
    expect(twins.found![0]).toBeGreaterThan(found![0]! + 1);
    expect(Number.isFinite(twins.found![0])).toBe(true);
  });
});

describe('the classification loss', () => {
  const logits = { gender: matrix(5, 2, 'gender'), age: matrix(5, 3, 'age') };
  const labels = { gender: [0, 1, 1, 0, 1], age: [2, 0, 1, 1, 0] };

  it('smooths labels', () => {
    const targets = classificationTargets({ age: [2, 0] }, { age: 4 }, 0.2);
    const expected = [0.05, 0.05, 0.85, 0.05, 0.85, 0.05, 0.05, 0.05];
    [...targets['age.targets']!].forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 6);
    });
    expect(classificationTargets({ age: [1] }, { age: 2 }, 0)['age.targets']).toEqual(Float32Array.of(0, 1));
  });

  it('is the sum of cross-entropies, and the metrics are the shares of hits', async () => {
    const smoothing = 0.1;
    const { loss, metrics } = classificationLoss({
      gender: input('gender', [5, 2]),
      age: input('age', [5, 3]),
    });
    const found = await compute(
      {
        loss,
        ...Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`hits ${name}`, value])),
      },
      {
        gender: Float32Array.from(logits.gender.flat()),
        age: Float32Array.from(logits.age.flat()),
        ...classificationTargets(labels, { gender: 2, age: 3 }, smoothing),
      },
    );
    let expected = 0;
    for (const name of ['gender', 'age'] as const) {
      const entropies = logits[name].map((row, i) => {
        const target = row.map(
          (_, k) => smoothing / row.length + (k === labels[name][i] ? 1 - smoothing : 0),
        );
        return -dot(target, logSoftmax(row));
      });
      expected += mean(entropies);
      const hits = logits[name].map((row, i) => Number(row.indexOf(Math.max(...row)) === labels[name][i]));
      expect(found[`hits ${name}`]![0], name).toBeCloseTo(mean(hits), 6);
    }
    expect(found.loss![0]).toBeCloseTo(expected, 5);
  });
});

describe('the inputs of a denoising step', () => {
  const { alphasCumulative } = createNoiseSchedule(stableDiffusionScheduler());
  const latents = gaussianNoise({ seed: 6, stream: 'latents' }, 5 * 16);
  const settings = { seed: 3, alphasCumprod: alphasCumulative, gamma: 1, prediction: 'epsilon' as const };

  it('mix latents and noise at one timestep of each fifth, weighted by the signal', () => {
    const batch = denoisingBatch(latents, 5, 2, settings) as Record<string, Float32Array>;
    const velocity = denoisingBatch(latents, 5, 2, { ...settings, prediction: 'v_prediction' });
    const { noisy, target: noise, timesteps, weights } = batch;
    expect(velocity.noisy).toEqual(noisy);
    expect(Math.abs(mean([...noise!]))).toBeLessThan(0.4);
    timesteps!.forEach((t, n) => {
      expect(t).toBeGreaterThanOrEqual(200 * n);
      expect(t).toBeLessThan(200 * (n + 1));
      const alpha = alphasCumulative[t]!;
      const [signal, sigma, snr] = [Math.sqrt(alpha), Math.sqrt(1 - alpha), alpha / (1 - alpha)];
      expect(weights![n]).toBeCloseTo(snr > 1 ? 1 / snr : 1, 5);
      expect(velocity.weights![n]).toBeCloseTo(snr > 1 ? 2 / (snr + 1) : 1, 5);
      for (let i = 16 * n; i < 16 * (n + 1); i++) {
        expect(noisy![i]).toBeCloseTo(signal * latents[i]! + sigma * noise![i]!, 5);
        // The noisy latents and v are a rotation of latents and noise, which undoes itself.
        expect(signal * noisy![i]! - sigma * Number(velocity.target![i])).toBeCloseTo(latents[i]!, 5);
      }
    });
    expect(weights![0]).toBeLessThan(0.25);
    expect(weights![4]).toBe(1);
  });

  it('follow from seed and step alone, and reach every timestep', () => {
    const at = (step: number, seed = 3) => denoisingBatch(latents, 5, step, { ...settings, seed });
    expect(at(7)).toEqual(at(7));
    expect(at(8).target).not.toEqual(at(7).target);
    expect(at(7, 4).timesteps).not.toEqual(at(7).timesteps);
    const tiny = { ...settings, alphasCumprod: [0.9, 0.5, 0.1] };
    const seen = new Set<number>();
    for (let step = 0; step < 40; step++) {
      for (const t of denoisingBatch(latents, 1, step, tiny).timesteps!) seen.add(Number(t));
    }
    expect([...seen].sort()).toEqual([0, 1, 2]);
  });
});
