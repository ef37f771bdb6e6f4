/** Face embeddings: aligned faces as unit vectors that lie close together for similar faces. */

import type { Runtime, Value } from '../graph/index.ts';
import { input } from '../graph/index.ts';
import { faceEmbedder, parseFaceEmbedderConfig } from '../models/face_embedder.ts';
import { alignFaces, alignmentGather } from './alignment.ts';
import type { Face } from './box.ts';
import { isCard } from './cards/card.ts';
import { openCardEmbedder } from './cards/open.ts';
import { DEFAULT_BATCH_SIZE } from './detection.ts';
import type { ImageBatch } from './image_batch.ts';
import { compileBatched, graphsBySize } from './image_batch.ts';
import { openModelFolder } from './model_folder.ts';
import { preprocess } from './preprocessing.ts';

/** An embedder as a function of graph values, to be used inside larger graphs. */
export interface FaceEmbedder {
  /** Side of the aligned faces that it looks at, in pixels. */
  readonly side: number;
  /** Length of its vectors. */
  readonly dimension: number;
  /**
   * Embeds aligned faces [N, 3, side, side] in -1..1.
   * @returns [N, dimension], of any length
   */
  embed(faces: Value): Value;
}

/**
 * Opens an embedder: a folder (config.json, model.safetensors), or a card (.yaml) of someone else's model.
 * @throws Error naming the file that is missing or wrong
 */
export function loadFaceEmbedder(path: string): FaceEmbedder {
  return isCard(path) ? openCardEmbedder(path) : openFolder(path);
}

function openFolder(folder: string): FaceEmbedder {
  const { config, parameters, preprocessing, check } = openModelFolder(folder, parseFaceEmbedderConfig);
  const side = config.image_size;
  check((tracked) => faceEmbedder(config, tracked, input('images', [1, 3, side, side])));
  return Object.freeze({
    side,
    dimension: config.embedding,
    embed: (faces: Value) => faceEmbedder(config, parameters, preprocess(faces, preprocessing, side)),
  });
}

/** Embeds the faces of images. */
export interface FaceEmbeddings {
  /**
   * Embeds one face an image.
   * @param faces the face of each image, or null where it shows none
   * @returns [N, dimension]; rows of images without an alignable face are 0
   */
  embed(images: ImageBatch, faces: readonly (Pick<Face, 'landmarks'> | null)[]): Promise<Float32Array>;
  /** Gives the embedder's memory back. */
  release(): Promise<void>;
}

/**
 * An embedder that runs: aligns the faces and embeds them.
 * @param batchSize faces that run at once
 */
export function createFaceEmbeddings(
  runtime: Runtime,
  embedder: FaceEmbedder,
  batchSize: number = DEFAULT_BATCH_SIZE,
): FaceEmbeddings {
  const { side, dimension } = embedder;
  const graphs = graphsBySize(({ height, width }) =>
    compileBatched(runtime, batchSize, (batch) => {
      const images = input('images', [batch, 3, height, width]);
      const indices = input('indices', [batch, 4 * side * side], 'int32');
      const weights = input('weights', [batch, 4 * side * side]);
      return { embeddings: embedder.embed(alignFaces(images, indices, weights)) };
    }),
  );
  return {
    async embed(images, faces) {
      if (faces.length !== images.count) {
        throw new Error(`embed: expected ${images.count} faces, received ${faces.length}`);
      }
      const { indices, weights, aligned } = alignmentGather(faces, images, side);
      const graph = await graphs.at(images);
      const { embeddings } = await graph.run(images.count, { images: images.data, indices, weights });
      const rows = embeddings as Float32Array;
      aligned.forEach((usable, image) => {
        if (!usable) rows.fill(0, image * dimension, (image + 1) * dimension);
      });
      return rows;
    },
    release: graphs.release,
  };
}
