/** DDIM (Song et al. 2021, "Denoising diffusion implicit models", eqs. 12 and 16). */
import { combine } from './linear_form.ts';
import type { NoiseSchedule } from './noise_schedule.ts';
import type { PlanStep } from './plan.ts';
import { predictedClean, predictedNoise } from './prediction.ts';
import type { SchedulerConfig } from './scheduler_config.ts';
import { roundHalfToEven, spacedTimesteps } from './timesteps.ts';

/**
 * The evaluations and updates of DDIM in `steps` steps. As in diffusers, each step goes trainTimesteps / steps
 * (rounded down) timesteps back, whichever the spacing, and one that passes timestep 0 reaches the final state.
 */
export function ddimSteps(config: SchedulerConfig, schedule: NoiseSchedule, steps: number): PlanStep[] {
  const { alphasCumulative } = schedule;
  const stride = Math.floor(config.trainTimesteps / steps);
  const finalAlphaBar = config.final === 'zero' ? 1 : alphasCumulative[0]!;
  const timesteps = spacedTimesteps({ ...config, steps }).map(roundHalfToEven);
  return timesteps.map((timestep, index) => {
    const alphaBar = alphasCumulative[timestep]!;
    const nextAlphaBar = alphasCumulative[timestep - stride] ?? finalAlphaBar;
    const posteriorVariance = ((1 - nextAlphaBar) / (1 - alphaBar)) * (1 - alphaBar / nextAlphaBar);
    const noise = config.eta * Math.sqrt(posteriorVariance);
    const evaluation = { index, alphaBar, inputScale: 1 };
    return {
      timestep,
      inputScale: 1,
      alphaBar,
      update: combine(
        [Math.sqrt(nextAlphaBar), predictedClean(config.prediction, evaluation)],
        [
          Math.sqrt(Math.max(1 - nextAlphaBar - noise ** 2, 0)),
          predictedNoise(config.prediction, evaluation),
        ],
      ),
      noise,
    };
  });
}
