import { describe, expect, it } from 'vitest';
import { float8ToFloat32 } from './float8.ts';
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from './float16.ts';

const ALL_PATTERNS = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
const half = (value: number) => float32ToFloat16(Float32Array.of(value))[0];
const nextUp = (value: number) => {
  const words = new Uint32Array(Float32Array.of(value).buffer);
  words[0] += 1;
  return new Float32Array(words.buffer)[0];
};
const nextDown = (value: number) => {
  const words = new Uint32Array(Float32Array.of(value).buffer);
  words[0] -= 1;
  return new Float32Array(words.buffer)[0];
};

describe('float16', () => {
  it.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 0.333251953125],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
    [0x7e00, Number.NaN],
  ])('reads %i as %d', (bits, value) => {
    expect(float16ToFloat32(Uint16Array.of(bits))[0]).toBe(value);
  });

  it('gives every one of the 65536 patterns back (NaN as a quiet NaN)', () => {
    const back = float32ToFloat16(float16ToFloat32(ALL_PATTERNS));
    const isNan = (bits: number) => (bits & 0x7fff) > 0x7c00;
    const wrong = [...ALL_PATTERNS].filter((bits) =>
      isNan(bits) ? !isNan(back[bits]) : back[bits] !== bits,
    );
    expect(wrong).toEqual([]);
  });

  it('rounds to nearest with ties to even between all neighbours', () => {
    const values = float16ToFloat32(ALL_PATTERNS);
    const wrong: number[] = [];
    for (let bits = 0; bits < 0x7bff; bits++) {
      const middle = (values[bits] + values[bits + 1]) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const isRight =
        half(middle) === even &&
        half(-middle) === (even | 0x8000) &&
        half(nextDown(middle)) === bits &&
        half(nextUp(middle)) === bits + 1;
      if (!isRight) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  it.each([
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [3e38, 0x7c00],
    [-3e38, 0xfc00],
    [2 ** -25, 0x0000],
    [1e-40, 0x0000],
    [-1e-40, 0x8000],
  ])('rounds %d at the ends of the range', (value, bits) => {
    expect(half(value)).toBe(bits);
  });

  it('reads and writes views that do not begin at the start of their buffer', () => {
    const values = Float32Array.of(9, 0.5, -4).subarray(1);
    expect([...float32ToFloat16(values)]).toEqual([0x3800, 0xc400]);
  });
});

describe('bfloat16', () => {
  it('gives every pattern back and is the upper half of a float32', () => {
    const values = bfloat16ToFloat32(ALL_PATTERNS);
    expect(values[0x3f80]).toBe(1);
    expect(values[0x4049]).toBe(3.140625);
    const back = float32ToBfloat16(values);
    const wrong = [...ALL_PATTERNS].filter((bits) => !Number.isNaN(values[bits]) && back[bits] !== bits);
    expect(wrong).toEqual([]);
    expect(
      [...ALL_PATTERNS]
        .filter((bits) => Number.isNaN(values[bits]))
        .every((bits) => (back[bits] & 0x7f) !== 0),
    ).toBe(true);
  });

  it.each([
    [0x3f808000, 0x3f80],
    [0x3f818000, 0x3f82],
    [0x3f808001, 0x3f81],
    [0x7f7fffff, 0x7f80],
    [0x7fffffff, 0x7fff],
  ])('rounds the float32 pattern %i to nearest, ties to even', (word, bits) => {
    expect(float32ToBfloat16(new Float32Array(Uint32Array.of(word).buffer))[0]).toBe(bits);
  });
});

describe('float8', () => {
  it.each([
    ['E4M3', 0x7e, 448],
    ['E4M3', 0x7f, Number.NaN],
    ['E4M3', 0x38, 1],
    ['E4M3', 0x01, 2 ** -9],
    ['E4M3', 0x08, 2 ** -6],
    ['E4M3', 0xb9, -0.5625 * 2],
    ['E5M2', 0x7b, 57344],
    ['E5M2', 0x7c, Number.POSITIVE_INFINITY],
    ['E5M2', 0xfc, Number.NEGATIVE_INFINITY],
    ['E5M2', 0x7d, Number.NaN],
    ['E5M2', 0x3c, 1],
    ['E5M2', 0x01, 2 ** -16],
    ['E5M2', 0x80, -0],
  ] as const)('reads %s %i as %d', (format, bits, value) => {
    expect(float8ToFloat32(Uint8Array.of(bits), format)[0]).toBe(value);
  });
});
