/** The bank of Portraits' real faces: embeddings of drawn portraits, the same number for every group. */

import type { BankAttribute, BankSources, FaceBankContent } from '../../faces/bank.ts';
import { collectForBank } from '../../faces/bank.ts';
import { imageBatch } from '../../faces/image_batch.ts';
import type { Dataset } from '../dataset.ts';
import { ATTRIBUTE_CLASSES, faceLabels, facesByGroup, singleFaces } from './faces.ts';
import { imageBatch as planes } from './vae.ts';

/** Pictures that are detected and embedded at once. */
const CHUNK = 256;

/**
 * Detects and embeds the first `perGroup` single portraits of every group of a data set.
 * @param onProgress pictures that are done, and all of them
 * @returns what the bank holds; portraits whose face the detector misses are left out
 * @throws Error when a group has fewer portraits
 */
export async function drawnFaceBank(
  data: Dataset,
  sources: BankSources,
  perGroup: number,
  onProgress: (done: number, count: number) => void = () => {},
): Promise<FaceBankContent & { readonly attributes: readonly BankAttribute[] }> {
  const faces = facesByGroup(singleFaces(data)).flatMap((group, number) => {
    if (group.length < perGroup) {
      throw new Error(
        `face bank: expected ${perGroup} portraits of group ${number}, received ${group.length}; more scenes have more`,
      );
    }
    return group.slice(0, perGroup);
  });
  const collector = collectForBank(sources);
  for (let start = 0; start < faces.length; start += CHUNK) {
    const chunk = faces.slice(start, start + CHUNK);
    const pictures = planes(
      data,
      chunk.map(({ index }) => index),
    );
    await collector.add(imageBatch(pictures, chunk.length, data.size, data.size));
    onProgress(start + chunk.length, faces.length);
  }
  const { embeddings, positions } = collector.finish();
  const labels = faceLabels(positions.map((position) => faces[position]!));
  const attributes = Object.entries(ATTRIBUTE_CLASSES).map(([name, classes]) => ({
    name,
    classes,
    values: Int32Array.from(labels[name]!),
  }));
  return { embeddings, dimension: sources.dimension, attributes };
}
