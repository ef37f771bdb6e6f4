/** A measured distribution beside its target: a table whose bars carry an interval and a target mark. */

import type { CSSProperties } from 'react';
import { percent, percentInterval } from '../lib/format.ts';

/** One class. */
export interface DistributionRow {
  readonly label: string;
  /** Measured share, or `null` before anything was measured. */
  readonly share: number | null;
  readonly interval: { readonly low: number; readonly high: number } | null;
  /** Share that is aimed at, or `null` where none is. */
  readonly target: number | null;
}

const WIDTH = 400;
const HEIGHT = 28;

function Bar({ row, colour }: { readonly row: DistributionRow; readonly colour: string }) {
  const { share, interval, target } = row;
  const x = (value: number) => value * WIDTH;
  const middle = HEIGHT / 2;
  return (
    <svg className="bar" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <rect className="bar-track" width={WIDTH} height={HEIGHT} />
      {[0.25, 0.5, 0.75].map((at) => (
        <line key={at} className="bar-tick" x1={x(at)} x2={x(at)} y1="0" y2={HEIGHT} />
      ))}
      <rect
        className="bar-fill"
        y="6"
        width={WIDTH}
        height={HEIGHT - 12}
        fill={colour}
        style={{ transform: `scaleX(${share ?? 0})` } as CSSProperties}
      />
      {interval && (
        <>
          <path className="bar-halo" d={whisker(x(interval.low), x(interval.high), middle)} />
          <path className="bar-whisker" d={whisker(x(interval.low), x(interval.high), middle)} />
        </>
      )}
      {target !== null && (
        <>
          <line className="bar-target-halo" x1={x(target)} x2={x(target)} y1="0" y2={HEIGHT} />
          <line className="bar-target" x1={x(target)} x2={x(target)} y1="0" y2={HEIGHT} />
        </>
      )}
    </svg>
  );
}

function whisker(low: number, high: number, middle: number): string {
  return `M${low} ${middle - 4}v8M${low} ${middle}H${high}M${high} ${middle - 4}v8`;
}

/** The table of one attribute. */
export function DistributionTable({
  caption,
  rows,
  level = 0.95,
}: {
  readonly caption: string;
  readonly rows: readonly DistributionRow[];
  /** Confidence level of the intervals. */
  readonly level?: number;
}) {
  const hasTarget = rows.some(({ target }) => target !== null);
  return (
    <table className="distribution">
      <caption>{caption}</caption>
      <thead>
        <tr>
          <th scope="col">Class</th>
          <th scope="col" className="number">
            Measured
          </th>
          <th scope="col" className="number">
            {percent(level)} interval
          </th>
          {hasTarget && (
            <th scope="col" className="number">
              Target
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {rows.map((row, index) => (
          <tr key={row.label}>
            <th scope="row">
              <span>{row.label}</span>
              <Bar row={row} colour={`var(--series-${index % 8})`} />
            </th>
            <td className="number strong">{row.share === null ? '–' : percent(row.share)}</td>
            <td className="number muted">{row.interval === null ? '–' : percentInterval(row.interval)}</td>
            {hasTarget && <td className="number">{row.target === null ? '–' : percent(row.target)}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
