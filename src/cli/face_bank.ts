/** Builds a bank of real faces for the face realism loss: of the photographs in a folder, or of drawn portraits. */

import { listImages, readImages } from '../evaluate/image_folder.ts';
import type { BankSources, FaceBankContent } from '../faces/index.ts';
import {
  collectForBank,
  createFaceEmbeddings,
  loadFaceDetector,
  loadFaceEmbedder,
  locateFaceModel,
  writeFaceBank,
} from '../faces/index.ts';
import type { Runtime } from '../graph/index.ts';
import { renderDataset } from '../portraits/dataset.ts';
import { drawnFaceBank } from '../portraits/training/face_bank.ts';
import { asUsage, UsageError } from './errors.ts';
import { outputFile } from './options.ts';
import type { Progress } from './progress.ts';

/** Faces that are detected and embedded at once, and photographs that are read at once. */
const BATCH = 64;

/** The models that look at the faces: folders, or cards by file or name. */
export interface BankModels {
  readonly detector: string;
  readonly embedder: string;
}

/** Drawn portraits: scenes of a sequence without planted bias, and faces of each group that are taken. */
export interface DrawnFaces {
  readonly seed: number;
  readonly scenes: number;
  readonly perGroup: number;
  /** Folder that scenes are drawn into. */
  readonly directory: string;
}

/** What a bank is built from. */
export type BankRequest = BankModels & {
  /** File that is written. */
  readonly output: string;
  readonly faces:
    | { readonly kind: 'photographs'; readonly folder: string; readonly side: number }
    | ({ readonly kind: 'drawn' } & DrawnFaces);
};

/** A bank that was written. */
export interface BuiltBank {
  readonly output: string;
  readonly images: number;
  /** Faces in the bank: images without one are left out. */
  readonly faces: number;
  readonly dimension: number;
}

/**
 * Detects, aligns and embeds the largest face of every image, and writes their unit vectors; generated faces are compared with
 * all of them by one matrix product.
 * @throws UsageError when no image shows a face; Error naming the model or file that is missing or wrong
 */
export async function buildFaceBank(
  runtime: Runtime,
  request: BankRequest,
  progress: Progress,
  signal: AbortSignal,
): Promise<BuiltBank> {
  const output = outputFile(request.output);
  const located = (name: string) => locateFaceModel(name, '.');
  const embedder = asUsage(() => loadFaceEmbedder(located(request.embedder)));
  const detector = asUsage(() => loadFaceDetector(runtime, located(request.detector), { batchSize: BATCH }));
  const embeddings = createFaceEmbeddings(runtime, embedder, BATCH);
  const sources: BankSources = { detector, embeddings, dimension: embedder.dimension };
  const tell = (step: number, steps: number) => {
    signal.throwIfAborted();
    progress.update({ task: 'embed faces', step, steps });
  };
  try {
    const { faces } = request;
    const { images, content } =
      faces.kind === 'drawn'
        ? await ofPortraits(faces, sources, progress, tell)
        : await ofPhotographs(faces, sources, tell);
    const count = content.embeddings.length / embedder.dimension;
    if (count === 0) {
      throw new UsageError(
        `${request.detector} finds no face in any of ${images} images; nothing was written`,
      );
    }
    writeFaceBank(output, content);
    return { output, images, faces: count, dimension: embedder.dimension };
  } finally {
    await detector.release();
    await embeddings.release();
  }
}

type Built = { readonly images: number; readonly content: FaceBankContent };

async function ofPhotographs(
  { folder, side }: { readonly folder: string; readonly side: number },
  sources: BankSources,
  tell: (step: number, steps: number) => void,
): Promise<Built> {
  const files = asUsage(() => listImages(folder, 1));
  const collector = collectForBank(sources);
  for (let start = 0; start < files.length; start += BATCH) {
    const part = files.slice(start, start + BATCH);
    await collector.add(await readImages(part, { height: side, width: side }, 'contain'));
    tell(start + part.length, files.length);
  }
  const { embeddings } = collector.finish();
  return { images: files.length, content: { embeddings, dimension: sources.dimension } };
}

async function ofPortraits(
  { seed, scenes, perGroup, directory }: DrawnFaces,
  sources: BankSources,
  progress: Progress,
  tell: (step: number, steps: number) => void,
): Promise<Built> {
  const data = await renderDataset({
    seed,
    count: scenes,
    directory,
    captions: { guidanceCalibration: 0 },
    onProgress: (step, steps) => progress.update({ task: 'draw scenes', step, steps }),
  });
  let images = 0;
  const content = await drawnFaceBank(data, sources, perGroup, (done, count) => {
    images = count;
    tell(done, count);
  });
  return { images, content };
}
