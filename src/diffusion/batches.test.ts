import { expect, test } from 'vitest';
import { evenBatchSize } from './batches.ts';

test('batches are as few as with the largest size, and as small as that allows', () => {
  for (let count = 1; count <= 40; count++) {
    const size = evenBatchSize(count, 8);
    const batches = Math.ceil(count / 8);
    expect(size, `${count}`).toBeLessThanOrEqual(8);
    expect(Math.ceil(count / size), `${count}`).toBe(batches);
    expect(Math.ceil(count / (size - 1)), `${count}`).toBeGreaterThan(batches);
  }
});
