/** Report of an evaluation: one self-contained HTML page, and the same numbers as JSON and CSV. */

import { join } from 'node:path';
import { writeTextAtomically } from '../weights/atomic_file.ts';
import { makeFolder } from '../weights/make_folder.ts';
import { escapeMarkup } from './figures/svg.ts';
import { attributeNames, drawChart, reportCharts } from './report_charts.ts';
import { countsCsv, imagesCsv, promptsCsv, summaryCsv } from './report_csv.ts';
import type { ReportChart, ReportData, ReportImage } from './report_data.ts';
import {
  changesTable,
  distancesTable,
  driftTables,
  facesTable,
  familiesTable,
  filesTable,
  obedienceTables,
  personTable,
  qualityTable,
  uncertainTable,
} from './report_quality_tables.ts';
import { REPORT_STYLE } from './report_style.ts';
import { promptsTable, resultsTable, setupList, sharesTable } from './report_tables.ts';

export { countsCsv, imagesCsv, promptsCsv, summaryCsv } from './report_csv.ts';

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

/** Explains the measures beside bias, each shown where its table is. */
const NOTES = Object.freeze({
  drift:
    'The shift is the total variation between the mean distributions before and after. Images from the same noise are ' +
    'compared in pairs: the floor is the shift on average if before and after are exchanged at random, and p says how ' +
    'often such an exchange shifts as much or more. A small p for an attribute that was not trained is drift.',
  quality:
    'CLIP-T is the cosine between the embeddings of an image and of its prompt; CLIP-I and DINO are cosines between ' +
    'an image and the original image from the same noise. Intervals come from images resampled within prompts.',
  person:
    'A pair is the original image and the one from the same noise; the group is the class in every attribute that the classifier ' +
    'knows, and pairs without a face in both are left out. An encoder may find some people less like a prompt than others, so that ' +
    'CLIP-T changes with who is shown though nothing else does: pairs of the same group tell what became of the rest.',
  distances:
    'The estimate is unbiased, so that it lies about zero, above or below, where two sets follow one distribution. ' +
    'Between two models, images from the same noise count as pairs. Intervals come from the jackknife.',
  obedience:
    'Images of prompts that name attributes, judged by the same classifier; those without a face are left out.',
});

/** The report as a single HTML page: images and figures are inside, nothing is loaded and no script runs. */
export function reportHtml(data: ReportData): string {
  const { evaluations, charts = [], images = [], notes = [] } = data;
  const drawn = [...reportCharts(data), ...charts].map(figureOfChart);
  const names = attributeNames(evaluations);
  const details = evaluations.flatMap(({ label, attributes }) =>
    attributes.map((result) => {
      const summary = escapeMarkup(`${result.attribute}, ${label}: ${result.prompts.length} prompts`);
      return `<details><summary>${summary}</summary>${promptsTable(label, result)}</details>`;
    }),
  );
  const section = (title: string, content: string) =>
    content === '' ? '' : `<section><h2>${escapeMarkup(title)}</h2>${content}</section>`;
  const explained = (title: string, content: string, note: string) =>
    section(title, content === '' ? '' : `${content}<p>${escapeMarkup(note)}</p>`);
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">`,
    `<title>${escapeMarkup(data.title)}</title><style>${REPORT_STYLE}</style></head><body><main>`,
    `<h1>${escapeMarkup(data.title)}</h1>`,
    data.summary === undefined ? '' : `<p class="summary">${escapeMarkup(data.summary)}</p>`,
    section('Results', familiesTable(data) + resultsTable(evaluations) + changesTable(data)),
    EXPLANATION.map((text) => `<p>${escapeMarkup(text)}</p>`).join(''),
    explained('Drift', driftTables(data), NOTES.drift),
    explained('Prompts that name attributes', obedienceTables(data), NOTES.obedience),
    explained('Image similarity', qualityTable(data), NOTES.quality),
    explained('Image similarity and the person shown', personTable(data), NOTES.person),
    explained('Image distance', distancesTable(data), NOTES.distances),
    section('Faces', facesTable(data) + uncertainTable(data)),
    section('Shares', names.map((name) => sharesTable(evaluations, name)).join('')),
    section('Figures', `<div class="charts">${drawn.join('')}</div>`),
    section('Images', images.map(figureOfImage).join('')),
    section('Setup', setupList(data) + filesTable(data)),
    section('Notes', notes.map((note) => `<p>${escapeMarkup(note)}</p>`).join('')),
    section('Prompts', details.join('')),
    '</main></body></html>\n',
  ].join('\n');
}

function figureOfChart(item: ReportChart, index: number): string {
  const svg = drawChart(item, { id: `chart-${index}` });
  return `<figure>${svg}<figcaption>${escapeMarkup(item.caption)}</figcaption></figure>`;
}

function figureOfImage({ png, darkPng, alternative, caption }: ReportImage): string {
  const source = (bytes: Uint8Array) => `data:image/png;base64,${Buffer.from(bytes).toString('base64')}`;
  const image = `<img src="${source(png)}" alt="${escapeMarkup(alternative)}">`;
  const picture =
    darkPng === undefined
      ? image
      : `<picture><source media="(prefers-color-scheme: dark)" srcset="${source(darkPng)}"/>${image}</picture>`;
  return `<figure class="sheet">${picture}<figcaption>${escapeMarkup(caption)}</figcaption></figure>`;
}

/**
 * The numbers of a report as JSON, those of its charts and contact sheets too; what isn't a number is null. Images
 * themselves and the rows of `images.csv` are left out.
 */
export function reportJson(data: ReportData): string {
  const { images = [], rows: _, ...numbers } = data;
  const described = images.map(({ png: __, darkPng: ___, ...rest }) => rest);
  const content = { format: 'evenhand-report', version: 1, ...numbers, images: described };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** Paths of a written report. */
export interface ReportFiles {
  /** The page. */
  readonly html: string;
  /** The numbers. */
  readonly json: string;
  /** The main table. */
  readonly summary: string;
  /** Every prompt, one row a prompt. */
  readonly prompts: string;
  /** Every count, one row a class. */
  readonly counts: string;
  /** Every image; null where the report holds none. */
  readonly images: string | null;
}

/**
 * Writes `report.html`, `report.json`, `summary.csv`, `prompts.csv`, `counts.csv` and, where the report holds images' rows,
 * `images.csv` into a folder, made if it is missing; each file appears complete or not at all.
 * @throws where the report has no evaluation, or the folder can't be written
 */
export function writeReport(folder: string, data: ReportData): ReportFiles {
  if (data.evaluations.length === 0)
    throw new Error('Report: expected at least one evaluation, received none');
  makeFolder(folder);
  const files: ReportFiles = {
    html: join(folder, 'report.html'),
    json: join(folder, 'report.json'),
    summary: join(folder, 'summary.csv'),
    prompts: join(folder, 'prompts.csv'),
    counts: join(folder, 'counts.csv'),
    images: data.rows === undefined ? null : join(folder, 'images.csv'),
  };
  writeTextAtomically(files.json, reportJson(data));
  writeTextAtomically(files.summary, summaryCsv(data));
  writeTextAtomically(files.prompts, promptsCsv(data));
  writeTextAtomically(files.counts, countsCsv(data));
  if (files.images !== null) writeTextAtomically(files.images, imagesCsv(data));
  writeTextAtomically(files.html, reportHtml(data));
  return files;
}
