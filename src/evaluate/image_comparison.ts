/** What the features of judged images say: similarity to prompts and originals, and distances between sets of images. */

import type { Evaluation } from './evaluate.ts';
import { kernelDistance, pairedKernelDistance } from './kernel_distance.ts';
import { arePaired } from './paired_change.ts';
import type { ImageDistance } from './report_data.ts';
import { cosines } from './similarity.ts';

/** Real images by their features. */
export interface RealImages {
  /** Name of the folder. */
  readonly name: string;
  /** Features [N, dimension] by encoder. */
  readonly features: Readonly<Record<string, Float32Array>>;
}

/** Images of a set that a distance takes at most, spread evenly: its time grows with their square. */
export const MAXIMUM_DISTANCE_IMAGES = 4000;

/** Names of the similarities to the original image, by encoder. */
const IMAGE_SIMILARITIES: Readonly<Record<string, string>> = Object.freeze({ clip: 'CLIP-I', dino: 'DINO' });

/**
 * Similarities of every image of an evaluation, prompt by prompt, by the names that papers give them: CLIP-T to the prompt;
 * CLIP-I and DINO to the original model's image from the same noise.
 * @param original evaluation of the original model; null for the original itself
 * @param dimensions lengths of the features by encoder; others than `clip` and `dino` are left out
 * @param texts CLIP's embeddings of the prompts
 * @throws where a prompt has no embedding
 */
export function similarityTables(
  evaluation: Evaluation,
  original: Evaluation | null,
  dimensions: Readonly<Record<string, number>>,
  texts?: ReadonlyMap<string, Float32Array>,
): Record<string, number[][]> {
  const tables: Record<string, number[][]> = {};
  const { clip } = dimensions;
  if (clip !== undefined && texts !== undefined) {
    tables['CLIP-T'] = evaluation.prompts.map(({ prompt, features }) => {
      const text = texts.get(prompt);
      if (text === undefined) throw new Error(`CLIP-T: expected an embedding of '${prompt}', received none`);
      return Array.from(cosines(features.clip!, text, clip));
    });
  }
  if (original === null || !arePaired(original, evaluation)) return tables;
  for (const [encoder, dimension] of Object.entries(dimensions)) {
    const name = IMAGE_SIMILARITIES[encoder];
    if (name === undefined) continue;
    tables[name] = evaluation.prompts.map(({ features }, p) =>
      Array.from(cosines(features[encoder]!, original.prompts[p]!.features[encoder]!, dimension)),
    );
  }
  return tables;
}

/**
 * KID between two models, and between each model and real images, on the features of one encoder. Two models' images from the
 * same noise are taken as pairs; sets of fewer than three images are left out.
 * @param models one model, or two in order
 * @param dimension length of the encoder's features
 */
export function imageDistances(
  models: readonly { readonly label: string; readonly evaluation: Evaluation }[],
  encoder: string,
  dimension: number,
  real?: RealImages,
): ImageDistance[] {
  const sets = models
    .map(({ label, evaluation }) => ({
      label,
      evaluation,
      ...spreadFeatures(evaluation, encoder, dimension),
    }))
    .filter(({ features }) => features.length / dimension >= 3);
  const [first, last] = sets;
  const distances: ImageDistance[] = [];
  if (first !== undefined && last !== undefined) {
    const paired = arePaired(first.evaluation, last.evaluation);
    const measure = paired ? pairedKernelDistance : kernelDistance;
    distances.push({
      features: encoder,
      from: last.label,
      to: first.label,
      ...measure(last.features, first.features, dimension, { groups: last.groups }),
    });
  }
  const others = real?.features[encoder];
  if (real === undefined || others === undefined) return distances;
  const photos = spreadRows(others, dimension);
  return [
    ...distances,
    ...sets.map(({ label, features, groups }) => ({
      features: encoder,
      from: label,
      to: real.name,
      ...kernelDistance(features, photos, dimension, { groups }),
    })),
  ];
}

/** Positions of the items that a distance takes. */
function spreadPositions(items: number): number[] {
  if (items <= MAXIMUM_DISTANCE_IMAGES) return Array.from({ length: items }, (_, i) => i);
  return Array.from({ length: MAXIMUM_DISTANCE_IMAGES }, (_, i) =>
    Math.floor(((i + 0.5) * items) / MAXIMUM_DISTANCE_IMAGES),
  );
}

function spreadRows(features: Float32Array, dimension: number): Float32Array {
  const positions = spreadPositions(features.length / dimension);
  const rows = new Float32Array(positions.length * dimension);
  positions.forEach((position, i) => {
    rows.set(features.subarray(position * dimension, (position + 1) * dimension), i * dimension);
  });
  return rows;
}

/** Features of an evaluation's images, prompt by prompt, and the number of images that each prompt has among them. */
function spreadFeatures({ prompts }: Evaluation, encoder: string, dimension: number) {
  const whole = new Float32Array(prompts.reduce((sum, { features }) => sum + features[encoder]!.length, 0));
  const promptOfImage: number[] = [];
  let offset = 0;
  prompts.forEach(({ features, seeds }, prompt) => {
    whole.set(features[encoder]!, offset);
    offset += features[encoder]!.length;
    promptOfImage.push(...seeds.map(() => prompt));
  });
  const counts = new Map<number, number>();
  for (const position of spreadPositions(promptOfImage.length)) {
    const prompt = promptOfImage[position]!;
    counts.set(prompt, (counts.get(prompt) ?? 0) + 1);
  }
  return { features: spreadRows(whole, dimension), groups: [...counts.values()] };
}
