/** PNDM's linear multistep sampler (Liu et al. 2022, "Pseudo numerical methods", eqs. 11 and 12), without Runge-Kutta. */
import { combine, type LinearForm, latentsAt, outputAt } from './linear_form.ts';
import type { NoiseSchedule } from './noise_schedule.ts';
import type { PlanStep } from './plan.ts';
import type { SchedulerConfig } from './scheduler_config.ts';
import { roundHalfToEven, spacedTimesteps } from './timesteps.ts';

/** Adams-Bashforth weights by the number of outputs at hand, newest first. */
const multistepWeights: readonly (readonly number[])[] = [
  [1],
  [3 / 2, -1 / 2],
  [23 / 12, -16 / 12, 5 / 12],
  [55 / 24, -59 / 24, 37 / 24, -9 / 24],
];

/**
 * The evaluations and updates of PNDM in `steps` steps. The second timestep is evaluated twice: the first time only to
 * redo the first step with the mean of both outputs, so there are steps + 1 evaluations (one when steps is 1). As in
 * diffusers, a step goes trainTimesteps / steps (rounded down) timesteps back.
 */
export function pndmSteps(config: SchedulerConfig, schedule: NoiseSchedule, steps: number): PlanStep[] {
  const { alphasCumulative } = schedule;
  const stride = Math.floor(config.trainTimesteps / steps);
  const finalAlphaBar = config.final === 'zero' ? 1 : alphasCumulative[0]!;
  const visited = spacedTimesteps({ ...config, steps }).map(roundHalfToEven);
  const timesteps = [...visited.slice(0, 2), ...visited.slice(1)];
  const history: number[] = [];
  return timesteps.map((timestep, index) => {
    const redoesFirst = index === 1;
    if (!redoesFirst) history.unshift(index);
    const output = redoesFirst
      ? combine([1 / 2, outputAt(1)], [1 / 2, outputAt(0)])
      : combine(...multistep(history.slice(0, 4)));
    const from = redoesFirst ? Math.min(timestep + stride, config.trainTimesteps - 1) : timestep;
    const alphaBar = alphasCumulative[from]!;
    const nextAlphaBar = alphasCumulative[from - stride] ?? finalAlphaBar;
    const sample = latentsAt(redoesFirst ? 0 : index);
    const noise =
      config.prediction === 'epsilon'
        ? output
        : combine([Math.sqrt(alphaBar), output], [Math.sqrt(1 - alphaBar), sample]);
    const denominator =
      alphaBar * Math.sqrt(1 - nextAlphaBar) + Math.sqrt(alphaBar * (1 - alphaBar) * nextAlphaBar);
    return {
      timestep,
      inputScale: 1,
      alphaBar: alphasCumulative[timestep]!,
      update: combine(
        [Math.sqrt(nextAlphaBar / alphaBar), sample],
        [-(nextAlphaBar - alphaBar) / denominator, noise],
      ),
      noise: 0,
    };
  });
}

function multistep(indices: readonly number[]): (readonly [number, LinearForm])[] {
  return multistepWeights[indices.length - 1]!.map((weight, k) => [weight, outputAt(indices[k]!)]);
}
