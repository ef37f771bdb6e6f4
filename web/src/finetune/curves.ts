/** From a run's log to the curves that are drawn: thinned, smoothed, one figure for what belongs together. */

import type { CurveSeries } from '../components/curve.tsx';
import type { LogLine } from './run_files.ts';

/** A figure. */
export interface CurveFigure {
  readonly title: string;
  readonly x: readonly number[];
  readonly series: readonly CurveSeries[];
}

/** Points of a curve at most. */
const MOST_POINTS = 800;
/** Share that the smoothed line keeps of itself at each point. */
const SMOOTHING = 0.85;

/** An exponential moving average, corrected for its beginning; `null` leaves it as it is. */
export function smooth(values: readonly (number | null)[], keep = SMOOTHING): (number | null)[] {
  let [sum, weight] = [0, 0];
  return values.map((value) => {
    if (value === null || !Number.isFinite(value)) return null;
    sum = keep * sum + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    return sum / weight;
  });
}

/** Every n-th line so that at most {@link MOST_POINTS} are left, the newest among them. */
export function thin<Line>(lines: readonly Line[]): readonly Line[] {
  const every = Math.ceil(lines.length / MOST_POINTS);
  return every <= 1 ? lines : lines.filter((_, index) => (lines.length - 1 - index) % every === 0);
}

const finite = (value: number | null | undefined) =>
  value === undefined || value === null || !Number.isFinite(value) ? null : value;

function namesOf(
  lines: readonly LogLine[],
  read: (line: LogLine) => Readonly<Record<string, unknown>>,
): string[] {
  return [...new Set(lines.flatMap((line) => Object.keys(read(line))))];
}

/** The figures of a log: loss, bias of the batches, distance to the target in validations, gradient norm. */
export function figuresOf(log: readonly LogLine[]): CurveFigure[] {
  const lines = thin(log);
  const x = lines.map(({ iteration }) => iteration);
  const line = (label: string, values: (number | null)[], colour: number): CurveSeries => ({
    label,
    values: smooth(values),
    colour,
  });
  const metrics = namesOf(lines, (each) => each.metrics);
  const biases = metrics.filter((name) => name.startsWith('bias '));
  const figures: CurveFigure[] = [
    {
      title: 'Loss (smoothed)',
      x,
      series: [
        line(
          'loss',
          lines.map(({ loss }) => finite(loss)),
          0,
        ),
      ],
    },
  ];
  if (biases.length > 0) {
    figures.push({
      title: 'Bias of the batches (smoothed)',
      x,
      series: biases.map((name, k) =>
        line(
          name.slice('bias '.length),
          lines.map((each) => finite(each.metrics[name])),
          k,
        ),
      ),
    });
  }
  figures.push(...validationFigures(log));
  figures.push({
    title: 'Gradient norm (smoothed)',
    x,
    series: [
      line(
        'norm',
        lines.map(({ gradientNorm }) => finite(gradientNorm)),
        3,
      ),
    ],
  });
  return figures.filter(({ series }) => series.some(({ values }) => values.some((value) => value !== null)));
}

function validationFigures(log: readonly LogLine[]): CurveFigure[] {
  const validated = log.filter(({ validation }) => validation !== undefined);
  const names = namesOf(validated, ({ validation }) => validation!).filter((name) =>
    /^distance\b/.test(name),
  );
  const bases = names.filter((name) => !/ (low|high|floor)$/.test(name));
  if (bases.length === 0) return [];
  const x = validated.map(({ iteration }) => iteration);
  const column = (name: string) => validated.map(({ validation }) => finite(validation![name]));
  // With one attribute its distance is the whole target's.
  const shown = bases.length === 2 ? ['distance'] : bases;
  const series = shown.flatMap((name, k): CurveSeries[] => [
    {
      label: name === 'distance' ? 'whole target' : name.slice('distance '.length),
      values: column(name),
      colour: k,
      band: { low: column(`${name} low`), high: column(`${name} high`) },
    },
    ...(k === 0
      ? [{ label: 'noise floor', values: column(`${name} floor`), colour: 7, dashed: true } as CurveSeries]
      : []),
  ]);
  return [{ title: 'Distance to the target, validated', x, series }];
}
