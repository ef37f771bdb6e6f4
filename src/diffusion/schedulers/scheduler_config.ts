/** A scheduler's settings: Stable Diffusion's as defaults, and diffusers' `scheduler_config.json`. */
import { z } from 'zod';
import type { BetaSchedule } from './noise_schedule.ts';
import type { Prediction } from './prediction.ts';
import type { TimestepSpacing } from './timesteps.ts';

/** The samplers, by the name that options and files of this project use. */
export type SchedulerName = 'ddpm' | 'ddim' | 'pndm' | 'euler' | 'euler-ancestral' | 'dpmsolver++';

/**
 * Where the trajectory ends: `zero` without noise (sigma 0), `t0` at training timestep 0, slightly noisy. diffusers
 * calls it set_alpha_to_one (DDIM, PNDM) or final_sigmas_type (the others); `t0` of DPM-Solver++ is what its releases
 * before 0.26 did, second order to the end.
 */
export type FinalState = 'zero' | 't0';

/** Everything that a sampler's coefficients depend on but the number of steps. */
export interface SchedulerConfig {
  readonly scheduler: SchedulerName;
  readonly trainTimesteps: number;
  readonly betaStart: number;
  readonly betaEnd: number;
  readonly betaSchedule: BetaSchedule;
  readonly prediction: Prediction;
  readonly spacing: TimestepSpacing;
  /** Added to every timestep of the leading spacing. */
  readonly stepsOffset: number;
  readonly final: FinalState;
  /** Sigmas spaced as Karras et al. (2022); Euler and DPM-Solver++ only. */
  readonly useKarrasSigmas: boolean;
  /** DPM-Solver++: 1 or 2. */
  readonly solverOrder: 1 | 2;
  /** DPM-Solver++ ending at `t0`: first order in the last step when there are fewer than 15. */
  readonly lowerOrderFinal: boolean;
  /** DDIM: the share of DDPM's noise that is injected, 0 to 1. */
  readonly eta: number;
  /** DDPM: the injected variance is the posterior's (small) or beta itself (large). */
  readonly variance: 'fixed_small' | 'fixed_large';
}

/** The class that a `scheduler_config.json` names, for every supported sampler. */
export const schedulerClasses: Readonly<Record<string, SchedulerName>> = Object.freeze({
  DDPMScheduler: 'ddpm',
  DDIMScheduler: 'ddim',
  PNDMScheduler: 'pndm',
  EulerDiscreteScheduler: 'euler',
  EulerAncestralDiscreteScheduler: 'euler-ancestral',
  DPMSolverMultistepScheduler: 'dpmsolver++',
});

/** The names of the supported samplers. */
export const schedulerNames: readonly SchedulerName[] = Object.freeze(Object.values(schedulerClasses));

/** Whether `useKarrasSigmas` means anything to a sampler. */
export function supportsKarrasSigmas(scheduler: SchedulerName): boolean {
  return scheduler === 'euler' || scheduler === 'dpmsolver++';
}

/** Stable Diffusion 1.5's settings for a sampler: epsilon prediction, scaled-linear betas .00085 to .012, offset 1. */
export function stableDiffusionScheduler(scheduler: SchedulerName = 'dpmsolver++'): SchedulerConfig {
  return Object.freeze({
    scheduler,
    trainTimesteps: 1000,
    betaStart: 0.00085,
    betaEnd: 0.012,
    betaSchedule: 'scaled_linear',
    prediction: 'epsilon',
    spacing: defaultSpacing(scheduler),
    stepsOffset: 1,
    final: scheduler === 'ddim' || scheduler === 'pndm' ? 't0' : 'zero',
    useKarrasSigmas: false,
    solverOrder: 2,
    lowerOrderFinal: true,
    eta: 0,
    variance: 'fixed_small',
  });
}

function defaultSpacing(scheduler: SchedulerName): TimestepSpacing {
  return scheduler === 'ddpm' || scheduler === 'ddim' || scheduler === 'pndm' ? 'leading' : 'linspace';
}

