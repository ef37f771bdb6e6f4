/** MobileNetV3-Large (Howard et al. 2019, table 1, as torchvision builds it), with group norm in place of batch norm. */

import { z } from 'zod';
import type { Value } from '../graph/building.ts';
import { scope } from '../graph/building.ts';
import { activatedConvolution, invertedResidual, requireImages } from './image_backbone.ts';
import type { Parameters } from './parameters.ts';

/** Fields of a configuration that describe the network. */
export const mobileNetV3Fields = {
  type: z.literal('mobilenet_v3_large'),
  /** Side of the square images in pixels; 224 as published. */
  image_size: z.int().positive().default(224),
  in_channels: z.int().positive().default(3),
  /** Groups of the group norms; all channel counts are multiples of 8. */
  groups: z.union([z.literal(1), z.literal(2), z.literal(4), z.literal(8)]).default(8),
  /** Factor of all channel counts (torchvision's width_mult). */
  width_multiplier: z.number().positive().default(1),
} as const;

/** What describes the network. */
export type MobileNetV3Config = Readonly<z.output<z.ZodObject<typeof mobileNetV3Fields>>>;

/** Channels of the stem, and of the first linear layer after the means. */
const STEM = 16;
const FEATURES = 1280;
/** Hidden channels of a squeeze-and-excitation layer over those it weighs. */
const SQUEEZE = 1 / 4;
/** Channels of the last 1x1 convolution over those of the last block. */
const LAST = 6;

/** Kernel, hidden channels, channels, whether there is squeeze-and-excitation, activation, stride. */
type Block = readonly [number, number, number, boolean, 'relu' | 'hard_swish', 1 | 2];

const BLOCKS: readonly Block[] = [
  [3, 16, 16, false, 'relu', 1],
  [3, 64, 24, false, 'relu', 2],
  [3, 72, 24, false, 'relu', 1],
  [5, 72, 40, true, 'relu', 2],
  [5, 120, 40, true, 'relu', 1],
  [5, 120, 40, true, 'relu', 1],
  [3, 240, 80, false, 'hard_swish', 2],
  [3, 200, 80, false, 'hard_swish', 1],
  [3, 184, 80, false, 'hard_swish', 1],
  [3, 184, 80, false, 'hard_swish', 1],
  [3, 480, 112, true, 'hard_swish', 1],
  [3, 672, 112, true, 'hard_swish', 1],
  [5, 672, 160, true, 'hard_swish', 2],
  [5, 960, 160, true, 'hard_swish', 1],
  [5, 960, 160, true, 'hard_swish', 1],
];

/** The nearest multiple of 8, at least 8 and no more than a tenth below (torchvision's _make_divisible). */
function multipleOf8(channels: number): number {
  const nearest = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return nearest < 0.9 * channels ? nearest + 8 : nearest;
}

/** Size of the feature vector that a classifier has by default: 1280 times the width. */
export function mobileNetV3Features({ width_multiplier: width }: MobileNetV3Config): number {
  return multipleOf8(FEATURES * width);
}

/**
 * Runs the network up to its last convolution.
 * @param image [N, in_channels, image_size, image_size], -1..1
 * @returns [N, 960 times the width, image_size/32, image_size/32]
 * @throws Error when the images have another size
 */
export function mobileNetV3Large(config: MobileNetV3Config, parameters: Parameters, image: Value): Value {
  requireImages(config, image);
  const { groups, width_multiplier: width } = config;
  const scaled = (channels: number) => multipleOf8(channels * width);
  const swish = { groups, activation: 'hard_swish' } as const;
  const stem = activatedConvolution(swish, parameters, image, 'stem', { outputs: scaled(STEM), stride: 2 });
  const x = BLOCKS.reduce((input, [kernel, hidden, outputs, squeezes, activation, stride], i) => {
    const name = `blocks.${i}`;
    const shape = {
      outputs: scaled(outputs),
      hidden: scaled(hidden),
      kernel,
      stride,
      squeezed: squeezes ? multipleOf8(scaled(hidden) * SQUEEZE) : null,
    };
    return scope(name, () => invertedResidual({ groups, activation }, parameters.in(name), input, shape));
  }, stem);
  return activatedConvolution(swish, parameters, x, 'tail', { outputs: LAST * x.shape[1]!, kernel: 1 });
}
