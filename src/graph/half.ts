/** Half-precision numbers (IEEE 754 binary16, and bfloat16) as 16-bit words, which Node's typed arrays do not know before 24. */

const scratch = new DataView(new ArrayBuffer(4));

/** The 16-bit word of the half-precision number nearest to `value` (ties to even; beyond 65504 infinity). */
export function toHalf(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  // Below the smallest normal half, 2^-14, the fraction is counted in units of 2^-24.
  if (magnitude < 0x38800000) return sign | roundHalfToEven(Math.abs(Math.fround(value)) * 2 ** 24);
  const rebased = magnitude - 0x38000000;
  return sign | roundHalfToEven(rebased / 0x2000);
}

/** The number that the 16-bit word `word` stands for. */
export function fromHalf(word: number): number {
  const sign = word & 0x8000 ? -1 : 1;
  const exponent = (word >>> 10) & 0x1f;
  const fraction = word & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The 16-bit word of the bfloat16 number nearest to `value` (ties to even), the upper half of a float32. */
export function toBfloat16(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** The number that the bfloat16 word `word` stands for. */
export function fromBfloat16(word: number): number {
  scratch.setUint32(0, word << 16);
  return scratch.getFloat32(0);
}

function roundHalfToEven(value: number): number {
  const whole = Math.floor(value);
  const rest = value - whole;
  return rest > 0.5 || (rest === 0.5 && whole % 2 === 1) ? whole + 1 : whole;
}