// Absent fields take the default of diffusers' class. Options that would change the sampler in a way that is not
// implemented must have the value that leaves them out.
const configFile = z.looseObject({
  _class_name: z.string(),
  num_train_timesteps: z.int().positive().default(1000),
  beta_start: z.number().default(0.0001),
  beta_end: z.number().default(0.02),
  beta_schedule: z.enum(['linear', 'scaled_linear']).default('linear'),
  trained_betas: z.null().optional(),
  rescale_betas_zero_snr: z.literal(false).optional(),
  thresholding: z.literal(false).optional(),
  prediction_type: z.enum(['epsilon', 'v_prediction']).default('epsilon'),
  timestep_spacing: z.enum(['linspace', 'leading', 'trailing']).optional(),
  steps_offset: z.int().nonnegative().default(0),
  set_alpha_to_one: z.boolean().optional(),
  final_sigmas_type: z.enum(['zero', 'sigma_min']).default('zero'),
  use_karras_sigmas: z.boolean().default(false),
  use_exponential_sigmas: z.literal(false).optional(),
  use_beta_sigmas: z.literal(false).optional(),
  lower_order_final: z.boolean().default(true),
  eta: z.number().min(0).max(1).default(0),
});

const classFields: Readonly<Record<SchedulerName, z.ZodType>> = {
  ddpm: z.looseObject({
    variance_type: z.enum(['fixed_small', 'fixed_small_log', 'fixed_large']).optional(),
  }),
  ddim: z.looseObject({}),
  pndm: z.looseObject({ skip_prk_steps: z.literal(true) }),
  euler: z.looseObject({
    interpolation_type: z.literal('linear').optional(),
    timestep_type: z.literal('discrete').optional(),
  }),
  'euler-ancestral': z.looseObject({}),
  'dpmsolver++': z.looseObject({
    algorithm_type: z.literal('dpmsolver++').optional(),
    solver_type: z.literal('midpoint').optional(),
    solver_order: z.union([z.literal(1), z.literal(2)]).optional(),
    euler_at_final: z.literal(false).optional(),
    use_lu_lambdas: z.literal(false).optional(),
    use_flow_sigmas: z.literal(false).optional(),
  }),
};

/** How to read a `scheduler_config.json`. */
export interface ParseOptions {
  /** Read the file as another sampler's, as diffusers' `from_config` does; fields of the file's own class are ignored. */
  readonly scheduler?: SchedulerName;
  /** Where the JSON came from, for errors. */
  readonly source?: string;
}

/**
 * Reads the parsed JSON of a diffusers `scheduler_config.json`. Absent fields have the defaults of the diffusers class;
 * `clip_sample` is ignored, since diffusers' latent pipelines turn it off. Throws an error that names the source and
 * the field, what was expected and what was received; for an unknown class it lists the supported ones.
 */
export function parseSchedulerConfig(json: unknown, options: ParseOptions = {}): SchedulerConfig {
  const source = options.source ?? 'scheduler_config.json';
  const file = parseWith(configFile, json, source);
  const own = schedulerClasses[file._class_name];
  const scheduler = options.scheduler ?? own;
  if (!scheduler) {
    throw new Error(
      `${source}: _class_name: expected one of ${Object.keys(schedulerClasses).join(', ')}, ` +
        `received ${file._class_name}`,
    );
  }
  if (scheduler === own) parseWith(classFields[scheduler], json, source);
  const isDdimOrPndm = scheduler === 'ddim' || scheduler === 'pndm';
  const setAlphaToOne = file.set_alpha_to_one ?? scheduler === 'ddim';
  const endsAtZero = isDdimOrPndm ? setAlphaToOne : file.final_sigmas_type === 'zero';
  return Object.freeze({
    scheduler,
    trainTimesteps: file.num_train_timesteps,
    betaStart: file.beta_start,
    betaEnd: file.beta_end,
    betaSchedule: file.beta_schedule,
    prediction: file.prediction_type,
    spacing: file.timestep_spacing ?? defaultSpacing(scheduler),
    stepsOffset: file.steps_offset,
    final: endsAtZero ? 'zero' : 't0',
    useKarrasSigmas: supportsKarrasSigmas(scheduler) && file.use_karras_sigmas,
    solverOrder: file.solver_order === 1 ? 1 : 2,
    lowerOrderFinal: file.lower_order_final,
    eta: file.eta,
    variance: file.variance_type === 'fixed_large' ? 'fixed_large' : 'fixed_small',
  });
}

function parseWith<T>(schema: z.ZodType<T>, json: unknown, source: string): T {
  const result = schema.safeParse(json, { reportInput: true });
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    (issue) => `${issue.path.join('.') || 'file'}: ${issue.message}, received ${JSON.stringify(issue.input)}`,
  );
  throw new Error(`${source}: ${problems.join('; ')}`);
}
