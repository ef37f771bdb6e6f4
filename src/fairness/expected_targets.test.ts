import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createGenerator } from '../diffusion/noise.ts';
import { alignmentLoss } from './alignment_loss.ts';
import { transportToCounts } from './assignment.ts';
import { drawCounts, evenCounts } from './class_counts.ts';
import { expectedTargets } from './expected_targets.ts';
import { createTarget, productTarget, uniformTarget } from './target_distribution.ts';

interface Example {
  N: number;
  K: number;
  target: number[];
  p: number[][];
  method: string;
  q: number[][];
  y: number[];
  c: number[];
  'top_two_gap_below_1e-9': number[];
  'selected_c_ge_0.8': number[];
  y_uncertain_images?: number[];
}
interface LossExample {
  N: number;
  K: number;
  logits: number[][];
  q: number[][];
  y: number[];
  c: number[];
  C: number;
  ce: number[];
  L_align: number;
  grad_logits: number[][];
}
const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../test/fixtures/ot-dal/${name}`, import.meta.url), 'utf8'));
const { examples } = read('expected_targets.json') as { examples: Example[] };
const losses = (read('loss.json') as { examples: LossExample[] }).examples;

const attribute = (K: number, name = 'a') => ({
  name,
  classes: Array.from({ length: K }, (_, k) => `${name}${k}`),
});
const random = () => createGenerator({ seed: 11, stream: 'expected targets test' }).uniform;

function randomLogits(images: number, classes: number, seed: number): Float32Array {
  const { normal } = createGenerator({ seed, stream: 'logits' });
  return Float32Array.from({ length: images * classes }, () => 2 * normal());
}

describe('golden expected targets', () => {
  it.each(examples.map((e) => [e.N, e.K, e.target.join(' '), e] as const))(
    'N=%i K=%i target %s',
    (N, K, _, example) => {
      const logits = Float32Array.from(example.p.flat(), Math.log);
      const target = createTarget([attribute(K)], example.target);
      const result = expectedTargets({ logits: [logits], target, random: random(), draws: 20_000 });
      const exact = example.method === 'exact';
      expect(result.method).toBe(exact ? (K === 2 ? 'binomial' : 'enumeration') : 'monte-carlo');
      const tolerance = exact ? 2e-10 : 0.02;
      const differences = example.q.flat().map((q, i) => Math.abs(result.probabilities[i]! - q));
      expect(Math.max(...differences)).toBeLessThan(tolerance);
      const { classes, confidences } = result.attributes[0]!;
      const uncertain = [...example['top_two_gap_below_1e-9'], ...(example.y_uncertain_images ?? [])];
      for (let i = 0; i < N; i++) {
        if (!uncertain.includes(i)) expect(classes[i]).toBe(example.y[i]);
        expect(Math.abs(confidences[i]! - example.c[i]!)).toBeLessThan(tolerance);
        if (exact) expect(confidences[i]! >= 0.8 ? 1 : 0).toBe(example['selected_c_ge_0.8'][i]);
      }
    },
  );
});

describe('expectedTargets', () => {
  it('agrees between the closed form for two classes and enumeration over a third, empty class', () => {
    const logits = randomLogits(13, 2, 1);
    const wide = Float32Array.from({ length: 39 }, (_, i) =>
      i % 3 === 2 ? -40 : logits[2 * Math.floor(i / 3) + (i % 3)]!,
    );
    const two = expectedTargets({ logits: [logits], target: createTarget([attribute(2)], [0.3, 0.7]) });
    const three = expectedTargets({ logits: [wide], target: createTarget([attribute(3)], [0.3, 0.7, 0]) });
    expect(three.method).toBe('enumeration');
    for (let i = 0; i < 13; i++) {
      expect(three.probabilities[3 * i + 1]).toBeCloseTo(two.probabilities[2 * i + 1]!, 12);
      expect(three.probabilities[3 * i + 2]).toBe(0);
    }
  });

  it.each([2, 3])('ranks saturated probabilities by their logits, K=%i', (K) => {
    // Gaps of 60..63 all give a probability of exactly 1 in float64.
    const gaps = [62, 60, 63, 61];
    const logits = Float32Array.from(gaps.flatMap((gap) => [gap, ...new Array<number>(K - 1).fill(0)]));
    const { probabilities } = expectedTargets({ logits: [logits], target: uniformTarget([attribute(K)]) });
    const stays = gaps.map((_, i) => probabilities[i * K]!);
    const order = [0, 1, 2, 3].sort((a, b) => stays[b]! - stays[a]!);
    expect(order).toEqual([2, 0, 3, 1]);
    expect(new Set(stays).size).toBe(4);
  });

  it('breaks equal logits by the order of the images, and gives the same answer twice', () => {
    const logits = new Float32Array(8);
    const input = { logits: [logits], target: uniformTarget([attribute(2)]) };
    const { attributes } = expectedTargets(input);
    [0.9375, 0.6875, 0.6875, 0.9375].forEach((c, i) => {
      expect(attributes[0]!.confidences[i]).toBeCloseTo(c, 12);
    });
    expect([...attributes[0]!.classes]).toEqual([0, 0, 1, 1]);
    expect(expectedTargets(input)).toEqual(expectedTargets(input));
  });

  it('gives each class its share on average', () => {
    const shares = [0.4, 0.3, 0.2, 0.1];
    const { probabilities } = expectedTargets({
      logits: [randomLogits(10, 4, 2)],
      target: createTarget([attribute(4)], shares),
    });
    shares.forEach((share, k) => {
      const mean = [...Array(10).keys()].reduce((sum, i) => sum + probabilities[4 * i + k]!, 0) / 10;
      expect(mean).toBeCloseTo(share, 12);
    });
  });

  it('matches drawn sets over a joint table, solved one by one', () => {
    const [images, draws] = [20, 400];
    const gender = randomLogits(images, 2, 3);
    const race = randomLogits(images, 4, 4);
    const target = productTarget([
      createTarget([attribute(2, 'g')], [0.4, 0.6]),
      createTarget([attribute(4, 'r')], [0.4, 0.3, 0.2, 0.1]),
    ]);
    const result = expectedTargets({ logits: [gender, race], target, draws, random: random() });
    expect(result.method).toBe('monte-carlo');
    expect(result.sets).toBe(draws);

    const softmax = (row: number[]) => {
      const sum = row.reduce((a, x) => a + Math.exp(x), 0);
      return row.map((x) => Math.exp(x) / sum);
    };
    const costs = new Float64Array(images * 8);
    for (let i = 0; i < images; i++) {
      const g = softmax([...gender.subarray(2 * i, 2 * i + 2)]);
      const r = softmax([...race.subarray(4 * i, 4 * i + 4)]);
      for (let cell = 0; cell < 8; cell++) {
        const corner = [0, 1, 2, 3, 4, 5].map((j) => Number(j === cell >> 2 || j === 2 + (cell & 3)));
        costs[8 * i + cell] = Math.hypot(...[...g, ...r].map((p, j) => p - corner[j]!));
      }
    }
    const expected = new Float64Array(images * 8);
    const uniform = random();
    for (let draw = 0; draw < draws; draw++) {
      const { columns } = transportToCounts(costs, drawCounts(images, target.shares, uniform));
      columns.forEach((cell, i) => {
        expected[8 * i + cell]! += 1 / draws;
      });
    }
    expected.forEach((q, i) => {
      expect(Math.abs(result.probabilities[i]! - q)).toBeLessThan(1e-9);
    });
    const [g, r] = result.attributes;
    for (let i = 0; i < images; i++) {
      const row = expected.subarray(8 * i, 8 * i + 8);
      const female = row.subarray(4).reduce((a, b) => a + b, 0);
      expect(g!.probabilities[2 * i + 1]).toBeCloseTo(female, 9);
      expect(g!.confidences[i]).toBeCloseTo(Math.max(female, 1 - female), 9);
      expect(r!.probabilities[4 * i + 3]).toBeCloseTo(row[3]! + row[7]!, 9);
    }
  });

  it('takes classes from the joint argmax when asked', () => {
    const target = uniformTarget([attribute(2, 'g'), attribute(4, 'r')]);
    const logits = [randomLogits(9, 2, 5), randomLogits(9, 4, 6)];
    const result = expectedTargets({ logits, target, decide: 'joint' });
    expect(result.method).toBe('enumeration');
    for (let i = 0; i < 9; i++) {
      const row = [...result.probabilities.subarray(8 * i, 8 * i + 8)];
      const most = Math.max(...row);
      const cell = 4 * result.attributes[0]!.classes[i]! + result.attributes[1]!.classes[i]!;
      expect(row[cell]).toBeCloseTo(most, 9);
      expect(result.attributes[0]!.confidences[i]).toBeCloseTo(most, 12);
      expect(result.attributes[1]!.confidences[i]).toBeCloseTo(most, 12);
    }
  });

  it('assigns exactly half and half with even sets, and leaves the odd image undecided', () => {
    const even = expectedTargets({
      logits: [Float32Array.of(0, 1, 0, 2, 0, 3, 0, 4)],
      target: uniformTarget([attribute(2)]),
      targetSet: 'even',
    });
    expect(even.method).toBe('even');
    expect([...even.attributes[0]!.classes]).toEqual([0, 0, 1, 1]);
    expect([...even.attributes[0]!.confidences]).toEqual([1, 1, 1, 1]);
    const odd = expectedTargets({
      logits: [Float32Array.of(0, 1, 0, 2, 0, 3)],
      target: uniformTarget([attribute(2)]),
      targetSet: 'even',
    });
    expect([...odd.attributes[0]!.confidences]).toEqual([1, 0.5, 1]);
    expect(odd.sets).toBe(2);
  });

  it('draws among too many even sets', () => {
    const target = uniformTarget([attribute(24)]);
    const logits = [randomLogits(12, 24, 7)];
    const result = expectedTargets({ logits, target, targetSet: 'even', draws: 300, random: random() });
    expect(result.method).toBe('monte-carlo');
    const sums = Array.from({ length: 24 }, (_, k) =>
      [...Array(12).keys()].reduce((sum, i) => sum + result.probabilities[24 * i + k]!, 0),
    );
    for (const sum of sums) expect(Math.abs(sum - 0.5)).toBeLessThan(0.15);
  });

  it('accepts a batch without faces', () => {
    const none = expectedTargets({ logits: [new Float32Array(0)], target: uniformTarget([attribute(4)]) });
    expect(none.attributes[0]!.classes.length).toBe(0);
  });

  it.each([
    ['shape', { logits: [new Float32Array(7)] }, /'a': expected .* received 7 logits/],
    ['attributes', { logits: [] }, /expected logits for each of a, received 0/],
    [
      'finite',
      { logits: [Float32Array.of(0, 1, 2, 3, 4, 5, 6, Number.NaN)] },
      /'a': a logit of image 1 is NaN/,
    ],
    ['generator', { logits: [randomLogits(80, 4, 1)] }, /80 images over 4 classes must be drawn.*'random'/],
    ['draws', { logits: [randomLogits(80, 4, 1)], draws: 0.5, random: Math.random }, /whole number of draws/],
  ])('refuses wrong input: %s', (_, input, message) => {
    expect(() => expectedTargets({ target: uniformTarget([attribute(4)]), ...input })).toThrow(message);
  });
});

describe('evenCounts', () => {
  it.each([
    [4, [0.5, 0.5], [2, 2], [], 0],
    [5, [0.5, 0.5], [2, 2], [0, 1], 1],
    [10, [0.4, 0.3, 0.2, 0.1], [4, 3, 2, 1], [], 0],
    [5, [0.75, 0.25], [4, 1], [], 0],
    [6, [0.25, 0.25, 0.25, 0.25], [1, 1, 1, 1], [0, 1, 2, 3], 2],
    [7, [0.6, 0.2, 0.2], [4, 1, 1], [1, 2], 1],
    [3, [1 / 3, 1 / 3, 1 / 3], [1, 1, 1], [], 0],
  ])('%i over %j', (total, shares, certain, tied, extra) => {
    const counts = evenCounts(total, shares);
    expect({ ...counts, certain: [...counts.certain] }).toEqual({ certain, tied, extra });
  });
});

describe('alignmentLoss', () => {
  it.each(losses.map((e) => [e.N, e.K, e] as const))('golden N=%i K=%i', (_, K, example) => {
    const logits = example.logits.flat();
    const result = alignmentLoss({
      logits,
      classes: K,
      targets: example.y,
      confidences: example.c,
      threshold: example.C,
    });
    expect(result.loss).toBeCloseTo(example.L_align, 9);
    example.ce.forEach((ce, i) => {
      expect(Math.abs(result.crossEntropies[i]! - ce)).toBeLessThan(1e-8);
    });
    example.grad_logits.flat().forEach((gradient, i) => {
      expect(Math.abs(result.gradient[i]! - gradient)).toBeLessThan(1e-10);
    });
    const targets = expectedTargets({
      logits: [Float32Array.from(logits)],
      target: uniformTarget([attribute(K)]),
    });
    example.q.flat().forEach((q, i) => {
      expect(Math.abs(targets.probabilities[i]! - q)).toBeLessThan(2e-9);
    });
    expect([...targets.attributes[0]!.classes]).toEqual(example.y);
  });

  it('has the gradient that central differences give, with N of the whole batch', () => {
    const logits = Float64Array.from(randomLogits(5, 3, 8));
    const input = {
      classes: 3,
      targets: [0, 2, 1, 1, 0],
      confidences: [0.9, 0.8, 0.79, 1, 0.8 - 1e-12],
      threshold: 0.8,
      totalImages: 9,
    };
    const { gradient, mask } = alignmentLoss({ logits, ...input });
    expect([...mask]).toEqual([1, 1, 0, 1, 1]);
    logits.forEach((value, i) => {
      const at = (x: number) => alignmentLoss({ ...input, logits: logits.with(i, x) }).loss;
      expect(gradient[i]).toBeCloseTo((at(value + 1e-5) - at(value - 1e-5)) / 2e-5, 8);
    });
  });

  it('refuses a target outside the classes', () => {
    const input = { logits: [0, 0], classes: 2, targets: [2], confidences: [1], threshold: 0.5 };
    expect(() => alignmentLoss(input)).toThrow(/target of image 0 must be 0\.\.1, received 2/);
    expect(() => alignmentLoss({ ...input, logits: [0] })).toThrow(/expected 1 x 2 logits/);
  });
});
