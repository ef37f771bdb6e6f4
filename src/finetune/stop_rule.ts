/** When a run may end: the validated distance to the target, with its interval, is within what was asked for. */

import type { StopSettings } from './settings.ts';

/** Name under which validations hold the distance of one group of prompts to its own target. */
export function groupDistance(group: string): string {
  return `distance of ${group}`;
}

/**
 * Why the run may stop now; `null` while it may not. The upper end of the distance's interval less the noise floor must be at
 * most `stop.distance`: with high confidence, the model is no farther from the target than that. Where groups of prompts have
 * targets of their own, that must hold for every one of them.
 * @param validation numbers of a validation, `distance high` and `distance floor` among them
 */
export function reasonToStop(
  validation: Readonly<Record<string, number>>,
  stop: StopSettings | undefined,
): string | null {
  if (stop === undefined) return null;
  const { groups = [] } = stop;
  const keys = groups.length === 0 ? ['distance'] : groups.map(groupDistance);
  const text = (value: number) => value.toFixed(3);
  const reasons: string[] = [];
  for (const key of keys) {
    const high = validation[`${key} high`] ?? Number.NaN;
    const floor = validation[`${key} floor`] ?? Number.NaN;
    if (!(high - floor <= stop.distance)) return null;
    const subject = key === 'distance' ? 'distance to the target' : key;
    reasons.push(`${subject} at most ${text(high)}, ${text(high - floor)} above the noise floor`);
  }
  return `${reasons.join('; ')} (asked for: ${stop.distance})`;
}
