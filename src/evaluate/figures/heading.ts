/** Title and legend at the top of a figure. */

import type { Pen } from './svg.ts';
import { element } from './svg.ts';

/** An entry of a legend. */
export interface LegendEntry {
  /** Its text. */
  readonly label: string;
  /** Its colour. */
  readonly colour: string;
  /** A filled square, a line, a dashed line, or a dot; square when left out. */
  readonly mark?: 'square' | 'line' | 'dot';
  /** Dash pattern of a line. */
  readonly dash?: string;
}

const LEFT = 16;
const SWATCH = { square: 12, dot: 12, line: 22 };
const GAP = 20;
const ROW = 20;

/**
 * Draws the title and, in as many rows as it needs, the legend.
 * @param width width of the figure in pixels
 * @returns the markup and the y below which the figure may draw
 */
export function drawHeading(
  pen: Pen,
  title: string,
  entries: readonly LegendEntry[],
  width: number,
): { readonly markup: string; readonly bottom: number } {
  const parts = [pen.label(pen.fit(title, 15, width - 2 * LEFT), LEFT, 26, { size: 15, weight: 'bold' })];
  let x = LEFT;
  let y = 50;
  for (const entry of entries) {
    const swatch = SWATCH[entry.mark ?? 'square'] + 6;
    const label = pen.fit(entry.label, 12, width - 2 * LEFT - swatch);
    const needed = swatch + pen.width(label, 12);
    if (x > LEFT && x + needed > width - LEFT) {
      x = LEFT;
      y += ROW;
    }
    parts.push(drawMark(entry, x, y), pen.label(label, x + swatch, y, { colour: pen.theme.muted }));
    x += needed + GAP;
  }
  return { markup: parts.join(''), bottom: entries.length === 0 ? 38 : y + 12 };
}

function drawMark(entry: LegendEntry, x: number, y: number): string {
  const { mark = 'square', colour, dash } = entry;
  if (mark === 'square') {
    return element('rect', { x, y: y - 10, width: 12, height: 12, rx: 2, fill: colour });
  }
  if (mark === 'dot') return element('circle', { cx: x + 6, cy: y - 4, r: 5, fill: colour });
  const line = { x1: x, x2: x + SWATCH.line, y1: y - 4, y2: y - 4, stroke: colour, 'stroke-width': 2.5 };
  return element('line', { ...line, 'stroke-dasharray': dash });
}
