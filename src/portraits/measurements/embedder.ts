/** How well the face embedder of Portraits tells persons apart: verification of pairs of pictures. */

import { writePlanes } from '../../diffusion/image.ts';
import type { FaceEmbeddings } from '../../faces/embedding.ts';
import { imageBatch } from '../../faces/image_batch.ts';
import type { Dataset } from '../dataset.ts';
import { GROUP_COUNT, groupIndex } from '../scene.ts';
import type { FacePicture, SceneSequence } from '../training/embedder.ts';
import { secondPictures } from '../training/embedder.ts';
import { singleFaces } from '../training/faces.ts';

/** Figures of a set of pairs: as many of the same person as of different persons. */
export interface VerificationFigures {
  readonly pairs: number;
  /** Share of pairs that the best threshold on the cosine judges rightly. */
  readonly accuracy: number;
  /** That threshold. */
  readonly threshold: number;
  /** Probability that a pair of the same person has a larger cosine than a pair of different persons (ties half). */
  readonly area: number;
  /** Mean cosine of pairs of the same person, and of different persons. */
  readonly sameCosine: number;
  readonly otherCosine: number;
}

const CHUNK = 256;

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

/** Accuracy at the best threshold and area under the ROC curve, from cosines of same and of different persons. */
export function verificationFigures(same: readonly number[], other: readonly number[]): VerificationFigures {
  const pairs = same.length + other.length;
  const sorted = [
    ...same.map((cosine) => ({ cosine, own: true })),
    ...other.map((cosine) => ({ cosine, own: false })),
  ].sort((a, b) => b.cosine - a.cosine);
  let [accepted, rejected, area] = [0, other.length, 0];
  let best = { right: rejected, threshold: 1 };
  for (let i = 0; i < sorted.length; ) {
    const { cosine } = sorted[i]!;
    let [own, foreign] = [0, 0];
    for (; i < sorted.length && sorted[i]!.cosine === cosine; i++) {
      if (sorted[i]!.own) own += 1;
      else foreign += 1;
    }
    rejected -= foreign;
    area += own * (rejected + foreign / 2);
    accepted += own;
    if (accepted + rejected > best.right) best = { right: accepted + rejected, threshold: cosine };
  }
  return {
    pairs,
    accuracy: best.right / pairs,
    threshold: best.threshold,
    area: area / (same.length * other.length),
    sameCosine: mean(same),
    otherCosine: mean(other),
  };
}

/** Embeds pictures of faces, the true landmarks given. */
async function embedPictures(
  embeddings: FaceEmbeddings,
  pictures: readonly FacePicture[],
): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for (let start = 0; start < pictures.length; start += CHUNK) {
    const chunk = pictures.slice(start, start + CHUNK);
    const { width, height } = chunk[0]!.image;
    const batch = new Float32Array(chunk.length * 3 * width * height);
    chunk.forEach(({ image }, position) => {
      writePlanes(batch, position, image.pixels);
    });
    const images = imageBatch(batch, chunk.length, height, width);
    const all = await embeddings.embed(
      images,
      chunk.map(({ face }) => face),
    );
    const dimension = all.length / chunk.length;
    chunk.forEach((_, i) => {
      rows.push(all.subarray(i * dimension, (i + 1) * dimension));
    });
  }
  return rows;
}

/**
 * Compares two pictures of the same person with two of different persons, for `count` single portraits of a data set:
 * with `anyone`, and with somebody of the same gender, race and age (`sameGroup`), which is harder.
 * @param sequence what the data set shows, to draw the second pictures from
 */
export async function measureEmbedder(
  embeddings: FaceEmbeddings,
  data: Dataset,
  sequence: SceneSequence,
  count: number,
): Promise<{ readonly anyone: VerificationFigures; readonly sameGroup: VerificationFigures }> {
  const faces = singleFaces(data).slice(0, count);
  const second = secondPictures(sequence, data.size);
  const first = faces.map(({ index, face }) => ({
    image: { width: data.size, height: data.size, pixels: data.pixels(index) },
    face,
  }));
  const one = await embedPictures(embeddings, first);
  const two = await embedPictures(
    embeddings,
    faces.map(({ index }) => second(index)),
  );
  const cosine = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const same = one.map((row, i) => cosine(row, two[i]!));
  const anyone = one.map((row, i) => cosine(row, two[(i + 1) % two.length]!));
  const groups = Array.from({ length: GROUP_COUNT }, (): number[] => []);
  faces.forEach(({ face }, i) => {
    groups[groupIndex(face.attributes)]!.push(i);
  });
  const sameGroup = groups
    .filter((members) => members.length > 1)
    .flatMap((members) => members.map((i, k) => cosine(one[i]!, two[members[(k + 1) % members.length]!]!)));
  return { anyone: verificationFigures(same, anyone), sameGroup: verificationFigures(same, sameGroup) };
}
