/** The page of a finetuning run: curves, validation and samples in one HTML file that is drawn anew while the run goes. */

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { escapeMarkup } from '../evaluate/figures/svg.ts';
import type { LineChart, LineSeries } from '../evaluate/figures.ts';
import { lineChart } from '../evaluate/figures.ts';
import { REPORT_STYLE } from '../evaluate/report_style.ts';
import { readLog } from '../finetune/run_log.ts';
import type { RunSnapshot } from '../finetune/settings.ts';
import { writeTextAtomically } from '../weights/atomic_file.ts';
import { formatDuration, formatNumber } from './progress.ts';

/** What a page says besides the run's own numbers. */
export interface LivePageTexts {
  readonly title: string;
  /** What an iteration costs. */
  readonly cost: string;
  /** The configuration as YAML. */
  readonly configuration: string;
}

/** Seconds after which a page of a run that is not over loads itself again. */
const REFRESH_SECONDS = 20;
/** Points of a curve at most; longer logs are thinned. */
const MOST_POINTS = 1000;
const SMOOTHING = 0.9;

interface LogLine {
  readonly iteration: number;
  readonly loss: number | null;
  readonly gradientNorm: number | null;
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly validation?: Readonly<Record<string, number | null>>;
  readonly warnings?: readonly string[];
}

/** Draws the page of a run folder from its log and a snapshot, and replaces `index.html` there. Returns its path. */
export function writeLivePage(snapshot: RunSnapshot, texts: LivePageTexts): string {
  const file = path.join(snapshot.settings.directory, 'index.html');
  writeTextAtomically(
    file,
    livePage(snapshot, readLog<LogLine>(path.join(snapshot.settings.directory, 'log.jsonl')), texts),
  );
  return file;
}

function livePage(snapshot: RunSnapshot, log: readonly LogLine[], texts: LivePageTexts): string {
  const { settings, iteration, stopped } = snapshot;
  const isOver = iteration >= settings.iterations || stopped !== null;
  const warnings = log.flatMap(({ iteration: at, warnings: all = [] }) =>
    all.map((text) => `iteration ${at}: ${text}`),
  );
  const parts = [
    `<h1>${escapeMarkup(texts.title)}</h1>`,
    `<p class="summary">${escapeMarkup(standing(snapshot))}</p>`,
    `<p>${escapeMarkup(texts.cost)}</p>`,
    warnings.length === 0
      ? ''
      : `<section role="alert"><h2>Warnings</h2><ul>${warnings.map((text) => `<li>${escapeMarkup(text)}</li>`).join('')}</ul></section>`,
    `<section><h2>Curves</h2><div class="charts">${curves(log)
      .map((chart, i) => `<figure>${lineChart(chart, { id: `curve-${i}` })}</figure>`)
      .join('')}</div></section>`,
    samples(snapshot),
    `<section><h2>Configuration</h2><pre><code>${escapeMarkup(texts.configuration)}</code></pre></section>`,
  ];
  const refresh = isOver ? '' : `<meta http-equiv="refresh" content="${REFRESH_SECONDS}">`;
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8">${refresh}` +
    '<meta name="viewport" content="width=device-width, initial-scale=1">' +
    `<title>${escapeMarkup(texts.title)}</title><style>${REPORT_STYLE}</style></head>` +
    `<body><main>${parts.join('')}</main></body></html>\n`
  );
}

function standing({ settings, iteration, secondsLeft, stopped, best }: RunSnapshot): string {
  const done = `${iteration} of ${settings.iterations} iterations`;
  const state =
    stopped !== null
      ? `stopped: ${stopped}`
      : iteration >= settings.iterations
        ? 'finished'
        : `${formatDuration(secondsLeft)} left`;
  const kept =
    best === null
      ? ''
      : `; best validation so far: ${best.metric} ${formatNumber(best.value)} at ${best.iteration}`;
  return `${done}, ${state}${kept}`;
}

