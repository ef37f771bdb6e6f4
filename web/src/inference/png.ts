/** PNG files written in a browser, with what the image was made from (PNG specification, third edition). */

import type { RgbImage } from '../../../src/diffusion/image.ts';
import type { ImageMetadata } from '../../../src/diffusion/image_parameters.ts';
import { metadataTexts } from '../../../src/diffusion/image_parameters.ts';
import { textChunk, writePngChunks } from '../../../src/diffusion/png_chunks.ts';

const BIT_DEPTH = 8;
/** Colour type of red, green and blue without alpha. */
const TRUE_COLOUR = 2;

/** PNG file of an image, every pixel as it is. */
export async function encodePng(
  { width, height, pixels }: RgbImage,
  metadata: ImageMetadata = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([BIT_DEPTH, TRUE_COLOUR], 8);
  const stride = 3 * width;
  // Each row begins with its filter: 0 for none.
  const rows = new Uint8Array(height * (stride + 1));
  for (let y = 0; y < height; y++) {
    rows.set(pixels.subarray(y * stride, (y + 1) * stride), y * (stride + 1) + 1);
  }
  return writePngChunks([
    { type: 'IHDR', data: header },
    ...metadataTexts(metadata).map(textChunk),
    { type: 'IDAT', data: await deflate(rows) },
    { type: 'IEND', data: new Uint8Array(0) },
  ]);
}

async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate'));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}
