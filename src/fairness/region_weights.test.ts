import { describe, expect, it } from 'vitest';
import type { AttributeState, RegionWeightInput } from './region_weights.ts';
import { intersectBoxes, regionWeights, weightMap } from './region_weights.ts';

const face = { left: 10, top: 10, right: 30, bottom: 40 };
const originalFace = { left: 20, top: 5, right: 50, bottom: 30 };
const gender = (target: number | null, originalClass: number | null, confident = true): AttributeState => ({
  target,
  confident,
  originalClass,
  ratio2: 0.2,
  ratio3: 0.2,
});
const race = (target: number | null, originalClass: number | null, confident = true): AttributeState => ({
  target,
  confident,
  originalClass,
  ratio2: 0.6,
  ratio3: 0.3,
});
const base: RegionWeightInput = { face, originalFace, attributes: [], lambda1: 8, noTarget: 'asDisagree' };

describe('regionWeights', () => {
  it.each<[string, Partial<RegionWeightInput>, number, number]>([
    ['agrees', { attributes: [gender(1, 1)] }, 8, 8],
    ['disagrees', { attributes: [gender(1, 0)] }, 1.6, 0.32],
    ['smallest of two', { attributes: [gender(1, 1), race(2, 0)] }, 4.8, 1.44],
    ['both disagree', { attributes: [gender(1, 0), race(2, 0)] }, 1.6, 0.32],
    ['no target as disagreement', { attributes: [gender(null, 0)] }, 1.6, 0.32],
    ['not confident as disagreement', { attributes: [gender(0, 0, false)] }, 1.6, 0.32],
    ['no target as agreement', { attributes: [gender(null, 0)], noTarget: 'asAgree' }, 8, 8],
    ['not confident as agreement', { attributes: [gender(1, 0, false)], noTarget: 'asAgree' }, 8, 8],
    ['no face', { attributes: [gender(1, 0)], face: null }, 8, 8],
    ['no original face', { attributes: [gender(1, null)], originalFace: null }, 1.6, 1.6],
  ])('%s', (_, change, outside, onFace) => {
    const weights = regionWeights({ ...base, ...change });
    expect(weights.outside).toBeCloseTo(outside, 12);
    expect(weights.face).toBeCloseTo(onFace, 12);
  });

  it('uses the part that both faces cover', () => {
    const weights = regionWeights({ ...base, attributes: [gender(1, 0)] });
    expect(weights.region).toEqual({ left: 20, top: 10, right: 30, bottom: 30 });
    expect(intersectBoxes(face, { left: 30, top: 0, right: 60, bottom: 60 })).toBeNull();
  });

  it('refuses a negative weight', () => {
    expect(() => regionWeights({ ...base, lambda1: -1 })).toThrow(/lambda1.*-1/);
    expect(() => regionWeights({ ...base, attributes: [{ ...gender(0, 0), ratio3: Number.NaN }] })).toThrow(
      /ratio3/,
    );
  });
});

describe('weightMap', () => {
  it('weighs pixels whose centre lies in the region, clipped to the image', () => {
    const region = { left: -3, top: 0.6, right: 2.5, bottom: 2.4 };
    const map = weightMap({ outside: 2, face: 0.5, region }, 4, 3);
    expect([...map]).toEqual(
      [2, 2, 2, 2, 0.5, 0.5, 2, 2, 2, 2, 2, 2].map((w, i) => (i < 4 || i >= 8 ? 2 : w)),
    );
  });

  it('counts the pixels of an integer box exactly', () => {
    const map = weightMap({ outside: 1, face: 0, region: { left: 1, top: 2, right: 4, bottom: 6 } }, 8, 8);
    expect(map.filter((w) => w === 0).length).toBe(12);
    expect(map[2 * 8 + 1]).toBe(0);
    expect(map[6 * 8 + 1]).toBe(1);
    expect([...weightMap({ outside: 3, face: 3, region: null }, 2, 1)]).toEqual([3, 3]);
    const beside = { left: 9, top: 0, right: 12, bottom: 4 };
    expect(weightMap({ outside: 1, face: 0, region: beside }, 8, 8).every((w) => w === 1)).toBe(true);
  });
});
