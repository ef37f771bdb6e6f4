/** Images in memory: bytes as decoded from files, and float32 planes as models take them. */

/** An RGB image: one byte a channel, rows from the top, channels interleaved. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  /** height * width * 3 bytes. */
  readonly pixels: Uint8Array;
}

/**
 * Writes one image into a batch of planes [N, 3, height, width], scaled from 0..255 to -1..1.
 * @param batch target, float32
 * @param position which image of the batch
 */
export function writePlanes(batch: Float32Array, position: number, pixels: Uint8Array): void {
  const count = pixels.length / 3;
  const offset = position * count * 3;
  for (let channel = 0; channel < 3; channel++) {
    const plane = offset + channel * count;
    for (let i = 0, p = channel; i < count; i++, p += 3) batch[plane + i] = pixels[p]! / 127.5 - 1;
  }
}

/**
 * One image of a batch of planes [N, 3, height, width] in -1..1 as bytes, clamped and rounded to nearest.
 */
export function readPlanes(batch: Float32Array, position: number, width: number, height: number): RgbImage {
  const count = width * height;
  const offset = position * count * 3;
  const pixels = new Uint8Array(count * 3);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < count; i++) {
      const value = (batch[offset + channel * count + i]! + 1) * 127.5;
      pixels[i * 3 + channel] = Math.min(255, Math.max(0, Math.round(value)));
    }
  }
  return { width, height, pixels };
}
