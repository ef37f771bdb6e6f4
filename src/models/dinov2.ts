/** DINOv2's vision transformer (Oquab et al. 2023), with the weights of torch.hub or of transformers. */

import type { Value } from '../graph/building.ts';
import {
  add,
  concat,
  expand,
  gelu,
  mul,
  reshape,
  resizeInterpolated,
  scope,
  slice,
  split,
  transpose,
} from '../graph/building.ts';
import { imageToTokens, multiHeadAttention } from './attention_layer.ts';
import type { DinoV2Config } from './dinov2_config.ts';
import { convolution, namedLayerNorm } from './layers.ts';
import type { Parameters } from './parameters.ts';

export type { DinoV2Config, PositionInterpolation } from './dinov2_config.ts';
export { parseDinoV2Config } from './dinov2_config.ts';

/** Added to the number of patches before the scale is taken, in the original code. */
const INTERPOLATION_OFFSET = 0.1;

/** Parameter names of one layout; those of a block stand below `block(i)`. */
interface Names {
  readonly classToken: string;
  readonly positions: string;
  readonly patches: string;
  readonly norm: string;
  readonly block: (index: number) => string;
  /** One fused layer, or three. */
  readonly projections: string | readonly [string, string, string];
  readonly output: string;
  readonly scales: readonly [string, string];
}

const NAMES: Readonly<Record<DinoV2Config['layout'], Names>> = Object.freeze({
  facebook: {
    classToken: 'cls_token',
    positions: 'pos_embed',
    patches: 'patch_embed.proj',
    norm: 'norm',
    block: (index) => `blocks.${index}`,
    projections: 'attn.qkv',
    output: 'attn.proj',
    scales: ['ls1.gamma', 'ls2.gamma'],
  },
  hf: {
    classToken: 'embeddings.cls_token',
    positions: 'embeddings.position_embeddings',
    patches: 'embeddings.patch_embeddings.projection',
    norm: 'layernorm',
    block: (index) => `encoder.layer.${index}`,
    projections: ['attention.attention.query', 'attention.attention.key', 'attention.attention.value'],
    output: 'attention.output.dense',
    scales: ['layer_scale1.lambda1', 'layer_scale2.lambda1'],
  },
});

/** What the model computes. */
export interface DinoV2Outputs {
  /** Normalised class token [N, width]: the embedding of the image. */
  readonly classToken: Value;
  /** Normalised patch tokens [N, patches, width]. */
  readonly patchTokens: Value;
  /** Position embedding at the images' size [1, 1 + patches, width]. */
  readonly positionEmbedding: Value;
  /** Input of the first block [N, 1 + patches, width]. */
  readonly tokens: Value;
}

/**
 * Encodes images.
 * @param pixels [N, 3, H, W], normalised with ImageNet's mean and standard deviation, sides divisible by the patch size
 * @throws Error when the images have another number of channels or do not divide into patches
 */
export function dinov2(config: DinoV2Config, parameters: Parameters, pixels: Value): DinoV2Outputs {
  const { width, patchSize } = config;
  const names = NAMES[config.layout];
  const [batch, channels, height, wide] = pixels.shape as [number, number, number, number];
  if (pixels.shape.length !== 4 || channels !== 3 || height % patchSize !== 0 || wide % patchSize !== 0) {
    throw new Error(
      `dinov2: expected images [N, 3, H, W] with sides divisible by ${patchSize}, received [${pixels.shape}]`,
    );
  }
  return scope('dinov2', () => {
    const patches = convolution(parameters, pixels, names.patches, {
      outputs: width,
      kernel: patchSize,
      stride: patchSize,
      padding: 0,
    });
    const classToken = expand(parameters.tensor(names.classToken, [1, 1, width]), [batch, 1, width]);
    const positionEmbedding = positionsFor(config, parameters, patches.shape[2]!, patches.shape[3]!);
    const tokens = add(concat([classToken, imageToTokens(patches)], 1), positionEmbedding);
    let x = tokens;
    for (let i = 0; i < config.depth; i++) {
      const block = parameters.in(names.block(i));
      x = scope(names.block(i), () => transformerBlock(config, block, x));
    }
    x = namedLayerNorm(parameters, x, names.norm, config.epsilon);
    return {
      classToken: reshape(slice(x, { axis: 1, end: 1 }), [batch, width]),
      patchTokens: slice(x, { axis: 1, start: 1 }),
      positionEmbedding,
      tokens,
    };
  });
}

/** The position embedding for rows x columns patches: that of the class as it is, those of the patches resized (bicubic). */
function positionsFor(config: DinoV2Config, parameters: Parameters, rows: number, columns: number): Value {
  const { width } = config;
  const side = Math.floor(config.imageSize / config.patchSize);
  const positions = parameters.tensor(NAMES[config.layout].positions, [1, 1 + side * side, width]);
  if (rows === side && columns === side) return positions;
  const grid = reshape(slice(positions, { axis: 1, start: 1 }), [1, side, side, width]);
  const ratio = (patches: number) => (patches + INTERPOLATION_OFFSET) / side;
  const resized = resizeInterpolated(transpose(grid, [0, 3, 1, 2]), rows, columns, {
    kernel: 'bicubic',
    ...(config.interpolation === 'scaleFactor' ? { scale: [ratio(rows), ratio(columns)] as const } : {}),
  });
  return concat([slice(positions, { axis: 1, end: 1 }), imageToTokens(resized)], 1);
}

/** Attention and feed-forward layer, each after a layer norm, scaled per channel and added. */
function transformerBlock(config: DinoV2Config, parameters: Parameters, x: Value): Value {
  const { width, feedForwardWidth: inner, epsilon } = config;
  const names = NAMES[config.layout];
  const scaled = (value: Value, name: string) => mul(value, parameters.tensor(name, [width]));
  const [q, k, v] = project(config, parameters, namedLayerNorm(parameters, x, 'norm1', epsilon));
  const mixed = multiHeadAttention(q!, k!, v!, config.heads);
  const attended = parameters.linear(mixed, names.output, { inputs: width, outputs: width, bias: true });
  const middle = add(x, scaled(attended, names.scales[0]));
  const normalized = namedLayerNorm(parameters, middle, 'norm2', epsilon);
  const hidden = parameters.linear(normalized, 'mlp.fc1', { inputs: width, outputs: inner, bias: true });
  const fed = parameters.linear(gelu(hidden), 'mlp.fc2', { inputs: inner, outputs: width, bias: true });
  return add(middle, scaled(fed, names.scales[1]));
}

function project({ layout, width }: DinoV2Config, parameters: Parameters, x: Value): Value[] {
  const { projections } = NAMES[layout];
  if (typeof projections === 'string') {
    const fused = parameters.linear(x, projections, { inputs: width, outputs: 3 * width, bias: true });
    return split(fused, 2, [width, width, width]);
  }
  return projections.map((name) => parameters.linear(x, name, { inputs: width, outputs: width, bias: true }));
}
