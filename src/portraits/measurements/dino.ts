/** What the features of Portraits' DINO know: whether they spread out, and whether neighbours show the same things. */

import { compileBatched } from '../../faces/image_batch.ts';
import { openModelFolder } from '../../faces/model_folder.ts';
import { preprocess } from '../../faces/preprocessing.ts';
import type { Runtime } from '../../graph/index.ts';
import { input } from '../../graph/index.ts';
import { dinov2, parseDinoV2Config } from '../../models/index.ts';
import type { Dataset } from '../dataset.ts';
import { findPrompt } from '../prompts/index.ts';
import { imageBatch } from '../training/vae.ts';
import { dot, effectiveRank, meanCosine, unitRows } from './feature_rows.ts';

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
  dinoFolder: string,
  data: Dataset,
  indices: readonly number[],
): Promise<Float64Array[]> {
  const folder = openModelFolder(dinoFolder, parseDinoV2Config);
  const graph = await compileBatched(runtime, BATCH, (batch) => {
    const images = input('images', [batch, 3, data.size, data.size]);
    const ready = preprocess(images, folder.preprocessing, folder.config.imageSize);
    return { features: dinov2(folder.config, folder.parameters, ready).classToken };
  });
  const { features } = await graph.run(indices.length, { images: imageBatch(data, indices) });
  await graph.release();
  return unitRows(features as Float32Array, folder.config.width);
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

/** Measures DINO on the single portraits with a prompt: the first half of them is known, the second half is asked for. */
export async function measureDino(runtime: Runtime, dinoFolder: string, data: Dataset): Promise<DinoFigures> {
  const shown = Array.from({ length: data.count }, (_, index) => data.record(index)).flatMap((record) => {
    const entry = record.prompt === null ? undefined : findPrompt(record.prompt);
    return record.faces.length === 1 && entry !== undefined ? [{ record, entry }] : [];
  });
  const features = await dinoFeatures(
    runtime,
    dinoFolder,
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
  return {
    pictures: features.length,
    meanCosine: meanCosine(features),
    effectiveRank: effectiveRank(features),
    neighbours: Object.fromEntries(neighbours),
  };
}
