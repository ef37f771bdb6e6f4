/**
 * Logarithm, sine and cosine from additions, multiplications, divisions and square roots only. JavaScript leaves the
 * last bits of `Math.log` and `Math.cos` to the engine; IEEE 754 leaves nothing open here, so every machine agrees.
 */

const HALF_PI = Math.PI / 2;

/** The natural logarithm of n / 2^32 for an integer n in 1..2^32, to about 2e-16 relative. */
export function logOfFraction(n: number): number {
  let exponent = n >= 0x80000000 ? (n === 0x100000000 ? 0 : -1) : -1 - Math.clz32(n);
  let mantissa = (n / 0x100000000) * 2 ** -exponent;
  if (mantissa > Math.SQRT2) {
    mantissa /= 2;
    exponent += 1;
  }
  // ln m = 2 artanh((m - 1) / (m + 1)), a series in s^2 <= 0.03
  const s = (mantissa - 1) / (mantissa + 1);
  const q = s * s;
  let sum = 0;
  for (let k = 21; k >= 1; k -= 2) sum = sum * q + 1 / k;
  return exponent * Math.LN2 + 2 * s * sum;
}

/** Writes the cosine and sine of 2 pi n / 2^32, for an integer n in 0..2^32-1, into `out[0]` and `out[1]`. */
export function cosineAndSineOfTurn(n: number, out: Float64Array): void {
  const quadrant = Math.floor(n / 0x40000000 + 0.5);
  const x = ((n - quadrant * 0x40000000) / 0x40000000) * HALF_PI;
  const q = x * x;
  let cosine = 1;
  let sine = 1;
  for (let k = 9; k >= 1; k--) {
    cosine = 1 - (q / ((2 * k - 1) * (2 * k))) * cosine;
    sine = 1 - (q / (2 * k * (2 * k + 1))) * sine;
  }
  sine *= x;
  switch (quadrant & 3) {
    case 0:
      out[0] = cosine;
      out[1] = sine;
      break;
    case 1:
      out[0] = -sine;
      out[1] = cosine;
      break;
    case 2:
      out[0] = -cosine;
      out[1] = -sine;
      break;
    default:
      out[0] = sine;
      out[1] = -cosine;
  }
}
