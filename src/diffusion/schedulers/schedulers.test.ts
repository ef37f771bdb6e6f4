/** Every sampler against trajectories of diffusers, and the promises that hold for every setting. */
import { describe, expect, it } from 'vitest';
import {
  fixtureTolerance,
  maxDifference,
  readFixtureJson,
  readFixtureTensors,
} from '../../../test/read_fixture.ts';
import { gaussianNoise } from '../noise.ts';
import { createPlan } from './create_plan.ts';
import { addNoise, createNoiseSchedule, interpolate, velocity } from './noise_schedule.ts';
import {
  asEpsilonPlan,
  denoiserInput,
  finalWeights,
  initialLatents,
  oldestNeeded,
  outputWeights,
  type SamplerPlan,
  stepLatents,
} from './plan.ts';
import {
  parseSchedulerConfig,
  type SchedulerConfig,
  schedulerNames,
  stableDiffusionScheduler,
  supportsKarrasSigmas,
} from './scheduler_config.ts';
import { distinctTimesteps, karrasSigmas, linspace, roundHalfToEven, sigmaToTimestep } from './timesteps.ts';

type Denoiser = (input: Float32Array, timestep: number) => Float32Array;

/** Samples to the end; returns z after every evaluation, z_T first, and the raw outputs. */
function sample(
  plan: SamplerPlan,
  start: Float32Array,
  denoise: Denoiser,
  noise: (step: number) => Float32Array,
) {
  const latents: Float32Array[] = [initialLatents(plan, start)];
  const outputs: Float32Array[] = [];
  for (const [i, step] of plan.steps.entries()) {
    outputs.push(denoise(denoiserInput(plan, i, latents[i]!), step.timestep));
    latents.push(stepLatents(plan, i, latents, outputs, noise(i)));
  }
  return { latents, outputs };
}

const common = readFixtureTensors('schedulers/common.safetensors');
const startNoise = common.z_T!.data as Float32Array;
const stepNoise = (step: number) =>
  (common.noise!.data as Float32Array).subarray(step * 256, (step + 1) * 256);

/** The network that the fixtures put in the denoiser's place. */
const tanhDenoiser: Denoiser = (input, timestep) =>
  input.map((value) => Math.tanh(0.3 * value + 0.001 * timestep));

const index = readFixtureJson('schedulers/index.json').schedulers;
const cases: { file: string; prefix: string; steps: number; config: SchedulerConfig }[] = [];
for (const [name, configurations] of Object.entries<Record<string, { kwargs: object; versions: string[] }>>(
  index,
)) {
  for (const [configuration, { kwargs, versions }] of Object.entries(configurations)) {
    const json = { ...kwargs, _class_name: (kwargs as { _class: string })._class };
    for (const version of versions) {
      const parsed = parseSchedulerConfig(json);
      const config = version === 'v0.19.3' ? { ...parsed, final: 't0' as const } : parsed;
      for (const steps of [4, 10, 20, 25]) {
        const prefix = `${configuration}/${version}/S${steps}`;
        cases.push({ file: `schedulers/${name}.safetensors`, prefix, steps, config });
      }
    }
  }
}

describe('trajectories of diffusers', () => {
  const files = new Map(cases.map(({ file }) => [file, readFixtureTensors(file)]));
  it('covers every configuration in the index', () => {
    expect(cases.length).toBe(4 * 42);
  });
  it.each(cases)('$file $prefix', ({ file, prefix, steps, config }) => {
    const tensors = files.get(file)!;
    const plan = createPlan({ scheduler: config, steps });
    const timesteps = plan.steps.map((step) => step.timestep);
    expect(maxDifference(timesteps, tensors[`${prefix}/timesteps`]!.data)).toBeLessThan(
      file.includes('euler') ? 2e-3 : 1e-9,
    );
    expect(plan.initialScale).toBeCloseTo(tensors[`${prefix}/init_noise_sigma`]!.data[0]!, 4);
    const { latents } = sample(plan, startNoise, tanhDenoiser, stepNoise);
    const saved = tensors[`${prefix}/saved`]!.data;
    const trajectory = tensors[`${prefix}/trajectory`]!.data;
    const tolerance = fixtureTolerance(file, `${prefix}/trajectory`);
    for (let row = 0; row < saved.length; row++) {
      const expected = trajectory.subarray(row * 256, (row + 1) * 256);
      expect(maxDifference(latents[saved[row]!]!, expected)).toBeLessThanOrEqual(tolerance);
    }
  });
});

