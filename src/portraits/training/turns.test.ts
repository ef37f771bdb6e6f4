import { describe, expect, it } from 'vitest';
import { takeTurns } from './turns.ts';

const pools = [['a', 'b', 'c'], ['x'], ['p', 'q']];

describe('takeTurns', () => {
  it('fills places from their pools and shows every item equally often', () => {
    const sample = takeTurns(5, 'test', pools, [0, 0, 1, 2]);
    const seen = new Map<string, number>();
    for (let step = 0; step < 6; step++) {
      const items = sample(step);
      expect(items.slice(0, 2).every((item) => pools[0]!.includes(item))).toBe(true);
      expect(items[2]).toBe('x');
      expect(pools[2]).toContain(items[3]);
      for (const item of items) seen.set(item, (seen.get(item) ?? 0) + 1);
    }
    expect(Object.fromEntries(seen)).toEqual({ a: 4, b: 4, c: 4, x: 6, p: 3, q: 3 });
  });

  it('gives a step the same items whatever was asked before', () => {
    const inOrder = takeTurns(5, 'test', pools, [0, 2, 0]);
    const expected = [0, 1, 2, 3, 4].map(inOrder);
    const fresh = takeTurns(5, 'test', pools, [0, 2, 0]);
    expect([4, 1, 3, 0, 2].map((step) => [step, fresh(step)])).toEqual(
      [4, 1, 3, 0, 2].map((step) => [step, expected[step]]),
    );
    const other = takeTurns(6, 'test', pools, [0, 2, 0]);
    expect(Array.from({ length: 20 }, (_, step) => other(step))).not.toEqual(
      Array.from({ length: 20 }, (_, step) => inOrder(step)),
    );
  });

  it('refuses empty pools that are needed', () => {
    expect(() => takeTurns(1, 'test', [[], ['a']], [1, 1])).not.toThrow();
    expect(() => takeTurns(1, 'test', [[], ['a']], [0, 1])).toThrow(/pool 0/);
  });
});
