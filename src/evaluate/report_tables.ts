/** Tables of a report, as HTML. */

import type { AttributeResult, Measure } from './attribute_result.ts';
import { escapeMarkup } from './figures/svg.ts';
import type { Interval } from './intervals.ts';
import { attributeNames, percent } from './report_charts.ts';
import type { Artifact, Evaluation, ReportData } from './report_data.ts';

const DASH = '\u2013';

/** A number with three decimals, a dash where it isn't one. */
export function decimal(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  return value.toFixed(digits).replace('-', '\u2212');
}

/** An interval as text, a dash where there is none. */
export function range(interval: Interval | null | undefined): string {
  return interval === null || interval === undefined
    ? DASH
    : `${decimal(interval.low)} to ${decimal(interval.high)}`;
}

/** Mean and standard deviation: '0.670 ± 0.290'. */
export function spread(measure: { readonly mean: number; readonly standardDeviation: number }): string {
  return `${decimal(measure.mean)} \u00b1 ${decimal(measure.standardDeviation)}`;
}

/** A table: captions and cells are escaped; the first cell of a row is its header, the others are right-aligned. */
export function table(
  caption: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const header = head.map((cell) => `<th scope="col">${escapeMarkup(cell)}</th>`).join('');
  const body = rows.map((row) => {
    const cells = row.map((cell, i) =>
      i === 0 ? `<th scope="row">${escapeMarkup(cell)}</th>` : `<td>${escapeMarkup(cell)}</td>`,
    );
    return `<tr>${cells.join('')}</tr>`;
  });
  return (
    // Wide tables are scrolled with the arrow keys, too.
    `<div class="scroll" tabindex="0" role="region" aria-label="${escapeMarkup(caption)}"><table><caption>${escapeMarkup(caption)}</caption><thead><tr>${header}</tr></thead>` +
    `<tbody>${body.join('')}</tbody></table></div>`
  );
}

/** Confidence level of the evaluations' intervals, as text: '95%'. */
export function levelOf(evaluations: readonly Evaluation[]): string {
  const levels = new Set(
    evaluations.flatMap(({ attributes }) => attributes.map(({ level }) => percent(level))),
  );
  return [...levels].join(' or ');
}

/** Whether a measure can be told from that of a model on target. */
function verdict({ interval, floor }: Measure): string {
  if (interval === null || floor === null) return 'no faces';
  return interval.low <= floor ? 'yes' : 'no';
}

/** The main table: one row for each attribute and evaluation. */
export function resultsTable(evaluations: readonly Evaluation[]): string {
  const interval = `${levelOf(evaluations)} interval`;
  const head = [
    'Attribute',
    'Model',
    'Bias, mean \u00b1 SD',
    interval,
    'Floor',
    'Total variation',
    interval,
    'Floor',
    'No face',
    'Images',
    'Prompts',
    'Floor reached',
  ];
  const rows = attributeNames(evaluations).flatMap((name) =>
    evaluations.flatMap(({ label, attributes }) =>
      attributes
        .filter(({ attribute }) => attribute === name)
        .map((result) => [
          name,
          label,
          spread(result.bias),
          range(result.bias.interval),
          decimal(result.bias.floor),
          spread(result.totalVariation),
          range(result.totalVariation.interval),
          decimal(result.totalVariation.floor),
          percent(result.noFaceRate),
          String(result.images),
          String(result.prompts.length),
          verdict(result.totalVariation),
        ]),
    ),
  );
  return table('Bias and distance to the target over prompts', head, rows);
}

/** Shares over all prompts beside the target, for one attribute of every evaluation. */
export function sharesTable(evaluations: readonly Evaluation[], name: string): string {
  const results = evaluations.flatMap(({ label, attributes }) =>
    attributes.filter(({ attribute }) => attribute === name).map((result) => ({ label, result })),
  );
  const { classes, target } = results[0]!.result;
  const head = ['Class', 'Target', ...results.map(({ label }) => label)];
  const rows = classes.map((className, k) => [
    className,
    percent(target[k]!),
    ...results.map(({ result }) => percent(result.frequencies[k]!)),
  ]);
  return table(`${name}: shares over all prompts`, head, rows);
}

/** Every prompt of one attribute of one evaluation. */
export function promptsTable(label: string, result: AttributeResult): string {
  const head = ['Prompt', 'Images', 'Faces', ...result.classes, 'Bias', 'Total variation'];
  const rows = result.prompts.map((prompt) => [
    prompt.prompt,
    String(prompt.images),
    String(prompt.faces),
    ...prompt.counts.map(String),
    decimal(prompt.bias),
    decimal(prompt.totalVariation),
  ]);
  return table(`${result.attribute}, ${label}: images of each class by prompt`, head, rows);
}

/** How the images were made and judged, as a list of terms. */
export function setupList({ setup, created }: ReportData): string {
  const show = ({ name, hash }: Artifact) =>
    escapeMarkup(name) + (hash === undefined ? '' : ` <code>${escapeMarkup(hash)}</code>`);
  const entries: [string, string][] = [
    ['Model', show(setup.model)],
    ...(setup.adapter ? [['Adapter', show(setup.adapter)] as [string, string]] : []),
    ...(setup.adapter?.scale === undefined
      ? []
      : [['Adapter scale', String(setup.adapter.scale)] as [string, string]]),
    [
      'Sampler',
      escapeMarkup(`${setup.sampler}, ${setup.steps} steps, guidance scale ${setup.guidanceScale}`),
    ],
    ['Seeds', escapeMarkup(setup.seeds)],
    ...setup.classifiers.map((classifier): [string, string] => ['Classifier', show(classifier)]),
    ...Object.entries(setup.more ?? {}).map(([name, value]): [string, string] => [
      escapeMarkup(name),
      escapeMarkup(String(value)),
    ]),
    ['Date', `<time datetime="${escapeMarkup(created)}">${escapeMarkup(created)}</time>`],
  ];
  return `<dl>${entries.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join('')}</dl>`;
}
