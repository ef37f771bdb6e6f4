import { describe, expect, it } from 'vitest';
import { gaussianNoise } from '../diffusion/noise.ts';
import { kernelDistance, pairedKernelDistance } from './kernel_distance.ts';

/** k(x, y) written once more, for numbers and for vectors. */
function kernel(x: readonly number[], y: readonly number[]): number {
  return (x.reduce((sum, value, i) => sum + value * y[i]!, 0) / x.length + 1) ** 3;
}

function pack(rows: readonly (readonly number[])[]): Float32Array {
  return Float32Array.from(rows.flat());
}

/** All sequences of `length` items with their probabilities. */
function sequences<T>(items: readonly (readonly [T, number])[], length: number): (readonly [T[], number])[] {
  if (length === 0) return [[[], 1]];
  return sequences(items, length - 1).flatMap(([rest, chance]) =>
    items.map(([item, p]) => [[...rest, item], chance * p] as const),
  );
}

type Distribution<T> = readonly (readonly [T, number])[];

const P: Distribution<readonly number[]> = [
  [[1, 0], 0.5],
  [[0, 2], 0.3],
  [[-1, 1], 0.2],
];
const Q: Distribution<readonly number[]> = [
  [[1, 0], 0.2],
  [[0.5, -1], 0.8],
];

function expectation(
  first: readonly (readonly [readonly number[], number])[],
  second: readonly (readonly [readonly number[], number])[],
): number {
  return first.reduce(
    (sum, [x, p]) => sum + second.reduce((inner, [y, q]) => inner + p * q * kernel(x, y), 0),
    0,
  );
}

describe('kernelDistance', () => {
  it('follows from sums by hand', () => {
    const x = [[1], [2], [0]];
    const y = [[0], [1], [1]];
    // Kernels (1 + a b)^3. Within x: 1.2 -> 27, 1.0 -> 1, 2.0 -> 1; within y: 1, 1, 8; across: 1 8 8, 1 27 27, 1 1 1.
    const expected = (2 * 29) / 6 + (2 * 10) / 6 - (2 * 75) / 9;
    const { estimate, images, dimension } = kernelDistance(pack(x), pack(y), 1);
    expect(estimate).toBeCloseTo(expected, 10);
    expect({ images, dimension }).toEqual({ images: [3, 3], dimension: 1 });
  });

  it('is unbiased: its mean over all samples is the distance of the distributions', () => {
    const truth = expectation(P, P) + expectation(Q, Q) - 2 * expectation(P, Q);
    let mean = 0;
    for (const [x, p] of sequences(P, 3)) {
      for (const [y, q] of sequences(Q, 4)) {
        mean += p * q * kernelDistance(pack(x), pack(y), 2).estimate;
      }
    }
    expect(truth).toBeGreaterThan(0.5);
    expect(mean).toBeCloseTo(truth, 5);
  });

  it('has the jackknife error of leaving out each image', () => {
    const x = [
      [1, 0.5],
      [2, -1],
      [0, 1],
      [1, 1],
    ];
    const y = [
      [0, 0],
      [1, 0.5],
      [-1, 2],
      [0.5, 0.5],
      [2, 0],
    ];
    const without = <T>(items: readonly T[], left: number) => items.filter((_, i) => i !== left);
    const part = (values: readonly number[]) => {
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return ((values.length - 1) / values.length) * values.reduce((sum, v) => sum + (v - mean) ** 2, 0);
    };
    const variance =
      part(x.map((_, i) => kernelDistance(pack(without(x, i)), pack(y), 2).estimate)) +
      part(y.map((_, i) => kernelDistance(pack(x), pack(without(y, i)), 2).estimate));
    const measured = kernelDistance(pack(x), pack(y), 2);
    expect(measured.standardError).toBeCloseTo(Math.sqrt(variance), 6);
    expect(measured.high - measured.estimate).toBeCloseTo(1.959964 * measured.standardError, 5);
    expect(measured.low + measured.high).toBeCloseTo(2 * measured.estimate, 10);
  });

  it('is about zero between halves of one set, and far from it between sets that differ', () => {
    const noise = gaussianNoise({ seed: 3 }, 400 * 8);
    const [a, b] = [noise.slice(0, 200 * 8), noise.slice(200 * 8)];
    const same = kernelDistance(a, b, 8);
    expect(same.low).toBeLessThan(0);
    expect(same.high).toBeGreaterThan(0);
    const moved = kernelDistance(
      a,
      b.map((value) => value + 0.5),
      8,
    );
    expect(moved.low).toBeGreaterThan(0.3);
  });

  it('covers the true distance about as often as its level says', () => {
    let covered = 0;
    const truth = expectation(P, P) + expectation(Q, Q) - 2 * expectation(P, Q);
    const draw = (set: readonly (readonly [readonly number[], number])[], u: number) => {
      let rest = u;
      for (const [item, p] of set) {
        rest -= p;
        if (rest < 0) return item;
      }
      return set[0]![0];
    };
    const uniform = gaussianNoise({ seed: 8 }, 200 * 120).map((z) => 0.5 + Math.atan(z / 2) / Math.PI);
    // Any smooth map of normal noise to 0..1 that is made uniform by its ranks.
    const order = Array.from(uniform.keys()).sort((i, j) => uniform[i]! - uniform[j]!);
    order.forEach((at, rank) => {
      uniform[at] = (rank + 0.5) / uniform.length;
    });
    for (let trial = 0; trial < 200; trial++) {
      const u = uniform.subarray(trial * 120, (trial + 1) * 120);
      const x = Array.from(u.subarray(0, 60), (value) => draw(P, value));
      const y = Array.from(u.subarray(60), (value) => draw(Q, value));
      const { low, high } = kernelDistance(pack(x), pack(y), 2);
      if (low <= truth && truth <= high) covered++;
    }
    expect(covered).toBeGreaterThan(176);
  });

  it.each([
    [[1, 2], [1, 2, 3], 1, /three rows of 1 features in the first set, received 2/],
    [[1, 2, 3, 4], [1, 2, 3], 1.5, /in the first set/],
  ])('refuses %j and %j of dimension %d', (x, y, dimension, message) => {
    expect(() => kernelDistance(Float32Array.from(x), Float32Array.from(y), dimension)).toThrow(message);
  });
});

