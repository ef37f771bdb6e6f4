/** Parity of the autoencoder with diffusers' AutoencoderKL. */

import { dirname, join } from 'node:path';
import { clamp, concat, exp, scale } from '../../graph/index.ts';
import { openWeights } from '../../weights/weight_source.ts';
import type { VaeConfig } from '../vae.ts';
import { parseVaeConfig, vaeDecode, vaeEncode } from '../vae.ts';
import type { Checker } from './comparison.ts';
import type { CaseGraph, CaseInputs, Derivative } from './model_case.ts';
import { runModelCase } from './model_case.ts';

/** Checks every case below `vae/`, and once more with the attention names of older files where there is such a copy. */
export const vaeChecker: Checker = Object.freeze({
  folder: 'vae',
  async *check({ fixtures, runtime }) {
    for (const name of fixtures.cases('vae')) {
      const folder = dirname(name);
      for (const variant of [folder, `${folder}-oldnames`]) {
        if (!fixtures.has(`${variant}/config.json`)) continue;
        const config = parseVaeConfig(fixtures.json(`${variant}/config.json`));
        const weights = openWeights([join(fixtures.path, variant, 'diffusion_pytorch_model.safetensors')]);
        const fixture = fixtures.open(name);
        const old = variant !== folder;
        // The gradient norms are listed under today's names.
        const used = old ? { ...fixture, gradientNorms: null } : fixture;
        const result = await runModelCase(runtime, used, weights, (inputs) => build(config, inputs));
        yield old ? { ...result, name: `${name} with the weights of ${variant}` } : result;
      }
    }
  },
} satisfies Checker);

function build(config: VaeConfig, { parameters, feed, has }: CaseInputs): CaseGraph {
  const [latents, image] = [feed('z'), feed('image')];
  const decoded = vaeDecode(config, parameters, latents);
  const { mean, logvar } = vaeEncode(config, parameters, image);
  const unscaled = vaeDecode(config, parameters, scale(latents, 1 / config.scaling_factor));
  const derivatives: Derivative[] = [
    {
      prefix: 'decode.grad.',
      output: decoded,
      cotangent: feed(has('R_image') ? 'R_image' : 'R'),
      inputs: { z: latents },
      norms: true,
    },
  ];
  if (has('R_moments')) {
    const output = concat([mean, logvar], 1);
    derivatives.push({
      prefix: 'encode.grad.',
      output,
      cotangent: feed('R_moments'),
      inputs: { image },
    });
  }
  return {
    outputs: {
      'decode.image': decoded,
      'encode.mean': mean,
      'encode.logvar': logvar,
      'encode.std': exp(scale(logvar, 0.5)),
      'decode.after_unscale_and_clamp': clamp(unscaled, -1, 1),
    },
    derivatives,
  };
}
