/** Path diagram: panels of named nodes, joined by solid lines and by dashed arrows, such as samplers and their gradients. */

import { drawHeading } from './heading.ts';
import type { FigureStyle, Pen } from './svg.ts';
import { createPen, element, number, svgFigure } from './svg.ts';
import { seriesColour } from './theme.ts';

/** A node at a place of its panel's grid. */
export interface DiagramNode {
  readonly id: string;
  readonly label: string;
  readonly column: number;
  readonly row: number;
}

/** A line from one node to another; `series` chooses its colour, none is grey and solid, others are dashed arrows. */
export interface DiagramEdge {
  readonly from: string;
  readonly to: string;
  readonly label?: string;
  readonly series?: number;
}

/** What a path diagram shows. */
export interface PathDiagram {
  readonly title: string;
  /** What it shows, for readers who can't see it. */
  readonly description: string;
  /** Names of the kinds of dashed arrows. */
  readonly series: readonly string[];
  /** Panels from top to bottom. */
  readonly panels: readonly {
    readonly title: string;
    readonly nodes: readonly DiagramNode[];
    readonly edges: readonly DiagramEdge[];
  }[];
}

const COLUMN = 130;
const ROW = 86;
const MARGIN = 50;
const RADIUS = 21;
/** Pixels above a panel's nodes: its title and room for bent lines. */
const PANEL = 64;

/**
 * SVG of a path diagram; its size follows from the nodes.
 * @throws where an edge names a node that its panel lacks
 */
export function pathDiagram(diagram: PathDiagram, style?: FigureStyle): string {
  const pen = createPen(style);
  const nodes = diagram.panels.flatMap((panel) => panel.nodes);
  const width = 2 * MARGIN + COLUMN * Math.max(1, ...nodes.map(({ column }) => column)) + 20;
  const entries = diagram.series.map((label, index) => ({
    label,
    colour: seriesColour(pen.theme, index).fill,
    mark: 'line' as const,
    dash: '6 4',
  }));
  const heading = drawHeading(pen, diagram.title, entries, width);
  let top = heading.bottom + 8;
  const drawn = diagram.panels.map((panel) => {
    const rows = Math.max(0, ...panel.nodes.map(({ row }) => row)) + 1;
    const markup = drawPanel(pen, panel, top);
    top += PANEL + rows * ROW;
    return markup;
  });
  return svgFigure(pen, width, top + 12, diagram.title, diagram.description, [heading.markup, ...drawn]);
}

function drawPanel(pen: Pen, { title, nodes, edges }: PathDiagram['panels'][number], top: number): string {
  const places = new Map(
    nodes.map(({ id, column, row }) => [
      id,
      { x: MARGIN + column * COLUMN, y: top + PANEL + row * ROW + RADIUS },
    ]),
  );
  const placeOf = (id: string) => {
    const place = places.get(id);
    if (place === undefined) throw new Error(`Path diagram, ${title}: expected a node ${id}, found none`);
    return place;
  };
  const lines = edges.map((edge) => drawEdge(pen, edge, placeOf(edge.from), placeOf(edge.to)));
  const discs = nodes.map(({ id, label }) => {
    const { x, y } = placeOf(id);
    const disc = { cx: x, cy: y, r: RADIUS, fill: pen.theme.surface, stroke: pen.theme.ink };
    return (
      element('circle', { ...disc, 'stroke-width': 1.5 }) + pen.label(label, x, y + 4, { anchor: 'middle' })
    );
  });
  return pen.label(title, 16, top + 14, { size: 13, weight: 'bold' }) + lines.join('') + discs.join('');
}

interface Place {
  readonly x: number;
  readonly y: number;
}

/** Dashed arrows lie beside the line between the nodes, so that both stay visible; long ones along a row are bent. */
function drawEdge(pen: Pen, { series, label = '' }: DiagramEdge, from: Place, to: Place): string {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const unit = { x: (to.x - from.x) / length, y: (to.y - from.y) / length };
  const normal = { x: -unit.y, y: unit.x };
  const dashed = series !== undefined;
  const colour = dashed ? seriesColour(pen.theme, series).fill : pen.theme.muted;
  const shift = dashed ? 6 : 0;
  const bend = Math.abs(to.y - from.y) < 1 && length > 1.5 * COLUMN ? 0.3 * length : 0;
  const at = (place: Place, along: number) => ({
    x: place.x + along * unit.x + shift * normal.x,
    y: place.y + along * unit.y + shift * normal.y,
  });
  const [start, end] = [at(from, RADIUS + 1), at(to, -RADIUS - 3)];
  // Bends away from the row below.
  const away = normal.y < 0 ? 1 : -1;
  const middle = {
    x: (start.x + end.x) / 2 + away * bend * normal.x,
    y: (start.y + end.y) / 2 + away * bend * normal.y,
  };
  const path = `M${number(start.x)} ${number(start.y)}Q${number(middle.x)} ${number(middle.y)} ${number(end.x)} ${number(end.y)}`;
  const direction = Math.atan2(end.y - middle.y, end.x - middle.x);
  const tip = [-2.7, 2.7].map(
    (turn) =>
      `${number(end.x + 8 * Math.cos(direction + turn))} ${number(end.y + 8 * Math.sin(direction + turn))}`,
  );
  const line = {
    fill: 'none',
    stroke: colour,
    'stroke-width': dashed ? 2 : 1.5,
    'stroke-dasharray': dashed ? '6 4' : undefined,
  };
  const head = `M${tip[0]}L${number(end.x)} ${number(end.y)}L${tip[1]}`;
  const place = { x: (start.x + 2 * middle.x + end.x) / 4, y: (start.y + 2 * middle.y + end.y) / 4 };
  const side = bend > 0 ? -8 * away : 11;
  const text =
    label === ''
      ? ''
      : pen.label(label, place.x + side * normal.x, place.y + side * normal.y + 3, {
          size: 10,
          colour,
          anchor: 'middle',
        });
  return (
    element('path', { ...line, d: path }) +
    element('path', { ...line, 'stroke-dasharray': undefined, d: head }) +
    text
  );
}
