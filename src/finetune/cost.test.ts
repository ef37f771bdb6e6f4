/** Memory of the sessions of graphs. */

import { describe, expect, it } from 'vitest';
import { constant, LARGE_WEIGHTS, mul, reduceSum, weight } from '../graph/index.ts';
import { sessionBytes } from './cost.ts';

describe('the sessions of graphs', () => {
  it('holds small weights once a graph, mapped ones once for all graphs', () => {
    const graphOver = (bytes: number, factor: number) => {
      const file = '/models/weights.safetensors';
      const values = weight('w', [bytes / 4], 'float32', { file, offset: 0, length: bytes });
      return { y: mul(reduceSum(values), constant([factor], [1])) };
    };
    const [mebibyte, session] = [2 ** 20, 20 * 2 ** 20];
    // A sum of one element and its product: 8 bytes beside the weights.
    const both = (bytes: number) => sessionBytes([graphOver(bytes, 2), graphOver(bytes, 3)]);
    const small = 2 * (session + mebibyte + 2.3 * 8);
    expect(both(mebibyte).all).toBeCloseTo(small, 6);
    expect(both(mebibyte).least).toBeCloseTo(small, 6);
    const large = session + 1.1 * 8;
    expect(both(LARGE_WEIGHTS).all).toBeCloseTo(2 * large + LARGE_WEIGHTS, 6);
    expect(both(LARGE_WEIGHTS).least).toBeCloseTo(large + LARGE_WEIGHTS, 6);
    expect(sessionBytes([])).toEqual({ all: 0, least: 0 });
  });
});
