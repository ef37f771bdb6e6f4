/** What the denoiser predicts, and the clean latents and the noise as linear forms of its output. */
import { combine, type LinearForm, latentsAt, outputAt } from './linear_form.ts';

/** The denoiser's output: the noise, or v = sqrt(abar) noise - sqrt(1 - abar) z_0 (Salimans and Ho 2022). */
export type Prediction = 'epsilon' | 'v_prediction';

/** One evaluation of the denoiser, as far as the conversion of its output needs to know it. */
export interface Evaluation {
  readonly index: number;
  /** abar at the noise level of these latents. */
  readonly alphaBar: number;
  /** The factor that brings the sampler's latents to unit variance (1 unless the sampler works with z_0 + sigma noise). */
  readonly inputScale: number;
}

/** The noise that the denoiser sees in z_index: eps = m, or sqrt(abar) v + sqrt(1 - abar) z. */
export function predictedNoise(prediction: Prediction, evaluation: Evaluation): LinearForm {
  const { index, alphaBar, inputScale } = evaluation;
  if (prediction === 'epsilon') return outputAt(index);
  return combine(
    [Math.sqrt(alphaBar), outputAt(index)],
    [Math.sqrt(1 - alphaBar) * inputScale, latentsAt(index)],
  );
}

/** The clean latents that the denoiser sees in z_index: (z - sqrt(1 - abar) eps) / sqrt(abar). */
export function predictedClean(prediction: Prediction, evaluation: Evaluation): LinearForm {
  const { index, alphaBar, inputScale } = evaluation;
  const signal = Math.sqrt(alphaBar);
  const spread = Math.sqrt(1 - alphaBar);
  return prediction === 'epsilon'
    ? combine([inputScale / signal, latentsAt(index)], [-spread / signal, outputAt(index)])
    : combine([signal * inputScale, latentsAt(index)], [-spread, outputAt(index)]);
}
