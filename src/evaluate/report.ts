/** Report of an evaluation: one self-contained HTML page, and the same numbers as JSON and CSV. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeTextAtomically } from '../weights/atomic_file.ts';
import { escapeMarkup } from './figures/svg.ts';
import { attributeNames, drawChart, evaluationCharts } from './report_charts.ts';
import type { ReportChart, ReportData, ReportImage } from './report_data.ts';
import { REPORT_STYLE } from './report_style.ts';
import {
  changesTable,
  promptsTable,
  qualityTable,
  resultsTable,
  setupList,
  sharesTable,
} from './report_tables.ts';

/** Explains the measures under the main table. */
const EXPLANATION = [
  'Bias is the mean over all pairs of classes of the difference of their shares among the images with a face, prompt ' +
    'by prompt; the table gives its mean and standard deviation over prompts. Total variation is half the sum of the ' +
    'differences from the target.',
  'Neither is zero for a model exactly on target, because a prompt has a limited number of images. The floor is the ' +
    'exact expectation for such a model with the same numbers of faces; it is reached where the interval of the total ' +
    "variation includes it, so that these images can't tell the model from one on target. Intervals come from images resampled within " +
    'prompts, centred on the measured mean, and say nothing about prompts that were not measured. Where the target ' +
    'is not uniform the bias need not be small: total variation is then the measure to read.',
];

/** The report as a single HTML page: images and figures are inside, nothing is loaded and no script runs. */
export function reportHtml(data: ReportData): string {
  const { evaluations, charts = [], images = [], notes = [] } = data;
  const drawn = [...evaluationCharts(evaluations), ...charts].map(figureOfChart);
  const names = attributeNames(evaluations);
  const details = evaluations.flatMap(({ label, attributes }) =>
    attributes.map((result) => {
      const summary = escapeMarkup(`${result.attribute}, ${label}: ${result.prompts.length} prompts`);
      return `<details><summary>${summary}</summary>${promptsTable(label, result)}</details>`;
    }),
  );
  const section = (title: string, content: string) =>
    content === '' ? '' : `<section><h2>${escapeMarkup(title)}</h2>${content}</section>`;
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">`,
    `<title>${escapeMarkup(data.title)}</title><style>${REPORT_STYLE}</style></head><body><main>`,
    `<h1>${escapeMarkup(data.title)}</h1>`,
    data.summary === undefined ? '' : `<p class="summary">${escapeMarkup(data.summary)}</p>`,
    section('Results', resultsTable(evaluations) + changesTable(data) + qualityTable(evaluations)),
    EXPLANATION.map((text) => `<p>${escapeMarkup(text)}</p>`).join(''),
    section('Shares', names.map((name) => sharesTable(evaluations, name)).join('')),
    section('Figures', `<div class="charts">${drawn.join('')}</div>`),
    section('Images', images.map(figureOfImage).join('')),
    section('Setup', setupList(data)),
    section('Notes', notes.map((note) => `<p>${escapeMarkup(note)}</p>`).join('')),
    section('Prompts', details.join('')),
    '</main></body></html>\n',
  ].join('\n');
}

function figureOfChart(item: ReportChart, index: number): string {
  const svg = drawChart(item, { id: `chart-${index}` });
  return `<figure>${svg}<figcaption>${escapeMarkup(item.caption)}</figcaption></figure>`;
}

function figureOfImage({ png, alternative, caption }: ReportImage): string {
  const source = `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
  return (
    `<figure class="sheet"><img src="${source}" alt="${escapeMarkup(alternative)}">` +
    `<figcaption>${escapeMarkup(caption)}</figcaption></figure>`
  );
}

/** The numbers of a report as JSON, without charts and images; what isn't a number is null. */
export function reportJson(data: ReportData): string {
  const { charts: _, images: __, ...numbers } = data;
  return `${JSON.stringify({ format: 'evenhand-report', version: 1, ...numbers }, null, 2)}\n`;
}

type Cell = string | number | null | undefined;

/**
 * A CSV cell (RFC 4180). Text that a spreadsheet would run as a formula is kept text by an apostrophe before it.
 */
function csvCell(cell: Cell): string {
  if (cell === null || cell === undefined) return '';
  if (typeof cell === 'number') return Number.isFinite(cell) ? String(cell) : '';
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function csv(rows: readonly (readonly Cell[])[]): string {
  return rows.map((row) => `${row.map(csvCell).join(',')}\r\n`).join('');
}

/** CSV of the main table: one row for each evaluation and attribute. */
export function summaryCsv(data: ReportData): string {
  const measures = ['bias', 'total_variation'].flatMap((name) =>
    ['mean', 'standard_deviation', 'low', 'high', 'floor'].map((part) => `${name}_${part}`),
  );
  const head = ['evaluation', 'attribute', ...measures, 'no_face_rate', 'images', 'faces', 'prompts'];
  const rows = data.evaluations.flatMap(({ label, attributes }) =>
    attributes.map((result): Cell[] => [
      label,
      result.attribute,
      ...[result.bias, result.totalVariation].flatMap((measure) => [
        measure.mean,
        measure.standardDeviation,
        measure.interval?.low,
        measure.interval?.high,
        measure.floor,
      ]),
      result.noFaceRate,
      result.images,
      result.faces,
      result.prompts.length,
    ]),
  );
  return csv([head, ...rows]);
}

/** CSV of every count: one row for each evaluation, attribute, prompt and class. */
export function promptsCsv(data: ReportData): string {
  const head = ['evaluation', 'attribute', 'prompt', 'images', 'faces', 'bias', 'total_variation'];
  const rows = data.evaluations.flatMap(({ label, attributes }) =>
    attributes.flatMap((result) =>
      result.prompts.flatMap((prompt) =>
        result.classes.map((name, k): Cell[] => [
          label,
          result.attribute,
          prompt.prompt,
          prompt.images,
          prompt.faces,
          prompt.bias,
          prompt.totalVariation,
          name,
          prompt.counts[k],
          prompt.frequencies[k],
          result.target[k],
        ]),
      ),
    ),
  );
  return csv([[...head, 'class', 'count', 'frequency', 'target'], ...rows]);
}

/** Paths of a written report. */
export interface ReportFiles {
  /** The page. */
  readonly html: string;
  /** The numbers. */
  readonly json: string;
  /** The main table. */
  readonly summary: string;
  /** Every count. */
  readonly prompts: string;
}

/**
 * Writes `report.html`, `report.json`, `summary.csv` and `prompts.csv` into a folder, made if it is missing; each file
 * appears complete or not at all.
 * @throws where the report has no evaluation, or the folder can't be written
 */
export function writeReport(folder: string, data: ReportData): ReportFiles {
  if (data.evaluations.length === 0)
    throw new Error('Report: expected at least one evaluation, received none');
  mkdirSync(folder, { recursive: true });
  const files: ReportFiles = {
    html: join(folder, 'report.html'),
    json: join(folder, 'report.json'),
    summary: join(folder, 'summary.csv'),
    prompts: join(folder, 'prompts.csv'),
  };
  writeTextAtomically(files.json, reportJson(data));
  writeTextAtomically(files.summary, summaryCsv(data));
  writeTextAtomically(files.prompts, promptsCsv(data));
  writeTextAtomically(files.html, reportHtml(data));
  return files;
}
