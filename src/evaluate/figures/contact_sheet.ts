/** Contact sheet: a grid of generated images, each with a bar for its predicted class and confidence. */

import sharp from 'sharp';
import { drawHeading } from './heading.ts';
import { rasterizeSvg } from './rasterize.ts';
import { fitText, wrapText } from './stroke_font.ts';
import type { Pen } from './svg.ts';
import { createPen, element, svgFigure } from './svg.ts';
import type { Theme } from './theme.ts';
import { lightTheme, seriesColour } from './theme.ts';

/** A predicted class under an image. */
export interface ClassBar {
  /** Class index, which chooses the colour and the name. */
  readonly class: number;
  /** Confidence of the prediction, 0..1: the filled part of the bar. */
  readonly confidence: number;
}

/** One image of the sheet. */
export interface Tile {
  /** RGB pixels, [height, width, 3]. */
  readonly pixels: Uint8Array;
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
  /** Line of text under the bars. */
  readonly caption?: string;
  /** One bar for each attribute of the sheet; null where the image shows no face. */
  readonly bars: readonly (ClassBar | null)[];
}

/** What a contact sheet shows. */
export interface ContactSheet {
  /** Title: the prompt. */
  readonly title: string;
  /** A sentence under the title, such as the measured bias. */
  readonly subtitle?: string;
  /** Attributes in the order of each tile's bars; their classes get the colours of the legend. */
  readonly attributes: readonly { readonly name: string; readonly classes: readonly string[] }[];
  /** Images, row by row. */
  readonly tiles: readonly Tile[];
  /** Images in a row. */
  readonly columns: number;
  /** Side of an image on the sheet in pixels; 128 when left out. */
  readonly tileSize?: number;
  /** Colours; light when left out. */
  readonly theme?: Theme;
}

const MARGIN = 16;
const GAP = 10;
const BAR = 15;
const CAPTION = 16;

/** Room for the percentage right of a bar. */
const PERCENT = 34;

/** Largest side of a sheet in pixels: what PNG decoders and browsers still open. */
const LARGEST_SIDE = 16_384;

/**
 * PNG of a contact sheet. Colours are counted through all attributes, so that no two classes of the sheet share one as
 * long as there are at most eight.
 * @throws where a tile's pixels don't fit its size, its bars don't fit the attributes, or the sheet gets too large
 */
export async function contactSheet(sheet: ContactSheet): Promise<Uint8Array> {
  const { tiles, columns, tileSize = 128, theme = lightTheme } = sheet;
  validateSheet(sheet);
  const pen = createPen({ theme, labels: 'strokes' });
  const width = 2 * MARGIN + columns * tileSize + (columns - 1) * GAP;
  const offsets = sheet.attributes.map((_, axis) =>
    sheet.attributes.slice(0, axis).reduce((sum, attribute) => sum + attribute.classes.length, 0),
  );
  const legend = sheet.attributes.flatMap((attribute, axis) =>
    attribute.classes.map((label, k) => ({ label, colour: seriesColour(theme, offsets[axis]! + k).fill })),
  );
  const heading = drawHeading(pen, sheet.title, legend, width);
  const subtitle = wrapText(sheet.subtitle ?? '', 12, width - 2 * MARGIN, 3);
  const top = heading.bottom + subtitle.length * 18 + 10;
  const captioned = tiles.some((tile) => tile.caption !== undefined);
  const tileHeight = tileSize + 4 + sheet.attributes.length * (BAR + 2) + (captioned ? CAPTION : 0);
  const rows = Math.ceil(tiles.length / columns);
  const height = top + rows * (tileHeight + GAP) + MARGIN - GAP;
  if (width > LARGEST_SIDE || height > LARGEST_SIDE) {
    throw new Error(
      `Contact sheet: expected at most ${LARGEST_SIDE} pixels a side, received ${width} x ${height}`,
    );
  }
  const place = (index: number) => ({
    left: MARGIN + (index % columns) * (tileSize + GAP),
    top: top + Math.floor(index / columns) * (tileHeight + GAP),
  });
  const under = tiles.map((tile, index) => drawUnder(pen, tile, sheet, offsets, tileSize, place(index)));
  const lines = subtitle.map((line, i) =>
    pen.label(line, MARGIN, heading.bottom + 12 + 18 * i, { colour: theme.muted }),
  );
  const svg = svgFigure(pen, width, height, sheet.title, '', [heading.markup, ...lines, ...under]);
  const images = await Promise.all(
    tiles.map(async (tile, index) => ({ input: await resizeTile(tile, tileSize), ...place(index) })),
  );
  return sharp(rasterizeSvg(svg)).composite(images).flatten({ background: theme.surface }).png().toBuffer();
}

