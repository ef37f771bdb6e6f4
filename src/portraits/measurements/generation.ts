/** Measures the base model of Portraits: clean faces, obedience to prompts that name attributes, and the planted bias. */

import { createGenerator } from '../../diffusion/noise.ts';
import type { Evaluation, EvaluationRequest, JudgedPrompt } from '../../evaluate/evaluate.ts';
import { evaluate } from '../../evaluate/evaluate.ts';
import { NO_FACE, pairwiseBias } from '../../evaluate/metrics.ts';
import { measureObedience as obedienceOf } from '../../evaluate/obedience.ts';
import type { BiasAttribute } from '../prompts/bias.ts';
import { marginal } from '../prompts/bias.ts';
import { EXPLICIT_PROMPTS } from '../prompts/explicit.ts';
import type { PromptEntry } from '../prompts/index.ts';
import { FAMILIES, plantedDistribution, promptEntries } from '../prompts/index.ts';

/** How to draw and judge; prompts and images are chosen here. */
export type GenerationSetup = Omit<EvaluationRequest, 'prompts' | 'imagesPerPrompt' | 'seed' | 'keep'>;

/** Shares over images of all prompt families. */
export interface QualityFigures {
  readonly images: number;
  /** Images on which a face is found. */
  readonly faceRate: number;
  /** Images whose face is classified with probability .9 or more in every attribute. */
  readonly confidentRate: number;
}

/** Agreement of images with prompts that name attributes. */
export interface ObedienceFigures {
  readonly images: number;
  /** Share of images with a face that shows what the prompt names, by attribute. */
  readonly obeyed: Readonly<Record<string, number>>;
}

/** Bias measured on prompts beside the bias that was planted. */
export interface PlantedBiasFigures {
  readonly attribute: string;
  readonly prompts: number;
  readonly imagesPerPrompt: number;
  readonly measured: number;
  /** Mean bias that as many images from the planted distributions would show, and the central 95% of it. */
  readonly expected: number;
  readonly low: number;
  readonly high: number;
}

/** Prompts spread evenly over all families, `perFamily` of each. */
export function promptsOfAllFamilies(perFamily: number): string[] {
  return FAMILIES.flatMap((family) => {
    const entries = promptEntries(family);
    return Array.from(
      { length: perFamily },
      (_, i) => entries[Math.floor((i * entries.length) / perFamily)]!.prompt,
    );
  });
}

/** Face rate and confidence on images of all families. */
export async function measureQuality(
  setup: GenerationSetup,
  perFamily: number,
  imagesPerPrompt: number,
): Promise<{ readonly figures: QualityFigures; readonly evaluation: Evaluation }> {
  const prompts = promptsOfAllFamilies(perFamily);
  const evaluation = await evaluate({ ...setup, prompts, imagesPerPrompt, seed: 0, keep: 1 });
  let faces = 0;
  let confident = 0;
  for (const { faces: counts, confidences } of evaluation.prompts) {
    counts.forEach((count, image) => {
      if (count > 0) faces++;
      if (Object.values(confidences).every((column) => column[image]! >= 0.9)) confident++;
    });
  }
  const { images } = evaluation;
  return { figures: { images, faceRate: faces / images, confidentRate: confident / images }, evaluation };
}

/** Obedience to prompts that name attributes. */
export async function measureObedience(
  setup: GenerationSetup,
  imagesPerPrompt: number,
): Promise<ObedienceFigures> {
  const prompts = EXPLICIT_PROMPTS.map(({ prompt }) => prompt);
  const evaluation = await evaluate({ ...setup, prompts, imagesPerPrompt, seed: 50_000, keep: 0 });
  const { byAttribute } = obedienceOf(EXPLICIT_PROMPTS, evaluation.attributes, evaluation.prompts);
  const obeyed = Object.fromEntries(Object.entries(byAttribute).map(([name, { rate }]) => [name, rate]));
  return { images: evaluation.images, obeyed };
}

/** Mean bias over prompts of their predicted classes. */
function meanBias(prompts: readonly JudgedPrompt[], attribute: string, classes: number): number {
  let sum = 0;
  for (const { classes: columns } of prompts) {
    const counts = new Array<number>(classes).fill(0);
    for (const found of columns[attribute]!) if (found !== NO_FACE) counts[found]!++;
    const total = counts.reduce((a, b) => a + b, 0);
    sum += pairwiseBias(counts.map((count) => count / total));
  }
  return sum / prompts.length;
}

/** What `imagesPerPrompt` images from the planted distributions would measure: mean and central 95% of simulations. */
function simulatedBias(
  entries: readonly PromptEntry[],
  attribute: BiasAttribute,
  imagesPerPrompt: number,
): number[] {
  const random = createGenerator({ seed: 1, stream: `planted ${attribute}` });
  return Array.from({ length: 400 }, () => {
    let sum = 0;
    for (const entry of entries) {
      const shares = marginal(plantedDistribution(entry), attribute);
      const counts = new Array<number>(shares.length).fill(0);
      for (let i = 0; i < imagesPerPrompt; i++) {
        let u = random.uniform();
        let k = 0;
        while (k < shares.length - 1 && u >= shares[k]!) u -= shares[k++]!;
        counts[k]!++;
      }
      sum += pairwiseBias(counts.map((count) => count / imagesPerPrompt));
    }
    return sum / entries.length;
  }).sort((a, b) => a - b);
}

/** Bias on test occupations, measured and planted, for gender and race. */
export async function measurePlantedBias(
  setup: GenerationSetup,
  count: number,
  imagesPerPrompt: number,
): Promise<PlantedBiasFigures[]> {
  const entries = promptEntries('occupation', 'test').slice(0, count);
  const prompts = entries.map(({ prompt }) => prompt);
  const evaluation = await evaluate({ ...setup, prompts, imagesPerPrompt, seed: 100_000, keep: 0 });
  return (['gender', 'race'] as const).map((attribute) => {
    const { classes } = evaluation.attributes.find(({ name }) => name === attribute)!;
    const simulated = simulatedBias(entries, attribute, imagesPerPrompt);
    const at = (share: number) => simulated[Math.floor(share * (simulated.length - 1))]!;
    return {
      attribute,
      prompts: entries.length,
      imagesPerPrompt,
      measured: meanBias(evaluation.prompts, attribute, classes.length),
      expected: simulated.reduce((sum, value) => sum + value, 0) / simulated.length,
      low: at(0.025),
      high: at(0.975),
    };
  });
}
