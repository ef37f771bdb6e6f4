/** DPM-Solver++, multistep of first and second order (Lu et al. 2022, "DPM-Solver++", eq. 9 and algorithm 2). */
import { combine, latentsAt } from './linear_form.ts';
import type { NoiseSchedule } from './noise_schedule.ts';
import type { PlanStep } from './plan.ts';
import { predictedClean } from './prediction.ts';
import type { SchedulerConfig } from './scheduler_config.ts';
import {
  distinctTimesteps,
  karrasSigmas,
  roundHalfToEven,
  sigmaToTimestep,
  solverTimesteps,
} from './timesteps.ts';

/** Below this many steps, a trajectory that ends at timestep 0 ends with a first-order step (diffusers' rule). */
const FEW_STEPS = 15;

/**
 * The evaluations and updates of DPM-Solver++ in `steps` steps. The first step is of first order, and so is the last
 * one to sigma 0. With Karras sigmas the denoiser sees rounded timesteps, and the updates use the exact sigmas when
 * the end is `zero`, those of the rounded timesteps when it is `t0`.
 */
export function dpmSolverSteps(config: SchedulerConfig, schedule: NoiseSchedule, steps: number): PlanStep[] {
  const { timesteps, sigmas } = solverGrid(config, schedule, steps);
  const grid = [...sigmas, config.final === 'zero' ? 0 : schedule.sigmas[0]!];
  const lastIsFirstOrder = config.final === 'zero' || (config.lowerOrderFinal && steps < FEW_STEPS);
  const clean = sigmas.map((sigma, index) =>
    predictedClean(config.prediction, { index, alphaBar: 1 / (1 + sigma ** 2), inputScale: 1 }),
  );
  return timesteps.map((timestep, index) => {
    const sigma = grid[index]!;
    const next = grid[index + 1]!;
    const nextSignal = 1 / Math.hypot(next, 1);
    const secondOrder = config.solverOrder === 2 && index > 0 && !(index === steps - 1 && lastIsFirstOrder);
    // lambda = -ln sigma; half of 1/r = h_i / h_{i-1}, which is 0 for a last step from timestep 0 to itself
    const half = secondOrder ? Math.log(sigma / next) / Math.log(grid[index - 1]! / sigma) / 2 : 0;
    const gain = nextSignal * (1 - next / sigma);
    return {
      timestep,
      inputScale: 1,
      alphaBar: 1 / (1 + sigma ** 2),
      update: combine(
        [(next * nextSignal) / (sigma / Math.hypot(sigma, 1)), latentsAt(index)],
        [gain * (1 + half), clean[index]!],
        [-gain * half, clean[Math.max(index - 1, 0)]!],
      ),
      noise: 0,
    };
  });
}

function solverGrid(
  config: SchedulerConfig,
  schedule: NoiseSchedule,
  steps: number,
): { timesteps: number[]; sigmas: number[] } {
  if (!config.useKarrasSigmas) {
    const timesteps = solverTimesteps({ ...config, steps });
    return { timesteps, sigmas: timesteps.map((timestep) => schedule.sigmas[timestep]!) };
  }
  const exact = karrasSigmas(schedule.sigmas[0]!, schedule.sigmas.at(-1)!, steps);
  const timesteps = exact.map((sigma) => roundHalfToEven(sigmaToTimestep(schedule, sigma)));
  if (config.final === 'zero') return { timesteps, sigmas: exact };
  const distinct = distinctTimesteps(timesteps, config.trainTimesteps);
  return { timesteps: distinct, sigmas: distinct.map((timestep) => schedule.sigmas[timestep]!) };
}
