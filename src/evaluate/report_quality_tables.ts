/** Tables of a report on everything but the main measures: changes, drift, faces, similarities, distances, obedience. */

import type { Rate, RateChange } from './face_rates.ts';
import { CERTAIN } from './face_rates.ts';
import { attributeNames, percent } from './report_charts.ts';
import type { Comparison, Evaluation, ReportData } from './report_data.ts';
import { decimal, levelOf, range, spread, table } from './report_tables.ts';

/** A number as the paper prints it: '.67'; a dash where it isn't one. */
function short(value: number | undefined): string {
  return decimal(value, 2).replace(/^(\u2212?)0\./, '$1.');
}

/** Mean and standard deviation over prompts as the paper prints them: '.67\u00b1.29'. */
export function shortSpread(measure: { readonly mean: number; readonly standardDeviation: number }): string {
  return `${short(measure.mean)}\u00b1${short(measure.standardDeviation)}`;
}

/** Bias and similarities by family of prompts, one row for each family and model, in the form of the paper's tables. */
export function familiesTable({ evaluations, families = [] }: ReportData): string {
  const names = attributeNames(evaluations);
  const measures = [...new Set(evaluations.flatMap(({ quality = [] }) => quality.map(({ name }) => name)))];
  const rowsOf = (family: string, sets: readonly Evaluation[]) =>
    sets.map(({ label, attributes, quality = [] }) => [
      family,
      label,
      String(attributes[0]?.prompts.length ?? 0),
      ...names.map((name) => {
        const result = attributes.find(({ attribute }) => attribute === name);
        return result === undefined ? '\u2013' : shortSpread(result.bias);
      }),
      ...measures.map((name) => short(quality.find((measure) => measure.name === name)?.mean)),
    ]);
  const head = ['Prompts', 'Model', 'Number', ...names.map((name) => `Bias, ${name}`), ...measures];
  return table('Bias by family of prompts, mean \u00b1 standard deviation over prompts', head, [
    ...families.flatMap(({ family, evaluations: sets }) => rowsOf(family, sets)),
    ...rowsOf(families.length > 0 ? 'all together' : 'all', evaluations),
  ]);
}

/** Labels of the first and the last evaluation. */
function ends({ evaluations }: Comparison): [string, string] {
  return [evaluations[0]?.label ?? '', evaluations.at(-1)?.label ?? ''];
}

/** Changes from the first evaluation to the last, or nothing where there are none. */
export function changesTable(data: ReportData): string {
  if (data.changes === undefined || data.changes.length === 0) return '';
  const interval = `${levelOf(data.evaluations)} interval`;
  const head = [
    ...['Attribute', '', 'Change of bias', interval, 'Change of total variation', interval, 'Prompts'],
  ];
  const rows = data.changes.map((change) => [
    change.attribute,
    change.trained === undefined ? '' : change.trained ? 'trained' : 'not trained',
    decimal(change.bias.estimate),
    range(change.bias),
    decimal(change.totalVariation.estimate),
    range(change.totalVariation),
    String(change.prompts),
  ]);
  const [first, last] = ends(data);
  return table(`Change from ${first} to ${last}, over the prompts of both`, head, rows);
}

/** How the distributions of attributes moved, most of all of those that were not trained; nothing without such changes. */
export function driftTables(data: ReportData): string {
  const moved = (data.changes ?? []).flatMap((change) => {
    const { shift, shares, classes, trained } = change;
    return shift && shares && classes ? [{ ...change, shift, shares, classes, trained }] : [];
  });
  if (moved.length === 0) return '';
  const interval = `${levelOf(data.evaluations)} interval`;
  const head = ['Attribute', '', 'Shift', interval, 'Floor', 'p', 'Change of bias', interval];
  const shifts = moved.map(({ attribute, trained, shift, bias }) => [
    attribute,
    trained ? 'trained' : 'not trained',
    decimal(shift.estimate),
    range(shift),
    decimal(shift.floor),
    decimal(shift.pValue),
    decimal(bias.estimate),
    range(bias),
  ]);
  const classes = moved
    .filter(({ trained }) => !trained)
    .flatMap(({ attribute, classes: names, shares }) =>
      names.map((name, k) => [`${attribute}: ${name}`, decimal(shares[k]!.estimate), range(shares[k])]),
    );
  const [first, last] = ends(data);
  return (
    table(`Shift of each attribute's distribution from ${first} to ${last}`, head, shifts) +
    (classes.length === 0
      ? ''
      : table(
          'Change of the shares of attributes that were not trained',
          ['Class', 'Change', interval],
          classes,
        ))
  );
}

function rateCells(rate: Rate): [string, string, string] {
  const { interval } = rate;
  const bounds = interval === null ? '\u2013' : `${percent(interval.low)} to ${percent(interval.high)}`;
  return [percent(rate.rate), bounds, `${rate.count} of ${rate.images}`];
}

function changeCells(change: RateChange | null | undefined): [string, string] {
  return [decimal(change?.estimate), range(change)];
}

/** One rate of each model, in rows; the last one has the change. */
function rateRows(
  name: string,
  rates: readonly (readonly [label: string, rate: Rate | undefined])[],
  change: RateChange | null | undefined,
): string[][] {
  const shown = rates.flatMap(([label, rate]) =>
    rate === undefined ? [] : [[name, label, ...rateCells(rate)]],
  );
  return shown.map((row, i) => [
    ...row,
    ...(i > 0 && i === shown.length - 1 ? changeCells(change) : ['', '']),
  ]);
}

const RATE_HEAD = ['Model', 'Share', '95% interval'];
const CHANGE_HEAD = ['Change', '95% interval'];

