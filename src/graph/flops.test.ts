import { describe, expect, it } from 'vitest';
import { countFlops } from './flops.ts';
import { attention, conv2d, convTranspose2d, gradient, input, matmul, relu } from './index.ts';

describe('countFlops', () => {
  it.each([
    ['matmul', matmul(input('a', [3, 5, 7]), input('b', [7, 11])), 2 * 3 * 5 * 7 * 11],
    [
      'conv2d',
      conv2d(input('x', [2, 4, 9, 9]), input('w', [6, 4, 3, 3]), null, { stride: 2, padding: 1 }),
      2 * 2 * 6 * 5 * 5 * 4 * 9,
    ],
    [
      'grouped conv2d',
      conv2d(input('x', [1, 4, 8, 8]), input('w', [6, 2, 1, 1]), null, { groups: 2 }),
      2 * 6 * 64 * 2,
    ],
    [
      'attention',
      attention(input('q', [2, 3, 5, 8]), input('k', [2, 3, 7, 8]), input('v', [2, 3, 7, 4])),
      2 * 2 * 3 * 5 * 7 * (8 + 4),
    ],
    ['relu', relu(input('x', [10])), 0],
  ])('%s', (_, output, flops) => expect(countFlops([output])).toBe(flops));

  it('counts a transposed convolution as the convolution that it transposes', () => {
    const [x, weight] = [input('x', [2, 6, 5, 5]), input('w', [6, 4, 3, 3])];
    const up = convTranspose2d(x, weight, null, { stride: 2, padding: 1 });
    const [height, width] = up.shape.slice(2) as [number, number];
    const down = conv2d(input('y', [2, 4, height, width]), weight, null, { stride: 2, padding: 1 });
    expect(down.shape).toEqual(x.shape);
    expect(countFlops([up])).toBe(countFlops([down]));
  });

  it('counts a shared value once, and the backward pass of a product as two', () => {
    const [a, b] = [input('a', [5, 7]), input('b', [7, 3])];
    const product = matmul(a, b);
    expect(countFlops([relu(product), product])).toBe(2 * 5 * 7 * 3);
    const gradients = gradient([product], [input('g', [5, 3])], [a, b]);
    expect(countFlops(gradients)).toBe(2 * 2 * 5 * 7 * 3);
  });
});
