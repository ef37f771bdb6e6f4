/**
 * Reading of the two 8-bit floating formats of "FP8 Formats for Deep Learning" (Micikevicius et al., 2022).
 */

/** 8-bit format: E4M3 (no infinities, NaN is S.1111.111, largest 448) or E5M2 (IEEE-like, largest 57344). */
export type Float8Format = 'E4M3' | 'E5M2';

function decodeFloat8(bits: number, format: Float8Format): number {
  const fractionBits = format === 'E4M3' ? 3 : 2;
  const bias = format === 'E4M3' ? 7 : 15;
  const largestExponent = format === 'E4M3' ? 15 : 31;
  const sign = bits & 0x80 ? -1 : 1;
  const exponent = (bits & 0x7f) >>> fractionBits;
  const steps = 1 << fractionBits;
  const fraction = bits & (steps - 1);
  if (exponent === largestExponent) {
    if (format === 'E5M2') return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    if (fraction === steps - 1) return Number.NaN;
  }
  if (exponent === 0) return sign * (fraction / steps) * 2 ** (1 - bias);
  return sign * (1 + fraction / steps) * 2 ** (exponent - bias);
}

/** 8-bit floats to float32 values; exact. */
export function float8ToFloat32(bits: Uint8Array, format: Float8Format): Float32Array {
  const table = Float32Array.from({ length: 256 }, (_, pattern) => decodeFloat8(pattern, format));
  const values = new Float32Array(bits.length);
  for (let index = 0; index < bits.length; index++) values[index] = table[bits[index]];
  return values;
}
