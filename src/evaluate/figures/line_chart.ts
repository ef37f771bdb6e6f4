/** Line chart: training curves with smoothing, bands and reference lines. */

import type { Plot, Scale } from './axes.ts';
import { horizontalAxis, linearScale, logScale, tickWidth, verticalAxis } from './axes.ts';
import { drawHeading } from './heading.ts';
import type { FigureStyle, Pen } from './svg.ts';
import { createPen, element, number, svgFigure } from './svg.ts';
import { seriesColour } from './theme.ts';

/** A line of the chart. */
export interface LineSeries {
  /** Its name in the legend. */
  readonly label: string;
  /** Points in the order in which they are joined; one that isn't finite interrupts the line. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
  /** An interval around the line, in ascending x. */
  readonly band?: readonly { readonly x: number; readonly low: number; readonly high: number }[];
  /** Weight of the past, 0 up to but not 1, of an exponential average; the raw points stay visible faintly. */
  readonly smoothing?: number;
}

/** What a line chart shows. */
export interface LineChart {
  /** Title. */
  readonly title: string;
  /** What the chart shows, for readers who can't see it. */
  readonly description: string;
  /** Name of the horizontal axis. */
  readonly xLabel: string;
  /** Name of the vertical axis. */
  readonly yLabel: string;
  /** Lines. */
  readonly series: readonly LineSeries[];
  /** Horizontal lines at a value, a target for instance. */
  readonly references?: readonly { readonly value: number; readonly label: string }[];
  /** 'linear' when left out; values that aren't positive are left out of a 'log' scale. */
  readonly yScale?: 'linear' | 'log';
  /** Lowest and highest y that must be visible. */
  readonly yRange?: readonly [low: number, high: number];
  /** Width in pixels; 720 when left out. */
  readonly width?: number;
  /** Height in pixels; 400 when left out. */
  readonly height?: number;
}

/** Dash patterns, so that lines differ by more than their colour. */
const DASHES = [undefined, '8 3', '2 3', '10 3 2 3', '5 3', '12 4', '1 4', '8 3 2 3 2 3'];

/**
 * Exponential average with the start's bias removed: s_i = (1 - w) sum_j w^(i-j) y_j / (1 - w^(i+1)); values that aren't
 * finite stay where they are and don't enter the average.
 * @param weight weight of the past, 0 up to but not 1
 */
export function smooth(values: readonly number[], weight: number): number[] {
  if (!(weight >= 0 && weight < 1)) {
    throw new Error(`Smoothing: expected a weight from 0 up to 1, received ${weight}`);
  }
  let sum = 0;
  let norm = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    sum = weight * sum + (1 - weight) * value;
    norm = weight * norm + (1 - weight);
    return sum / norm;
  });
}

