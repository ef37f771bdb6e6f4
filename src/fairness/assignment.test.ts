import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createGenerator } from '../diffusion/noise.ts';
import { distancesToClasses, linearAssignment, transportToCounts } from './assignment.ts';
import { multinomialWeights, numberOfCountVectors, visitCountVectors, visitSubsets } from './class_counts.ts';
import { createClassTransport } from './class_transport.ts';

interface Example {
  N: number;
  K: number;
  p: number[][];
  samples: { u_classes: number[]; optimal_cost: number; assigned_class_of_image: number[] }[];
}
const url = new URL('../../test/fixtures/ot-dal/assignment.json', import.meta.url);
const { examples } = JSON.parse(readFileSync(url, 'utf8')) as { examples: Example[] };

const uniform = createGenerator({ seed: 5, stream: 'assignment test' }).uniform;

function countsOf(classes: readonly number[], size: number): number[] {
  const counts = new Array<number>(size).fill(0);
  for (const k of classes) counts[k]!++;
  return counts;
}

/** Least cost over all permutations. */
function bruteForce(costs: Float64Array, rows: number, columns: number): number {
  const used = new Set<number>();
  const search = (row: number): number => {
    if (row === rows) return 0;
    let best = Number.POSITIVE_INFINITY;
    for (let column = 0; column < columns; column++) {
      if (used.has(column)) continue;
      used.add(column);
      best = Math.min(best, costs[row * columns + column]! + search(row + 1));
      used.delete(column);
    }
    return best;
  };
  return search(0);
}

describe('optimal transport of golden batches', () => {
  it.each(examples.map((e) => [e.N, e.K, e] as const))('N=%i K=%i', (_, K, { p, samples }) => {
    const costs = distancesToClasses([Float64Array.from(p.flat())], [K]);
    const walking = createClassTransport(costs, new Float64Array(costs.length), K);
    for (const { u_classes, optimal_cost, assigned_class_of_image } of samples) {
      const counts = countsOf(u_classes, K);
      const { columns, cost } = transportToCounts(costs, counts);
      expect(Math.abs(cost - optimal_cost)).toBeLessThan(1e-12);
      expect([...columns]).toEqual(assigned_class_of_image);
      walking.moveTo(counts);
      expect([...walking.counts]).toEqual(counts);
      expect([...walking.classes]).toEqual(assigned_class_of_image);
    }
  });
});

describe('linearAssignment', () => {
  it.each([
    [1, 1],
    [3, 3],
    [4, 6],
    [6, 6],
    [5, 7],
  ])('is as cheap as the best of all permutations, %i x %i', (rows, columns) => {
    for (let trial = 0; trial < 20; trial++) {
      const costs = Float64Array.from({ length: rows * columns }, () => uniform() * 4 - 2);
      const { columns: chosen, cost } = linearAssignment(costs, rows, columns);
      expect(new Set(chosen).size).toBe(rows);
      expect(cost).toBeCloseTo(bruteForce(costs, rows, columns), 12);
    }
  });

  it('finds an optimum among tied costs', () => {
    const costs = Float64Array.from({ length: 36 }, () => Math.floor(uniform() * 3));
    expect(linearAssignment(costs, 6, 6).cost).toBe(bruteForce(costs, 6, 6));
  });

  it.each([
    [() => linearAssignment(new Float64Array(6), 3, 2), /at most 2 rows, received 3/],
    [() => linearAssignment(new Float64Array(5), 2, 3), /expected 6 costs, received 5/],
    [() => linearAssignment(Float64Array.of(1, 2, Number.NaN, 3), 2, 2), /row 1, column 0 is NaN/],
    [() => transportToCounts(new Float64Array(6), [1, 1]), /sum to 3 images, received a sum of 2/],
  ])('refuses wrong input %#', (call, message) => expect(call).toThrow(message));
});

describe('createClassTransport', () => {
  it('stays optimal along a random walk of counts over joint cells', () => {
    const [images, sizes] = [14, [2, 4]];
    const rows = sizes.map((size) => {
      const values = Float64Array.from({ length: images * size }, () => uniform() ** 3);
      for (let i = 0; i < images; i++) {
        const row = values.subarray(i * size, (i + 1) * size);
        const sum = row.reduce((a, b) => a + b, 0);
        row.forEach((value, k) => {
          row[k] = value / sum;
        });
      }
      return values;
    });
    const costs = distancesToClasses(rows, sizes);
    const transport = createClassTransport(costs, new Float64Array(costs.length), 8);
    for (let step = 0; step < 100; step++) {
      const counts = countsOf(
        Array.from({ length: images }, () => Math.floor(uniform() * uniform() * 8)),
        8,
      );
      transport.moveTo(counts);
      const cost = transport.classes.reduce((sum, k, image) => sum + costs[image * 8 + k]!, 0);
      expect(Math.abs(cost - transportToCounts(costs, counts).cost)).toBeLessThan(1e-10);
    }
  });

  it('refuses counts of another batch', () => {
    const transport = createClassTransport(new Float64Array(6), new Float64Array(6), 2);
    expect(() => transport.moveTo([1, 1])).toThrow(/sum to 3 images, received a sum of 2/);
    expect(() => transport.moveTo([4, 1])).toThrow(/sum to 3 images, received a sum of 5/);
  });
});

describe('count vectors', () => {
  it.each([
    [5, 1],
    [6, 2],
    [7, 3],
    [6, 4],
    [4, 8],
  ])(
    'of %i over %i classes are visited once, one unit apart, with weights that sum to one',
    (total, classes) => {
      const seen = new Set<string>();
      const shares = Array.from({ length: classes }, (_, k) => (2 * (k + 1)) / (classes * (classes + 1)));
      const weigh = multinomialWeights(total, shares);
      let before: number[] | undefined;
      let weight = 0;
      const means = new Array<number>(classes).fill(0);
      visitCountVectors(total, classes, (counts) => {
        if (before) {
          const moved = before.map((count, k) => Math.abs(count - counts[k]!)).reduce((a, b) => a + b, 0);
          expect(moved).toBe(2);
        }
        before = [...counts];
        seen.add(before.join());
        weight += weigh(counts);
        for (let k = 0; k < classes; k++) means[k]! += weigh(counts) * counts[k]!;
      });
      expect(seen.size).toBe(numberOfCountVectors(total, classes));
      expect(weight).toBeCloseTo(1, 12);
      means.forEach((mean, k) => {
        expect(mean).toBeCloseTo(total * shares[k]!, 10);
      });
    },
  );

  it('visits subsets in order', () => {
    const subsets: string[] = [];
    visitSubsets([1, 3, 5, 7], 2, (subset) => subsets.push(subset.join('')));
    expect(subsets).toEqual(['13', '15', '17', '35', '37', '57']);
  });
});
