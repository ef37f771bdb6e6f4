import { describe, expect, it } from 'vitest';
import { input } from '../graph/index.ts';
import { initializeParameters } from './initialization.ts';

const values = (shapes: Record<string, number[]>) =>
  new Map(Object.entries(shapes).map(([name, shape]) => [name, input(name, shape)]));

const deviation = (data: Float32Array) => Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length);

describe('initial values', () => {
  const shapes = {
    'fc.weight': [64, 400],
    'fc.bias': [64],
    'norm.weight': [16],
    'norm.bias': [16],
    'conv.weight': [32, 16, 5, 5],
    class_embedding: [8],
    temperature: [],
  };

  it('keep variances, with norms of 1 and the rest of 0', () => {
    const found = initializeParameters(values(shapes), 1);
    expect([...found.keys()]).toEqual(Object.keys(shapes));
    for (const name of ['fc.bias', 'norm.bias', 'class_embedding', 'temperature']) {
      expect(
        found.get(name)!.every((x) => x === 0),
        name,
      ).toBe(true);
    }
    expect(found.get('temperature')).toHaveLength(1);
    expect(found.get('norm.weight')).toEqual(new Float32Array(16).fill(1));
    // 25 600 and 12 800 numbers: the estimates' standard errors are below .7%.
    expect(Math.abs(deviation(found.get('fc.weight')!) * Math.sqrt(400) - 1)).toBeLessThan(0.03);
    expect(Math.abs(deviation(found.get('conv.weight')!) * Math.sqrt(400) - 1)).toBeLessThan(0.03);
  });

  it('follow the first rule that matches', () => {
    const found = initializeParameters(values(shapes), 1, [
      [/^fc\.weight/, { kind: 'normal', deviation: 0.02 }],
      [/^conv/, { kind: 'fan-in', gain: 2 }],
      [/^(fc|norm)/, { kind: 'constant', value: 3 }],
    ]);
    expect(deviation(found.get('fc.weight')!)).toBeCloseTo(0.02, 3);
    expect(Math.abs(deviation(found.get('conv.weight')!) * Math.sqrt(400) - 2)).toBeLessThan(0.06);
    expect(found.get('norm.weight')).toEqual(new Float32Array(16).fill(3));
    expect(found.get('fc.bias')).toEqual(new Float32Array(64).fill(3));
  });

  it('of a parameter depend on seed and name alone', () => {
    const found = initializeParameters(values(shapes), 1);
    const alone = initializeParameters(values({ 'conv.weight': [32, 16, 5, 5] }), 1);
    expect(alone.get('conv.weight')).toEqual(found.get('conv.weight'));
    const renamed = initializeParameters(values({ 'other.weight': [32, 16, 5, 5] }), 1);
    expect(renamed.get('other.weight')).not.toEqual(found.get('conv.weight'));
    const reseeded = initializeParameters(values(shapes), 2);
    expect(reseeded.get('conv.weight')).not.toEqual(found.get('conv.weight'));
  });
});
