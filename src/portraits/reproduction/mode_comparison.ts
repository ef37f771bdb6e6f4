/** The gradient modes `adjusted` and `reference` side by side: iterations to the same bias, over several seeds. */

import { lineChart } from '../../evaluate/figures.ts';
import { chartFigure, INTERVALS, meanWithInterval, resultNumber } from './measures.ts';
import { runFields, sizeInWords } from './runs.ts';
import type { Laboratory, LogLine, PartResult } from './types.ts';

const MODES = Object.freeze(['adjusted', 'reference'] as const);

/** A validated bias by iteration. */
export interface BiasCurve {
  readonly mode: string;
  readonly points: readonly { readonly iteration: number; readonly bias: number }[];
}

/**
 * The first iteration at which a curve, joined by straight lines, is at `level` or below; null where it never is.
 */
export function iterationsTo({ points }: BiasCurve, level: number): number | null {
  for (const [i, { iteration, bias }] of points.entries()) {
    if (!(bias <= level)) continue;
    const before = points[i - 1];
    if (before === undefined) return iteration;
    const share = (before.bias - level) / (before.bias - bias);
    return before.iteration + share * (iteration - before.iteration);
  }
  return null;
}

/**
 * The bias that both modes are asked for: the larger of the modes' mean biases at their last validation, which both reach on
 * average.
 */
export function commonLevel(curves: readonly BiasCurve[]): number {
  const lasts = MODES.map((mode) => {
    const biases = curves.filter((curve) => curve.mode === mode).map(({ points }) => points.at(-1)!.bias);
    return biases.reduce((sum, bias) => sum + bias, 0) / biases.length;
  });
  return Math.max(...lasts);
}

/** The validated gender bias in a run's log; validations without a face are left out. */
function curveOf(mode: string, log: readonly LogLine[]): BiasCurve {
  const points = log.flatMap(({ iteration, validation }) => {
    const bias = validation?.['bias gender'];
    return typeof bias === 'number' && Number.isFinite(bias) ? [{ iteration, bias }] : [];
  });
  return { mode, points };
}

/** The comparison: each mode with every seed, and the same validation noise for both. */
export async function compareModes(lab: Laboratory): Promise<PartResult> {
  const { modes: budget } = lab.budget;
  const { measure, every, seeds, confidence } = budget;
  const validation = {
    every,
    prompts: measure.prompts,
    imagesPerPrompt: measure.images,
    steps: budget.steps,
  };
  const curves: BiasCurve[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    for (const mode of MODES) {
      const fields = runFields(lab, budget, {
        target: 'gender',
        part: 'text-encoder+unet',
        confidence,
        mode,
        seed,
        validation,
      });
      const run = await lab.train(`modes-${mode}-${seed}`, fields);
      curves.push(curveOf(mode, run.log));
    }
  }
  const measured = curves.filter(({ points }) => points.length > 0);
  const complete = MODES.every((mode) => measured.some((curve) => curve.mode === mode));
  const level = complete ? commonLevel(measured) : Number.NaN;
  const numbers = MODES.flatMap((mode) => {
    const own = measured.filter((curve) => curve.mode === mode);
    if (own.length === 0) return [];
    const reached = own.map((curve) => iterationsTo(curve, level));
    const counted = reached.filter((each) => each !== null);
    const lasts = own.map(({ points }) => points.at(-1)!.bias);
    return [
      resultNumber({
        row: mode,
        measure: 'bias at last',
        ...meanWithInterval(lasts),
        interval: INTERVALS.runs,
      }),
      resultNumber({ row: mode, measure: 'runs that reach the common bias', value: counted.length }),
      ...(counted.length === 0
        ? []
        : [
            resultNumber({
              row: mode,
              measure: 'iterations to the common bias, of those runs',
              ...meanWithInterval(counted),
              interval: INTERVALS.runs,
            }),
          ]),
    ];
  });
  const figure = chartFigure('adjusted-reference', 'Mean over seeds; the band is their range.', (style) =>
    lineChart(
      {
        title: 'Validated gender bias by iteration',
        description:
          'Gender bias on validation prompts while training with the two gradients, mean over seeds.',
        xLabel: 'iteration',
        yLabel: 'gender bias (classifier of the loss)',
        series: MODES.map((mode) => averageCurve(mode, measured)),
        ...(Number.isFinite(level) ? { references: [{ value: level, label: 'common bias' }] } : {}),
        yRange: [0, 0],
      },
      style,
    ),
  );
  const common = Number.isFinite(level) ? level.toFixed(3) : 'not known, for no image had a face';
  return {
    title: 'Adjusted against reference',
    text: [
      `${seeds} seeds, ${sizeInWords(budget)}, text encoder and U-Net, towards equal shares of ` +
        `women and men; validated every ${every} iterations on ${measure.prompts} prompts with ${measure.images} images each, ` +
        "by the loss's classifier on the averaged weights.",
      `The common bias is the larger of the two mean biases at the end: ${common}. Runs that never come down to it are counted, ` +
        'and left out of the mean number of iterations.',
    ],
    numbers,
    figures: [figure],
  };
}

function averageCurve(mode: string, curves: readonly BiasCurve[]) {
  const byIteration = new Map<number, number[]>();
  for (const { points } of curves.filter((curve) => curve.mode === mode)) {
    for (const { iteration, bias } of points) {
      byIteration.set(iteration, [...(byIteration.get(iteration) ?? []), bias]);
    }
  }
  const ordered = [...byIteration].sort(([a], [b]) => a - b);
  return {
    label: mode,
    points: ordered.map(([x, all]) => ({ x, y: all.reduce((sum, bias) => sum + bias, 0) / all.length })),
    band: ordered.map(([x, all]) => ({ x, low: Math.min(...all), high: Math.max(...all) })),
  };
}
