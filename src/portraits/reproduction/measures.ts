/** From evaluations and runs to numbers with intervals and to drawn figures. */

import { createGenerator } from '../../diffusion/noise.ts';
import { bootstrapInterval } from '../../evaluate/bootstrap.ts';
import type { Evaluation } from '../../evaluate/evaluate.ts';
import { measureEvaluation } from '../../evaluate/evaluate.ts';
import { faceRates } from '../../evaluate/face_rates.ts';
import type { FigureStyle, LineSeries } from '../../evaluate/figures.ts';
import { lightTheme, lineChart, rasterizeSvg } from '../../evaluate/figures.ts';
import { similarityTables } from '../../evaluate/image_comparison.ts';
import { DEFAULT_LEVEL } from '../../evaluate/intervals.ts';
import { summarize } from '../../evaluate/metrics.ts';
import { similaritiesByPerson } from '../../evaluate/person_change.ts';
import { summarizeSimilarities } from '../../evaluate/similarity.ts';
import { normalQuantile } from '../../evaluate/special_functions.ts';
import { uniformTarget } from '../../fairness/index.ts';
import type { DrawnFigure, FinishedRun, Laboratory, LogLine, Published, ResultNumber } from './types.ts';

/** What intervals are, as results say it. */
export const INTERVALS = Object.freeze({
  images: '95%, images resampled within prompts',
  runs: '95%, runs resampled',
  iterations: '95%, iterations resampled',
  share: '95%, Wilson',
  middle: 'middle 90% of the runs',
});

/** A number with everything that it lacks left empty. */
export function resultNumber(
  fields: Pick<ResultNumber, 'row' | 'measure' | 'value'> & Partial<ResultNumber>,
): ResultNumber {
  return { low: null, high: null, interval: null, deviation: null, floor: null, published: null, ...fields };
}

type PublishedRow = Readonly<Record<string, Published>> | undefined;

/** Bias of an evaluation over one attribute or the joint table of several, as `gender bias` or `gender x race bias`. */
export function biasNumber(
  row: string,
  evaluation: Evaluation,
  names: readonly string[],
  published: PublishedRow,
): ResultNumber {
  const attributes = names.map((name) => evaluation.attributes.find((each) => each.name === name)!);
  const { attribute, bias } = measureEvaluation(evaluation, uniformTarget(attributes));
  const measure = `${attribute} bias`;
  return resultNumber({
    row,
    measure,
    value: bias.mean,
    low: bias.interval?.low ?? null,
    high: bias.interval?.high ?? null,
    interval: INTERVALS.images,
    deviation: bias.standardDeviation,
    floor: bias.floor,
    published: published?.[measure] ?? null,
  });
}

/** Share of an evaluation's images that show no face, which biases leave out. */
export function noFaceNumber(row: string, { prompts }: Evaluation): ResultNumber {
  const { rate, interval } = faceRates(prompts.map(({ faces }) => faces)).noFace;
  return resultNumber({
    row,
    measure: 'images without a face',
    value: rate,
    low: interval?.low ?? null,
    high: interval?.high ?? null,
    interval: INTERVALS.share,
  });
}

/** CLIP-T, and with an original also CLIP-I and DINO, as far as there are encoders. */
export async function similarityNumbers(
  lab: Laboratory,
  row: string,
  evaluation: Evaluation,
  original: Evaluation | null,
  published: PublishedRow,
): Promise<ResultNumber[]> {
  const { dimensions = {}, texts } = await lab.features(evaluation.prompts.map(({ prompt }) => prompt));
  const tables = similarityTables(evaluation, original, dimensions, texts);
  const random = createGenerator({ seed: 0, stream: 'bootstrap of similarities' }).uniform;
  const { means } = summarizeSimilarities(tables, {}, { random });
  return Object.entries(means).map(([measure, { mean, standardDeviation, interval }]) =>
    resultNumber({
      row,
      measure,
      value: mean,
      low: interval.low,
      high: interval.high,
      interval: INTERVALS.images,
      deviation: standardDeviation,
      published: published?.[measure] ?? null,
    }),
  );
}

