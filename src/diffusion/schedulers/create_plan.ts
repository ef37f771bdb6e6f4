/** From a scheduler's settings and a number of steps to the plan of its coefficients. */
import { ddimSteps } from './ddim.ts';
import { ddpmSteps } from './ddpm.ts';
import { dpmSolverSteps } from './dpm_solver.ts';
import { eulerAncestralSteps, eulerGrid, eulerSteps } from './euler.ts';
import { createNoiseSchedule, type NoiseSchedule } from './noise_schedule.ts';
import { freezePlan, type PlanStep, type SamplerPlan } from './plan.ts';
import { pndmSteps } from './pndm.ts';
import {
  type SchedulerConfig,
  type SchedulerName,
  schedulerNames,
  stableDiffusionScheduler,
  supportsKarrasSigmas,
} from './scheduler_config.ts';

/** What a plan is made from. */
export interface PlanRequest {
  /** Settings, or a sampler's name for Stable Diffusion 1.5's settings. */
  readonly scheduler: SchedulerConfig | SchedulerName;
  /** The number of sampling steps, 1 to the number of training timesteps. */
  readonly steps: number;
}

/**
 * Computes a sampler's plan: exactly `steps` steps, every coefficient finite. Throws when the number of steps, the
 * sampler's name or a setting doesn't fit.
 */
export function createPlan(request: PlanRequest): SamplerPlan {
  const { steps } = request;
  const config =
    typeof request.scheduler === 'string' ? stableDiffusionScheduler(request.scheduler) : request.scheduler;
  checkRequest(config, steps);
  const schedule = createNoiseSchedule(config);
  const { planned, initialScale } = planSteps(config, schedule, steps);
  return freezePlan(`${config.scheduler} with ${steps} steps`, {
    requestedSteps: steps,
    prediction: config.prediction,
    initialScale,
    steps: planned,
    schedule,
  });
}

function planSteps(
  config: SchedulerConfig,
  schedule: NoiseSchedule,
  steps: number,
): { planned: PlanStep[]; initialScale: number } {
  switch (config.scheduler) {
    case 'ddpm':
      return { planned: ddpmSteps(config, schedule, steps), initialScale: 1 };
    case 'ddim':
      return { planned: ddimSteps(config, schedule, steps), initialScale: 1 };
    case 'pndm':
      return { planned: pndmSteps(config, schedule, steps), initialScale: 1 };
    case 'dpmsolver++':
      return { planned: dpmSolverSteps(config, schedule, steps), initialScale: 1 };
    case 'euler':
    case 'euler-ancestral': {
      const grid = eulerGrid(config, schedule, steps);
      const planned =
        config.scheduler === 'euler' ? eulerSteps(config, grid) : eulerAncestralSteps(config, grid);
      return { planned, initialScale: grid.initialScale };
    }
  }
}

function checkRequest(config: SchedulerConfig, steps: number): void {
  if (!schedulerNames.includes(config.scheduler)) {
    throw new Error(`scheduler: expected one of ${schedulerNames.join(', ')}, received ${config.scheduler}`);
  }
  if (!Number.isInteger(steps) || steps < 1 || steps > config.trainTimesteps) {
    throw new Error(`steps: expected an integer in 1..${config.trainTimesteps}, received ${steps}`);
  }
  if (!(config.eta >= 0 && config.eta <= 1)) {
    throw new Error(`eta: expected a number from 0 to 1, received ${config.eta}`);
  }
  if (config.useKarrasSigmas && !supportsKarrasSigmas(config.scheduler)) {
    throw new Error(`useKarrasSigmas: expected false for ${config.scheduler}, received true`);
  }
}
