/** Conversions between float32 and the 16-bit floating formats: IEEE 754 binary16 and bfloat16. */

let halfTable: Float32Array | undefined;

/** Value of one binary16 bit pattern by the definition in IEEE 754-2019, section 3.4. */
function decodeHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * All 65536 binary16 values in order of their bit patterns; made once (256 KiB), because a look-up beats the
 * bit work.
 */
function halfValues(): Float32Array {
  if (halfTable === undefined) {
    halfTable = new Float32Array(65536);
    for (let bits = 0; bits < 65536; bits++) halfTable[bits] = decodeHalf(bits);
  }
  return halfTable;
}

/**
 * Binary16 bit patterns to float32 values; exact, since float32 holds every binary16 value.
 * @param bits one 16-bit word an element
 * @param into where the result goes, of the same length; a new array if not given
 */
export function float16ToFloat32(bits: Uint16Array, into = new Float32Array(bits.length)): Float32Array {
  const table = halfValues();
  for (let index = 0; index < bits.length; index++) into[index] = table[bits[index]];
  return into;
}

/**
 * Binary16 bit pattern nearest to the float32 with the bit pattern `bits`, ties to even (IEEE 754-2019,
 * 4.3.1).
 */
function roundToHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) {
    return magnitude === 0x7f800000 ? sign | 0x7c00 : sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  }
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const rebased = magnitude - 0x38000000;
    return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
  }
  const exponent = magnitude >>> 23;
  // Below exponent 102 the value is under half of the smallest subnormal, 2^-24.
  if (exponent < 102) return sign;
  const shift = 126 - exponent;
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const quotient = significand >>> shift;
  const remainder = significand & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (quotient + (remainder > half || (remainder === half && (quotient & 1) === 1) ? 1 : 0));
}

/**
 * Float32 values to binary16 bit patterns, rounded to nearest, ties to even. Magnitudes from 65520 up become
 * infinity, those up to 2^-25 become zero; NaN stays NaN (quiet) and signs, also of zero, are kept.
 */
export function float32ToFloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let index = 0; index < words.length; index++) bits[index] = roundToHalf(words[index]);
  return bits;
}

/** Bfloat16 bit patterns (the upper half of a float32) to float32 values; exact. */
export function bfloat16ToFloat32(bits: Uint16Array, into = new Float32Array(bits.length)): Float32Array {
  const words = new Uint32Array(into.buffer, into.byteOffset, into.length);
  for (let index = 0; index < bits.length; index++) words[index] = bits[index] << 16;
  return into;
}

/** Float32 values to bfloat16 bit patterns, rounded to nearest, ties to even; NaN stays NaN (quiet). */
export function float32ToBfloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let index = 0; index < words.length; index++) {
    const word = words[index];
    const isNan = (word & 0x7fffffff) > 0x7f800000;
    bits[index] = isNan ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return bits;
}
