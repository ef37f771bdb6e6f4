/** The results of the reproduction as files: JSON, CSV, figures, and a page that puts them together. */

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { csv } from '../../evaluate/report_csv.ts';
import { writeFileAtomically, writeFully, writeTextAtomically } from '../../weights/atomic_file.ts';
import { makeFolder } from '../../weights/make_folder.ts';
import type { PartResult, ResultNumber } from './types.ts';

/** A part as `results.json` holds it. */
export interface RecordedPart extends Omit<PartResult, 'figures' | 'runs'> {
  /** Digest of what its numbers follow from; a part of another one is made again. */
  readonly digest: string;
  /** Seconds that it took, without what was found done. */
  readonly seconds: number;
  readonly figures: readonly { readonly caption: string; readonly files: readonly string[] }[];
  /** Copies of the adapters that the part's runs left; none when left out. */
  readonly adapters?: readonly { readonly file: string; readonly sha256: string }[];
}

/** Content of `results.json`. */
export interface Results {
  readonly format: 'evenhand-reproduction';
  readonly version: 2;
  readonly scale: string;
  readonly model: { readonly name: string; readonly hash: string };
  /** When the newest part was finished, ISO 8601. */
  readonly updated: string;
  readonly parts: Readonly<Record<string, RecordedPart>>;
}

const FILE = 'results.json';

/**
 * The parts of a folder whose figures and adapters are all there and that were made with the digest that `digests` has for them;
 * none where there is no such file.
 */
export function readParts(
  folder: string,
  digests: Readonly<Record<string, string>>,
): Record<string, RecordedPart> {
  const file = path.join(folder, FILE);
  if (!existsSync(file)) return {};
  let results: Results;
  try {
    results = JSON.parse(readFileSync(file, 'utf8')) as Results;
  } catch (error) {
    throw new Error(`${file}: expected JSON: ${(error as Error).message}`, { cause: error });
  }
  const isWhole = ({ figures, adapters = [] }: RecordedPart) =>
    [...figures.flatMap(({ files }) => files), ...adapters.map(({ file }) => file)].every((name) =>
      existsSync(path.join(folder, name)),
    );
  return Object.fromEntries(
    Object.entries(results.parts).filter(([name, part]) => part.digest === digests[name] && isWhole(part)),
  );
}

/** Folder of the adapters beside the results. */
const ADAPTERS = 'adapters';

/**
 * Writes a part's figures, as SVG where they have one and as PNG, and copies of its runs' adapters; returns what `results.json`
 * holds of the part.
 */
export function writePart(
  folder: string,
  result: PartResult,
  made: Pick<RecordedPart, 'digest' | 'seconds'>,
): RecordedPart {
  makeFolder(folder);
  const { figures, runs = [], ...rest } = result;
  if (runs.length > 0) makeFolder(path.join(folder, ADAPTERS));
  const adapters = runs.map(({ name, file }) => {
    const bytes = readFileSync(file);
    const copy = `${ADAPTERS}/${name}.safetensors`;
    writeFileAtomically(path.join(folder, copy), (descriptor) => writeFully(descriptor, bytes));
    return { file: copy, sha256: createHash('sha256').update(bytes).digest('hex') };
  });
  return {
    ...rest,
    digest: made.digest,
    seconds: Math.round(made.seconds),
    figures: figures.map(({ name, caption, svg, png }) => {
      if (svg !== null) writeTextAtomically(path.join(folder, `${name}.svg`), svg);
      writeFileAtomically(path.join(folder, `${name}.png`), (descriptor) => writeFully(descriptor, png));
      return { caption, files: [...(svg === null ? [] : [`${name}.svg`]), `${name}.png`] };
    }),
    ...(adapters.length === 0 ? {} : { adapters }),
  };
}