/** The charts that the log has numbers for. */
function curves(log: readonly LogLine[]): LineChart[] {
  const thinned = thin(log);
  const validated = log.filter(({ validation }) => validation !== undefined);
  const metric = (name: string, smoothing = SMOOTHING): LineSeries => ({
    label: `${name}, training`,
    points: thinned.map((line) => ({ x: line.iteration, y: line.metrics[name] ?? Number.NaN })),
    smoothing,
  });
  const validation = (name: string): LineSeries => ({
    label: `${name}, validation`,
    points: validated.map((line) => ({ x: line.iteration, y: line.validation![name] ?? Number.NaN })),
    ...bandOf(name, validated),
  });
  const base = { xLabel: 'iteration', yLabel: 'value' };
  const charts: LineChart[] = [
    {
      ...base,
      title: 'Loss',
      description: 'Training loss by iteration',
      series: [
        {
          label: 'loss',
          points: thinned.map(({ iteration: x, loss }) => ({ x, y: loss ?? Number.NaN })),
          smoothing: SMOOTHING,
        },
      ],
    },
    {
      ...base,
      title: 'Gradient norm',
      description: 'Norm of the gradient before clipping, by iteration',
      yScale: 'log',
      series: [
        {
          label: 'gradient norm',
          points: thinned.map(({ iteration: x, gradientNorm }) => ({ x, y: gradientNorm ?? Number.NaN })),
        },
      ],
    },
  ];
  const trained = namesOf(log.map(({ metrics }) => metrics));
  const measured = namesOf(validated.map((line) => line.validation!));
  for (const [title, pattern] of [
    ['Bias', /^bias /],
    ['Parts of the loss', /^(align|face|image|score .*)$/],
    ['Images with a face', /^faces$/],
  ] as const) {
    const series = [
      ...trained.filter((name) => pattern.test(name)).map((name) => metric(name)),
      ...measured.filter((name) => pattern.test(name)).map(validation),
    ];
    if (series.length > 0) charts.push({ ...base, title, description: `${title} by iteration`, series });
  }
  for (const [title, pattern] of [
    ['Distance to the target, with its interval and the noise floor', /^distance( (?!low|high)\S+)*$/],
    ['What the guard sees', /^guard /],
  ] as const) {
    const series = measured
      .filter((name) => pattern.test(name) && !/ (low|high)$/.test(name))
      .map(validation);
    if (series.length > 0) charts.push({ ...base, title, description: `${title}, by iteration`, series });
  }
  return charts;
}

function namesOf(records: readonly Readonly<Record<string, unknown>>[]): string[] {
  return [...new Set(records.flatMap((record) => Object.keys(record)))];
}

/** The interval of a validated number, where the log has one. */
function bandOf(name: string, validated: readonly LogLine[]): Pick<LineSeries, 'band'> {
  const band = validated.flatMap(({ iteration: x, validation }) => {
    const [low, high] = [validation![`${name} low`], validation![`${name} high`]];
    return typeof low === 'number' && typeof high === 'number' ? [{ x, low, high }] : [];
  });
  return band.length === 0 ? {} : { band };
}

function thin(log: readonly LogLine[]): readonly LogLine[] {
  const every = Math.ceil(log.length / MOST_POINTS);
  return log.filter((_, i) => i % every === every - 1 || i === log.length - 1);
}

function samples({ samples: file, settings }: RunSnapshot): string {
  if (file === null || !existsSync(file)) return '';
  const source = `data:image/png;base64,${readFileSync(file).toString('base64')}`;
  const prompts = settings.validation.prompts.map((prompt) => `"${prompt}"`).join(', ');
  const caption = `Rows in pairs: the original model above, the averaged weights below, from the same noise. Prompts: ${prompts}.`;
  return (
    `<section><h2>Samples</h2><figure class="sheet"><img src="${source}" alt="Validation images before and after">` +
    `<figcaption>${escapeMarkup(caption)}</figcaption></figure></section>`
  );
}
