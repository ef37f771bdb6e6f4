/** Memory of a graph from its shapes. */

import { describe, expect, it } from 'vitest';
import { add, constant, input, mul } from './index.ts';
import { peakActivations } from './memory.ts';

describe('the peak of intermediate values', () => {
  it('counts values in the places of those that are used up: one in a chain, two where one waits', () => {
    const x = input('x', [256]);
    const chain = [1, 2, 3, 4].reduce((value, each) => mul(value, constant([each], [1])), x);
    expect(peakActivations({ chain })).toBe(1024);
    const first = mul(x, constant([2], [1]));
    const later = [1, 2, 3].reduce((value, each) => mul(value, constant([each], [1])), first);
    expect(peakActivations({ sum: add(first, later) })).toBe(2 * 1024);
  });
});