describe('timesteps of diffusers for 1..30, 40 and 50 steps', () => {
  const table = readFixtureJson('schedulers/timesteps.json');
  const rows: [string, string, Record<string, number[]>][] = [];
  for (const name of Object.keys(table)) {
    for (const spacing of Object.keys(table[name]))
      rows.push([name, spacing, table[name][spacing]['v0.40.0']]);
  }
  it.each(rows)('%s %s', (name, spacingName, expected) => {
    const [spacing, karras] = spacingName.split('-');
    const config = {
      ...stableDiffusionScheduler(name as SchedulerConfig['scheduler']),
      spacing: spacing as SchedulerConfig['spacing'],
      useKarrasSigmas: karras === 'karras',
    };
    expect(Object.keys(expected).length).toBe(32);
    for (const [steps, timesteps] of Object.entries(expected)) {
      // 575.4998 in float64, 575.5005 with diffusers' float32 sigmas: the two round to different sides of the half
      if (name === 'dpmsolver++' && karras === 'karras' && steps === '18') timesteps[7]! -= 1;
      const plan = createPlan({ scheduler: config, steps: Number(steps) });
      const difference = maxDifference(
        plan.steps.map((step) => step.timestep),
        timesteps,
      );
      expect(difference, `${steps} steps`).toBeLessThan(name.startsWith('euler') ? 2e-3 : 1e-9);
    }
  });
});

describe('the forward process', () => {
  const schedule = createNoiseSchedule(stableDiffusionScheduler());
  it('is exact in float64 and within float32 of diffusers', () => {
    expect(maxDifference(schedule.alphasCumulative, common.alphas_cumprod_f64_exact!.data)).toBeLessThan(
      1e-13,
    );
    for (const [name, values] of [
      ['betas', schedule.betas],
      ['alphas_cumprod', schedule.alphasCumulative],
    ] as const) {
      expect(maxDifference(values, common[name]!.data)).toBeLessThanOrEqual(
        fixtureTolerance('schedulers/common.safetensors', name),
      );
    }
  });
  it.each([
    ['add_noise.out', addNoise],
    ['get_velocity.out', velocity],
  ] as const)('%s', (name, mix) => {
    const [clean, noise] = [common['add_noise.x0']!.data, common['add_noise.noise']!.data] as Float32Array[];
    const result = mix(schedule, clean!, noise!, common['add_noise.t']!.data);
    const tolerance = fixtureTolerance('schedulers/common.safetensors', name);
    expect(maxDifference(result, common[name]!.data)).toBeLessThanOrEqual(tolerance);
  });
  it('grows linearly with the linear schedule', () => {
    const { betas } = createNoiseSchedule({
      trainTimesteps: 3,
      betaStart: 0.1,
      betaEnd: 0.3,
      betaSchedule: 'linear',
    });
    expect(maxDifference(betas, [0.1, 0.2, 0.3])).toBeLessThan(1e-15);
  });
  it('refuses what does not fit', () => {
    const four = new Float32Array(4);
    expect(() => addNoise(schedule, four, four, [5, 1000])).toThrow(
      'timesteps[1]: expected an integer in 0..999',
    );
    expect(() => addNoise(schedule, four, four, [1, 2, 3])).toThrow(/a multiple of the batch of 3/);
    expect(() => createNoiseSchedule({ ...stableDiffusionScheduler(), betaEnd: 0 })).toThrow(
      /betaStart <= betaEnd/,
    );
  });
  it('interpolates, rounds halves to even and inverts sigma', () => {
    expect(interpolate(Float64Array.of(1, 3, 9), 1.25)).toBe(4.5);
    expect([0.5, 1.5, 2.5, 166.5, 832.5, 499.5, 2.49].map(roundHalfToEven)).toEqual([
      0, 2, 2, 166, 832, 500, 2,
    ]);
    for (const t of [0, 1, 17, 500, 998, 999]) {
      expect(sigmaToTimestep(schedule, schedule.sigmas[t]!)).toBeCloseTo(t, 9);
    }
    expect(sigmaToTimestep(schedule, 1e9)).toBe(999);
    expect(karrasSigmas(1, 128, 3)[1]).toBeCloseTo(1.5 ** 7, 10);
    expect(linspace(0, 1, 1)).toEqual([0]);
  });

  it.each([
    { given: [9, 5, 5, 1], moved: [9, 6, 5, 1] },
    { given: [3, 2, 2, 0, 0], moved: [4, 3, 2, 1, 0] },
    { given: [9, 9, 9, 8], moved: [9, 8, 7, 6] },
    { given: [9, 7, 7, 7], moved: [9, 8, 7, 6] },
    { given: [7, 3], moved: [7, 3] },
  ])('moves equal timesteps apart: $given to $moved', ({ given, moved }) => {
    expect(distinctTimesteps(given, 10)).toEqual(moved);
  });

  it('visits every training timestep in as many steps of DPM-Solver++', () => {
    const { steps } = createPlan({ scheduler: 'dpmsolver++', steps: 1000 });
    expect(steps.map(({ timestep }) => timestep)).toEqual(Array.from({ length: 1000 }, (_, i) => 999 - i));
  });
});

