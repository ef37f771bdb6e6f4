/** When a run may end: the validated distance to the target, with its interval, is within what was asked for. */

import type { StopSettings } from './settings.ts';

/**
 * Why the run may stop now; `null` while it may not. The upper end of the distance's interval less the noise floor must be at
 * most `stop.distance`: with high confidence, the model is no farther from the target than that.
 * @param validation numbers of a validation, `distance high` and `distance floor` among them
 */
export function reasonToStop(
  validation: Readonly<Record<string, number>>,
  stop: StopSettings | undefined,
): string | null {
  if (stop === undefined) return null;
  const high = validation['distance high'] ?? Number.NaN;
  const floor = validation['distance floor'] ?? Number.NaN;
  if (!(high - floor <= stop.distance)) return null;
  const text = (value: number) => value.toFixed(3);
  return `distance to the target at most ${text(high)}, ${text(high - floor)} above the noise floor (asked for: ${stop.distance})`;
}
