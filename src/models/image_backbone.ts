/** Small convolutional networks over images: residual stages or MobileNetV3-style ones, with group norm throughout. */

import { z } from 'zod';
import type { Value } from '../graph/building.ts';
import { add, globalAveragePool2d, hardSigmoid, mul, relu, scope } from '../graph/building.ts';
import type { ConvolutionShape } from './layers.ts';
import { ACTIVATIONS, convolution, namedGroupNorm } from './layers.ts';
import type { Parameters } from './parameters.ts';

const EPSILON = 1e-5;
/** Channels of a squeeze-and-excitation layer over its hidden ones. */
const SQUEEZE = 4;

/** Fields of a configuration that describe a backbone. */
export const backboneFields = {
  /** `resnet`: residual blocks of two 3x3 convolutions; `mobile`: inverted residuals with depthwise convolutions. */
  type: z.enum(['resnet', 'mobile']),
  /** Side of the square images in pixels. */
  image_size: z.int().positive(),
  in_channels: z.int().positive().default(3),
  /** Channels of each stage; every stage after the first halves the sides. */
  channels: z.array(z.int().positive()).nonempty(),
  /** Blocks of each stage. */
  blocks: z.array(z.int().positive()).nonempty(),
  /** Groups of the group norms. */
  groups: z.int().positive().default(8),
  activation: z.enum(['silu', 'relu', 'hard_swish']).default('silu'),
  stem_stride: z.union([z.literal(1), z.literal(2)]).default(2),
  /** Hidden channels of a mobile block over its output channels. */
  expansion: z.int().positive().default(4),
  /** Side of the depthwise kernels of mobile blocks. */
  kernel: z.union([z.literal(3), z.literal(5)]).default(3),
} as const;

/** What describes a backbone. */
export type BackboneConfig = Readonly<z.output<z.ZodObject<typeof backboneFields>>>;

/**
 * Refuses stages that do not fit together.
 * @param model name for the message
 * @throws Error when there are not as many block counts as stages, or channels do not divide into the norm's groups
 */
export function checkBackbone({ channels, blocks, groups }: BackboneConfig, model: string): void {
  if (blocks.length !== channels.length) {
    throw new Error(
      `${model} configuration: blocks: expected ${channels.length} entries, received ${blocks.length}`,
    );
  }
  const odd = channels.find((count) => count % groups !== 0);
  if (odd !== undefined) {
    throw new Error(
      `${model} configuration: channels: expected multiples of ${groups} (groups), received ${odd}`,
    );
  }
}

/** Pixels between neighbouring cells of a stage's output. */
export function stageStride(config: BackboneConfig, stage: number): number {
  return config.stem_stride * 2 ** stage;
}

/**
 * Refuses images that are not those of a configuration.
 * @throws Error naming both sizes
 */
export function requireImages(
  { in_channels: channels, image_size: side }: Pick<BackboneConfig, 'in_channels' | 'image_size'>,
  image: Value,
): void {
  if (image.shape.length !== 4 || image.shape.slice(1).join() !== [channels, side, side].join()) {
    throw new Error(`expected images [N, ${channels}, ${side}, ${side}], received [${image.shape}]`);
  }
}

/**
 * Runs the stem and all stages.
 * @param image [N, in_channels, image_size, image_size], -1..1
 * @returns the output of every stage [N, channels, size/stride, size/stride]
 * @throws Error when the images have another size
 */
export function imageBackbone(
  config: BackboneConfig,
  parameters: Parameters,
  image: Value,
): readonly Value[] {
  requireImages(config, image);
  const stem = { outputs: config.channels[0]!, stride: config.stem_stride };
  let x = activatedConvolution(config, parameters, image, 'stem', stem);
  return config.channels.map((outputs, stage) => {
    for (let i = 0; i < config.blocks[stage]!; i++) {
      const name = `stages.${stage}.${i}`;
      const stride = stage > 0 && i === 0 ? 2 : 1;
      const block = config.type === 'resnet' ? residualBlock : mobileBlock;
      x = scope(name, () => block(config, parameters.in(name), x, outputs, stride));
    }
    return x;
  });
}

/**
 * The features that a head builds on, from the output of the last stage: mobile stages end without an activation, so that
 * a 1x1 convolution to `expansion` times the channels follows; residual ones are used as they are.
 */
