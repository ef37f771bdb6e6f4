/** Philox against its published vectors, and the promises of the addressed noise. */
import { describe, expect, it } from 'vitest';
import { createGenerator, gaussianNoise, permutation, randomBits, randomInteger, uniforms } from './noise.ts';
import { philox4x32 } from './philox.ts';
import { cosineAndSineOfTurn, logOfFraction } from './portable_math.ts';

describe('philox4x32', () => {
  // the known answers that the Random123 distribution publishes for philox4x32, 10 rounds
  it.each([
    [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [Array(4).fill(0xffffffff), Array(2).fill(0xffffffff), '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    ],
  ])('gives the published words for counter %j', (counter, key, expected) => {
    const out = new Uint32Array(4);
    philox4x32(counter, key, out);
    expect([...out].map((word) => word.toString(16).padStart(8, '0')).join(' ')).toBe(expected);
  });
});

describe('portable math', () => {
  const samples = [1, 2, 3, 1000, 0x7fffffff, 0x80000000, 0xb504f334, 0xfffffffe, 0xffffffff];
  it('has the logarithm to the last bits', () => {
    for (const n of [...samples, 0x100000000, ...randomBits({ seed: 1 }, 2000)]) {
      if (n === 0) continue;
      const expected = Math.log(n / 0x100000000);
      expect(Math.abs(logOfFraction(n) - expected)).toBeLessThanOrEqual(4e-16 * Math.abs(expected));
    }
  });
  it('has sine and cosine to the last bits', () => {
    const pair = new Float64Array(2);
    for (const n of [0, ...samples, 0x20000000, 0x40000000, 0xc0000000, ...randomBits({ seed: 2 }, 2000)]) {
      cosineAndSineOfTurn(n, pair);
      const angle = (n / 0x100000000) * 2 * Math.PI;
      expect(Math.abs(pair[0]! - Math.cos(angle))).toBeLessThan(1.5e-15);
      expect(Math.abs(pair[1]! - Math.sin(angle))).toBeLessThan(1.5e-15);
    }
  });
});

describe('gaussianNoise', () => {
  it('depends on seed, index and stream, and on nothing else', () => {
    const address = { seed: 7, index: 3, stream: 'latents' };
    const noise = gaussianNoise(address, 101);
    expect(gaussianNoise(address, 101)).toEqual(noise);
    expect(gaussianNoise(address, 8)).toEqual(noise.subarray(0, 8));
    expect(gaussianNoise({ ...address, seed: 7n + (1n << 64n) }, 101)).toEqual(noise);
    const others = [
      { seed: 8 },
      { seed: -7 },
      { index: 4 },
      { index: 3 + 2 ** 32 },
      { stream: 'latent' },
      { stream: 0 },
    ];
    for (const change of others) expect(gaussianNoise({ ...address, ...change }, 101)).not.toEqual(noise);
  });
  it('keeps these values forever', () => {
    expect([...gaussianNoise({ seed: 0 }, 4)].map((value) => value.toFixed(6))).toMatchInlineSnapshot(`
      [
        "0.233250",
        "-2.011739",
        "-1.527629",
        "-0.384949",
      ]
    `);
  });
  it('is standard normal: moments, tails and independence of neighbouring indices', () => {
    const length = 200_000;
    const first = gaussianNoise({ seed: 11, index: 0 }, length);
    const second = gaussianNoise({ seed: 11, index: 1 }, length);
    const mean = (f: (i: number) => number) => {
      let sum = 0;
      for (let i = 0; i < length; i++) sum += f(i);
      return sum / length;
    };
    const deviations = 4 / Math.sqrt(length);
    expect(Math.abs(mean((i) => first[i]!))).toBeLessThan(deviations);
    expect(Math.abs(mean((i) => first[i]! ** 2) - 1)).toBeLessThan(deviations * Math.sqrt(2));
    expect(Math.abs(mean((i) => first[i]! ** 3))).toBeLessThan(deviations * Math.sqrt(15));
    expect(Math.abs(mean((i) => first[i]! ** 4) - 3)).toBeLessThan(deviations * Math.sqrt(96));
    expect(Math.abs(mean((i) => first[i]! * second[i]!))).toBeLessThan(deviations);
    expect(Math.abs(mean((i) => first[i]! * first[(i + 1) % length]!))).toBeLessThan(deviations);
    expect(Math.abs(mean((i) => (Math.abs(first[i]!) > 1.959964 ? 1 : 0)) - 0.05)).toBeLessThan(
      deviations * 0.22,
    );
  });
  it.each([[{ seed: 0.5 }], [{ seed: 1, index: -1 }], [{ seed: 1, index: 2 ** 53 }]])(
    'refuses %j',
    (address) => {
      expect(() => gaussianNoise(address, 4)).toThrow(/expected an integer/);
    },
  );
});

describe('uniforms, integers and permutations', () => {
  it("draws uniforms in [0, 1) that are the generator's", () => {
    const address = { seed: 5, stream: 'dropout' };
    const drawn = uniforms(address, 1000);
    const generator = createGenerator(address);
    expect([...drawn]).toEqual(Array.from({ length: 1000 }, () => generator.uniform()));
    expect(drawn.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(Math.abs(drawn.reduce((sum, value) => sum + value) / 1000 - 0.5)).toBeLessThan(
      4 * Math.sqrt(1 / 12000),
    );
  });
  it('draws integers without bias', () => {
    const counts = [0, 0, 0, 0, 0];
    for (let index = 0; index < 10_000; index++) counts[randomInteger({ seed: 3, index }, 5)]! += 1;
    const chiSquare = counts.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0);
    expect(chiSquare).toBeLessThan(18.5); // the 99.9% point of 4 degrees of freedom
    expect(() => randomInteger({ seed: 3 }, 0)).toThrow(/1\.\.2\^32/);
  });
  it('gives every order equally often', () => {
    const counts = new Map<string, number>();
    for (let index = 0; index < 6000; index++) {
      const order = permutation({ seed: 9, index }, 3).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual(['012', '021', '102', '120', '201', '210']);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(120);
  });
});
