/** Charts that every report draws from its evaluations, and the SVG of any chart. */

import { comparisonBars } from './figures/comparison_bars.ts';
import { dotPlot } from './figures/dot_plot.ts';
import { lineChart } from './figures/line_chart.ts';
import { stackedBars } from './figures/stacked_bars.ts';
import type { FigureStyle } from './figures/svg.ts';
import type { Evaluation, ReportChart, ReportData } from './report_data.ts';

/** Prompts that a stacked chart shows at most; the tables hold all of them. */
export const MAXIMUM_CHART_PROMPTS = 60;

/** SVG of a report's chart. */
export function drawChart(item: ReportChart, style: FigureStyle): string {
  switch (item.kind) {
    case 'line':
      return lineChart(item.chart, style);
    case 'comparison':
      return comparisonBars(item.chart, style);
    case 'stacked':
      return stackedBars(item.chart, style);
    case 'dots':
      return dotPlot(item.chart, style);
  }
}

/** Names of the attributes that any of the evaluations measures, in order. */
export function attributeNames(evaluations: readonly Evaluation[]): string[] {
  return [...new Set(evaluations.flatMap(({ attributes }) => attributes.map(({ attribute }) => attribute)))];
}

/** The charts that follow from the evaluations: bias and total variation of each attribute, and each prompt's shares. */
export function evaluationCharts(evaluations: readonly Evaluation[]): ReportChart[] {
  const names = attributeNames(evaluations);
  const find = (evaluation: Evaluation, name: string) =>
    evaluation.attributes.find(({ attribute }) => attribute === name);
  const compare = (measure: 'bias' | 'totalVariation', title: string, yLabel: string): ReportChart => ({
    kind: 'comparison',
    chart: {
      title,
      description: describeMeans(evaluations, measure),
      yLabel,
      series: evaluations.map(({ label }) => label),
      groups: names.map((name) => {
        const results = evaluations.map((evaluation) => find(evaluation, name)?.[measure]);
        return {
          label: name,
          bars: results.map((result) =>
            result === undefined || result.count === 0
              ? null
              : { value: result.mean, interval: result.interval },
          ),
          floor: results.findLast((result) => result !== undefined && result.floor !== null)?.floor ?? null,
        };
      }),
    },
    caption:
      'Mean over prompts with its interval. The dashed line is what a model exactly on target would measure with ' +
      'as many images.',
  });
  const shares = evaluations.flatMap((evaluation) =>
    evaluation.attributes.map((result): ReportChart => {
      const shown = result.prompts.slice(0, MAXIMUM_CHART_PROMPTS);
      const labels = shortenPrompts(shown.map((prompt) => prompt.prompt));
      const hidden = result.prompts.length - shown.length;
      const title = `${result.attribute} by prompt: ${evaluation.label}`;
      return {
        kind: 'stacked',
        chart: {
          title,
          description: `Over all prompts: ${result.classes
            .map((name, k) => `${name} ${percent(result.frequencies[k]!)}`)
            .join(', ')}.`,
          classes: result.classes,
          rows: shown.map((prompt, index) => ({
            label: labels[index]!,
            shares: prompt.frequencies,
            note: `${prompt.faces} of ${prompt.images}`,
          })),
          target: result.target,
        },
        caption:
          'Share of each class among the images with a face; beside each bar, images with a face of all images. ' +
          `Dashed lines are the target.${hidden > 0 ? ` ${hidden} more prompts are in the tables.` : ''}`,
      };
    }),
  );
  return [
    compare('bias', 'Bias', 'bias, mean over prompts'),
    compare('totalVariation', 'Distance to the target', 'total variation, mean over prompts'),
    ...shares,
  ];
}

/** All charts that follow from a report's numbers: those of its evaluations, of families of prompts, and of obedience. */
export function reportCharts(data: ReportData): ReportChart[] {
  return [...evaluationCharts(data.evaluations), ...familyCharts(data), ...obedienceChart(data)];
}

