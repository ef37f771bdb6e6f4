/** Which weights a configuration calls for: names and shapes of every parameter of the whole model, found by building its graph. */

import type { Shape } from '../graph/building.ts';
import { input } from '../graph/building.ts';
import type { WeightSource } from '../weights/weight_source.ts';
import { assertHolds } from '../weights/weight_tracking.ts';
import type { ClipTextConfig } from './clip_text.ts';
import { clipText } from './clip_text.ts';
import type { Parameters } from './parameters.ts';
import { trainableParameters } from './parameters.ts';
import type { UNetConfig } from './unet.ts';
import { unet } from './unet.ts';
import type { VaeConfig } from './vae.ts';
import { vaeDecode, vaeDownscale, vaeEncode } from './vae.ts';
import { UNUSED_WEIGHTS } from './weights.ts';

/** Configurations of the parts of a text-to-image model. */
export interface PartConfigs {
  readonly textEncoder: ClipTextConfig;
  readonly unet: UNetConfig;
  readonly vae: VaeConfig;
}

const BUILD: { readonly [Part in keyof PartConfigs]: (config: PartConfigs[Part], p: Parameters) => void } = {
  textEncoder(config, parameters) {
    clipText(config, parameters, { ids: input('ids', [1, 2], 'int64') });
  },
  unet(config, parameters) {
    const side = 2 ** (config.block_out_channels.length - 1);
    const latents = input('latents', [1, config.in_channels, side, side]);
    unet(config, parameters, latents, input('t', [1]), input('context', [1, 1, config.cross_attention_dim]));
  },
  vae(config, parameters) {
    const side = vaeDownscale(config);
    vaeEncode(config, parameters, input('image', [1, config.in_channels, side, side]));
    vaeDecode(config, parameters, input('latents', [1, config.latent_channels, 1, 1]));
  },
};

/** Left-over tensors that are no fault, by part. */
const UNUSED: Readonly<Record<keyof PartConfigs, readonly RegExp[]>> = {
  textEncoder: UNUSED_WEIGHTS.clipText,
  unet: [],
  vae: [],
};

/**
 * Shapes of all parameters of one part by name, in the order in which the graph meets them.
 * @param has whether a name exists, for parts whose published files use one of two names; all exist if not given
 */
export function expectedWeights<Part extends keyof PartConfigs>(
  part: Part,
  config: PartConfigs[Part],
  has?: (name: string) => boolean,
): Map<string, Shape> {
  const { parameters, values } = trainableParameters('', has);
  BUILD[part](config, parameters);
  return new Map([...values].map(([name, { shape }]) => [name, shape]));
}

/**
 * Checks that files hold exactly the weights that a part needs.
 * @throws one Error that lists every missing, left-over and wrongly shaped tensor
 */
export function assertComplete<Part extends keyof PartConfigs>(
  part: Part,
  config: PartConfigs[Part],
  source: WeightSource,
): void {
  assertHolds(source, expectedWeights(part, config, source.has), UNUSED[part]);
}
