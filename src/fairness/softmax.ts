/** Softmax of classifier outputs in float64. */

/**
 * Probabilities and their logarithms of rows of logits, in float64 whatever the precision of the logits.
 * @param logits [rows, classes] row-major
 * @returns both [rows, classes]; logarithms stay exact where probabilities round to 0 or 1
 */
export function softmaxRows(
  logits: ArrayLike<number>,
  classes: number,
): { readonly probabilities: Float64Array; readonly logProbabilities: Float64Array } {
  const probabilities = new Float64Array(logits.length);
  const logProbabilities = new Float64Array(logits.length);
  for (let row = 0; row < logits.length; row += classes) {
    let largest = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < classes; k++) largest = Math.max(largest, logits[row + k]!);
    let sum = 0;
    for (let k = 0; k < classes; k++) sum += Math.exp(logits[row + k]! - largest);
    const logSum = Math.log(sum);
    for (let k = 0; k < classes; k++) {
      const shifted = logits[row + k]! - largest;
      logProbabilities[row + k] = shifted - logSum;
      probabilities[row + k] = Math.exp(shifted) / sum;
    }
  }
  return { probabilities, logProbabilities };
}