function validateSheet({ tiles, columns, attributes }: ContactSheet): void {
  if (!Number.isInteger(columns) || columns < 1) {
    throw new Error(`Contact sheet: expected a whole number of columns from 1, received ${columns}`);
  }
  tiles.forEach((tile, index) => {
    const expected = tile.width * tile.height * 3;
    if (tile.pixels.length !== expected) {
      throw new Error(
        `Contact sheet, image ${index}: expected ${expected} bytes of RGB, received ${tile.pixels.length}`,
      );
    }
    if (tile.bars.length !== attributes.length) {
      throw new Error(
        `Contact sheet, image ${index}: expected ${attributes.length} bars, received ${tile.bars.length}`,
      );
    }
    tile.bars.forEach((bar, axis) => {
      const { name, classes } = attributes[axis]!;
      if (bar !== null && classes[bar.class] === undefined) {
        throw new Error(
          `Contact sheet, image ${index}: '${name}' has classes 0 to ${classes.length - 1}, received ${bar.class}`,
        );
      }
    });
  });
}

/** The image fitted into a square tile, whole, as PNG. */
function resizeTile(tile: Tile, size: number): Promise<Buffer> {
  return sharp(tile.pixels, { raw: { width: tile.width, height: tile.height, channels: 3 } })
    .resize(size, size, { fit: 'contain', background: { r: 0, g: 0, b: 0 }, kernel: 'lanczos3' })
    .png({ compressionLevel: 1 })
    .toBuffer();
}

function drawUnder(
  pen: Pen,
  tile: Tile,
  sheet: ContactSheet,
  offsets: readonly number[],
  size: number,
  at: { readonly left: number; readonly top: number },
): string {
  const { theme } = pen;
  const parts = tile.bars.map((bar, axis) => {
    const y = at.top + size + 4 + axis * (BAR + 2);
    if (bar !== null) {
      return drawBar(pen, bar, sheet.attributes[axis]!.classes, offsets[axis]!, size, at.left, y);
    }
    const track = { x: at.left, y, width: size, height: BAR, rx: 2, fill: theme.grid };
    const label = pen.label('no face', at.left + 5, y + BAR - 4, { size: 10, colour: theme.muted });
    return element('rect', track) + label;
  });
  if (tile.caption !== undefined) {
    const y = at.top + size + 4 + tile.bars.length * (BAR + 2) + CAPTION - 4;
    parts.push(pen.label(fitText(tile.caption, 10, size), at.left, y, { size: 10, colour: theme.muted }));
  }
  return parts.join('');
}

/** The track, its filled part, and the name twice: in the fill's own text colour on it, in ink beyond it. */
function drawBar(
  pen: Pen,
  bar: ClassBar,
  classes: readonly string[],
  offset: number,
  size: number,
  left: number,
  y: number,
): string {
  const { theme } = pen;
  const { fill, ink } = seriesColour(theme, offset + bar.class);
  const width = size - PERCENT;
  const filled = width * Math.min(1, Math.max(0, bar.confidence));
  const baseline = y + BAR - 4;
  const name = fitText(classes[bar.class]!, 10, width - 8);
  const label = (colour: string) => pen.label(name, left + 5, baseline, { size: 10, colour, weight: 'bold' });
  const clip = (id: string, x: number, room: number) =>
    element('clipPath', { id }, element('rect', { x, y, width: room, height: BAR }));
  const id = `bar-${Math.round(left)}-${Math.round(y)}`;
  return [
    element('rect', { x: left, y, width, height: BAR, rx: 2, fill: theme.grid }),
    element('rect', { x: left, y, width: filled, height: BAR, rx: 2, fill }),
    clip(`${id}-on`, left, filled),
    clip(`${id}-beyond`, left + filled, width - filled),
    element('g', { 'clip-path': `url(#${id}-on)` }, label(ink)),
    element('g', { 'clip-path': `url(#${id}-beyond)` }, label(theme.ink)),
    pen.label(`${Math.round(bar.confidence * 100)}%`, left + size, baseline, { size: 10, anchor: 'end' }),
  ].join('');
}
