/** Real images from a folder, to compare generated ones with. */

import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { writePlanes } from '../diffusion/image.ts';
import type { ImageBatch, ImageSize } from '../faces/index.ts';

const EXTENSIONS = /\.(png|jpe?g|webp|avif|tiff?)$/i;

/**
 * Paths of the image files below a folder, in the order of their names.
 * @throws Error when the folder can't be read, or has fewer than `least` images
 */
export function listImages(folder: string, least = 3): string[] {
  if (!existsSync(folder)) throw new Error(`${folder}: expected a folder of images, found none`);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && EXTENSIONS.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
  if (files.length < least) {
    throw new Error(
      `${folder}: expected at least ${least} images (png, jpg, webp, avif, tiff), found ${files.length}`,
    );
  }
  return files;
}

/**
 * Reads images at one size: turned as their camera says, and shrunk or enlarged.
 * @param fit `cover`: until they cover the size, cut at the centre; `contain`: until they lie in it, on black
 * @returns a batch in -1..1
 * @throws Error naming the file that can't be read
 */
export async function readImages(
  files: readonly string[],
  { height, width }: ImageSize,
  fit: 'cover' | 'contain' = 'cover',
): Promise<ImageBatch> {
  const data = new Float32Array(files.length * 3 * height * width);
  for (const [position, file] of files.entries()) {
    try {
      const pixels = await sharp(file)
        .rotate()
        .flatten({ background: '#ffffff' })
        .resize(width, height, { fit, kernel: 'lanczos3', background: '#000000' })
        .toColourspace('srgb')
        .raw()
        .toBuffer();
      writePlanes(data, position, pixels);
    } catch (error) {
      throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
    }
  }
  return { data, count: files.length, height, width };
}
