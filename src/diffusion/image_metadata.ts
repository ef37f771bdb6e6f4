/**
 * Images with what they were made from in PNG files: AUTOMATIC1111's `parameters` text and a full JSON record.
 */

import sharp from 'sharp';
import type { ImageMetadata, ParsedParameters } from './image_parameters.ts';
import {
  metadataTexts,
  PARAMETERS_KEYWORD,
  parseParameters,
  RECORD_KEYWORD,
  replacePrompt,
} from './image_parameters.ts';
import { insertPngTexts, readPngTexts } from './png.ts';

export {
  formatParameters,
  type GenerationParameters,
  type ImageMetadata,
  PARAMETERS_KEYWORD,
  type ParsedParameters,
  parseParameters,
  RECORD_KEYWORD,
} from './image_parameters.ts';

/**
 * PNG file of an image with its metadata.
 * @param pixels height x width x 3 bytes, red, green, blue
 * @throws when the number of bytes does not fit the size
 */
export async function encodePng(
  pixels: Uint8Array,
  width: number,
  height: number,
  metadata: ImageMetadata = {},
): Promise<Uint8Array> {
  if (pixels.length !== width * height * 3) {
    throw new Error(`image: ${width}x${height} takes ${width * height * 3} bytes, received ${pixels.length}`);
  }
  const png = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  return insertPngTexts(png, metadataTexts(metadata));
}

/** Metadata read from a PNG file. */
export interface PngMetadata {
  /** AUTOMATIC1111's text taken apart, if the file has one. */
  readonly parameters?: ParsedParameters;
  /** Our JSON record, if the file has one. */
  readonly record?: unknown;
  /** Every text in the file by keyword, as it stands. */
  readonly texts: ReadonlyMap<string, string>;
}

/**
 * Reads the metadata of a PNG file.
 * @throws when the file is damaged or the record is not JSON
 */
export function readPngMetadata(bytes: Uint8Array): PngMetadata {
  const texts = readPngTexts(bytes);
  const parameters = texts.get(PARAMETERS_KEYWORD);
  const record = texts.get(RECORD_KEYWORD);
  const metadata: { parameters?: ParsedParameters; record?: unknown } = {};
  if (parameters !== undefined) metadata.parameters = parseParameters(parameters);
  if (record !== undefined) {
    try {
      metadata.record = JSON.parse(record);
    } catch (error) {
      throw new Error(`PNG: the text ${RECORD_KEYWORD} is not JSON: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
  return Object.freeze({ ...metadata, texts });
}

/**
 * The PNG file of an image whose `parameters` text shows another prompt than the one it was drawn from, `prompt`; the record
 * keeps that. A file without the text stays as it is.
 * @throws when the file is damaged
 */
export function withShownPrompt(bytes: Uint8Array, prompt: string, shown: string): Uint8Array {
  const text = readPngTexts(bytes).get(PARAMETERS_KEYWORD);
  if (text === undefined || shown === prompt) return bytes;
  return insertPngTexts(bytes, [{ keyword: PARAMETERS_KEYWORD, text: replacePrompt(text, prompt, shown) }]);
}
