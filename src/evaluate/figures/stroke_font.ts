/** Text as pen strokes: width and SVG of labels in the built-in typeface, for images that are rasterised. */

import { glyphOf, markOf } from './stroke_glyphs.ts';

/** Units of the glyph shapes that make one em, the font size. */
const UNITS_PER_EM = 20;

/** Space between the pen paths of two glyphs. */
const SPACING = 3.1;

/** How far a mark above a capital rises beyond one above a small letter. */
const CAPITAL_RISE = 3.6;

/** Pen widths in glyph units. */
const PEN = { regular: 1.55, bold: 2.3 };

/** Weight of a label. */
export type Weight = keyof typeof PEN;

interface Placed {
  readonly x: number;
  readonly y: number;
  readonly path: string;
}

function place(text: string): { glyphs: Placed[]; width: number } {
  const glyphs: Placed[] = [];
  let x = 0;
  let middle = 0;
  let capital = false;
  for (const character of text.normalize('NFD')) {
    const mark = markOf(character);
    if (mark !== undefined) {
      glyphs.push({ x: middle, y: capital && !mark.below ? -CAPITAL_RISE : 0, path: mark.path });
      continue;
    }
    const { width, path } = glyphOf(character);
    if (path !== '') glyphs.push({ x, y: 0, path });
    middle = x + width / 2;
    capital = character !== character.toLowerCase();
    x += width + SPACING;
  }
  return { glyphs, width: Math.max(0, x - SPACING) };
}

/** Width in pixels of `text` at a font size in pixels; also a fair estimate for common sans-serif fonts. */
export function textWidth(text: string, size: number): number {
  return (place(text).width / UNITS_PER_EM) * size;
}

/**
 * The text cut so that it is at most `width` pixels wide at `size`, with an ellipsis where something was cut.
 */
export function fitText(text: string, size: number, width: number): string {
  if (textWidth(text, size) <= width) return text;
  const characters = [...text];
  while (characters.length > 0) {
    characters.pop();
    const cut = `${characters.join('').trimEnd()}\u2026`;
    if (textWidth(cut, size) <= width) return cut;
  }
  return '';
}

/** Text broken into lines of at most `width` pixels at word boundaries, at most `lines` of them, the last one cut to fit. */
export function wrapText(text: string, size: number, width: number, lines: number): string[] {
  const words = text.split(/\s+/u).filter((word) => word !== '');
  const wrapped: string[] = [];
  let line = '';
  while (words.length > 0) {
    const longer = line === '' ? words[0]! : `${line} ${words[0]}`;
    if (line !== '' && textWidth(longer, size) > width) {
      if (wrapped.length === lines - 1) break;
      wrapped.push(line);
      line = '';
      continue;
    }
    line = longer;
    words.shift();
  }
  const rest = words.length > 0 ? `${line} ${words.join(' ')}` : line;
  if (rest !== '') wrapped.push(rest);
  return wrapped.map((part) => fitText(part, size, width));
}

/**
 * SVG group that draws `text` with the built-in typeface.
 * @param x,y anchor point on the baseline, in pixels
 * @param size font size in pixels
 * @param anchor which end of the text lies at x
 * @param colour any SVG colour; it is inserted as it is
 */
export function strokeText(
  text: string,
  x: number,
  y: number,
  size: number,
  colour: string,
  anchor: 'start' | 'middle' | 'end' = 'start',
  weight: Weight = 'regular',
  rotation = 0,
): string {
  const { glyphs, width } = place(text);
  const scale = size / UNITS_PER_EM;
  const start = anchor === 'start' ? 0 : anchor === 'middle' ? -width / 2 : -width;
  const paths = glyphs.map((glyph) => {
    const shift = `${round(start + glyph.x)} ${round(glyph.y)}`;
    return `<path transform="translate(${shift})" d="${glyph.path}"/>`;
  });
  const turn = rotation === 0 ? '' : ` rotate(${rotation})`;
  const transform = `translate(${round(x)} ${round(y)})${turn} scale(${round(scale)})`;
  return (
    `<g transform="${transform}" fill="none" stroke="${colour}" stroke-width="${PEN[weight]}" ` +
    `stroke-linecap="round" stroke-linejoin="round">${paths.join('')}</g>`
  );
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
