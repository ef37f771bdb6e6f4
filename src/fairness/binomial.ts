/** Binomial and multinomial probabilities in float64, accurate for the counts of a batch or an evaluation. */

/** ln 0!, ln 1!, ..., ln total! as one table. */
export function logFactorials(total: number): Float64Array {
  const table = new Float64Array(total + 1);
  for (let k = 2; k <= total; k++) table[k] = table[k - 1]! + Math.log(k);
  return table;
}

/**
 * Binomial probabilities P(X = k), k = 0..trials, for X ~ Binomial(trials, probability).
 * @throws unless trials is a non-negative integer and probability lies in 0..1
 */
export function binomialProbabilities(trials: number, probability: number): Float64Array {
  if (!Number.isInteger(trials) || trials < 0) {
    throw new Error(`Binomial: expected a whole number of trials, received ${trials}`);
  }
  if (!(probability >= 0 && probability <= 1)) {
    throw new Error(`Binomial: expected a probability from 0 to 1, received ${probability}`);
  }
  const probabilities = new Float64Array(trials + 1);
  if (probability === 0 || probability === 1) {
    probabilities[probability * trials] = 1;
    return probabilities;
  }
  const logs = logFactorials(trials);
  const logYes = Math.log(probability);
  const logNo = Math.log1p(-probability);
  for (let k = 0; k <= trials; k++) {
    const choices = logs[trials]! - logs[k]! - logs[trials - k]!;
    probabilities[k] = Math.exp(choices + k * logYes + (trials - k) * logNo);
  }
  return probabilities;
}

/** Cumulative binomial probabilities P(X <= k), k = 0..trials, for X ~ Binomial(trials, probability). */
export function binomialCumulative(trials: number, probability: number): Float64Array {
  const cumulative = binomialProbabilities(trials, probability);
  for (let k = 1; k <= trials; k++) cumulative[k] = Math.min(1, cumulative[k]! + cumulative[k - 1]!);
  return cumulative;
}
