/** Reading diffusers' scheduler_config.json: defaults of each class, overrides and errors. */
import { describe, expect, it } from 'vitest';
import { readFixtureJson } from '../../../test/read_fixture.ts';
import { parseSchedulerConfig, stableDiffusionScheduler } from './scheduler_config.ts';

/** What the published Stable Diffusion 1.5 holds in scheduler/scheduler_config.json. */
const stableDiffusion15 = {
  _class_name: 'PNDMScheduler',
  _diffusers_version: '0.6.0',
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  beta_start: 0.00085,
  num_train_timesteps: 1000,
  set_alpha_to_one: false,
  skip_prk_steps: true,
  steps_offset: 1,
  trained_betas: null,
  clip_sample: false,
};

describe('parseSchedulerConfig', () => {
  it.each(['pndm', 'ddim', 'ddpm', 'euler', 'euler-ancestral', 'dpmsolver++'] as const)(
    'reads Stable Diffusion 1.5 as %s',
    (scheduler) => {
      expect(parseSchedulerConfig(stableDiffusion15, { scheduler })).toEqual(
        stableDiffusionScheduler(scheduler),
      );
    },
  );
  it('takes the class from the file', () => {
    expect(parseSchedulerConfig(stableDiffusion15)).toEqual(stableDiffusionScheduler('pndm'));
    const fixture = readFixtureJson('adjusted-dft/scheduler_config.json');
    expect(parseSchedulerConfig(fixture)).toEqual(stableDiffusionScheduler('dpmsolver++'));
  });
  it('gives absent fields the defaults of the diffusers class', () => {
    expect(parseSchedulerConfig({ _class_name: 'DDIMScheduler' })).toMatchObject({
      betaStart: 0.0001,
      betaEnd: 0.02,
      betaSchedule: 'linear',
      stepsOffset: 0,
      spacing: 'leading',
      final: 'zero',
    });
    expect(parseSchedulerConfig({ _class_name: 'PNDMScheduler', skip_prk_steps: true }).final).toBe('t0');
    expect(parseSchedulerConfig({ _class_name: 'EulerDiscreteScheduler' }).spacing).toBe('linspace');
  });
  it.each([
    [{ final_sigmas_type: 'sigma_min' }, { final: 't0' }],
    [{ set_alpha_to_one: false }, { final: 'zero' }],
    [{ use_karras_sigmas: true }, { useKarrasSigmas: true }],
    [{ solver_order: 1 }, { solverOrder: 1 }],
    [{ lower_order_final: false }, { lowerOrderFinal: false }],
    [
      { prediction_type: 'v_prediction', timestep_spacing: 'trailing' },
      { prediction: 'v_prediction', spacing: 'trailing' },
    ],
  ])('reads %j of DPM-Solver++', (fields, expected) => {
    expect(parseSchedulerConfig({ _class_name: 'DPMSolverMultistepScheduler', ...fields })).toMatchObject(
      expected,
    );
  });
  it('ignores Karras sigmas where the sampler has none', () => {
    const json = { _class_name: 'DPMSolverMultistepScheduler', use_karras_sigmas: true };
    expect(parseSchedulerConfig(json, { scheduler: 'ddim' }).useKarrasSigmas).toBe(false);
  });
  it.each([
    [
      { _class_name: 'HeunDiscreteScheduler' },
      /_class_name: expected one of DDPMScheduler, .*received HeunDiscrete/,
    ],
    [{}, /_class_name: .*expected string/],
    [
      { _class_name: 'DDIMScheduler', beta_schedule: 'squaredcos_cap_v2' },
      /beta_schedule: .*"linear".*squaredcos_cap_v2/,
    ],
    [{ _class_name: 'DDIMScheduler', prediction_type: 'sample' }, /prediction_type: .*received "sample"/],
    [
      { _class_name: 'DDIMScheduler', rescale_betas_zero_snr: true },
      /rescale_betas_zero_snr: .*received true/,
    ],
    [{ _class_name: 'DDIMScheduler', thresholding: true }, /thresholding: .*received true/],
    [{ _class_name: 'DDPMScheduler', variance_type: 'learned' }, /variance_type: .*received "learned"/],
    [{ _class_name: 'PNDMScheduler' }, /skip_prk_steps: .*expected true/],
    [{ _class_name: 'DPMSolverMultistepScheduler', algorithm_type: 'sde-dpmsolver++' }, /algorithm_type: /],
    [{ _class_name: 'DPMSolverMultistepScheduler', solver_order: 3 }, /solver_order: .*received 3/],
    [null, /expected object, received null/],
  ])('refuses %j', (json, message) => {
    expect(() => parseSchedulerConfig(json, { source: 'model/scheduler_config.json' })).toThrow(message);
    expect(() => parseSchedulerConfig(json, { source: 'model/x.json' })).toThrow(/^model\/x\.json: /);
  });
});
