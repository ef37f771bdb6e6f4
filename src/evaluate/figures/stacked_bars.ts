/** Stacked bars: the share of each class, prompt by prompt, with the target as lines through all of them. */

import type { Plot } from './axes.ts';
import { horizontalAxis, linearScale } from './axes.ts';
import { drawHeading } from './heading.ts';
import type { FigureStyle, Pen } from './svg.ts';
import { createPen, element, svgFigure } from './svg.ts';
import { seriesColour } from './theme.ts';

/** One bar: a prompt. */
export interface StackedRow {
  /** Name left of the bar. */
  readonly label: string;
  /** Share of each class, summing to one; an empty bar where they aren't numbers (no image has a face). */
  readonly shares: readonly number[];
  /** Remark right of the bar, such as the number of faces. */
  readonly note?: string;
}

/** What stacked bars show. */
export interface StackedBars {
  /** Title. */
  readonly title: string;
  /** What the chart shows, for readers who can't see it. */
  readonly description: string;
  /** Names of the classes. */
  readonly classes: readonly string[];
  /** Bars from top to bottom. */
  readonly rows: readonly StackedRow[];
  /** Target shares; their boundaries are drawn through all bars. */
  readonly target?: readonly number[];
  /** Width in pixels; 720 when left out. */
  readonly width?: number;
}

const ROW = 26;
const LONGEST_LABEL = 240;

/** SVG of stacked bars; its height follows from the number of rows. */
export function stackedBars(chart: StackedBars, style?: FigureStyle): string {
  const { width = 720, rows, target } = chart;
  const pen = createPen(style);
  const entries = chart.classes.map((label, index) => ({
    label,
    colour: seriesColour(pen.theme, index).fill,
  }));
  const targetEntry = { label: 'target', colour: pen.theme.reference, mark: 'line' as const, dash: '5 3' };
  const heading = drawHeading(pen, chart.title, target ? [...entries, targetEntry] : entries, width);
  const labelWidth = Math.min(LONGEST_LABEL, Math.max(0, ...rows.map((row) => pen.width(row.label, 12))));
  const noteWidth = Math.max(0, ...rows.map((row) => pen.width(row.note ?? '', 11)));
  const top = heading.bottom + 8;
  const bottom = top + rows.length * ROW + 4;
  const plot: Plot = {
    left: labelWidth + 28,
    top,
    right: width - 24 - (noteWidth > 0 ? noteWidth + 10 : 0),
    bottom,
  };
  const scale = linearScale(0, 1, plot.left, plot.right, 5, false);
  const percent = Object.assign((value: number) => scale(value), {
    ticks: scale.ticks,
    format: (tick: number) => `${Math.round(tick * 100)}%`,
  });
  const bars = rows.map((row, index) => drawRow(pen, row, plot, labelWidth, top + index * ROW));
  return svgFigure(pen, width, bottom + 50, chart.title, chart.description, [
    heading.markup,
    ...bars,
    horizontalAxis(pen, percent, plot, 'share of images with a face'),
    target ? drawTarget(pen, target, plot) : '',
    ...rows.map((row, index) => drawShares(pen, row, plot, top + index * ROW)),
  ]);
}

function drawRow(pen: Pen, row: StackedRow, plot: Plot, labelWidth: number, top: number): string {
  const { theme } = pen;
  const middle = top + ROW / 2;
  const full = plot.right - plot.left;
  const bar = { y: top + 3, height: ROW - 6 };
  const label = pen.fit(row.label, 12, labelWidth);
  const parts = [
    pen.label(label, plot.left - 12, middle + 4, { anchor: 'end' }),
    element('rect', { ...bar, x: plot.left, width: full, fill: theme.grid }),
    ...segmentsOf(row, plot).map(({ k, x, width }) =>
      element('rect', { ...bar, x, width, fill: seriesColour(theme, k).fill, stroke: theme.surface }),
    ),
  ];
  if (row.note !== undefined) {
    parts.push(pen.label(row.note, plot.right + 10, middle + 4, { size: 11, colour: theme.muted }));
  }
  return parts.join('');
}

function segmentsOf(row: StackedRow, plot: Plot): { k: number; share: number; x: number; width: number }[] {
  const full = plot.right - plot.left;
  let x = plot.left;
  return row.shares.flatMap((share, k) => {
    if (!(share > 0)) return [];
    const segment = { k, share, x, width: share * full };
    x += segment.width;
    return [segment];
  });
}

/** Percentages on their segments, on a patch of the segment's colour that keeps the target line out of the digits. */
function drawShares(pen: Pen, row: StackedRow, plot: Plot, top: number): string {
  return segmentsOf(row, plot)
    .map(({ k, share, x, width }) => {
      const label = `${Math.round(share * 100)}%`;
      const needed = pen.width(label, 11) + 8;
      if (width < needed + 2) return '';
      const { fill, ink } = seriesColour(pen.theme, k);
      const middle = x + width / 2;
      const patch = { x: middle - needed / 2, y: top + 5, width: needed, height: ROW - 10, fill };
      const text = pen.label(label, middle, top + ROW / 2 + 4, { size: 11, colour: ink, anchor: 'middle' });
      return element('rect', patch) + text;
    })
    .join('');
}

function drawTarget(pen: Pen, target: readonly number[], plot: Plot): string {
  let sum = 0;
  return target
    .slice(0, -1)
    .map((share) => {
      sum += share;
      const x = plot.left + sum * (plot.right - plot.left);
      const line = { x1: x, x2: x, y1: plot.top - 2, y2: plot.bottom };
      return (
        element('line', { ...line, stroke: pen.theme.surface, 'stroke-width': 3.5, opacity: 0.8 }) +
        element('line', {
          ...line,
          stroke: pen.theme.reference,
          'stroke-width': 1.75,
          'stroke-dasharray': '5 3',
        })
      );
    })
    .join('');
}
