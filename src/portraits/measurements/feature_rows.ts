/** Rows of features: their lengths, cosines and spread. */

/** Scalar product of two rows of equal length. */
export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** The rows of features [N, width], each divided by its length. */
export function unitRows(features: Float32Array, width: number): Float64Array[] {
  return Array.from({ length: features.length / width }, (_, i) => {
    const row = Float64Array.from(features.subarray(i * width, (i + 1) * width));
    const length = Math.hypot(...row);
    return row.map((value) => value / length);
  });
}

/** Mean cosine of two different rows of length 1. */
export function meanCosine(rows: readonly Float64Array[]): number {
  const sum = new Float64Array(rows[0]!.length);
  for (const row of rows) for (let i = 0; i < sum.length; i++) sum[i]! += row[i]!;
  const count = rows.length;
  return (dot(sum, sum) - count) / (count * (count - 1));
}

/** exp of the entropy of the eigenvalues of the covariance, found by Jacobi rotations. */
export function effectiveRank(rows: readonly Float64Array[]): number {
  const width = rows[0]!.length;
  const mean = new Float64Array(width);
  for (const row of rows) for (let i = 0; i < width; i++) mean[i]! += row[i]! / rows.length;
  const matrix = Array.from({ length: width }, () => new Float64Array(width));
  for (const row of rows) {
    for (let i = 0; i < width; i++) {
      for (let j = 0; j < width; j++) matrix[i]![j]! += (row[i]! - mean[i]!) * (row[j]! - mean[j]!);
    }
  }
  const values = symmetricEigenvalues(matrix).map((value) => Math.max(0, value));
  const total = values.reduce((sum, value) => sum + value, 0);
  const entropy = values.reduce((sum, value) => {
    const share = value / total;
    return share > 0 ? sum - share * Math.log(share) : sum;
  }, 0);
  return Math.exp(entropy);
}

/** Eigenvalues of a symmetric matrix, which is destroyed (cyclic Jacobi). */
function symmetricEigenvalues(a: Float64Array[]): number[] {
  const size = a.length;
  for (let sweep = 0; sweep < 12; sweep++) {
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        const apq = a[p]![q]!;
        if (Math.abs(apq) < 1e-15) continue;
        const theta = (a[q]![q]! - a[p]![p]!) / (2 * apq);
        const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1);
        const s = t * c;
        for (let k = 0; k < size; k++) {
          const [x, y] = [a[k]![p]!, a[k]![q]!];
          a[k]![p] = c * x - s * y;
          a[k]![q] = s * x + c * y;
        }
        for (let k = 0; k < size; k++) {
          const [x, y] = [a[p]![k]!, a[q]![k]!];
          a[p]![k] = c * x - s * y;
          a[q]![k] = s * x + c * y;
        }
      }
    }
  }
  return a.map((row, i) => row[i]!);
}
