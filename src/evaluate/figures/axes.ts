/** Scales from values to pixels, round tick values, and their grid lines and labels. */

import type { Pen } from './svg.ts';
import { element } from './svg.ts';

/** A scale from values to pixels. */
export interface Scale {
  /** Pixel of a value. */
  (value: number): number;
  /** Values with a tick, ascending. */
  readonly ticks: readonly number[];
  /** Text of a tick. */
  readonly format: (tick: number) => string;
}

/** The rectangle that the axes enclose, in pixels. */
export interface Plot {
  /** Left edge. */
  readonly left: number;
  /** Upper edge. */
  readonly top: number;
  /** Right edge. */
  readonly right: number;
  /** Lower edge. */
  readonly bottom: number;
}

/** Step of 1, 2 or 5 times a power of ten that divides `span` into about `count` parts. */
function roundStep(span: number, count: number): number {
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const leading = rough / power;
  return power * (leading < Math.SQRT2 ? 1 : leading < Math.sqrt(10) ? 2 : leading < Math.sqrt(50) ? 5 : 10);
}

/** A number as a tick shows it: up to the decimals of its step, thousands as k. */
function formatTick(tick: number, step: number): string {
  const value = Math.abs(tick) < step / 1e6 ? 0 : tick;
  if (step >= 1000 && Math.abs(value) >= 1000 && Math.abs(value) < 1e6) {
    return `${Number((value / 1000).toFixed(3))}k`;
  }
  if (Math.abs(value) >= 1e6) return value.toExponential().replace('+', '');
  const decimals = Math.min(10, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  return step < 1e-4 ? Number(value.toPrecision(3)).toExponential() : value.toFixed(decimals);
}

/**
 * Linear scale over [low, high], widened to round ticks at the ends where `widen` is set.
 * @param from,to pixels of the ends
 */
export function linearScale(
  low: number,
  high: number,
  from: number,
  to: number,
  count = 5,
  widen = true,
): Scale {
  if (!(high > low)) [low, high] = [low - (Math.abs(low) || 1) / 2, low + (Math.abs(low) || 1) / 2];
  const step = roundStep(high - low, count);
  if (widen) {
    low = Math.floor(low / step + 1e-9) * step;
    high = Math.ceil(high / step - 1e-9) * step;
  }
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  const scale = (value: number) => from + ((value - low) / (high - low)) * (to - from);
  return Object.assign(scale, { ticks, format: (tick: number) => formatTick(tick, step) });
}

/** Logarithmic scale over [low, high], both positive, widened to powers of ten. */
export function logScale(low: number, high: number, from: number, to: number): Scale {
  const first = Math.floor(Math.log10(low) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(high) - 1e-9));
  const every = Math.ceil((last - first) / 8);
  const ticks: number[] = [];
  for (let power = first; power <= last; power += every) ticks.push(Number(`1e${power}`));
  const scale = (value: number) => from + ((Math.log10(value) - first) / (last - first)) * (to - from);
  const format = (tick: number) =>
    tick >= 0.001 && tick < 1e4 ? String(Number(tick.toPrecision(3))) : tick.toExponential().replace('+', '');
  return Object.assign(scale, { ticks, format });
}

/** Width in pixels of the widest tick label at size 11. */
export function tickWidth(pen: Pen, scale: Scale): number {
  return Math.max(0, ...scale.ticks.map((tick) => pen.width(scale.format(tick), 11)));
}

/** Horizontal grid lines with their values, and the axis' name turned along it. */
export function verticalAxis(pen: Pen, scale: Scale, plot: Plot, name: string): string {
  const lines = scale.ticks.flatMap((tick) => {
    const y = scale(tick);
    return [
      element('line', {
        x1: plot.left,
        x2: plot.right,
        y1: y,
        y2: y,
        stroke: tick === 0 ? pen.theme.muted : pen.theme.grid,
      }),
      pen.label(scale.format(tick), plot.left - 8, y + 4, {
        size: 11,
        colour: pen.theme.muted,
        anchor: 'end',
      }),
    ];
  });
  const middle = (plot.top + plot.bottom) / 2;
  const title = pen.label(name, plot.left - tickWidth(pen, scale) - 20, middle, {
    colour: pen.theme.muted,
    anchor: 'middle',
    rotation: -90,
  });
  return [...lines, title].join('');
}

/** The lower axis: a line, ticks with their values, and the axis' name under them. */
export function horizontalAxis(pen: Pen, scale: Scale, plot: Plot, name: string): string {
  const { theme } = pen;
  const ticks = scale.ticks.flatMap((tick) => {
    const x = scale(tick);
    return [
      element('line', { x1: x, x2: x, y1: plot.bottom, y2: plot.bottom + 5, stroke: theme.muted }),
      pen.label(scale.format(tick), x, plot.bottom + 19, { size: 11, colour: theme.muted, anchor: 'middle' }),
    ];
  });
  const base = { x1: plot.left, x2: plot.right, y1: plot.bottom, y2: plot.bottom, stroke: theme.muted };
  const middle = (plot.left + plot.right) / 2;
  const title = pen.label(name, middle, plot.bottom + 38, { colour: theme.muted, anchor: 'middle' });
  return [element('line', base), ...ticks, title].join('');
}
