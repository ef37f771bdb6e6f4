/** The report of a finetuning: bias before and after, the training curve, and images from the same noise side by side. */

import { createGenerator } from '../diffusion/noise.ts';
import type { AttributeHead } from '../faces/index.ts';
import type { TargetDistribution } from '../fairness/index.ts';
import type { AttributeResult } from './attribute_result.ts';
import { compareAttribute } from './comparison.ts';
import type { Evaluation, JudgedImage } from './evaluate.ts';
import { measureEvaluation } from './evaluate.ts';
import { contactSheet } from './figures.ts';
import type { ReportChart, ReportData, ReportImage, Setup } from './report_data.ts';

/** One point of a training curve. */
export interface CurvePoint {
  readonly iteration: number;
  readonly loss: number;
  /** Bias of the iteration's images by the loss's classifier, and of validation where there was one. */
  readonly bias: number;
  readonly validation: number | null;
}

/** What the report is made from. */
export interface ComparisonInput {
  readonly title: string;
  readonly summary: string;
  readonly setup: Setup;
  readonly before: Evaluation;
  readonly after: Evaluation;
  /** Targets whose attributes are measured, the trained one first. */
  readonly targets: readonly TargetDistribution[];
  readonly curve: readonly CurvePoint[];
  readonly notes: readonly string[];
  readonly created: string;
}

/** The report, and the measures of the trained attribute. */
export interface ComparisonReport {
  readonly data: ReportData;
  readonly before: AttributeResult;
  readonly after: AttributeResult;
}

/** Measures both evaluations for every target and draws the figures. */
export async function comparisonReport(input: ComparisonInput): Promise<ComparisonReport> {
  const measured = input.targets.map((target) => ({
    before: measureEvaluation(input.before, target),
    after: measureEvaluation(input.after, target),
  }));
  const changes = measured.map(({ before, after }, i) =>
    compareAttribute(before, after, {
      random: createGenerator({ seed: i, stream: 'bootstrap of changes' }).uniform,
    }),
  );
  const trained = input.targets[0]!.attributes[0]!.name;
  const { kept } = input.before;
  const head = input.before.attributes.find(({ name }) => name === trained)!;
  const data: ReportData = {
    title: input.title,
    summary: input.summary,
    created: input.created,
    setup: input.setup,
    evaluations: [
      { label: 'original', attributes: measured.map(({ before }) => before) },
      { label: 'fine-tuned', attributes: measured.map(({ after }) => after) },
    ],
    changes,
    charts: input.curve.length === 0 ? [] : [trainingCurve(input.curve, trained)],
    images: kept.length === 0 ? [] : [await beforeAfterSheet(kept, input.after.kept, head)],
    notes: input.notes,
  };
  return { data, before: measured[0]!.before, after: measured[0]!.after };
}

function trainingCurve(curve: readonly CurvePoint[], attribute: string): ReportChart {
  const line = (label: string, read: (point: CurvePoint) => number | null, smoothing: number) => ({
    label,
    smoothing,
    points: curve.flatMap((point) => {
      const y = read(point);
      return y === null ? [] : [{ x: point.iteration, y }];
    }),
  });
  const validated = curve.some(({ validation }) => validation !== null);
  return {
    kind: 'line',
    caption: `Loss and ${attribute} bias of each iteration's images, and bias on the fixed validation noise.`,
    chart: {
      title: 'Training',
      description: `Training loss and ${attribute} bias by iteration`,
      xLabel: 'iteration',
      yLabel: 'value',
      yRange: [0, 1],
      series: [
        line('loss', ({ loss }) => loss, 0.9),
        line(`${attribute} bias, training prompts`, ({ bias }) => bias, 0.9),
        ...(validated ? [line(`${attribute} bias, validation`, ({ validation }) => validation, 0)] : []),
      ],
    },
  };
}

/**
 * Contact sheet of paired images: a row of originals, below it the fine-tuned model's images from the same noise, prompt by
 * prompt, each with the predicted class and its confidence (as in figure 8 of the specification).
 */
export async function beforeAfterSheet(
  before: readonly JudgedImage[],
  after: readonly JudgedImage[],
  head: AttributeHead,
): Promise<ReportImage> {
  const prompts = [...new Set(before.map(({ prompt }) => prompt))];
  const columns = Math.max(
    ...prompts.map((prompt) => before.filter((image) => image.prompt === prompt).length),
  );
  const tile = (judged: JudgedImage, label: string) => {
    const found = judged.attributes[head.name];
    const bar = found ? { class: head.classes.indexOf(found.name), confidence: found.probability } : null;
    return { ...judged.image, caption: `${label} ${judged.seed}`, bars: [bar] };
  };
  const tiles = prompts.flatMap((prompt) => [
    ...before.filter((image) => image.prompt === prompt).map((image) => tile(image, 'before')),
    ...after.filter((image) => image.prompt === prompt).map((image) => tile(image, 'after')),
  ]);
  const subjects = prompts.map((prompt) => `"${prompt}"`).join(', ');
  const png = await contactSheet({
    title: 'Before and after, from the same noise',
    subtitle: 'rows in pairs: the original model above, the fine-tuned one below',
    attributes: [head],
    tiles,
    columns,
    tileSize: 96,
  });
  return {
    png,
    alternative: `Images of the original and the fine-tuned model from the same noise for ${subjects}`,
    caption: `Prompts from top to bottom: ${subjects}.`,
  };
}