describe('pairedKernelDistance', () => {
  it('follows from sums by hand', () => {
    const x = [[1], [2], [0]];
    const y = [[0], [1], [1]];
    // Sum over i != j of k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i); the across terms off the diagonal.
    const across = 8 + 8 + 1 + 27 + 1 + 1;
    const { estimate } = pairedKernelDistance(pack(x), pack(y), 1);
    expect(estimate).toBeCloseTo((2 * 29 + 2 * 10 - 2 * across) / 6, 10);
  });

  it('is unbiased for partners that depend on each other, where the estimate for independent sets is not', () => {
    // Partners agree in the first value more often than independent draws would.
    const joint: Distribution<readonly (readonly number[])[]> = [
      [
        [
          [1, 0],
          [1, 0],
        ],
        0.2,
      ],
      [
        [
          [1, 0],
          [0.5, -1],
        ],
        0.3,
      ],
      [
        [
          [0, 2],
          [0.5, -1],
        ],
        0.3,
      ],
      [
        [
          [-1, 1],
          [0.5, -1],
        ],
        0.2,
      ],
    ];
    const truth = expectation(P, P) + expectation(Q, Q) - 2 * expectation(P, Q);
    let [paired, independent] = [0, 0];
    for (const [pairs, chance] of sequences(joint, 3)) {
      const x = pack(pairs.map(([first]) => first!));
      const y = pack(pairs.map(([, second]) => second!));
      paired += chance * pairedKernelDistance(x, y, 2).estimate;
      independent += chance * kernelDistance(x, y, 2).estimate;
    }
    expect(paired).toBeCloseTo(truth, 5);
    expect(Math.abs(independent - truth)).toBeGreaterThan(0.05);
  });

  it('is zero for a set and itself', () => {
    const x = gaussianNoise({ seed: 5 }, 30 * 4);
    const { estimate, standardError } = pairedKernelDistance(x, x, 4);
    expect(estimate).toBeCloseTo(0, 10);
    expect(standardError).toBeCloseTo(0, 10);
  });

  it('varies images within groups alone', () => {
    const x = [
      [1, 0.5],
      [2, -1],
      [0, 1],
      [1, 1],
      [3, 0],
    ];
    const y = [
      [0, 0],
      [1, 0.5],
      [-1, 2],
      [0.5, 0.5],
      [2, 0],
    ];
    const left = x.map((_, at) => {
      const keep = (rows: readonly (readonly number[])[]) => pack(rows.filter((__, i) => i !== at));
      return pairedKernelDistance(keep(x), keep(y), 2).estimate;
    });
    const part = (values: readonly number[]) => {
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return ((values.length - 1) / values.length) * values.reduce((sum, v) => sum + (v - mean) ** 2, 0);
    };
    const error = (groups?: readonly number[]) =>
      pairedKernelDistance(pack(x), pack(y), 2, groups ? { groups } : {}).standardError;
    expect(error([2, 3])).toBeCloseTo(Math.sqrt(part(left.slice(0, 2)) + part(left.slice(2))), 6);
    expect(error()).toBeCloseTo(Math.sqrt(part(left)), 6);
    expect(error([1, 4])).toBe(error());
    expect(() => error([2, 2])).toThrow(/5 images in all, received 4/);
    expect(() => pairedKernelDistance(pack(x), pack(y.slice(1)), 2)).toThrow(
      /expected 5 partners, received 4/,
    );
  });
});
