/** The residual block of the diffusion U-Net and its autoencoder (diffusers' ResnetBlock2D), and their resizing steps. */

import type { Value } from '../graph/building.ts';
import { add, reshape, resizeNearest, scale, scope, silu } from '../graph/building.ts';
import { convolution, namedGroupNorm } from './layers.ts';
import type { Parameters } from './parameters.ts';

/** Sizes and constants of a residual block. */
export interface ResnetBlockOptions {
  readonly outputs: number;
  readonly groups: number;
  readonly epsilon: number;
  /** Time embedding [N, T], added between the two convolutions; null where the block has none. */
  readonly timeEmbedding?: Value | null;
  /** The block's result is divided by this; 1 when left out. */
  readonly outputScale?: number;
}

/**
 * norm - SiLU - conv - (+ projected time) - norm - SiLU - conv, plus the input (through a 1x1 convolution where the number
 * of channels changes).
 * @param parameters those of the block: norm1, conv1, time_emb_proj, norm2, conv2, conv_shortcut
 * @param x [N, C, H, W]
 * @returns [N, outputs, H, W]
 */
export function resnetBlock(parameters: Parameters, x: Value, options: ResnetBlockOptions): Value {
  const { outputs, groups, epsilon, timeEmbedding = null, outputScale = 1 } = options;
  return scope('resnet', () => {
    let h = silu(namedGroupNorm(parameters, x, 'norm1', groups, epsilon));
    h = convolution(parameters, h, 'conv1', { outputs });
    if (timeEmbedding !== null) {
      const shape = { inputs: timeEmbedding.shape[1]!, outputs, bias: true };
      const time = parameters.linear(silu(timeEmbedding), 'time_emb_proj', shape);
      h = add(h, reshape(time, [time.shape[0]!, outputs, 1, 1]));
    }
    h = silu(namedGroupNorm(parameters, h, 'norm2', groups, epsilon));
    h = convolution(parameters, h, 'conv2', { outputs });
    const straight =
      x.shape[1] === outputs ? x : convolution(parameters, x, 'conv_shortcut', { outputs, kernel: 1 });
    return scale(add(straight, h), 1 / outputScale);
  });
}

/** Nearest-neighbour enlargement to height x width, then the 3x3 convolution `conv`: [N, C, H, W] -> [N, C, height, width]. */
export function upsample(parameters: Parameters, x: Value, height: number, width: number): Value {
  return scope('upsample', () =>
    convolution(parameters, resizeNearest(x, height, width), 'conv', { outputs: x.shape[1]! }),
  );
}

/**
 * The 3x3 convolution `conv` with stride 2: [N, C, H, W] -> [N, C, about H/2, about W/2].
 * @param padding (top, left, bottom, right): 1 all round in the U-Net, bottom and right only in the autoencoder
 */
export function downsample(
  parameters: Parameters,
  x: Value,
  padding: number | readonly [number, number, number, number],
): Value {
  return scope('downsample', () =>
    convolution(parameters, x, 'conv', { outputs: x.shape[1]!, stride: 2, padding }),
  );
}
