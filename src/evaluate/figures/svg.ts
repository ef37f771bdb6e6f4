/** SVG text: escaped elements, labels as text or as strokes, and the frame that every figure shares. */

import type { Weight } from './stroke_font.ts';
import { fitText, strokeText, textWidth } from './stroke_font.ts';
import type { Theme } from './theme.ts';
import { pageTheme } from './theme.ts';

/** Fonts of labels that stay text; the reader's system has one of them. */
export const FONT_FAMILY =
  "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/** How much wider than the built-in typeface a reader's font may be: Verdana and DejaVu Sans are the widest in use. */
const WIDEST_FONT = 1.2;

/** How a figure is drawn. */
export interface FigureStyle {
  /** Its colours; those of the page when left out. */
  readonly theme?: Theme;
  /**
   * Labels as `text` (when left out), which can be selected and read aloud, or as `strokes` of the built-in typeface,
   * which look the same without any installed font.
   */
  readonly labels?: 'text' | 'strokes';
  /** Prefix of ids, which must differ between the figures of one page; 'figure' when left out. */
  readonly id?: string;
}

/** Attributes of an element; one that is undefined is left out. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** Options of {@link Pen.label}. */
export interface LabelOptions {
  /** Font size in pixels; 12 when left out. */
  readonly size?: number;
  /** Colour; the theme's ink when left out. */
  readonly colour?: string;
  /** End of the text that lies at the given x. */
  readonly anchor?: 'start' | 'middle' | 'end';
  /** Weight. */
  readonly weight?: Weight;
  /** Clockwise turn about the anchor in degrees. */
  readonly rotation?: number;
}

/** A style with everything filled in, and the function that draws labels in it. */
export interface Pen {
  /** Colours. */
  readonly theme: Theme;
  /** Id prefix. */
  readonly id: string;
  /** Width in pixels that a label needs at most. */
  width(text: string, size: number): number;
  /** The label cut with an ellipsis where it is wider than `width` pixels. */
  fit(text: string, size: number, width: number): string;
  /** Draws a label with its baseline at y. */
  label(text: string, x: number, y: number, options?: LabelOptions): string;
}

/** Text with the five characters that markup reserves replaced, and control characters that XML forbids removed. */
export function escapeMarkup(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;')
    .replace(/'/g, '&#39;');
}

/** A number for markup: at most two decimals. */
export function number(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** An element with escaped attributes; children are markup and inserted as they are. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? number(value) : escapeMarkup(value!)}"`)
    .join('');
  return children.length === 0 ? `<${name}${written}/>` : `<${name}${written}>${children.join('')}</${name}>`;
}

/** Fills in a style. */
export function createPen(style: FigureStyle = {}): Pen {
  const { theme = pageTheme, labels = 'text', id = 'figure' } = style;
  const widen = labels === 'text' ? WIDEST_FONT : 1;
  return {
    theme,
    id,
    width: (text, size) => textWidth(text, size) * widen,
    fit: (text, size, width) => fitText(text, size, width / widen),
    label(text, x, y, options = {}) {
      const { size = 12, colour = theme.ink, anchor = 'start', weight = 'regular', rotation = 0 } = options;
      if (labels === 'strokes') return strokeText(text, x, y, size, colour, anchor, weight, rotation);
      return element(
        'text',
        {
          x,
          y,
          fill: colour,
          'font-size': size,
          'font-weight': weight === 'bold' ? 600 : undefined,
          'text-anchor': anchor === 'start' ? undefined : anchor,
          transform: rotation === 0 ? undefined : `rotate(${rotation} ${number(x)} ${number(y)})`,
        },
        escapeMarkup(text),
      );
    },
  };
}

/**
 * A complete SVG figure with a title and a description for readers who can't see it.
 * @param width,height size in pixels; the figure also scales with its container
 */
export function svgFigure(
  pen: Pen,
  width: number,
  height: number,
  title: string,
  description: string,
  content: readonly string[],
): string {
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${number(width)} ${number(height)}`,
      width,
      height,
      role: 'img',
      'aria-labelledby': `${pen.id}-title ${pen.id}-description`,
      'font-family': FONT_FAMILY,
    },
    element('title', { id: `${pen.id}-title` }, escapeMarkup(title)),
    element('desc', { id: `${pen.id}-description` }, escapeMarkup(description)),
    element('rect', { width, height, fill: pen.theme.surface }),
    ...content,
  );
}
