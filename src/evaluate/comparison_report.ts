/** The report of a finetuning: bias before and after, the training curve, and images from the same noise side by side. */

import type { TargetDistribution } from '../fairness/index.ts';
import type { AttributeResult } from './attribute_result.ts';
import type { Evaluation } from './evaluate.ts';
import { evaluationReport } from './evaluation_report.ts';
import type { ReportChart, ReportData, Setup } from './report_data.ts';

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
  /** Lengths of the features that both evaluations hold by encoder, and CLIP's embeddings of the prompts. */
  readonly dimensions?: Readonly<Record<string, number>>;
  readonly texts?: ReadonlyMap<string, Float32Array>;
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
  const { before, after, curve, ...rest } = input;
  const trained = input.targets[0]!.attributes[0]!.name;
  const data = await evaluationReport({
    ...rest,
    models: [
      { label: 'original', evaluation: before },
      { label: 'fine-tuned', evaluation: after },
    ],
    charts: curve.length === 0 ? [] : [trainingCurve(curve, trained)],
  });
  const [first, last] = data.evaluations;
  return { data, before: first!.attributes[0]!, after: last!.attributes[0]! };
}

/** Chart of a training curve. */
export function trainingCurve(curve: readonly CurvePoint[], attribute: string): ReportChart {
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