/** Writes `results.json`, `results.csv` and `index.md`. Returns the page's path. */
export function writeResults(folder: string, results: Results): string {
  makeFolder(folder);
  const finite = (_: string, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? null : value;
  writeTextAtomically(path.join(folder, FILE), `${JSON.stringify(results, finite, 2)}\n`);
  writeTextAtomically(path.join(folder, 'results.csv'), resultsCsv(results));
  const page = path.join(folder, 'index.md');
  writeTextAtomically(page, resultsPage(results));
  return page;
}

/** CSV of every number, a row each. */
export function resultsCsv({ parts }: Results): string {
  const head = ['part', 'row', 'measure', 'value', 'low', 'high', 'interval', 'standard_deviation', 'floor'];
  const rows = Object.entries(parts).flatMap(([part, { numbers }]) =>
    numbers.map((each) => [
      ...[part, each.row, each.measure, each.value, each.low, each.high, each.interval],
      ...[each.deviation, each.floor, each.published?.value, each.published?.deviation],
    ]),
  );
  return csv([[...head, 'published', 'published_standard_deviation'], ...rows]);
}

/** Rows of a part's table beyond which the page points to the CSV. */
const MOST_ROWS = 30;

/** The page, as Markdown. */
export function resultsPage({ parts, scale, model, updated }: Results): string {
  const names = Object.keys(parts);
  const intro =
    `Written by \`evenhand reproduce\` (scale ${scale}) on ${updated.slice(0, 10)}, model ${model.name} (${model.hash}). ` +
    'Numbers are ours with their 95% interval where another is not named, "±" is the standard deviation over prompts, and ' +
    'numbers in italics are those that were published for Stable Diffusion 1.5: a different model, whose shape is to be ' +
    'compared, not whose values. Every number is in results.json and results.csv.';
  const small =
    scale === 'full'
      ? []
      : ['**This scale only shows that the parts run; its numbers say nothing about the method.**'];
  const sections = names.flatMap((name) => {
    const { title, text, numbers, figures, adapters = [], seconds } = parts[name]!;
    const drawings = figures.map(({ caption, files }) => `![${caption}](${files[0]})\n\n${caption}`);
    const links = adapters.map(({ file }) => `[${path.basename(file, '.safetensors')}](${file})`).join(', ');
    return [
      ...[`## ${title}`, ...text, tableOf(numbers), ...drawings],
      ...(links === '' ? [] : [`Adapters: ${links}.`]),
      `Made in ${Math.ceil(seconds / 60)} min.`,
    ];
  });
  return `${['# The results of the method on Portraits', intro, ...small, ...sections].join('\n\n')}\n`;
}

function tableOf(numbers: readonly ResultNumber[]): string {
  const measures = [...new Set(numbers.map(({ measure }) => measure))];
  const rows = [...new Set(numbers.map(({ row }) => row))];
  const shown = rows.slice(0, MOST_ROWS);
  const cell = (row: string, measure: string) => {
    const found = numbers.find((each) => each.row === row && each.measure === measure);
    return found === undefined ? '' : cellText(found);
  };
  const lines = [
    `| | ${measures.join(' | ')} |`,
    `|---|${measures.map(() => '---').join('|')}|`,
    ...shown.map(
      (row) => `| ${row.replaceAll('|', '\\|')} | ${measures.map((each) => cell(row, each)).join(' | ')} |`,
    ),
  ];
  const more =
    rows.length > shown.length ? `\n\n${rows.length - shown.length} more rows are in results.csv.` : '';
  return lines.join('\n') + more;
}

/** `.65 [.59, .71] ± .29, floor .10, *.67 ± .29*`. */
function cellText({ value, low, high, deviation, floor, published }: ResultNumber): string {
  const parts = [
    short(value) +
      (low === null || high === null ? '' : ` [${short(low)}, ${short(high)}]`) +
      (deviation === null ? '' : ` ± ${short(deviation)}`),
    ...(floor === null ? [] : [`floor ${short(floor)}`]),
    ...(published === null
      ? []
      : [
          `*${short(published.value)}${published.deviation === null ? '' : ` ± ${short(published.deviation)}`}*`,
        ]),
  ];
  return parts.join(', ');
}

function short(value: number): string {
  if (!Number.isFinite(value)) return 'not known';
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  if (size < 0.0005 || size >= 1000) return value.toExponential(1);
  return value.toFixed(size < 0.1 ? 3 : size < 10 ? 2 : 1);
}