export function backboneFeatures(config: BackboneConfig, parameters: Parameters, x: Value): Value {
  if (config.type === 'resnet') return x;
  return activatedConvolution(config, parameters, x, 'tail', {
    outputs: config.expansion * x.shape[1]!,
    kernel: 1,
  });
}

/** Norm and activation of a network's convolutions. */
export type ConvolutionStyle = Pick<BackboneConfig, 'groups' | 'activation'>;

/** Convolution `name.conv` (without bias, which the norm would cancel) and group norm `name.norm`. */
function normalized(
  style: ConvolutionStyle,
  parameters: Parameters,
  x: Value,
  name: string,
  shape: ConvolutionShape,
): Value {
  const y = convolution(parameters, x, `${name}.conv`, { ...shape, bias: false });
  return namedGroupNorm(parameters, y, `${name}.norm`, style.groups, EPSILON);
}

/** Convolution `name.conv` without bias, group norm `name.norm`, and the activation. */
export function activatedConvolution(
  style: ConvolutionStyle,
  parameters: Parameters,
  x: Value,
  name: string,
  shape: ConvolutionShape,
): Value {
  return ACTIVATIONS[style.activation](normalized(style, parameters, x, name, shape));
}

/** Two 3x3 convolutions around a shortcut (He et al. 2016), normalised and activated after each. */
function residualBlock(
  config: BackboneConfig,
  parameters: Parameters,
  x: Value,
  outputs: number,
  stride: number,
): Value {
  const h = activatedConvolution(config, parameters, x, 'first', { outputs, stride });
  const y = normalized(config, parameters, h, 'second', { outputs });
  const same = stride === 1 && x.shape[1] === outputs;
  const straight = same
    ? x
    : normalized(config, parameters, x, 'shortcut', { outputs, stride, kernel: 1, padding: 0 });
  return ACTIVATIONS[config.activation](add(straight, y));
}

/** A mobile block of a stage. */
function mobileBlock(
  config: BackboneConfig,
  parameters: Parameters,
  x: Value,
  outputs: number,
  stride: number,
): Value {
  const hidden = config.expansion * x.shape[1]!;
  const squeezed = Math.max(1, Math.round(hidden / SQUEEZE));
  const shape = { outputs, hidden, kernel: config.kernel, stride, squeezed, alwaysExpands: true };
  return invertedResidual(config, parameters, x, shape);
}

/** Sizes of an inverted residual. */
export interface InvertedResidualShape {
  readonly outputs: number;
  /** Channels of the depthwise convolution. */
  readonly hidden: number;
  /** Side of the depthwise kernel. */
  readonly kernel: number;
  readonly stride: number;
  /** Hidden channels of the squeeze-and-excitation; null for none. */
  readonly squeezed: number | null;
  /** Whether there is an expansion to `hidden` where the input has as many channels; false when left out. */
  readonly alwaysExpands?: boolean;
}

/**
 * Expansion, depthwise convolution, squeeze-and-excitation and projection, added to the input where sizes allow (Howard et
 * al. 2019, MobileNetV3).
 * @param parameters expand, depthwise, squeeze, project
 */
export function invertedResidual(
  style: ConvolutionStyle,
  parameters: Parameters,
  x: Value,
  { outputs, hidden, kernel, stride, squeezed, alwaysExpands = false }: InvertedResidualShape,
): Value {
  const expands = alwaysExpands || hidden !== x.shape[1];
  let h = expands ? activatedConvolution(style, parameters, x, 'expand', { outputs: hidden, kernel: 1 }) : x;
  const depthwise = { outputs: hidden, kernel, stride, groups: hidden };
  h = activatedConvolution(style, parameters, h, 'depthwise', depthwise);
  if (squeezed !== null) h = squeezeExcite(parameters.in('squeeze'), h, squeezed);
  const y = normalized(style, parameters, h, 'project', { outputs, kernel: 1 });
  return stride === 1 && x.shape[1] === outputs ? add(x, y) : y;
}

/** Channels weighted by a small network of `inner` hidden channels on their means (Hu et al. 2018). */
function squeezeExcite(parameters: Parameters, x: Value, inner: number): Value {
  const channels = x.shape[1]!;
  const means = globalAveragePool2d(x);
  const hidden = relu(convolution(parameters, means, 'reduce', { outputs: inner, kernel: 1 }));
  return mul(x, hardSigmoid(convolution(parameters, hidden, 'expand', { outputs: channels, kernel: 1 })));
}
