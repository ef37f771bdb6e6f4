/** How a model wants its images: size, resampling and normalisation from its preprocessor_config.json. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Value } from '../graph/index.ts';
import { add, constant, mul, resizeInterpolated } from '../graph/index.ts';
import { parseConfig } from '../models/config.ts';
import { readJsonObject } from '../weights/json_file.ts';

/** Numbers of interpolation methods in transformers' `resample` (Pillow's numbering). */
const RESAMPLING: Readonly<Record<number, 'bilinear' | 'bicubic'>> = Object.freeze({
  2: 'bilinear',
  3: 'bicubic',
});

const side = z.int().positive();
const sizeSchema = z.union([
  side,
  z.looseObject({ height: side, width: side }),
  z.looseObject({ shortest_edge: side }),
]);
const channels = z.tuple([z.number(), z.number(), z.number()]);

const schema = z.looseObject({
  do_resize: z.boolean().default(true),
  size: sizeSchema.optional(),
  do_center_crop: z.boolean().default(false),
  crop_size: sizeSchema.optional(),
  resample: z.union([z.literal(2), z.literal(3)]).default(3),
  do_normalize: z.boolean().default(true),
  image_mean: channels.default([0.5, 0.5, 0.5]),
  image_std: channels.default([0.5, 0.5, 0.5]),
});

/** Preprocessing of a model's images. */
export interface Preprocessing {
  /** Side of the square images in pixels, or null where the file does not name it. */
  readonly side: number | null;
  readonly kernel: 'bilinear' | 'bicubic';
  /** Mean of each channel, on a scale where black is 0 and white 1. */
  readonly mean: readonly [number, number, number];
  /** Standard deviation of each channel, on the same scale. */
  readonly deviation: readonly [number, number, number];
}

/** Images in -1..1 as they are, bilinear where sizes differ: what holds without a preprocessor_config.json. */
export const PLAIN_PREPROCESSING: Preprocessing = Object.freeze({
  side: null,
  kernel: 'bilinear',
  mean: Object.freeze([0.5, 0.5, 0.5] as const),
  deviation: Object.freeze([0.5, 0.5, 0.5] as const),
});

/**
 * Checks a parsed preprocessor_config.json. Where images would be resized and then cropped, the cropped size counts: the
 * whole image is resized to it, so that its borders stay.
 * @throws Error naming each field that is missing or has an unsupported value
 */
export function parsePreprocessing(json: unknown): Preprocessing {
  const config = parseConfig(schema, json, 'image preprocessor');
  const size = config.do_center_crop && config.crop_size !== undefined ? config.crop_size : config.size;
  const [mean, deviation] = config.do_normalize
    ? [config.image_mean, config.image_std]
    : [[0, 0, 0] as const, [1, 1, 1] as const];
  if (deviation.some((value) => !(value > 0))) {
    throw new Error(
      `image preprocessor configuration: image_std: expected positive numbers, received ${deviation}`,
    );
  }
  return Object.freeze({
    side: config.do_resize && size !== undefined ? sideOf(size) : null,
    kernel: RESAMPLING[config.resample]!,
    mean,
    deviation,
  });
}

function sideOf(size: z.output<typeof sizeSchema>): number {
  if (typeof size === 'number') return size;
  if ('shortest_edge' in size) return size.shortest_edge as number;
  const { height, width } = size as { height: number; width: number };
  if (height !== width) {
    throw new Error(
      `image preprocessor configuration: size: expected a square, received ${height} x ${width}`,
    );
  }
  return height;
}

/**
 * Preprocessing of the model in `folder`; {@link PLAIN_PREPROCESSING} where it has no preprocessor_config.json.
 * @throws Error naming the file and the field that is wrong
 */
export function loadPreprocessing(folder: string): Preprocessing {
  const file = join(folder, 'preprocessor_config.json');
  if (!existsSync(file)) return PLAIN_PREPROCESSING;
  try {
    return parsePreprocessing(readJsonObject(file));
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Resizes images to a square and normalises them as a model expects.
 * @param images [N, 3, height, width] in -1..1
 * @param side pixels of the result; shrinking averages over all source pixels
 * @returns [N, 3, side, side]: (image/2 + 1/2 - mean)/deviation for each channel
 */
export function preprocess(images: Value, preprocessing: Preprocessing, side: number): Value {
  const { kernel, mean, deviation } = preprocessing;
  const resized = resizeInterpolated(images, side, side, { kernel, antialias: true });
  const factors = deviation.map((value) => 0.5 / value);
  const offsets = mean.map((value, i) => (0.5 - value) / deviation[i]!);
  const scaled = factors.every((factor) => factor === 1)
    ? resized
    : mul(resized, constant(factors, [1, 3, 1, 1]));
  return offsets.every((offset) => offset === 0) ? scaled : add(scaled, constant(offsets, [1, 3, 1, 1]));
}
