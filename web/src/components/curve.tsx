/** A live curve over iterations, drawn by uPlot in the page's colours, with its last values in words. */

import { useEffect, useMemo, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { significant } from '../lib/format.ts';

/** One line: a value for each x, `null` where there is none. */
export interface CurveSeries {
  readonly label: string;
  readonly values: readonly (number | null)[];
  /** Position in the palette. */
  readonly colour: number;
  /** Ends of an interval around the line. */
  readonly band?: { readonly low: readonly (number | null)[]; readonly high: readonly (number | null)[] };
  /** A line that marks a reference. */
  readonly dashed?: boolean;
}

const HEIGHT = 220;

/** Colours as the browser resolves them, for the canvas. */
function resolveColours(element: HTMLElement): (name: string) => string {
  const probe = element.appendChild(document.createElement('span'));
  probe.hidden = true;
  const colours = new Map<string, string>();
  for (const name of ['ink', 'muted', 'line', ...Array.from({ length: 8 }, (_, i) => `series-${i}`)]) {
    probe.style.color = `var(--${name})`;
    colours.set(name, getComputedStyle(probe).color);
  }
  probe.remove();
  return (name) => colours.get(name) ?? 'currentColor';
}

function optionsOf(
  series: readonly CurveSeries[],
  width: number,
  colour: (name: string) => string,
): uPlot.Options {
  const axis = {
    stroke: colour('muted'),
    grid: { stroke: colour('line'), width: 1 },
    ticks: { stroke: colour('line'), width: 1, size: 4 },
    font: '12px system-ui, sans-serif',
  };
  const lines: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  for (const { label, colour: position, band, dashed } of series) {
    const stroke = colour(`series-${position}`);
    lines.push({
      label,
      stroke,
      width: 2,
      spanGaps: true,
      ...(dashed ? { dash: [6, 4], width: 1.5 } : {}),
      points: { size: 5 },
    });
    if (!band) continue;
    const hidden = { stroke: 'transparent', width: 0, points: { show: false }, spanGaps: true };
    lines.push({ ...hidden, label: `${label}, upper end` }, { ...hidden, label: `${label}, lower end` });
    bands.push({
      series: [lines.length - 2, lines.length - 1],
      fill: stroke.replace(/^rgb\((.*)\)$/, 'rgba($1, 0.16)'),
    });
  }
  return {
    width,
    height: HEIGHT,
    series: lines,
    bands,
    axes: [axis, { ...axis, size: 52, values: (_plot, ticks) => ticks.map(significant) }],
    scales: { x: { time: false } },
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
  };
}

function dataOf(x: readonly number[], series: readonly CurveSeries[]): uPlot.AlignedData {
  const columns = series.flatMap(({ values, band }) => (band ? [values, band.high, band.low] : [values]));
  return [x, ...columns] as unknown as uPlot.AlignedData;
}

/** A figure with its title, a legend that carries each line's last value, and the plot. */
export function Curve({
  title,
  x,
  series,
  theme,
  xLabel,
}: {
  readonly title: string;
  readonly x: readonly number[];
  readonly series: readonly CurveSeries[];
  /** Redraws in other colours when it changes. */
  readonly theme: string;
  readonly xLabel: string;
}) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const data = useMemo(() => dataOf(x, series), [x, series]);
  const latest = useRef(data);
  latest.current = data;
  const shape = series
    .map(({ label, colour, band, dashed }) => [label, colour, !!band, !!dashed].join())
    .join('|');
  const described = useRef(series);
  described.current = series;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new plot is needed when lines or colours change, not at each new value.
  useEffect(() => {
    const element = holder.current!;
    const made = new uPlot(
      optionsOf(described.current, element.clientWidth || 300, resolveColours(element)),
      latest.current,
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0) made.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, theme]);
  useEffect(() => plot.current?.setData(data), [data]);
  const last = x.at(-1);
  return (
    <figure className="curve">
      <figcaption>
        <h3>{title}</h3>
        <ul className="legend">
          {series.map(({ label, values, colour, dashed }) => (
            <li key={label}>
              <span className={dashed ? 'key dashed' : 'key'} style={{ color: `var(--series-${colour})` }} />
              {label} <strong>{significant(lastNumber(values))}</strong>
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={holder} className="plot" aria-hidden="true" />
      <p className="small muted">
        {xLabel}
        {last === undefined ? '' : ` ${last}`}
      </p>
    </figure>
  );
}

function lastNumber(values: readonly (number | null)[]): number {
  return values.findLast((value) => value !== null) ?? Number.NaN;
}