/** SVG of a line chart. */
export function lineChart(chart: LineChart, style?: FigureStyle): string {
  const { width = 720, height = 400, references = [], yScale = 'linear' } = chart;
  const pen = createPen(style);
  const drawn = (y: number) => Number.isFinite(y) && (yScale === 'linear' || y > 0);
  const entries = chart.series.map(({ label }, index) => ({
    label,
    colour: seriesColour(pen.theme, index).fill,
    mark: 'line' as const,
    dash: DASHES[index % DASHES.length],
  }));
  const heading = drawHeading(pen, chart.title, entries, width);

  const xs = chart.series.flatMap((line) => line.points.map((point) => point.x)).filter(Number.isFinite);
  const ys = [
    ...chart.series.flatMap((line) => [
      ...line.points.map((point) => point.y),
      ...(line.band ?? []).flatMap(({ low, high }) => [low, high]),
    ]),
    ...references.map((reference) => reference.value),
    ...(chart.yRange ?? []),
  ].filter(drawn);
  const [xLow, xHigh] = extent(xs);
  const [yLow, yHigh] = extent(ys);
  const top = heading.bottom + 10;
  const bottom = height - 52;
  const y = yScale === 'log' ? logScale(yLow, yHigh, bottom, top) : linearScale(yLow, yHigh, bottom, top, 6);
  const plot: Plot = { left: tickWidth(pen, y) + 46, top, right: width - 24, bottom };
  const x = linearScale(xLow, xHigh, plot.left, plot.right, 8, false);
  const usable = (point: { x: number; y: number }) => Number.isFinite(point.x) && drawn(point.y);

  const lines = chart.series.map((line, index) => {
    const colour = seriesColour(pen.theme, index).fill;
    const common = { fill: 'none', stroke: colour, 'stroke-linejoin': 'round', 'stroke-linecap': 'round' };
    const dash = DASHES[index % DASHES.length];
    const main = { ...common, 'stroke-width': 2.25, 'stroke-dasharray': dash };
    const averaged = line.smoothing ? smoothPoints(line.points, line.smoothing, usable) : line.points;
    const raw = line.smoothing
      ? element('path', { ...common, d: path(line.points, x, y, usable), opacity: 0.25 })
      : '';
    return drawBand(line, colour, x, y) + raw + element('path', { ...main, d: path(averaged, x, y, usable) });
  });
  const marks = references.map((reference) => drawReference(pen, reference, y(reference.value), plot));
  return svgFigure(pen, width, height, chart.title, chart.description, [
    heading.markup,
    verticalAxis(pen, y, plot, chart.yLabel),
    horizontalAxis(pen, x, plot, chart.xLabel),
    ...lines,
    ...marks,
  ]);
}

function extent(values: readonly number[]): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [0.1, 1];
}

type Point = { readonly x: number; readonly y: number };

function smoothPoints(points: readonly Point[], weight: number, usable: (point: Point) => boolean): Point[] {
  const averages = smooth(
    points.map((point) => (usable(point) ? point.y : Number.NaN)),
    weight,
  );
  return points.map((point, i) => ({ x: point.x, y: averages[i]! }));
}

/** Path through the points; a lone point between gaps becomes a dot of the pen. */
function path(points: readonly Point[], x: Scale, y: Scale, usable: (point: Point) => boolean): string {
  const commands: string[] = [];
  points.forEach((point, i) => {
    if (!usable(point)) return;
    const place = `${number(x(point.x))} ${number(y(point.y))}`;
    const starts = i === 0 || !usable(points[i - 1]!);
    const ends = i === points.length - 1 || !usable(points[i + 1]!);
    commands.push(`${starts ? 'M' : 'L'}${place}${starts && ends ? 'h0' : ''}`);
  });
  return commands.join('');
}

function drawBand(line: LineSeries, colour: string, x: Scale, y: Scale): string {
  const band = (line.band ?? []).filter(
    ({ low, high }) => Number.isFinite(y(low)) && Number.isFinite(y(high)),
  );
  if (band.length === 0) return '';
  const above = band.map((point) => `${number(x(point.x))} ${number(y(point.high))}`);
  const below = band.map((point) => `${number(x(point.x))} ${number(y(point.low))}`).reverse();
  return element('path', { d: `M${[...above, ...below].join('L')}Z`, fill: colour, opacity: 0.16 });
}

function drawReference(pen: Pen, reference: { readonly label: string }, y: number, plot: Plot): string {
  const { theme } = pen;
  const line = { x1: plot.left, x2: plot.right, y1: y, y2: y, stroke: theme.reference };
  const width = pen.width(reference.label, 11) + 8;
  return (
    element('line', { ...line, 'stroke-width': 1.25, 'stroke-dasharray': '5 4' }) +
    element('rect', {
      x: plot.right - width,
      y: y - 17,
      width,
      height: 14,
      fill: theme.surface,
      opacity: 0.8,
    }) +
    pen.label(reference.label, plot.right - 4, y - 6, { size: 11, anchor: 'end' })
  );
}