/** Every combination of sampler, spacing, end, prediction and Karras. */
const settings: SchedulerConfig[] = [];
for (const name of schedulerNames) {
  for (const spacing of ['linspace', 'leading', 'trailing'] as const) {
    for (const final of ['zero', 't0'] as const) {
      for (const prediction of ['epsilon', 'v_prediction'] as const) {
        for (const useKarrasSigmas of supportsKarrasSigmas(name) ? [false, true] : [false]) {
          for (const eta of name === 'ddim' ? [0, 1] : [0]) {
            const base = stableDiffusionScheduler(name);
            settings.push({ ...base, spacing, final, prediction, useKarrasSigmas, eta });
          }
        }
      }
    }
  }
}
/** Few, and those where a step is as short as training's own. */
const COUNTS = [...Array.from({ length: 100 }, (_, i) => i + 1), 250, 500, 750, 999, 1000];
const title = '$scheduler $spacing final $final $prediction karras $useKarrasSigmas eta $eta';

describe('every setting', () => {
  it.each(settings)(`${title}: every count is honoured with finite coefficients`, (config) => {
    for (const steps of COUNTS) {
      // With an offset the leading spacing's last of 1000 steps would lie outside training, and diffusers fails there too.
      const scheduler = steps > 500 ? { ...config, stepsOffset: 0 } : config;
      const isTooLong = steps === 1000 && config.scheduler === 'dpmsolver++' && config.spacing === 'leading';
      if (isTooLong && !config.useKarrasSigmas) {
        expect(() => createPlan({ scheduler, steps })).toThrow('expected at most 999 with leading spacing');
        continue;
      }
      const plan = createPlan({ scheduler, steps });
      const expected = config.scheduler === 'pndm' && steps > 1 ? steps + 1 : steps;
      expect(plan.steps.length).toBe(expected);
      const weights = finalWeights(plan);
      expect([weights.initial, ...weights.outputs, ...weights.noise].every(Number.isFinite)).toBe(true);
      for (let i = 1; i < plan.steps.length; i++) {
        const [before, after] = [plan.steps[i - 1]!.timestep, plan.steps[i]!.timestep];
        const repeats = config.scheduler === 'pndm' && i === 2;
        const karrasRounds =
          config.useKarrasSigmas && config.scheduler === 'dpmsolver++' && config.final === 'zero';
        if (repeats) expect(after).toBe(before);
        else if (karrasRounds) expect(after).toBeLessThanOrEqual(before);
        else expect(after).toBeLessThan(before);
      }
    }
  });

  it.each(settings)(`${title}: the final weights add up to the sampled latents`, (config) => {
    const plan = createPlan({ scheduler: config, steps: 13 });
    const start = gaussianNoise({ seed: 1 }, 64);
    const noises = plan.steps.map((_, i) => gaussianNoise({ seed: 2, index: i }, 64));
    const { latents, outputs } = sample(plan, start, tanhDenoiser, (i) => noises[i]!);
    const { initial, outputs: b, noise } = finalWeights(plan);
    const expected = Array.from(start, (value, k) => {
      let sum = initial * value;
      for (let i = 0; i < b.length; i++) sum += b[i]! * outputs[i]![k]! + noise[i]! * noises[i]![k]!;
      return sum;
    });
    const scale = Math.max(...expected.map(Math.abs));
    expect(maxDifference(latents.at(-1)!, expected)).toBeLessThan(2e-5 * scale);
  });

  it.each(settings)(`${title}: a perfect denoiser of one point arrives at that point`, (config) => {
    // all data is the point c, so the noise in z is (z - sqrt(abar) c) / sqrt(1 - abar): exact at every noise level
    const plan = createPlan({ scheduler: { ...config, spacing: 'trailing' }, steps: 50 });
    const clean = 0.7;
    let i = 0;
    const denoise: Denoiser = (input) => {
      const { alphaBar } = plan.steps[i++]!;
      const [signal, spread] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
      return input.map((z) => {
        const noise = (z - signal * clean) / spread;
        return config.prediction === 'epsilon' ? noise : signal * noise - spread * clean;
      });
    };
    const noises = (step: number) => gaussianNoise({ seed: 4, index: step }, 64);
    const { latents } = sample(plan, gaussianNoise({ seed: 3 }, 64), denoise, noises);
    const atTimestepZero = Math.sqrt(1 - plan.schedule.alphasCumulative[0]!) * 5;
    // PNDM averages v of several noise levels as if they were one, which is exact only for the noise itself
    const averagesVelocities = config.scheduler === 'pndm' && config.prediction === 'v_prediction';
    const tolerance = config.final === 't0' ? atTimestepZero : averagesVelocities ? 5e-3 : 1e-3;
    expect(maxDifference(latents.at(-1)!, Array(64).fill(clean))).toBeLessThan(tolerance);
  });

  it.each(settings)(`${title}: history that is no longer needed can be dropped`, (config) => {
    const plan = createPlan({ scheduler: config, steps: 9 });
    const denoise = tanhDenoiser;
    const noises = (step: number) => gaussianNoise({ seed: 6, index: step }, 16);
    const whole = sample(plan, gaussianNoise({ seed: 5 }, 16), denoise, noises).latents.at(-1)!;
    const latents: (Float32Array | undefined)[] = [initialLatents(plan, gaussianNoise({ seed: 5 }, 16))];
    const outputs: (Float32Array | undefined)[] = [];
    for (const [i, step] of plan.steps.entries()) {
      outputs.push(denoise(denoiserInput(plan, i, latents[i]!), step.timestep));
      for (let old = 0; old < oldestNeeded(plan, i); old++) latents[old] = outputs[old] = undefined;
      latents.push(stepLatents(plan, i, latents, outputs, noises(i)));
    }
    expect(latents.at(-1)).toEqual(whole);
  });
});

