/** The decay of diffusers' EMAModel by update, for averages that must match one made there. */

/** EMAModel's settings; what is left out has its defaults. */
export interface AverageDecaySettings {
  /** The decay that is approached. */
  readonly decay: number;
  /** This many updates are plain copies, and so is the one after them; 0 when left out. */
  readonly updateAfterStep?: number;
  /** The decay after the copies is at least this; 0 when left out. */
  readonly minDecay?: number;
  /** use_ema_warmup: the decay grows as 1 - (1 + k / inverseGamma)^-power instead of (1 + k) / (10 + k). */
  readonly powerWarmup?: { readonly inverseGamma: number; readonly power: number };
}

/**
 * The share of the old average that EMAModel keeps at update `update` (from 0). Its first update is a copy (0), so
 * that its sequence is min(decay, (1 + s) / (10 + s)) one update late.
 */
export function emaModelDecay(settings: AverageDecaySettings, update: number): number {
  const { decay, updateAfterStep = 0, minDecay = 0, powerWarmup } = settings;
  const k = update - updateAfterStep;
  if (k <= 0) return 0;
  const grown = powerWarmup
    ? 1 - (1 + k / powerWarmup.inverseGamma) ** -powerWarmup.power
    : (1 + k) / (10 + k);
  return Math.max(Math.min(decay, grown), minDecay);
}
