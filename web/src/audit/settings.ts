/** The settings of Audit: kept as a draft and sent as a request. */

import type { EvaluateRequest } from '../api/types.ts';
import type { PromptSource } from '../lib/prompt_source.ts';
import { linesOf, readPromptSource } from '../lib/prompt_source.ts';
import { fieldsOf, flag, numeric, text } from '../lib/read.ts';
import type { AttributeClasses, TargetDraft } from '../lib/target.ts';
import { evenPercents, faultOf, readTarget, targetDescription } from '../lib/target.ts';

/** Everything that decides what is measured. */
export interface AuditSettings {
  /** Name of a model; empty for the server's default. */
  readonly model: string;
  /** Id of an adapter that is measured against the plain model; empty for none. */
  readonly adapter: string;
  readonly source: PromptSource;
  readonly imagesPerPrompt: number;
  readonly steps: number;
  readonly seed: number;
  /** Whether prompts that name attributes are measured for obedience besides. */
  readonly explicit: boolean;
  readonly target: TargetDraft;
}

/** Settings from storage; what doesn't fit has its first value. */
export function readAuditSettings(stored: unknown): AuditSettings {
  const fields = fieldsOf(stored);
  return {
    model: text(fields.model, ''),
    adapter: text(fields.adapter, ''),
    source: readPromptSource(fields.source, 6),
    imagesPerPrompt: Math.round(numeric(fields.imagesPerPrompt, 16, 1, 1024)),
    steps: Math.round(numeric(fields.steps, 20, 1, 1000)),
    seed: Math.round(numeric(fields.seed, 1000, 0, 2 ** 32 - 1)),
    explicit: flag(fields.explicit, false),
    target:
      fields.target === undefined ? { gender: evenPercents(['female', 'male']) } : readTarget(fields.target),
  };
}

/** Number of prompts that are measured. */
export function auditPrompts({ source }: AuditSettings, setSize: number | null): number {
  return source.from === 'own' ? linesOf(source).length : Math.min(source.count, setSize ?? source.count);
}

/** What keeps an audit from being started, or `null`. */
export function auditFault(settings: AuditSettings, attributes: readonly AttributeClasses[]): string | null {
  const steered = attributes.filter(({ name }) => settings.target[name] !== undefined);
  if (steered.length === 0) return 'Switch on at least one attribute of the target.';
  for (const { name } of steered) {
    const fault = faultOf(settings.target[name]!);
    if (fault !== null) return `Target, ${name}: ${fault}`;
  }
  return settings.source.from === 'own' && linesOf(settings.source).length === 0
    ? 'Write at least one prompt.'
    : null;
}

/** The request for these settings. */
export function evaluateRequest(
  settings: AuditSettings,
  attributes: readonly AttributeClasses[],
): EvaluateRequest {
  const { model, adapter, source, imagesPerPrompt, steps, seed, explicit, target } = settings;
  const own = source.from === 'own';
  return {
    kind: 'evaluate',
    ...(model === '' ? {} : { model }),
    ...(adapter === '' ? {} : { adapter }),
    target: targetDescription(target, attributes),
    seed,
    prompts: own
      ? { test: linesOf(source), imagesPerPrompt }
      : { test: source.set, count: source.count, imagesPerPrompt },
    sampler: { steps },
    explicit: { prompts: explicit ? 'shipped' : 'none' },
  };
}
