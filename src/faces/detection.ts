/** Finding faces: images of any size are fitted into the detector's square, and padded where a face fills the frame. */

import type { Runtime, TensorData, Value } from '../graph/index.ts';
import { input } from '../graph/index.ts';
import type { DecodeOptions, DetectedFace, DetectorTensors } from '../models/face_decode.ts';
import { decodeFaces } from '../models/face_decode.ts';
import { faceDetector, parseFaceDetectorConfig } from '../models/face_detector.ts';
import type { Face } from './box.ts';
import { isCard } from './cards/card.ts';
import { openCardDetector } from './cards/open.ts';
import type { CropWindow } from './crop.ts';
import { cropImages, cropMatrices, paddedWindow } from './crop.ts';
import type { ImageBatch, ImageSize } from './image_batch.ts';
import { compileBatched, graphsBySize, selectImages } from './image_batch.ts';
import { openModelFolder } from './model_folder.ts';
import { preprocess } from './preprocessing.ts';

/** Finds faces in images. */
export interface FaceDetector {
  /**
   * Faces of each image, best first, in pixels of the images.
   * @param images any number of images of equal size
   */
  detect(images: ImageBatch): Promise<Face[][]>;
  /** Gives the detector's memory back. */
  release(): Promise<void>;
}

/** How to look for faces. */
export interface DetectionOptions {
  /** Smallest score of a face; the network's own when left out, or .6. */
  readonly threshold?: number;
  /** Of two boxes that overlap more than this (intersection over union) only the better is kept; .4 when left out. */
  readonly iou?: number;
  /**
   * Where no face is found, the image is looked at again inside black frames whose sides are these multiples of its own,
   * and the first multiple that shows a face counts: detectors often miss a face that fills the frame. 1.5 and 2.25 when
   * left out; none to look only once.
   */
  readonly retryScales?: readonly number[];
  /** Images that run at once; 8 when left out. */
  readonly batchSize?: number;
}

/** Batch size of the small models when none is asked for. */
export const DEFAULT_BATCH_SIZE = 8;

const DEFAULT_RETRY_SCALES: readonly number[] = Object.freeze([1.5, 2.25]);

/** The network of a detector: what it computes for square images, and which faces that means. */
export interface DetectorNetwork {
  /** Side of its images in pixels. */
  readonly side: number;
  /** Smallest score that it calls a face, where it was made for another than .6. */
  readonly threshold?: number;
  /**
   * Runs it.
   * @param images [N, 3, side, side] in -1..1
   * @returns tensors [N, ...] by name
   */
  run(images: Value): Readonly<Record<string, Value>>;
  /** Faces of each image, best first, in pixels of the square images. */
  decode(tensors: Readonly<Record<string, TensorData>>, options: DecodeOptions): DetectedFace[][];
}

/**
 * Opens a face detector: a folder (config.json, model.safetensors), or a card (.yaml) of someone else's model.
 * @throws Error naming the file that is missing or wrong, or an option outside its range
 */
export function loadFaceDetector(
  runtime: Runtime,
  path: string,
  options: DetectionOptions = {},
): FaceDetector {
  return createFaceDetector(runtime, isCard(path) ? openCardDetector(path) : openFolder(path), options);
}

function openFolder(folder: string): DetectorNetwork {
  const { config, parameters, preprocessing, check } = openModelFolder(folder, parseFaceDetectorConfig);
  const side = config.image_size;
  check((tracked) => faceDetector(config, tracked, input('images', [1, 3, side, side])));
  return {
    side,
    run: (images) => ({ ...faceDetector(config, parameters, preprocess(images, preprocessing, side)) }),
    decode: (tensors, options) => decodeFaces(config, tensors as unknown as DetectorTensors, options),
  };
}

/**
 * A detector that runs: fits images into the network's square, and looks again where it finds no face.
 * @throws Error naming an option outside its range
 */
export function createFaceDetector(
  runtime: Runtime,
  network: DetectorNetwork,
  options: DetectionOptions = {},
): FaceDetector {
  const { threshold = network.threshold ?? 0.6, iou = 0.4, retryScales = DEFAULT_RETRY_SCALES } = options;
  const { batchSize = DEFAULT_BATCH_SIZE } = options;
  for (const scale of retryScales) {
    if (!(scale > 1 && Number.isFinite(scale))) {
      throw new Error(`detection: expected retry scales above 1, received ${scale}`);
    }
  }
  const { side } = network;
  const graphs = graphsBySize(({ height, width }) =>
    compileBatched(runtime, batchSize, (batch) => {
      const images = input('images', [batch, 3, height, width]);
      const rows = input('rows', [batch, side, height]);
      const columns = input('columns', [batch, width, side]);
      return network.run(cropImages(images, rows, columns));
    }),
  );

  async function look(images: ImageBatch, windows: readonly CropWindow[]): Promise<Face[][]> {
    const graph = await graphs.at(images);
    const outputs = await graph.run(images.count, {
      images: images.data,
      ...cropMatrices(windows, images, { side }),
    });
    const found = network.decode(outputs, { threshold, iou });
    return found.map((faces, i) => faces.map((face) => fromWindow(face, windows[i]!, side)));
  }

  return {
    async detect(images) {
      if (images.count === 0) return [];
      const whole = new Array<CropWindow>(images.count).fill(paddedWindow(images));
      const found = await look(images, whole);
      const missed = found.flatMap((faces, image) => (faces.length === 0 ? [image] : []));
      if (missed.length === 0 || retryScales.length === 0) return found;
      const again = retryScales.flatMap(() => missed);
      const retried = await look(
        selectImages(images, again),
        retryWindows(images, retryScales, missed.length),
      );
      missed.forEach((image, i) => {
        const views = retryScales.map((_, scale) => retried[scale * missed.length + i]!);
        found[image] = views.find((faces) => faces.length > 0) ?? [];
      });
      return found;
    },
    release: graphs.release,
  };
}

function retryWindows(size: ImageSize, scales: readonly number[], images: number): CropWindow[] {
  return scales.flatMap((scale) => new Array<CropWindow>(images).fill(paddedWindow(size, scale)));
}

/** A face found in a window that was resized to `side` pixels, in pixels of the image. */
function fromWindow(face: DetectedFace, { left, top, side: length }: CropWindow, side: number): Face {
  const factor = length / side;
  const x = (value: number) => left + value * factor;
  const y = (value: number) => top + value * factor;
  const [x0, y0, x1, y1] = face.box;
  return {
    box: [x(x0), y(y0), x(x1), y(y1)],
    score: face.score,
    landmarks: face.landmarks.map(([u, v]) => [x(u), y(v)] as const),
  };
}
