/** Figures 8 and 9: images before and after from the same noise, and the share of old people by occupation. */

import { contactSheets } from '../../evaluate/contact_sheets.ts';
import type { Evaluation } from '../../evaluate/evaluate.ts';
import { dotPlot } from '../../evaluate/figures.ts';
import { wilsonInterval } from '../../evaluate/intervals.ts';
import {
  biasNumber,
  chartFigure,
  INTERVALS,
  meanWithInterval,
  resultNumber,
  trainingFigure,
} from './measures.ts';
import { runFields, sizeInWords } from './runs.ts';
import { trainConcepts } from './tables.ts';
import type { DrawnFigure, Laboratory, PartResult, ResultNumber } from './types.ts';

/** Figure 8: images of held-out occupations by the original and by the model debiased for gender and race. */
export async function figure8(lab: Laboratory): Promise<PartResult> {
  const { grids } = lab.budget;
  const run = await trainConcepts(lab);
  const what = {
    prompts: lab.prompts('occupations', 'test', grids.prompts),
    imagesPerPrompt: grids.images,
    keep: grids.images,
  };
  const before = await lab.measure(null, what);
  const after = await lab.measure(run, what);
  const models = [
    { label: 'original', evaluation: before },
    { label: 'debiased', evaluation: after },
  ];
  const heads = before.attributes.filter(({ name }) => name === 'gender' || name === 'race');
  const sheet = await contactSheets(
    models.map(({ label, evaluation }) => ({ label, kept: evaluation.kept })),
    heads,
  );
  const figure: DrawnFigure = {
    name: 'figure-8',
    caption: `${sheet.caption} Bars: predicted class and its probability.`,
    svg: null,
    png: sheet.png,
  };
  return {
    title: 'Figure 8: before and after, from the same noise',
    text: ['Each image has a bar for the gender and for the race that the evaluating classifier sees.'],
    numbers: models.flatMap(({ label, evaluation }) =>
      [['gender'], ['race'], ['gender', 'race']].map((names) =>
        biasNumber(label, evaluation, names, undefined),
      ),
    ),
    figures: [figure],
  };
}

/** Share of old people that is aimed at. */
const OLD = 0.25;

/** Figure 9: share of old people by occupation, before and after a run towards 25% in every gender and race. */
export async function figure9(lab: Laboratory): Promise<PartResult> {
  const { age } = lab.budget;
  const fields = runFields(lab, age, { target: 'gender x race, age', part: 'text-encoder+unet' });
  const run = await lab.train('gender-race-age', fields);
  const what = {
    prompts: lab.prompts('occupations', 'test', age.measure.prompts),
    imagesPerPrompt: age.measure.images,
  };
  const shares = [oldShares(await lab.measure(null, what)), oldShares(await lab.measure(run, what))] as const;
  const labels = ['original', 'debiased'] as const;
  const numbers = labels.flatMap((label, i) => shareNumbers(label, shares[i]!));
  const figure = chartFigure('figure-9', 'Share of old people among images with a face.', (style) =>
    dotPlot(
      {
        title: 'Share of old people by occupation',
        description: 'Share of images that show an old person, by occupation, before and after.',
        xLabel: 'share of old people',
        series: labels,
        rows: what.prompts.map((prompt, p) => ({
          label: subjectOf(prompt),
          values: shares.map((each) => each[p]!.share),
          intervals: shares.map((each) => each[p]!.interval),
        })),
        target: { value: OLD, label: 'target: 25%' },
      },
      style,
    ),
  );
  return {
    title: 'Figure 9: a share that is not even',
    text: [
      `${sizeInWords(age)}, text encoder and U-Net, towards equal shares of gender and race, and in each of their ` +
        'groups 75% young and 25% old people. "distance to 25%" is the mean over occupations of the absolute difference.',
    ],
    numbers,
    figures: [
      figure,
      trainingFigure(
        'figure-9-training',
        'Distance to the target while training',
        ['gender', 'race', 'age'].map((name) => ({ label: name, run, metric: `distance ${name}` })),
      ),
    ],
    runs: [run],
  };
}

interface OldShare {
  readonly prompt: string;
  /** Null where no image has a face. */
  readonly share: number | null;
  readonly interval: { readonly low: number; readonly high: number } | null;
}

function oldShares({ prompts, attributes }: Evaluation): OldShare[] {
  const old = attributes.find(({ name }) => name === 'age')!.classes.indexOf('old');
  return prompts.map(({ prompt, classes }) => {
    const found = Array.from(classes.age!).filter((k) => k >= 0);
    const count = found.filter((k) => k === old).length;
    if (found.length === 0) return { prompt, share: null, interval: null };
    return { prompt, share: count / found.length, interval: wilsonInterval(count, found.length) };
  });
}

function shareNumbers(label: string, shares: readonly OldShare[]): ResultNumber[] {
  const known = shares.flatMap(({ share }) => (share === null ? [] : [share]));
  const measure = 'distance to 25%';
  const distances = known.map((share) => Math.abs(share - OLD));
  const mean = meanWithInterval(distances);
  return [
    ...(known.length === 0
      ? []
      : [resultNumber({ row: label, measure, ...mean, interval: '95%, prompts resampled' })]),
    ...shares.flatMap(({ prompt, share, interval }) =>
      share === null
        ? []
        : [
            resultNumber({
              row: `${label}: ${subjectOf(prompt)}`,
              measure: 'share of old people',
              value: share,
              low: interval!.low,
              high: interval!.high,
              interval: INTERVALS.share,
            }),
          ],
    ),
  ];
}

/** The occupation in a prompt of the template. */
function subjectOf(prompt: string): string {
  return /^a photo of the face of an? (.+), a person$/.exec(prompt)?.[1] ?? prompt;
}
