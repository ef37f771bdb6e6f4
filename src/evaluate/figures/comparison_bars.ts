/** Bars side by side, such as before and after fine-tuning, with intervals and the noise floor of each group. */

import type { Interval } from '../intervals.ts';
import type { Plot, Scale } from './axes.ts';
import { linearScale, tickWidth, verticalAxis } from './axes.ts';
import { drawHeading } from './heading.ts';
import { wrapText } from './stroke_font.ts';
import type { FigureStyle, Pen } from './svg.ts';
import { createPen, element, svgFigure } from './svg.ts';
import { seriesColour } from './theme.ts';

/** One bar. */
export interface Bar {
  /** Its height. */
  readonly value: number;
  /** Its confidence interval. */
  readonly interval?: Interval | null;
}

/** Bars that stand together. */
export interface BarGroup {
  /** Name under the group. */
  readonly label: string;
  /** One bar for each series; null where a series has none. */
  readonly bars: readonly (Bar | null)[];
  /** What a model exactly on target would measure, drawn as a line across the group. */
  readonly floor?: number | null;
}

/** What a comparison shows. */
export interface ComparisonBars {
  /** Title. */
  readonly title: string;
  /** What the chart shows, for readers who can't see it. */
  readonly description: string;
  /** Name of the vertical axis. */
  readonly yLabel: string;
  /** Names of the series: 'before', 'after'. */
  readonly series: readonly string[];
  /** Groups from left to right. */
  readonly groups: readonly BarGroup[];
  /** Name of the floor in the legend; 'noise floor (a model on target)' when left out. */
  readonly floorLabel?: string;
  /** Width in pixels; 720 when left out. */
  readonly width?: number;
  /** Height in pixels; 380 when left out. */
  readonly height?: number;
}

/** Share of a group's width that its bars take, and the widest bar in pixels. */
const FILLED = 0.72;
const WIDEST_BAR = 64;

/** SVG of a bar comparison. */
export function comparisonBars(chart: ComparisonBars, style?: FigureStyle): string {
  const { width = 720, height = 380, groups, series } = chart;
  const pen = createPen(style);
  const hasFloor = groups.some((group) => group.floor !== undefined && group.floor !== null);
  const heading = drawHeading(
    pen,
    chart.title,
    [
      ...series.map((label, index) => ({ label, colour: seriesColour(pen.theme, index).fill })),
      ...(hasFloor
        ? [
            {
              label: chart.floorLabel ?? 'noise floor (a model on target)',
              colour: pen.theme.reference,
              mark: 'line' as const,
              dash: '5 3',
            },
          ]
        : []),
    ],
    width,
  );
  const heights = groups.flatMap((group) => [
    group.floor ?? 0,
    ...group.bars.map((bar) => Math.max(bar?.value ?? 0, bar?.interval?.high ?? 0)),
  ]);
  const highest = Math.max(0, ...heights.filter(Number.isFinite)) || 1;
  const top = heading.bottom + 22;
  const bottom = height - 50;
  const y = linearScale(0, highest, bottom, top, 5);
  const plot: Plot = { left: tickWidth(pen, y) + 46, top, right: width - 20, bottom };
  const step = (plot.right - plot.left) / Math.max(1, groups.length);
  const drawn = groups.map((group, index) => {
    const middle = plot.left + (index + 0.5) * step;
    return drawGroup(pen, group, series.length, middle, step, y, bottom);
  });
  const base = { x1: plot.left, x2: plot.right, y1: bottom, y2: bottom, stroke: pen.theme.muted };
  return svgFigure(pen, width, height, chart.title, chart.description, [
    heading.markup,
    verticalAxis(pen, y, plot, chart.yLabel),
    ...drawn,
    element('line', base),
  ]);
}

function drawGroup(
  pen: Pen,
  group: BarGroup,
  series: number,
  middle: number,
  step: number,
  y: Scale,
  bottom: number,
): string {
  const barWidth = Math.min(WIDEST_BAR, (FILLED * step) / series);
  const left = middle - (barWidth * series) / 2;
  const bars = group.bars.map((bar, index) =>
    bar === null || !Number.isFinite(bar.value)
      ? ''
      : drawBar(pen, bar, left + index * barWidth, barWidth, y, bottom, index),
  );
  const lines = wrapText(group.label, 12, 0.85 * step, 2);
  const labels = lines.map((line, i) =>
    pen.label(line, middle, bottom + 20 + 15 * i, { colour: pen.theme.muted, anchor: 'middle' }),
  );
  return bars.join('') + drawFloor(pen, group, left, barWidth * series, y) + labels.join('');
}

function drawBar(
  pen: Pen,
  bar: Bar,
  left: number,
  width: number,
  y: Scale,
  bottom: number,
  index: number,
): string {
  const gap = Math.min(3, width * 0.08);
  const middle = left + width / 2;
  const whisker = Math.min(7, width / 5);
  const top = y(bar.value);
  const parts = [
    element('rect', {
      x: left + gap,
      y: top,
      width: width - 2 * gap,
      height: Math.max(0, bottom - top),
      rx: Math.min(2, Math.max(0, bottom - top)),
      fill: seriesColour(pen.theme, index).fill,
    }),
  ];
  let labelTop = top;
  if (bar.interval) {
    const { low, high } = bar.interval;
    const d = `M${middle - whisker} ${y(high)}h${2 * whisker}M${middle} ${y(high)}V${y(low)}M${middle - whisker} ${y(low)}h${2 * whisker}`;
    // A wider line in the page's colour behind keeps the whisker visible on its own bar.
    parts.push(
      element('path', { d, fill: 'none', stroke: pen.theme.surface, 'stroke-width': 4, opacity: 0.6 }),
      element('path', { d, fill: 'none', stroke: pen.theme.ink, 'stroke-width': 1.5 }),
    );
    labelTop = Math.min(top, y(high));
  }
  if (width >= 22) {
    parts.push(
      pen.label(bar.value.toFixed(2), middle, labelTop - 6, { size: 11, anchor: 'middle', weight: 'bold' }),
    );
  }
  return parts.join('');
}

function drawFloor(pen: Pen, group: BarGroup, left: number, width: number, y: Scale): string {
  if (group.floor === undefined || group.floor === null) return '';
  const at = { x1: left - 8, x2: left + width + 8, y1: y(group.floor), y2: y(group.floor) };
  return (
    element('line', { ...at, stroke: pen.theme.surface, 'stroke-width': 4, opacity: 0.7 }) +
    element('line', { ...at, stroke: pen.theme.reference, 'stroke-width': 1.75, 'stroke-dasharray': '5 3' })
  );
}