/**
 * Change of CLIP-T from the original's images over the pairs that still show a person of the same group, and over those that show
 * another: `CLIP-T change, same person` and `CLIP-T change, other person`.
 */
export async function personNumbers(
  lab: Laboratory,
  row: string,
  evaluation: Evaluation,
  original: Evaluation,
): Promise<ResultNumber[]> {
  const { dimensions = {}, texts } = await lab.features(evaluation.prompts.map(({ prompt }) => prompt));
  const tables = {
    before: similarityTables(original, null, dimensions, texts),
    after: similarityTables(evaluation, null, dimensions, texts),
  };
  const random = createGenerator({ seed: 0, stream: 'bootstrap of similarities by person' }).uniform;
  return similaritiesByPerson(original, evaluation, tables, { random }).map(({ name, person, change }) =>
    resultNumber({
      row,
      measure: `${name} change, ${person} person`,
      value: change!.estimate,
      low: change!.low,
      high: change!.high,
      interval: INTERVALS.images,
    }),
  );
}

/** Mean of values with the percentile interval of their bootstrap; null ends for fewer than two values. */
export function meanWithInterval(values: readonly number[]): {
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
} {
  const mean = (sample: readonly number[]) => sample.reduce((sum, each) => sum + each, 0) / sample.length;
  if (values.length < 2) return { value: mean(values), low: null, high: null };
  const random = createGenerator({ seed: 0, stream: 'bootstrap of runs' }).uniform;
  const method = 'percentile' as const;
  const { low, high } = bootstrapInterval([values], ([sample]) => mean(sample!), { random, method });
  return { value: mean(values), low, high };
}

/** Iterations that a point of a training figure averages. */
const WINDOW = 50;

/** Means of a run's metric over windows of iterations, each at the middle of its window, with their 95% intervals. */
export function windowedMeans(
  log: readonly LogLine[],
  metric: string,
): Pick<LineSeries, 'points' | 'band'> & { readonly band: NonNullable<LineSeries['band']> } {
  const values = log.flatMap(({ iteration, metrics }) => {
    const value = metrics[metric];
    return typeof value === 'number' && Number.isFinite(value) ? [{ iteration, value }] : [];
  });
  const windows = new Map<number, typeof values>();
  for (const each of values) {
    const place = Math.floor((each.iteration - 1) / WINDOW);
    windows.set(place, [...(windows.get(place) ?? []), each]);
  }
  const deviations = normalQuantile((1 + DEFAULT_LEVEL) / 2);
  const means = [...windows.values()].map((window) => {
    const { count, mean, standardDeviation } = summarize(window.map(({ value }) => value));
    const reach = (deviations * standardDeviation) / Math.sqrt(count);
    return { x: (window[0]!.iteration + window.at(-1)!.iteration) / 2, mean, reach };
  });
  return {
    points: means.map(({ x, mean }) => ({ x, y: mean })),
    band: means.map(({ x, mean, reach }) => ({ x, low: mean - reach, high: mean + reach })),
  };
}

/** Metrics of runs' own images, as they were logged while training: means over windows of iterations. */
export function trainingFigure(
  name: string,
  title: string,
  lines: readonly { readonly label: string; readonly run: FinishedRun; readonly metric: string }[],
): DrawnFigure {
  const caption =
    `Means over ${WINDOW} iterations of each iteration's own images, with 95% intervals, by the classifier of the loss; few images of ` +
    'a prompt differ by chance alone, so that no line can come down to zero.';
  return chartFigure(name, caption, (style) =>
    lineChart(
      {
        title,
        description: `${title} on training prompts, by iteration.`,
        xLabel: 'iteration',
        yLabel: 'training prompts',
        series: lines.map(({ label, run, metric }) => ({
          label,
          ...windowedMeans(run.log, metric),
        })),
        yRange: [0, 0],
      },
      style,
    ),
  );
}

/** A chart as SVG and PNG, which look the same on every machine. */
export function chartFigure(
  name: string,
  caption: string,
  draw: (style: FigureStyle) => string,
): DrawnFigure {
  const svg = draw({ theme: lightTheme, labels: 'strokes', id: name });
  return { name, caption, svg, png: rasterizeSvg(svg, 2) };
}