describe('plans', () => {
  it.each(schedulerNames)('%s: the epsilon form of a v plan samples the same latents', (name) => {
    const plan = createPlan({
      scheduler: { ...stableDiffusionScheduler(name), prediction: 'v_prediction' },
      steps: 12,
    });
    const epsilonPlan = asEpsilonPlan(plan);
    const noises = (step: number) => gaussianNoise({ seed: 8, index: step }, 32);
    const start = gaussianNoise({ seed: 7 }, 32);
    let i = 0;
    const asNoise: Denoiser = (input, timestep) => {
      const { alphaBar } = epsilonPlan.steps[i++]!;
      const v = tanhDenoiser(input, timestep);
      return input.map((z, k) => Math.sqrt(alphaBar) * v[k]! + Math.sqrt(1 - alphaBar) * z);
    };
    const expected = sample(plan, start, tanhDenoiser, noises).latents.at(-1)!;
    const received = sample(epsilonPlan, start, asNoise, noises).latents.at(-1)!;
    expect(maxDifference(received, expected)).toBeLessThan(2e-5);
  });
  it.each(['ddim', 'ddpm', 'euler', 'euler-ancestral', 'dpmsolver++'] as const)(
    '%s: the epsilon form of a v plan has the weights of the epsilon plan',
    (name) => {
      const config = stableDiffusionScheduler(name);
      const direct = outputWeights(createPlan({ scheduler: config, steps: 12 }));
      const velocityPlan = createPlan({ scheduler: { ...config, prediction: 'v_prediction' }, steps: 12 });
      expect(maxDifference(outputWeights(asEpsilonPlan(velocityPlan)), direct)).toBeLessThan(1e-10);
    },
  );
  it('holds the coefficients of DDIM as its equation gives them', () => {
    const plan = createPlan({ scheduler: 'ddim', steps: 4 });
    const [before, after] = [plan.schedule.alphasCumulative[751]!, plan.schedule.alphasCumulative[501]!];
    const { update } = plan.steps[0]!;
    expect(update.latents[0]!.weight).toBeCloseTo(Math.sqrt(after / before), 12);
    expect(update.outputs[0]!.weight).toBeCloseTo(
      Math.sqrt(1 - after) - Math.sqrt((after / before) * (1 - before)),
      12,
    );
  });
  it('is frozen, and says what is missing', () => {
    const plan = createPlan({ scheduler: 'dpmsolver++', steps: 5 });
    expect(
      Object.isFrozen(plan) && Object.isFrozen(plan.steps[0]) && Object.isFrozen(plan.steps[0]!.update),
    ).toBe(true);
    const four = new Float32Array(4);
    expect(() => stepLatents(plan, 1, [undefined, four], [four, four])).toThrow(
      'latents[0], step 1: expected 4 values, received none',
    );
    expect(() => stepLatents(plan, 5, [], [])).toThrow('step: expected an integer in 0..4, received 5');
    const ancestral = createPlan({ scheduler: 'euler-ancestral', steps: 5 });
    expect(() => stepLatents(ancestral, 0, [four], [four])).toThrow(
      'noise, step 0: expected 4 values, received none',
    );
  });
  it.each([
    [{ steps: 0 }, 'steps: expected an integer in 1..1000, received 0'],
    [{ steps: 2.5 }, 'received 2.5'],
    [{ steps: 1001 }, 'received 1001'],
    [{ eta: 2 }, 'eta: expected a number from 0 to 1, received 2'],
    [{ useKarrasSigmas: true }, 'useKarrasSigmas: expected false for ddim, received true'],
    [
      { scheduler: 'lms' },
      'scheduler: expected one of ddpm, ddim, pndm, euler, euler-ancestral, dpmsolver++',
    ],
    [{ spacing: 'leading', steps: 1000 }, 'expected timesteps in 0..999, received 1000 to 1'],
  ])('refuses %j', (change, message) => {
    const { steps = 10, ...rest } = change as { steps?: number };
    const config = { ...stableDiffusionScheduler('ddim'), ...rest };
    expect(() => createPlan({ scheduler: config, steps })).toThrow(message);
  });
});
