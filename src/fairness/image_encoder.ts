/** The encoders that say what an image shows: CLIP and DINOv2, for the image semantics loss and for evaluation. */

import { DEFAULT_BATCH_SIZE } from '../faces/detection.ts';
import type { ImageBatch } from '../faces/image_batch.ts';
import { compileBatched, graphsBySize } from '../faces/image_batch.ts';
import { openModelFolder } from '../faces/model_folder.ts';
import { preprocess } from '../faces/preprocessing.ts';
import type { Runtime, Value } from '../graph/index.ts';
import { input } from '../graph/index.ts';
import { clipVision, parseClipVisionConfig } from '../models/clip_vision.ts';
import { dinov2, parseDinoV2Config } from '../models/dinov2.ts';
import { UNUSED_WEIGHTS } from '../models/weights.ts';

/** An encoder as a function of graph values. */
export interface ImageEncoder {
  /** Its name in results, for example `clip`. */
  readonly name: string;
  /** Length of the embedding. */
  readonly dimension: number;
  /**
   * Embeds images of any size.
   * @param images [N, 3, height, width] in -1..1
   * @returns [N, dimension], of any length
   */
  encode(images: Value): Value;
}

/**
 * Opens the image half of a CLIP folder (config.json, weights, preprocessor_config.json) as the encoder `clip`.
 * @throws Error naming the file that is missing or wrong
 */
export function loadClipImageEncoder(folder: string): ImageEncoder {
  const { config, parameters, preprocessing, check } = openModelFolder(folder, parseClipVisionConfig);
  const side = config.image_size;
  check(
    (tracked) => clipVision(config, tracked, input('images', [1, config.num_channels, side, side])),
    UNUSED_WEIGHTS.clipVision,
  );
  return Object.freeze({
    name: 'clip',
    dimension: config.projection_dim,
    encode: (images: Value) =>
      clipVision(config, parameters, preprocess(images, preprocessing, side)).imageEmbeds,
  });
}

/**
 * Opens a DINOv2 folder (config.json, weights, preprocessor_config.json) as the encoder `dino`. Images are resized to the
 * side that the preprocessor names, else to the one that the position embedding was made for.
 * @throws Error naming the file that is missing or wrong
 */
export function loadDinoImageEncoder(folder: string): ImageEncoder {
  const { config, parameters, preprocessing, check } = openModelFolder(folder, (json) =>
    parseDinoV2Config(json),
  );
  const side = preprocessing.side ?? config.imageSize;
  check((tracked) => dinov2(config, tracked, input('images', [1, 3, side, side])), UNUSED_WEIGHTS.dinov2);
  return Object.freeze({
    name: 'dino',
    dimension: config.width,
    encode: (images: Value) => dinov2(config, parameters, preprocess(images, preprocessing, side)).classToken,
  });
}

/** Encoders that run. */
export interface ImageEncodings {
  /** Embeddings of images [N, dimension] by the encoders' names. */
  encode(images: ImageBatch): Promise<Record<string, Float32Array>>;
  /** Gives the encoders' memory back. */
  release(): Promise<void>;
}

/**
 * Prepares encoders to run together.
 * @param batchSize images that run at once
 */
export function createImageEncodings(
  runtime: Runtime,
  encoders: readonly ImageEncoder[],
  batchSize: number = DEFAULT_BATCH_SIZE,
): ImageEncodings {
  const graphs = graphsBySize(({ height, width }) =>
    compileBatched(runtime, batchSize, (batch) => {
      const images = input('images', [batch, 3, height, width]);
      return Object.fromEntries(encoders.map(({ name, encode }) => [name, encode(images)]));
    }),
  );
  return {
    async encode(images) {
      if (encoders.length === 0) return {};
      const graph = await graphs.at(images);
      return (await graph.run(images.count, { images: images.data })) as Record<string, Float32Array>;
    },
    release: graphs.release,
  };
}