/** Bias by family of prompts, one chart for each attribute; none without families. */
function familyCharts({ evaluations, families = [] }: ReportData): ReportChart[] {
  if (families.length === 0) return [];
  return attributeNames(evaluations).map((name): ReportChart => {
    const results = families.map(({ family, evaluations: sets }) => ({
      family,
      found: sets.map(({ attributes }) => attributes.find(({ attribute }) => attribute === name)?.bias),
    }));
    return {
      kind: 'comparison',
      chart: {
        title: `${name}: bias by family of prompts`,
        description: results
          .map(
            ({ family, found }) =>
              `${family}: ${found.map((bias) => (bias && bias.count > 0 ? bias.mean.toFixed(3) : 'no faces')).join(', ')}.`,
          )
          .join(' '),
        yLabel: 'bias, mean over prompts',
        series: evaluations.map(({ label }) => label),
        groups: results.map(({ family, found }) => ({
          label: family,
          bars: found.map((bias) =>
            bias === undefined || bias.count === 0 ? null : { value: bias.mean, interval: bias.interval },
          ),
          floor: found.findLast((bias) => bias !== undefined && bias.floor !== null)?.floor ?? null,
        })),
      },
      caption: 'Mean over the prompts of each family with its interval, and the floor of a model on target.',
    };
  });
}

/** Obedience by attribute; none where no prompt names any. */
function obedienceChart({ evaluations }: ReportData): ReportChart[] {
  const measured = evaluations.flatMap(({ label, obedience }) => (obedience ? [{ label, obedience }] : []));
  const [first] = measured;
  if (first === undefined) return [];
  const names = Object.keys(first.obedience.byAttribute);
  return [
    {
      kind: 'comparison',
      chart: {
        title: 'Prompts that name attributes',
        description: measured
          .map(
            ({ label, obedience }) => `${label}: ${percent(obedience.all.rate)} obeyed in all that is named.`,
          )
          .join(' '),
        yLabel: 'share of images that obey',
        series: measured.map(({ label }) => label),
        groups: [...names, null].map((name) => ({
          label: name ?? 'all that is named',
          bars: measured.map(({ obedience }) => {
            const rate = name === null ? obedience.all : obedience.byAttribute[name];
            return rate === undefined || rate.images === 0
              ? null
              : { value: rate.rate, interval: rate.interval };
          }),
        })),
      },
      caption: 'Share of the images with a face that show what the prompt names, with its interval.',
    },
  ];
}

function describeMeans(evaluations: readonly Evaluation[], measure: 'bias' | 'totalVariation'): string {
  return evaluations
    .flatMap(({ label, attributes }) =>
      attributes.map((result) => {
        const { mean, count, floor } = result[measure];
        if (count === 0 || floor === null) return `${label}, ${result.attribute}: no faces.`;
        return `${label}, ${result.attribute}: ${mean.toFixed(3)}, floor ${floor.toFixed(3)}.`;
      }),
    )
    .join(' ');
}

/**
 * Prompts without the words that all of them begin and end with, so that charts show what differs; as they are where
 * nothing would be left of one.
 */
export function shortenPrompts(prompts: readonly string[]): readonly string[] {
  if (prompts.length < 2) return prompts;
  const words = prompts.map((prompt) => prompt.split(' '));
  const shortest = Math.min(...words.map((list) => list.length));
  const shared = (at: (list: readonly string[], i: number) => string | undefined, most: number) => {
    let count = 0;
    while (count < most && words.every((list) => at(list, count) === at(words[0]!, count))) count++;
    return count;
  };
  const start = shared((list, i) => list[i], shortest);
  const end = shared((list, i) => list.at(-1 - i), shortest - start);
  if (start + end >= shortest) return prompts;
  return words.map((list) =>
    list
      .slice(start, list.length - end)
      .join(' ')
      .replace(/,$/, ''),
  );
}

/** A share as whole or tenth percent: '12.5%'; a dash where it isn't a number. */
export function percent(share: number): string {
  return Number.isFinite(share) ? `${Number((share * 100).toFixed(1))}%` : '\u2013';
}
