/** Learning rates by step: constant, linear, cosine and polynomial schedules with warm-up, as diffusers defines them. */

/** The names of the schedules. */
export const learningRateScheduleNames = Object.freeze([
  'constant',
  'constant_with_warmup',
  'linear',
  'cosine',
  'cosine_with_restarts',
  'polynomial',
] as const);

/** The name of a schedule. */
export type LearningRateScheduleName = (typeof learningRateScheduleNames)[number];

/** A schedule and its settings; what a schedule doesn't use is ignored. */
export interface LearningRateSchedule {
  readonly name: LearningRateScheduleName;
  /** Steps of linear growth from 0 (every schedule but `constant`); 0 when left out. */
  readonly warmupSteps?: number;
  /** The step at which decay ends (linear, cosine, cosine_with_restarts, polynomial). */
  readonly totalSteps?: number;
  /** Waves of the cosine: 0.5 when left out (once down); whole descents with restarts, 1 when left out. */
  readonly cycles?: number;
  /** The exponent of the polynomial; 1 when left out. */
  readonly power?: number;
  /** Where the polynomial ends; 1e-7 when left out. */
  readonly endLearningRate?: number;
}

/**
 * The learning rate of optimizer step `step` (from 0). After totalSteps, `cosine` rises again, `polynomial` stays at
 * its end and the others at 0. Throws when the schedule is unknown, lacks totalSteps or has a setting out of range.
 */
export function learningRateAt(
  schedule: LearningRateSchedule,
  baseLearningRate: number,
  step: number,
): number {
  const { name, warmupSteps = 0 } = schedule;
  checkSchedule(schedule, baseLearningRate);
  if (name === 'constant') return baseLearningRate;
  if (step < warmupSteps) return baseLearningRate * (step / warmupSteps);
  if (name === 'constant_with_warmup') return baseLearningRate;
  const totalSteps = schedule.totalSteps!;
  const progress = (step - warmupSteps) / Math.max(totalSteps - warmupSteps, 1);
  switch (name) {
    case 'linear':
      return baseLearningRate * Math.max(0, 1 - progress);
    case 'cosine': {
      const angle = 2 * Math.PI * (schedule.cycles ?? 0.5) * progress;
      return baseLearningRate * Math.max(0, (1 + Math.cos(angle)) / 2);
    }
    case 'cosine_with_restarts': {
      if (progress >= 1) return 0;
      const angle = Math.PI * (((schedule.cycles ?? 1) * progress) % 1);
      return baseLearningRate * Math.max(0, (1 + Math.cos(angle)) / 2);
    }
    case 'polynomial': {
      const { power = 1, endLearningRate = 1e-7 } = schedule;
      if (step > totalSteps) return endLearningRate;
      return (baseLearningRate - endLearningRate) * (1 - progress) ** power + endLearningRate;
    }
  }
}

function checkSchedule(schedule: LearningRateSchedule, baseLearningRate: number): void {
  const { name, warmupSteps = 0, totalSteps, endLearningRate = 1e-7 } = schedule;
  if (!learningRateScheduleNames.includes(name)) {
    throw new Error(
      `learning rate schedule: expected one of ${learningRateScheduleNames.join(', ')}, received ${name}`,
    );
  }
  if (!(baseLearningRate > 0)) {
    throw new Error(`learning rate: expected a positive number, received ${baseLearningRate}`);
  }
  if (name === 'constant' || name === 'constant_with_warmup') return;
  if (totalSteps === undefined || !(totalSteps >= warmupSteps)) {
    throw new Error(
      `learning rate schedule ${name}: expected totalSteps of at least warmupSteps (${warmupSteps}), ` +
        `received ${totalSteps ?? 'none'}`,
    );
  }
  if (name === 'polynomial' && !(endLearningRate < baseLearningRate)) {
    throw new Error(
      `learning rate schedule polynomial: expected an endLearningRate below ${baseLearningRate}, ` +
        `received ${endLearningRate}`,
    );
  }
}
