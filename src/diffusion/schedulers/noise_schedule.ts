/** The forward process: betas, cumulative alphas and sigmas by training timestep, and what they do to latents. */

/** How the betas grow: evenly, or evenly in their square roots (Stable Diffusion). */
export type BetaSchedule = 'linear' | 'scaled_linear';

/** The numbers of the forward process, one per training timestep, in float64. */
export interface NoiseSchedule {
  /** beta_t, the variance that training step t adds. */
  readonly betas: Float64Array;
  /** abar_t = product over s <= t of (1 - beta_s), the share of signal in the variance after step t. */
  readonly alphasCumulative: Float64Array;
  /** sqrt((1 - abar_t) / abar_t), the noise-to-signal ratio after step t; grows with t. */
  readonly sigmas: Float64Array;
}

/** What a noise schedule is made from. */
export interface NoiseScheduleSettings {
  readonly trainTimesteps: number;
  readonly betaStart: number;
  readonly betaEnd: number;
  readonly betaSchedule: BetaSchedule;
}

/**
 * Builds the forward process q(z_t | z_0) = N(sqrt(abar_t) z_0, 1 - abar_t) (Ho et al. 2020, eq. 4) in float64.
 * diffusers holds the same numbers in float32, up to 1e-5 relative away. Throws unless 0 < betaStart <= betaEnd < 1.
 */
export function createNoiseSchedule(settings: NoiseScheduleSettings): NoiseSchedule {
  const { trainTimesteps, betaStart, betaEnd, betaSchedule } = settings;
  if (!Number.isInteger(trainTimesteps) || trainTimesteps < 1) {
    throw new Error(`trainTimesteps: expected a positive integer, received ${trainTimesteps}`);
  }
  if (!(betaStart > 0 && betaStart <= betaEnd && betaEnd < 1)) {
    throw new Error(`betas: expected 0 < betaStart <= betaEnd < 1, received ${betaStart} and ${betaEnd}`);
  }
  const betas = new Float64Array(trainTimesteps);
  const alphasCumulative = new Float64Array(trainTimesteps);
  const sigmas = new Float64Array(trainTimesteps);
  let product = 1;
  for (let t = 0; t < trainTimesteps; t++) {
    const share = trainTimesteps === 1 ? 0 : t / (trainTimesteps - 1);
    const beta =
      betaSchedule === 'linear'
        ? betaStart + share * (betaEnd - betaStart)
        : (Math.sqrt(betaStart) + share * (Math.sqrt(betaEnd) - Math.sqrt(betaStart))) ** 2;
    product *= 1 - beta;
    betas[t] = beta;
    alphasCumulative[t] = product;
    sigmas[t] = Math.sqrt((1 - product) / product);
  }
  return Object.freeze({ betas, alphasCumulative, sigmas });
}

/** A table's value at a timestep that may lie between two rows (linear interpolation, held constant outside). */
export function interpolate(table: Float64Array, timestep: number): number {
  const position = Math.min(Math.max(timestep, 0), table.length - 1);
  const low = Math.min(Math.floor(position), table.length - 2);
  if (low < 0) return table[0]!;
  const share = position - low;
  return share === 0 ? table[low]! : table[low]! * (1 - share) + table[low + 1]! * share;
}

/**
 * z_t = sqrt(abar_t) z_0 + sqrt(1 - abar_t) noise for a batch: `clean` and `noise` hold timesteps.length items of equal
 * length, item k at timestep timesteps[k] (integers). Throws when lengths or timesteps don't fit.
 */
export function addNoise(
  schedule: NoiseSchedule,
  clean: Float32Array,
  noise: Float32Array,
  timesteps: ArrayLike<number>,
): Float32Array {
  return mix(schedule, clean, noise, timesteps, (signal, spread) => [signal, spread]);
}

/** The v-prediction target sqrt(abar_t) noise - sqrt(1 - abar_t) z_0 (Salimans and Ho 2022); arguments as `addNoise`. */
export function velocity(
  schedule: NoiseSchedule,
  clean: Float32Array,
  noise: Float32Array,
  timesteps: ArrayLike<number>,
): Float32Array {
  return mix(schedule, clean, noise, timesteps, (signal, spread) => [-spread, signal]);
}

function mix(
  schedule: NoiseSchedule,
  clean: Float32Array,
  noise: Float32Array,
  timesteps: ArrayLike<number>,
  weights: (signal: number, spread: number) => [number, number],
): Float32Array {
  const batch = timesteps.length;
  const itemLength = clean.length / batch;
  if (noise.length !== clean.length || !Number.isInteger(itemLength)) {
    throw new Error(
      `latents: expected clean and noise of one length, a multiple of the batch of ${batch}, ` +
        `received ${clean.length} and ${noise.length}`,
    );
  }
  const result = new Float32Array(clean.length);
  for (let item = 0; item < batch; item++) {
    const alphaBar = schedule.alphasCumulative[timesteps[item]!];
    if (alphaBar === undefined) {
      throw new Error(
        `timesteps[${item}]: expected an integer in 0..${schedule.alphasCumulative.length - 1}, ` +
          `received ${timesteps[item]}`,
      );
    }
    const [cleanWeight, noiseWeight] = weights(Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar));
    for (let i = item * itemLength; i < (item + 1) * itemLength; i++) {
      result[i] = cleanWeight * clean[i]! + noiseWeight * noise[i]!;
    }
  }
  return result;
}
