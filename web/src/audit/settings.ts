/** The settings of Audit: kept as a draft and sent as a request. */

import type { EvaluateRequest } from '../api/types.ts';
import { ADAPTER_SCALES } from '../lib/adapter_scale.ts';
import type { Aim } from '../lib/aim.ts';
import { describedAim, readAim } from '../lib/aim.ts';
import { linesOf } from '../lib/prompt_source.ts';
import { fieldsOf, flag, numeric, text } from '../lib/read.ts';
import type { AttributeClasses } from '../lib/target.ts';

/** Everything that decides what is measured. */
export interface AuditSettings extends Aim {
  /** Name of a model; empty for the server's default. */
  readonly model: string;
  /** Id of an adapter that is measured against the plain model; empty for none. */
  readonly adapter: string;
  /** How strongly the adapter counts; 1 as trained. */
  readonly adapterScale: number;
  readonly imagesPerPrompt: number;
  readonly steps: number;
  readonly seed: number;
  /** Whether prompts that name attributes are measured for obedience besides. */
  readonly explicit: boolean;
}

/** Settings from storage; what doesn't fit has its first value. */
export function readAuditSettings(stored: unknown): AuditSettings {
  const fields = fieldsOf(stored);
  return {
    model: text(fields.model, ''),
    adapter: text(fields.adapter, ''),
    adapterScale: numeric(fields.adapterScale, 1, ...ADAPTER_SCALES),
    imagesPerPrompt: Math.round(numeric(fields.imagesPerPrompt, 16, 1, 1024)),
    steps: Math.round(numeric(fields.steps, 20, 1, 1000)),
    seed: Math.round(numeric(fields.seed, 1000, 0, 2 ** 32 - 1)),
    explicit: flag(fields.explicit, false),
    ...readAim(fields, 6),
  };
}

/** Number of prompts that are measured. @param sizes prompts to measure by set */
export function auditPrompts(
  { source, byGroup, groups }: AuditSettings,
  sizes: ReadonlyMap<string, number>,
): number {
  const { count } = source;
  const ofSet = (set: string) => Math.min(count, sizes.get(set) ?? count);
  if (!byGroup) return source.from === 'own' ? linesOf(source).length : ofSet(source.set);
  return groups.reduce(
    (sum, group) =>
      sum +
      (group.source.from === 'own' ? Math.min(count, linesOf(group.source).length) : ofSet(group.source.set)),
    0,
  );
}

/** The request for these settings. */
export function evaluateRequest(
  settings: AuditSettings,
  attributes: readonly AttributeClasses[],
): EvaluateRequest {
  const { model, adapter, adapterScale, source, imagesPerPrompt, steps, seed, explicit, byGroup } = settings;
  const own = source.from === 'own' && !byGroup;
  return {
    kind: 'evaluate',
    ...(model === '' ? {} : { model }),
    ...(adapter === '' ? {} : { adapter, ...(adapterScale === 1 ? {} : { adapterScale }) }),
    target: describedAim(settings, attributes),
    seed,
    // Groups name their prompts themselves; of each as many are taken.
    prompts: own
      ? { test: linesOf(source), imagesPerPrompt }
      : { ...(byGroup ? {} : { test: source.set }), count: source.count, imagesPerPrompt },
    sampler: { steps },
    explicit: { prompts: explicit ? 'shipped' : 'none' },
  };
}
