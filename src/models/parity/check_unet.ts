/** Parity of the U-Net with diffusers' UNet2DConditionModel. */

import { dirname, join } from 'node:path';
import type { Value } from '../../graph/index.ts';
import { cast, expand } from '../../graph/index.ts';
import { openWeights } from '../../weights/weight_source.ts';
import type { UNetConfig } from '../unet.ts';
import { parseUNetConfig, unet } from '../unet.ts';
import type { Checker } from './comparison.ts';
import type { CaseGraph, CaseInputs } from './model_case.ts';
import { runModelCase } from './model_case.ts';

/** Checks every case below `unet/`. */
export const unetChecker: Checker = Object.freeze({
  folder: 'unet',
  async *check({ fixtures, runtime }) {
    for (const name of fixtures.cases('unet')) {
      const folder = dirname(name);
      const config = parseUNetConfig(fixtures.json(`${folder}/config.json`));
      const weights = openWeights([join(fixtures.path, folder, 'diffusion_pytorch_model.safetensors')]);
      yield await runModelCase(runtime, fixtures.open(name), weights, (inputs) => build(config, inputs));
    }
  },
} satisfies Checker);

function build(config: UNetConfig, { parameters, feed }: CaseInputs): CaseGraph {
  const [latents, context] = [feed('z'), feed('cond')];
  const timesteps = expand(cast(feed('t'), 'float32'), [latents.shape[0]!]);
  const outputs: Record<string, Value> = {};
  const eps = unet(config, parameters, latents, timesteps, context, (name, value) => {
    outputs[`intermediate.${name}`] = value;
  });
  outputs.eps = eps;
  const inputs = { z: latents, cond: context };
  return {
    outputs,
    derivatives: [{ prefix: 'grad.', output: eps, cotangent: feed('R'), inputs, norms: true }],
  };
}
