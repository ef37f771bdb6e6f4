/** Builds the bank of Portraits' real faces: embeddings of drawn portraits, the same number for every group. */

import path from 'node:path';
import type { FaceBankContent } from '../../faces/bank.ts';
import { embedForBank, writeFaceBank } from '../../faces/bank.ts';
import { loadFaceDetector } from '../../faces/detection.ts';
import { createFaceEmbeddings, loadFaceEmbedder } from '../../faces/embedding.ts';
import { imageBatch } from '../../faces/image_batch.ts';
import type { Runtime } from '../../graph/index.ts';
import type { Dataset } from '../dataset.ts';
import { ATTRIBUTE_CLASSES, faceLabels, facesByGroup, singleFaces } from './faces.ts';
import { imageBatch as planes } from './vae.ts';

/** File name of the bank in a model folder. */
export const FACE_BANK_FILE = 'face_bank.safetensors';

/** Pictures that are detected and embedded at once. */
const CHUNK = 256;

/**
 * Detects and embeds the first `perGroup` single portraits of every group of a data set with the model folder's own
 * `face_detector` and `face_embedder`, and writes `face_bank.safetensors` there.
 * @returns number of faces in the bank; portraits whose face the detector misses are left out
 * @throws Error when a group has fewer portraits
 */
export async function buildFaceBank(
  runtime: Runtime,
  data: Dataset,
  modelFolder: string,
  perGroup: number,
): Promise<number> {
  const faces = facesByGroup(singleFaces(data)).flatMap((group, number) => {
    if (group.length < perGroup) {
      throw new Error(
        `face bank: expected ${perGroup} portraits of group ${number}, received ${group.length}`,
      );
    }
    return group.slice(0, perGroup);
  });
  const detector = loadFaceDetector(runtime, path.join(modelFolder, 'face_detector'), { batchSize: 64 });
  const embedder = loadFaceEmbedder(path.join(modelFolder, 'face_embedder'));
  const embeddings = createFaceEmbeddings(runtime, embedder, 64);
  const { dimension } = embedder;
  const rows: Float32Array[] = [];
  const kept: (typeof faces)[number][] = [];
  for (let start = 0; start < faces.length; start += CHUNK) {
    const chunk = faces.slice(start, start + CHUNK);
    const pictures = planes(
      data,
      chunk.map(({ index }) => index),
    );
    const images = imageBatch(pictures, chunk.length, data.size, data.size);
    const found = await embedForBank(images, { detector, embeddings, dimension });
    rows.push(found.embeddings);
    kept.push(...found.positions.map((position) => chunk[position]!));
  }
  await detector.release();
  await embeddings.release();
  const all = new Float32Array(kept.length * dimension);
  let offset = 0;
  for (const part of rows) {
    all.set(part, offset);
    offset += part.length;
  }
  const labels = faceLabels(kept);
  const content: FaceBankContent = {
    embeddings: all,
    dimension,
    attributes: Object.entries(ATTRIBUTE_CLASSES).map(([name, classes]) => ({
      name,
      classes,
      values: Int32Array.from(labels[name]!),
    })),
  };
  writeFaceBank(path.join(modelFolder, FACE_BANK_FILE), content);
  return kept.length;
}
