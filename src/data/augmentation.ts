/** Preprocessing and augmentation of training images: crop, resize, flip, rotate, colour (specification 0062). */

import type { RgbImage } from '../diffusion/image.ts';
import type { Generator } from '../diffusion/noise.ts';

/** Where an output image looks in the source: a square of side `size` centred at (x, y), turned and perhaps mirrored. */
export interface View {
  /** Centre in source pixels (0,0 is the corner of the first pixel). */
  readonly x: number;
  readonly y: number;
  /** Side of the square in source pixels. */
  readonly size: number;
  /** Clockwise rotation in radians. */
  readonly angle: number;
  readonly mirrored: boolean;
}

/** Colour change of an image in -1..1: gain and offset for each channel. */
export interface ColorChange {
  readonly gain: readonly [number, number, number];
  readonly offset: readonly [number, number, number];
}

/** No colour change. */
export const SAME_COLOR: ColorChange = Object.freeze<ColorChange>({ gain: [1, 1, 1], offset: [0, 0, 0] });

/** The view that shows the whole of a square image. */
export function wholeView(size: number): View {
  return { x: size / 2, y: size / 2, size, angle: 0, mirrored: false };
}

/** Ranges of random views and colours. */
export interface AugmentationRanges {
  /** Largest shift of the centre as a share of the view's side. */
  readonly shift: number;
  /** View side is multiplied by a factor in [1/zoom, zoom], log-uniform. */
  readonly zoom: number;
  /** Largest rotation in radians. */
  readonly angle: number;
  /** Probability of mirroring. */
  readonly mirror: number;
  /** Brightness, contrast and tint vary by up to this much (in units of -1..1). */
  readonly color: number;
}

/** A random variation of `base`; each number is drawn from the generator, so equal generators give equal views. */
export function randomView(base: View, ranges: AugmentationRanges, random: Generator): View {
  const between = (limit: number) => (random.uniform() * 2 - 1) * limit;
  const size = base.size * Math.exp(between(Math.log(ranges.zoom)));
  return {
    size,
    x: base.x + between(ranges.shift) * base.size,
    y: base.y + between(ranges.shift) * base.size,
    angle: base.angle + between(ranges.angle),
    mirrored: random.uniform() < ranges.mirror !== base.mirrored,
  };
}

/** A random colour change: common contrast and brightness, and a smaller tint for each channel. */
export function randomColor(ranges: AugmentationRanges, random: Generator): ColorChange {
  const between = () => (random.uniform() * 2 - 1) * ranges.color;
  const contrast = 1 + between();
  const brightness = between();
  const channel = () => [contrast * (1 + between() * 0.3), brightness + between() * 0.3] as const;
  const [r, g, b] = [channel(), channel(), channel()];
  return { gain: [r[0], g[0], b[0]], offset: [r[1], g[1], b[1]] };
}

/**
 * Resamples a view of an image bilinearly into a batch of planes [N, 3, side, side] in -1..1; outside the image is black.
 * @param batch target, float32
 * @param position which image of the batch
 * @param side output side in pixels
 */
export function writeView(
  batch: Float32Array,
  position: number,
  side: number,
  image: RgbImage,
  view: View,
  color: ColorChange = SAME_COLOR,
): void {
  const { width, height, pixels } = image;
  const plane = side * side;
  const offset = position * plane * 3;
  const step = view.size / side;
  const [cos, sin] = [Math.cos(view.angle) * step, Math.sin(view.angle) * step];
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const u = (column + 0.5 - side / 2) * (view.mirrored ? -1 : 1);
      const v = row + 0.5 - side / 2;
      const x = view.x + u * cos - v * sin - 0.5;
      const y = view.y + u * sin + v * cos - 0.5;
      const left = Math.floor(x);
      const top = Math.floor(y);
      const at = offset + row * side + column;
      for (let channel = 0; channel < 3; channel++) {
        let value = 0;
        for (let dy = 0; dy < 2; dy++) {
          const sourceRow = top + dy;
          if (sourceRow < 0 || sourceRow >= height) continue;
          const weightY = dy === 0 ? 1 - (y - top) : y - top;
          for (let dx = 0; dx < 2; dx++) {
            const sourceColumn = left + dx;
            if (sourceColumn < 0 || sourceColumn >= width) continue;
            const weightX = dx === 0 ? 1 - (x - left) : x - left;
            value += weightX * weightY * pixels[(sourceRow * width + sourceColumn) * 3 + channel]!;
          }
        }
        const scaled = (value / 127.5 - 1) * color.gain[channel]! + color.offset[channel]!;
        batch[at + channel * plane] = Math.min(1, Math.max(-1, scaled));
      }
    }
  }
}
