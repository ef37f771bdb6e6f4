import { expect, test } from 'vitest';
import { fromBfloat16, fromHalf, toBfloat16, toHalf } from './half.ts';

test('every half-precision number survives the way to a number and back', () => {
  for (let word = 0; word < 0x10000; word++) {
    const value = fromHalf(word);
    if (Number.isNaN(value)) expect(Number.isNaN(fromHalf(toHalf(value)))).toBe(true);
    else if (toHalf(value) !== word)
      throw new Error(`${word} stands for ${value}, which becomes ${toHalf(value)}`);
  }
});

// IEEE 754-2019, round to nearest, ties to even.
test.each([
  [1, 0x3c00],
  [-2, 0xc000],
  [65504, 0x7bff],
  [65519.99, 0x7bff],
  [65520, 0x7c00],
  [1e9, 0x7c00],
  [-Infinity, 0xfc00],
  [1 + 2 ** -11, 0x3c00],
  [1 + 3 * 2 ** -11, 0x3c02],
  [2 ** -24, 0x0001],
  [2 ** -25, 0x0000],
  [1.5 * 2 ** -24, 0x0002],
  [2 ** -14 - 2 ** -25, 0x0400],
  [-0, 0x8000],
])('%d rounds to the word %d', (value, word) => {
  expect(toHalf(value)).toBe(word);
});

// The upper half of a float32, rounded to nearest, ties to even.
test.each([
  [1, 0x3f80],
  [-2, 0xc000],
  [1 + 2 ** -8, 0x3f80],
  [1 + 3 * 2 ** -8, 0x3f82],
  [1 + 2 ** -8 + 2 ** -20, 0x3f81],
  [3.4e38, 0x7f80],
  [Infinity, 0x7f80],
  [-0, 0x8000],
])('%d rounds to the bfloat16 word %d', (value, word) => {
  expect(toBfloat16(value)).toBe(word);
  expect(toBfloat16(fromBfloat16(word))).toBe(word);
});
