/** Grids of validation images as PNG: for each prompt a row before and a row after training, from the same noise. */

import sharp from 'sharp';
import { readPlanes } from '../diffusion/image.ts';

/** Images of a grid as planes in -1..1, equally many in every row. */
export interface SampleGrid {
  readonly height: number;
  readonly width: number;
  readonly rows: readonly {
    readonly prompt: string;
    /** The frozen model's images [count, 3, height, width]. */
    readonly before: Float32Array;
    /** The trained model's. */
    readonly after: Float32Array;
  }[];
}

/** Pixels between tiles. */
const GAP = 2;

/** A grid's PNG with its size in pixels. */
export interface GridImage {
  readonly png: Uint8Array;
  readonly height: number;
  readonly width: number;
}

/** Draws a grid on white; rows in pairs, before above after. */
export async function drawSampleGrid({ height, width, rows }: SampleGrid): Promise<GridImage> {
  const columns = rows.length === 0 ? 0 : rows[0]!.after.length / (3 * height * width);
  const lines = rows.flatMap(({ before, after }) => [before, after]);
  const size = {
    width: Math.max(1, columns * (width + GAP) - GAP),
    height: Math.max(1, lines.length * (height + GAP) - GAP),
  };
  const canvas = new Uint8Array(size.width * size.height * 3).fill(255);
  lines.forEach((planes, line) => {
    for (let column = 0; column < columns; column++) {
      const { pixels } = readPlanes(planes, column, width, height);
      for (let y = 0; y < height; y++) {
        const target = ((line * (height + GAP) + y) * size.width + column * (width + GAP)) * 3;
        canvas.set(pixels.subarray(y * width * 3, (y + 1) * width * 3), target);
      }
    }
  });
  const png = await sharp(canvas, { raw: { ...size, channels: 3 } })
    .png()
    .toBuffer();
  return { png, ...size };
}