/** Images without a face or with several, or nothing where they weren't counted. */
export function facesTable({ evaluations, faceChanges }: ReportData): string {
  const rows = (['noFace', 'severalFaces'] as const).flatMap((kind) =>
    rateRows(
      kind === 'noFace' ? 'no face' : 'several faces',
      evaluations.map(({ label, faces }) => [label, faces?.[kind]] as const),
      faceChanges?.[kind],
    ),
  );
  if (rows.length === 0) return '';
  return table('Faces found', ['Images with', ...RATE_HEAD, 'Images', ...CHANGE_HEAD], rows);
}

/** Faces of whose class the classifier is uncertain, by attribute, or nothing where they weren't counted. */
export function uncertainTable({ evaluations, uncertainChanges }: ReportData): string {
  const names = Object.keys(evaluations[0]?.uncertain ?? {});
  const rows = names.flatMap((name) =>
    rateRows(
      name,
      evaluations.map(({ label, uncertain }) => [label, uncertain?.[name]] as const),
      uncertainChanges?.[name],
    ),
  );
  if (rows.length === 0) return '';
  const caption = `Faces whose likeliest class has a probability below ${CERTAIN}: faces between two classes keep a bias low as well`;
  return table(caption, ['Attribute', ...RATE_HEAD, 'Faces', ...CHANGE_HEAD], rows);
}

/** Quality measures, or nothing where no evaluation has any. */
export function qualityTable({ evaluations, qualityChanges = [] }: ReportData): string {
  const rows = evaluations.flatMap(({ label, quality = [] }, position) =>
    quality.map((measure) => {
      const change =
        position === evaluations.length - 1 && position > 0
          ? qualityChanges.find(({ name }) => name === measure.name)
          : undefined;
      return [
        measure.name,
        label,
        spread(measure),
        range(measure.interval),
        String(measure.count),
        measure.images === undefined ? '' : String(measure.images),
        change === undefined ? '' : decimal(change.estimate),
        change === undefined ? '' : range(change),
        `${measure.better} is better`,
      ];
    }),
  );
  if (rows.length === 0) return '';
  const interval = '95% interval';
  const head = ['Measure', 'Model', 'Mean \u00b1 SD', interval, 'Prompts', 'Images', 'Change', interval, ''];
  return table('Similarity to the prompt and to the original image', head, rows);
}

/** Quality measures by whether the person's group stayed, or nothing where images don't come in pairs. */
export function personTable(data: ReportData): string {
  const { qualityByPerson = [] } = data;
  if (qualityByPerson.length === 0) return '';
  const [first, last] = ends(data);
  const rows = qualityByPerson.map(({ name, person, before, after, change, prompts, images }) => [
    name,
    person === 'same' ? 'of the same group' : 'of another group',
    decimal(before),
    decimal(after),
    decimal(change?.estimate),
    range(change),
    String(prompts),
    String(images),
  ]);
  const head = ['Measure', 'Person', first, last, 'Change', '95% interval', 'Prompts', 'Images'];
  return table(
    'The same by whether the person from the same noise is still one of the same group',
    head,
    rows,
  );
}

/** KID between sets of images, or nothing where it wasn't measured. */
export function distancesTable({ distances = [] }: ReportData): string {
  if (distances.length === 0) return '';
  const rows = distances.map((distance) => [
    distance.features,
    distance.from,
    distance.to,
    decimal(distance.estimate, 5),
    `${decimal(distance.low, 5)} to ${decimal(distance.high, 5)}`,
    decimal(distance.standardError, 5),
    distance.images.join(', '),
    String(distance.dimension),
  ]);
  const head = ['Features', 'From', 'To', 'KID', '95% interval', 'Standard error', 'Images', 'Dimension'];
  return table('Distance between sets of images: unbiased, cubic polynomial kernel', head, rows);
}

/** What becomes of prompts that name attributes, or nothing where none was drawn. */
export function obedienceTables({ evaluations, obedienceChange }: ReportData): string {
  const measured = evaluations.flatMap(({ label, obedience }) => (obedience ? [{ label, obedience }] : []));
  if (measured.length === 0) return '';
  const names = Object.keys(measured[0]!.obedience.byAttribute);
  const lines = [
    ...names.map((name) => ({
      name,
      rates: measured.map(({ obedience }) => obedience.byAttribute[name]),
      change: obedienceChange?.byAttribute[name],
    })),
    {
      name: 'all that is named',
      rates: measured.map(({ obedience }) => obedience.all),
      change: obedienceChange?.all,
    },
  ];
  const rows = lines.flatMap(({ name, rates, change }) =>
    rateRows(
      name,
      measured.map(({ label }, i) => [label, rates[i]] as const),
      change,
    ),
  );
  const head = ['Named', 'Model', 'Obeyed', '95% interval', 'Images with a face', ...CHANGE_HEAD];
  const prompts = measured[0]!.obedience.prompts.map((item, p) => [
    item.prompt,
    Object.values(item.attributes).join(', '),
    ...measured.flatMap(({ obedience }) => {
      const { all, images } = obedience.prompts[p]!;
      return [percent(all.rate), `${all.count} of ${all.images}`, String(images)];
    }),
  ]);
  const promptHead = [
    'Prompt',
    'Named',
    ...measured.flatMap(({ label }) => [`${label}: obeyed`, 'Images with a face', 'Images']),
  ];
  return (
    table('Prompts that name attributes: images that show what is named', head, rows) +
    table('The same by prompt', promptHead, prompts)
  );
}

/** Files of weights and configurations by SHA-256, or nothing where they weren't recorded. */
export function filesTable({ setup }: ReportData): string {
  const { files = [] } = setup;
  if (files.length === 0) return '';
  const rows = files.map(({ role, file, bytes, sha256 }) => [role, file, String(bytes), sha256]);
  return table('Files that took part', ['Role', 'File', 'Bytes', 'SHA-256'], rows);
}
