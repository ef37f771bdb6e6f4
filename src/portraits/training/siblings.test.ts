import { describe, expect, it } from 'vitest';
import { drawnScenes } from '../measurements/drawn_scenes.ts';
import { explicitFamilies, siblingSampler } from './siblings.ts';

const families = [[1, 2, 3, 4], [10, 11, 12], [20, 21, 22, 23, 24], [30]];

describe('siblingSampler', () => {
  it('fills a batch with groups of different scenes of one family each', () => {
    const sample = siblingSampler(3, 'test', families, { groups: 2, size: 3 });
    const seen = new Set<number>();
    for (let step = 0; step < 40; step++) {
      const batch = sample(step);
      expect(new Set(batch).size).toBe(6);
      const owners = [batch.slice(0, 3), batch.slice(3)].map((group) =>
        families.findIndex((family) => group.every((index) => family.includes(index))),
      );
      expect(Math.min(...owners)).toBeGreaterThanOrEqual(0);
      expect(owners[0]).not.toBe(owners[1]);
      for (const index of batch) seen.add(index);
    }
    expect(seen.size).toBe(12);
    expect(sample(5)).toEqual(siblingSampler(3, 'test', families, { groups: 2, size: 3 })(5));
  });

  it('refuses groups that cannot be filled, and says how many prompts could', () => {
    expect(() => siblingSampler(3, 'test', families, { groups: 2, size: 5 })).toThrow(
      /2 prompts with 5 scenes.*received 1/,
    );
  });
});

describe('explicitFamilies', () => {
  it('gathers single people whose captions name attributes, by prompt', () => {
    const data = drawnScenes(8, 60, { explicitRate: 0.7 });
    const found = explicitFamilies(data);
    expect(found.flat().length).toBeGreaterThan(20);
    for (const family of found) {
      const records = family.map((index) => data.record(index));
      expect(new Set(records.map(({ prompt }) => prompt)).size).toBe(1);
      for (const { explicit, faces } of records) {
        expect(faces).toHaveLength(1);
        expect(Object.values(explicit)).toContain(true);
      }
    }
  });
});
