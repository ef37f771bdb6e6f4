/** What the features of Portraits' DINO know: whether they spread out, and whether neighbours show the same things. */

import path from 'node:path';
import { compileBatched } from '../../faces/image_batch.ts';
import { openModelFolder } from '../../faces/model_folder.ts';
import { preprocess } from '../../faces/preprocessing.ts';
import type { Runtime } from '../../graph/index.ts';
import { input } from '../../graph/index.ts';
import { dinov2, parseDinoV2Config } from '../../models/index.ts';
import type { Dataset } from '../dataset.ts';
import { findPrompt } from '../prompts/index.ts';
import { imageBatch } from '../training/vae.ts';

/** Accuracy of nearest neighbours against the share of the most frequent class. */
export interface NeighbourFigures {
  readonly classes: number;
  readonly accuracy: number;
  readonly mostFrequent: number;
}

/** Figures of the features of single portraits. */
export interface DinoFigures {
  readonly pictures: number;
  /** Mean cosine of two pictures: 1 when the features have collapsed. */
  readonly meanCosine: number;
  /** exp of the entropy of the covariance's normalised spectrum: how many directions the features use. */
  readonly effectiveRank: number;
  readonly neighbours: Readonly<Record<string, NeighbourFigures>>;
}

const BATCH = 32;
const NEIGHBOURS = 10;

/** Class tokens of the pictures `indices`, each divided by its length. */
export async function dinoFeatures(
  runtime: Runtime,
  modelFolder: string,
  data: Dataset,
  indices: readonly number[],
): Promise<Float64Array[]> {
  const folder = openModelFolder(path.join(modelFolder, 'dino'), parseDinoV2Config);
  const graph = await compileBatched(runtime, BATCH, (batch) => {
    const images = input('images', [batch, 3, data.size, data.size]);
    const ready = preprocess(images, folder.preprocessing, folder.config.imageSize);
    return { features: dinov2(folder.config, folder.parameters, ready).classToken };
  });
  const { features } = await graph.run(indices.length, { images: imageBatch(data, indices) });
  await graph.release();
  const { width } = folder.config;
  return indices.map((_, i) => {
    const row = Float64Array.from((features as Float32Array).subarray(i * width, (i + 1) * width));
    const length = Math.hypot(...row);
    return row.map((value) => value / length);
  });
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Share of queries whose class is the most frequent one among their nearest neighbours by cosine. */
export function neighbourFigures(
  known: readonly Float64Array[],
  knownClasses: readonly string[],
  queries: readonly Float64Array[],
  queryClasses: readonly string[],
): NeighbourFigures {
  const frequent = (classes: readonly string[]) => {
    const counts = new Map<string, number>();
    for (const name of classes) counts.set(name, (counts.get(name) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1])[0]!;
  };
  const right = queries.filter((query, i) => {
    const near = known
      .map((row, k) => ({ cosine: dot(query, row), name: knownClasses[k]! }))
      .sort((a, b) => b.cosine - a.cosine)
      .slice(0, NEIGHBOURS);
    return frequent(near.map(({ name }) => name))[0] === queryClasses[i];
  }).length;
  return {
    classes: new Set(knownClasses).size,
    accuracy: right / queries.length,
    mostFrequent: frequent(queryClasses)[1] / queries.length,
  };
}

/** exp of the entropy of the eigenvalues of the covariance, found by Jacobi rotations. */
export function effectiveRank(rows: readonly Float64Array[]): number {
  const width = rows[0]!.length;
  const mean = new Float64Array(width);
  for (const row of rows) for (let i = 0; i < width; i++) mean[i]! += row[i]! / rows.length;
  const matrix = Array.from({ length: width }, () => new Float64Array(width));
  for (const row of rows) {
    for (let i = 0; i < width; i++) {
      for (let j = 0; j < width; j++) matrix[i]![j]! += (row[i]! - mean[i]!) * (row[j]! - mean[j]!);
    }
  }
  const values = symmetricEigenvalues(matrix).map((value) => Math.max(0, value));
  const total = values.reduce((sum, value) => sum + value, 0);
  const entropy = values.reduce((sum, value) => {
    const share = value / total;
    return share > 0 ? sum - share * Math.log(share) : sum;
  }, 0);
  return Math.exp(entropy);
}

/** Eigenvalues of a symmetric matrix, which is destroyed (cyclic Jacobi). */
function symmetricEigenvalues(a: Float64Array[]): number[] {
  const size = a.length;
  for (let sweep = 0; sweep < 12; sweep++) {
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        const apq = a[p]![q]!;
        if (Math.abs(apq) < 1e-15) continue;
        const theta = (a[q]![q]! - a[p]![p]!) / (2 * apq);
        const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1);
        const s = t * c;
        for (let k = 0; k < size; k++) {
          const [x, y] = [a[k]![p]!, a[k]![q]!];
          a[k]![p] = c * x - s * y;
          a[k]![q] = s * x + c * y;
        }
        for (let k = 0; k < size; k++) {
          const [x, y] = [a[p]![k]!, a[q]![k]!];
          a[p]![k] = c * x - s * y;
          a[q]![k] = s * x + c * y;
        }
      }
    }
  }
  return a.map((row, i) => row[i]!);
}

/** Measures DINO on the single portraits with a prompt: the first half of them is known, the second half is asked for. */
export async function measureDino(
  runtime: Runtime,
  modelFolder: string,
  data: Dataset,
): Promise<DinoFigures> {
  const shown = Array.from({ length: data.count }, (_, index) => data.record(index)).flatMap((record) => {
    const entry = record.prompt === null ? undefined : findPrompt(record.prompt);
    return record.faces.length === 1 && entry !== undefined ? [{ record, entry }] : [];
  });
  const features = await dinoFeatures(
    runtime,
    modelFolder,
    data,
    shown.map(({ record }) => record.index),
  );
  const half = Math.floor(shown.length / 2);
  const classes: Record<string, string[]> = {
    gender: shown.map(({ record }) => record.faces[0]!.attributes.gender),
    race: shown.map(({ record }) => record.faces[0]!.attributes.race),
    age: shown.map(({ record }) => record.faces[0]!.attributes.age),
    prop: shown.map(({ entry }) => entry.look.prop),
    clothing: shown.map(({ entry }) => entry.look.clothing),
    background: shown.map(({ entry }) => entry.look.background),
  };
  const neighbours = Object.entries(classes).map(
    ([name, values]) =>
      [
        name,
        neighbourFigures(
          features.slice(0, half),
          values.slice(0, half),
          features.slice(half),
          values.slice(half),
        ),
      ] as const,
  );
  const sum = features.reduce(
    (total, row) => total.map((value, i) => value + row[i]!),
    new Float64Array(features[0]!.length),
  );
  const count = features.length;
  return {
    pictures: count,
    meanCosine: (dot(sum, sum) - count) / (count * (count - 1)),
    effectiveRank: effectiveRank(features),
    neighbours: Object.fromEntries(neighbours),
  };
}
