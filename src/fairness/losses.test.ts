/** The alignment loss as a graph against golden numbers, and the choice of the real face. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gaussianNoise } from '../diffusion/noise.ts';
import { openFaceBank, writeFaceBank } from '../faces/bank.ts';
import { gradient, input, Runtime, scalar } from '../graph/index.ts';
import { crossEntropies, faceDistances, weightedSum } from './losses.ts';

let runtime: Runtime;
beforeAll(() => {
  runtime = new Runtime({ threads: 1 });
});
afterAll(() => runtime.close());

interface Example {
  readonly N: number;
  readonly K: number;
  readonly logits: number[][];
  readonly y: number[];
  readonly c: number[];
  readonly C: number;
  readonly ce: number[];
  readonly L_align: number;
  readonly grad_logits: number[][];
}

const file = new URL('../../test/fixtures/ot-dal/loss.json', import.meta.url);
const { examples } = JSON.parse(readFileSync(file, 'utf8')) as { readonly examples: Example[] };

describe('alignment loss', () => {
  test.each(examples)('of $N images and $K classes', async (example) => {
    const { N, K, logits, y, c, C } = example;
    const scores = input('logits', [N, K]);
    const entropies = crossEntropies(scores, input('targets', [N, K]));
    const loss = weightedSum(entropies, input('weights', [N]));
    const [slope] = gradient([loss], [scalar(1)], [scores]);
    const executable = await runtime.compile({ entropies, loss, slope: slope! });
    const results = await executable.run({
      logits: Float32Array.from(logits.flat()),
      targets: Float32Array.from(y.flatMap((k) => Array.from({ length: K }, (_, j) => (j === k ? 1 : 0)))),
      weights: Float32Array.from(c, (confidence) => (confidence >= C ? 1 / N : 0)),
    });
    await executable.release();
    example.ce.forEach((expected, i) => {
      expect(results.entropies![i]).toBeCloseTo(expected, 5);
    });
    expect(results.loss![0]).toBeCloseTo(example.L_align, 6);
    example.grad_logits.flat().forEach((expected, i) => {
      expect(results.slope![i]).toBeCloseTo(expected, 7);
    });
  });
});

describe('face distances', () => {
  const size = 6;
  const rows = gaussianNoise({ seed: 4 }, 5 * size);
  const folder = mkdtempSync(join(tmpdir(), 'evenhand-bank-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'bank.safetensors');
  const queries = gaussianNoise({ seed: 5 }, 3 * size);
  const own = gaussianNoise({ seed: 6 }, 3 * size);
  const row = (data: Float32Array, i: number) => data.subarray(i * size, (i + 1) * size);
  const cosine = (a: Float32Array, b: Float32Array) =>
    a.reduce((sum, value, i) => sum + value * b[i]!, 0) / (Math.hypot(...a) * Math.hypot(...b));

  test('are taken to the nearest real face or to the own one', async () => {
    writeFaceBank(path, { embeddings: rows, dimension: size }, 'F32');
    const embeddings = input('embeddings', [3, size]);
    const references = { own: input('own', [3, size]), useOwn: input('useOwn', [3]) };
    const { distances, nearest } = faceDistances(embeddings, { bank: openFaceBank(path), ...references });
    const loss = weightedSum(distances, input('weights', [3]));
    const [slope] = gradient([loss], [scalar(1)], [embeddings]);
    const executable = await runtime.compile({ distances, nearest: nearest!, slope: slope! });
    const feeds = {
      embeddings: queries,
      own,
      useOwn: Float32Array.of(0, 1, 0),
      weights: Float32Array.of(1, 1, 0),
    };
    const results = await executable.run(feeds);
    const chosen = [0, 1, 2].map((i) => {
      const cosines = Array.from({ length: 5 }, (_, k) => cosine(row(queries, i), row(rows, k)));
      const best = cosines.indexOf(Math.max(...cosines));
      expect(Number(results.nearest![i])).toBe(best);
      return i === 1 ? row(own, 1) : row(rows, best);
    });
    chosen.forEach((face, i) => {
      const q = row(queries, i);
      expect(results.distances![i]).toBeCloseTo(1 - cosine(q, face), 5);
      // d(1 - cos)/dq = (cos q/|q| - f/|f|)/|q|
      const [length, other, similarity] = [Math.hypot(...q), Math.hypot(...face), cosine(q, face)];
      q.forEach((value, j) => {
        const expected = i === 2 ? 0 : ((similarity * value) / length - face[j]! / other) / length;
        expect(results.slope![i * size + j]).toBeCloseTo(expected, 5);
      });
    });
    await executable.release();
  });

  test('are taken to the own face only, without a bank', async () => {
    const references = { bank: null, own: input('own', [3, size]), useOwn: input('useOwn', [3]) };
    const { distances, nearest } = faceDistances(input('embeddings', [3, size]), references);
    expect(nearest).toBeNull();
    const executable = await runtime.compile({ distances });
    const results = await executable.run({ embeddings: queries, own });
    for (let i = 0; i < 3; i++) {
      expect(results.distances![i]).toBeCloseTo(1 - cosine(row(queries, i), row(own, i)), 5);
    }
    await executable.release();
  });
});
