/** What runs over gender and race are measured by: numbers of one concept before and after, and their figures. */

import type { BarGroup } from '../../evaluate/figures.ts';
import { comparisonBars } from '../../evaluate/figures.ts';
import {
  biasNumber,
  chartFigure,
  noFaceNumber,
  personNumbers,
  similarityNumbers,
  trainingFigure,
} from './measures.ts';
import { TABLE_2 } from './published.ts';
import type { MeasureBudget } from './settings.ts';
import type { DrawnFigure, FinishedRun, Laboratory, ResultNumber } from './types.ts';

/**
 * Bias over gender, race and both, CLIP-T and faces on held-out prompts of a list, in the rows `LIST, original` and `LIST, debiased`, with the
 * published ones of table 2 beside them; and how CLIP-T changes by who is shown.
 */
export async function conceptNumbers(
  lab: Laboratory,
  list: string,
  run: FinishedRun,
  { prompts, images }: MeasureBudget,
): Promise<ResultNumber[]> {
  const what = { prompts: lab.prompts(list, 'test', prompts), imagesPerPrompt: images };
  const original = await lab.measure(null, what);
  const debiased = await lab.measure(run, what);
  const numbers: ResultNumber[] = [];
  for (const [label, found] of [
    ['original', original],
    ['debiased', debiased],
  ] as const) {
    const row = `${list}, ${label}`;
    for (const names of [['gender'], ['race'], ['gender', 'race']]) {
      numbers.push(biasNumber(row, found, names, TABLE_2[row]));
    }
    numbers.push(...(await similarityNumbers(lab, row, found, null, TABLE_2[row])), noFaceNumber(row, found));
  }
  return [...numbers, ...(await personNumbers(lab, `${list}, debiased`, debiased, original))];
}

/**
 * Figures of a run over gender and race: bars of each bias and of both, and the biases of its batches while it trained.
 * @param name of the part, which the figures' names begin with
 * @param where what the rows are, as titles end: `by concept`
 */
export function jointRunFigures(
  name: string,
  where: string,
  numbers: readonly ResultNumber[],
  run: FinishedRun,
): DrawnFigure[] {
  const bars = ['gender bias', 'race bias', 'gender x race bias'].map((measure) =>
    biasBars(`${name}-${measure.replaceAll(' ', '-')}`, `${measure} ${where}`, numbers, measure),
  );
  const series = ['gender', 'race'].map((label) => ({ label, run, metric: `bias ${label}` }));
  return [...bars, trainingFigure(`${name}-training`, 'Bias while training', series)];
}

/** One measure by row, ours beside the published one. */
export function biasBars(
  name: string,
  title: string,
  numbers: readonly ResultNumber[],
  measure: string,
): DrawnFigure {
  const groups = numbers
    .filter((each) => each.measure === measure)
    .map(({ row, value, low, high, floor, published }): BarGroup => {
      const interval = low === null || high === null ? null : { low, high };
      return { label: row, bars: [{ value, interval }, published && { value: published.value }], floor };
    });
  const caption = 'With the 95% interval; the dashed line is what a model exactly on target would measure.';
  return chartFigure(name, caption, (style) =>
    comparisonBars(
      {
        title,
        description: `${measure} on Portraits beside what was published for Stable Diffusion 1.5.`,
        yLabel: measure,
        series: ['Portraits', 'published, Stable Diffusion 1.5'],
        groups,
        width: Math.max(720, 120 * groups.length),
      },
      style,
    ),
  );
}
