/** DDPM, ancestral sampling from the posterior q(z_s | z_t, z_0) (Ho et al. 2020, eqs. 6 and 7). */
import { combine, latentsAt } from './linear_form.ts';
import type { NoiseSchedule } from './noise_schedule.ts';
import type { PlanStep } from './plan.ts';
import { predictedClean } from './prediction.ts';
import type { SchedulerConfig } from './scheduler_config.ts';
import { roundHalfToEven, spacedTimesteps } from './timesteps.ts';

/** The evaluations and updates of DDPM in `steps` steps. Each step goes to the next visited timestep. */
export function ddpmSteps(config: SchedulerConfig, schedule: NoiseSchedule, steps: number): PlanStep[] {
  const { alphasCumulative } = schedule;
  const timesteps = spacedTimesteps({ ...config, steps }).map(roundHalfToEven);
  const finalAlphaBar = config.final === 'zero' ? 1 : alphasCumulative[0]!;
  return timesteps.map((timestep, index) => {
    const alphaBar = alphasCumulative[timestep]!;
    const next = timesteps[index + 1];
    const nextAlphaBar = next === undefined ? finalAlphaBar : alphasCumulative[next]!;
    const beta = 1 - alphaBar / nextAlphaBar;
    const remaining = (1 - nextAlphaBar) / (1 - alphaBar);
    const clean = predictedClean(config.prediction, { index, alphaBar, inputScale: 1 });
    const variance = config.variance === 'fixed_large' ? beta : remaining * beta;
    return {
      timestep,
      inputScale: 1,
      alphaBar,
      update: combine(
        [(Math.sqrt(nextAlphaBar) * beta) / (1 - alphaBar), clean],
        [Math.sqrt(1 - beta) * remaining, latentsAt(index)],
      ),
      // diffusers injects none at timestep 0, whichever variance is chosen
      noise: timestep === 0 ? 0 : Math.sqrt(variance),
    };
  });
}
