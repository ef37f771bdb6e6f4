/** Tables of a report for spreadsheets, as CSV (RFC 4180). */

import type { Evaluation, ImageRow, ReportData } from './report_data.ts';
import { EXPLICIT_FAMILY } from './report_data.ts';

/** A cell of a table: missing values and numbers that aren't finite stay empty. */
export type Cell = string | number | null | undefined;

/**
 * A CSV cell (RFC 4180). Text that a spreadsheet would run as a formula is kept text by an apostrophe before it.
 */
function csvCell(cell: Cell): string {
  if (cell === null || cell === undefined) return '';
  if (typeof cell === 'number') return Number.isFinite(cell) ? String(cell) : '';
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** CSV of rows of cells (RFC 4180). */
export function csv(rows: readonly (readonly Cell[])[]): string {
  return rows.map((row) => `${row.map(csvCell).join(',')}\r\n`).join('');
}

/** CSV of the main table: one row for each evaluation and attribute, over all prompts and by family where there are several. */
export function summaryCsv({ evaluations, families = [] }: ReportData): string {
  const measures = ['bias', 'total_variation'].flatMap((name) =>
    ['mean', 'standard_deviation', 'low', 'high', 'floor'].map((part) => `${name}_${part}`),
  );
  const head = ['evaluation', 'family', 'attribute', ...measures];
  const rowsOf = (family: string, sets: readonly Evaluation[]) =>
    sets.flatMap(({ label, attributes, uncertain }) =>
      attributes.map((result): Cell[] => [
        label,
        family,
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
        uncertain?.[result.attribute]?.rate,
      ]),
    );
  return csv([
    [...head, 'no_face_rate', 'images', 'faces', 'prompts', 'uncertain_rate'],
    ...rowsOf('all', evaluations),
    ...families.flatMap(({ family, evaluations: sets }) => rowsOf(family, sets)),
  ]);
}

/** CSV of every count: one row for each evaluation, attribute, prompt and class. */
export function countsCsv(data: ReportData): string {
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

/** Names in the order of their first appearance in the rows' records. */
function keysOf(records: readonly Readonly<Record<string, unknown>>[]): string[] {
  return [...new Set(records.flatMap((record) => Object.keys(record)))];
}

/** A name as part of a column's: lower case, words joined by underscores. */
function columnName(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_');
}

/** CSV of every image: prompt, seed, faces, and class and probability by attribute; one row an image. */
export function imagesCsv({ rows = [] }: ReportData): string {
  const attributes = keysOf(rows.map((row) => row.attributes));
  const similarities = keysOf(rows.map((row) => row.similarities));
  const head = [
    ...['evaluation', 'family', 'prompt', 'seed', 'faces'],
    ...attributes.flatMap((name) => [columnName(name), `${columnName(name)}_probability`]),
    ...similarities.map(columnName),
  ];
  const cells = rows.map((row): Cell[] => [
    ...[row.evaluation, row.family, row.prompt, row.seed, row.faces],
    ...attributes.flatMap((name) => [row.attributes[name]?.name, row.attributes[name]?.probability]),
    ...similarities.map((name) => row.similarities[name]),
  ]);
  return csv([head, ...cells]);
}

/**
 * CSV of every prompt: faces, bias, distance and shares by attribute, mean similarities, and for prompts that name
 * attributes the share of images that obey; one row a prompt and model.
 */
export function promptsCsv({ evaluations, rows = [] }: ReportData): string {
  const results = new Map(
    evaluations.flatMap(({ attributes }) => attributes.map((result) => [result.attribute, result] as const)),
  );
  const similarities = keysOf(rows.map((row) => row.similarities));
  const byPrompt = new Map<string, ImageRow[]>();
  for (const row of rows) {
    const key = JSON.stringify([row.evaluation, row.prompt]);
    const known = byPrompt.get(key);
    if (known === undefined) byPrompt.set(key, [row]);
    else known.push(row);
  }
  const head = [
    ...['evaluation', 'family', 'prompt', 'images', 'faces', 'several_faces'],
    ...[...results.values()].flatMap(({ attribute, classes }) => [
      ...['bias', 'total_variation'].map((name) => `${columnName(attribute)}_${name}`),
      ...classes.map((name) => `${columnName(attribute)}_${columnName(name)}`),
    ]),
    ...similarities.map(columnName),
    'obeyed',
  ];
  const shownOf = (label: string, prompt: string) => byPrompt.get(JSON.stringify([label, prompt])) ?? [];
  const several = (shown: readonly ImageRow[]) =>
    shown.length === 0 ? undefined : shown.filter((row) => row.faces > 1).length;
  const measured = evaluations.flatMap(({ label, attributes }) => {
    const [first] = attributes;
    return (first?.prompts ?? []).map(({ prompt, images, faces }, p): Cell[] => {
      const shown = shownOf(label, prompt);
      return [
        ...[label, shown[0]?.family, prompt, images, faces, several(shown)],
        ...[...results.values()].flatMap(({ attribute, classes }): Cell[] => {
          const found = attributes.find((result) => result.attribute === attribute)?.prompts[p];
          return [found?.bias, found?.totalVariation, ...classes.map((_, k) => found?.frequencies[k])];
        }),
        ...similarities.map((name) => meanOf(shown, name)),
        undefined,
      ];
    });
  });
  const width = head.length - 7 - similarities.length;
  const explicit = evaluations.flatMap(({ label, obedience }) =>
    (obedience?.prompts ?? []).map(({ prompt, images, all }): Cell[] => {
      const shown = shownOf(label, prompt);
      return [
        ...[label, EXPLICIT_FAMILY, prompt, images, all.images, several(shown)],
        ...new Array<undefined>(width).fill(undefined),
        ...similarities.map((name) => meanOf(shown, name)),
        all.rate,
      ];
    }),
  );
  return csv([head, ...measured, ...explicit]);
}

function meanOf(rows: readonly ImageRow[], name: string): number | undefined {
  const values = rows.flatMap((row) => row.similarities[name] ?? []);
  if (values.length === 0) return undefined;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
