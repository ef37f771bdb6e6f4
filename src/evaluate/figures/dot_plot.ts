/** Dot plot: one share per prompt before and after, joined by a line, with the target as a vertical line. */

import type { Interval } from '../intervals.ts';
import type { Plot, Scale } from './axes.ts';
import { horizontalAxis, linearScale } from './axes.ts';
import { drawHeading } from './heading.ts';
import type { FigureStyle, Pen } from './svg.ts';
import { createPen, element, svgFigure } from './svg.ts';
import { seriesColour } from './theme.ts';

/** One row: a prompt. */
export interface DotRow {
  /** Name left of the row. */
  readonly label: string;
  /** Share for each series, 0..1; null where it isn't known. */
  readonly values: readonly (number | null)[];
  /** Interval of each share. */
  readonly intervals?: readonly (Interval | null)[];
}

/** What a dot plot shows. */
export interface DotPlot {
  /** Title. */
  readonly title: string;
  /** What the chart shows, for readers who can't see it. */
  readonly description: string;
  /** Name of the horizontal axis: 'share of old people'. */
  readonly xLabel: string;
  /** Names of the series: 'before', 'after'. */
  readonly series: readonly string[];
  /** Rows from top to bottom. */
  readonly rows: readonly DotRow[];
  /** Target share, drawn through all rows. */
  readonly target?: { readonly value: number; readonly label: string };
  /** Width in pixels; 720 when left out. */
  readonly width?: number;
}

const ROW = 24;
const LONGEST_LABEL = 240;

/** SVG of a dot plot; its height follows from the number of rows. */
export function dotPlot(chart: DotPlot, style?: FigureStyle): string {
  const { width = 720, rows, target } = chart;
  const pen = createPen(style);
  const heading = drawHeading(
    pen,
    chart.title,
    [
      ...chart.series.map((label, index) => ({
        label,
        colour: seriesColour(pen.theme, index).fill,
        mark: 'dot' as const,
      })),
      ...(target
        ? [{ label: target.label, colour: pen.theme.reference, mark: 'line' as const, dash: '5 3' }]
        : []),
    ],
    width,
  );
  const labelWidth = Math.min(LONGEST_LABEL, Math.max(0, ...rows.map((row) => pen.width(row.label, 12))));
  const top = heading.bottom + 8;
  const bottom = top + rows.length * ROW + 4;
  const plot: Plot = { left: labelWidth + 32, top, right: width - 28, bottom };
  const scale = linearScale(0, 1, plot.left, plot.right, 5, false);
  const percent: Scale = Object.assign((value: number) => scale(value), {
    ticks: scale.ticks,
    format: (tick: number) => `${Math.round(tick * 100)}%`,
  });
  const grid = scale.ticks.map((tick) =>
    element('line', { x1: scale(tick), x2: scale(tick), y1: top, y2: bottom, stroke: pen.theme.grid }),
  );
  const drawn = rows.map((row, index) =>
    drawRow(pen, row, plot, labelWidth, top + (index + 0.5) * ROW, scale),
  );
  const mark = target
    ? element('line', {
        x1: scale(target.value),
        x2: scale(target.value),
        y1: top - 2,
        y2: bottom,
        stroke: pen.theme.reference,
        'stroke-width': 1.5,
        'stroke-dasharray': '5 3',
      })
    : '';
  return svgFigure(pen, width, bottom + 50, chart.title, chart.description, [
    heading.markup,
    ...grid,
    mark,
    ...drawn,
    horizontalAxis(pen, percent, plot, chart.xLabel),
  ]);
}

function drawRow(
  pen: Pen,
  row: DotRow,
  plot: Plot,
  labelWidth: number,
  middle: number,
  scale: Scale,
): string {
  const { theme } = pen;
  const label = pen.fit(row.label, 12, labelWidth);
  const parts = [pen.label(label, plot.left - 14, middle + 4, { anchor: 'end' })];
  const known = row.values.flatMap((value) => (value !== null && Number.isFinite(value) ? [value] : []));
  if (known.length > 1) {
    const ends = { x1: scale(Math.min(...known)), x2: scale(Math.max(...known)) };
    parts.push(element('line', { ...ends, y1: middle, y2: middle, stroke: theme.grid, 'stroke-width': 5 }));
  }
  row.values.forEach((value, index) => {
    if (value === null || !Number.isFinite(value)) return;
    const { fill } = seriesColour(theme, index);
    const interval = row.intervals?.[index];
    // Series lie a little above each other, so that equal values and their intervals stay apart.
    const y = middle + (index - (row.values.length - 1) / 2) * 5;
    if (interval) {
      const ends = { x1: scale(interval.low), x2: scale(interval.high), y1: y, y2: y };
      parts.push(element('line', { ...ends, stroke: fill, 'stroke-width': 1.5, opacity: 0.7 }));
    }
    parts.push(
      element('circle', { cx: scale(value), cy: y, r: 5, fill, stroke: theme.surface, 'stroke-width': 1 }),
    );
  });
  return parts.join('');
}
