/** The metric of the best validation: whether validations measure it, which way it is better, and by whom it is measured. */

import path from 'node:path';
import type { PromptTargets } from '../fairness/index.ts';
import type { FinetuneConfig } from './config.ts';
import type { GuardFolders } from './guard_models.ts';
import type { ImageScore } from './score_objective.ts';
import type { ValidationSettings } from './settings.ts';
import { groupDistance } from './stop_rule.ts';

type Best = NonNullable<ValidationSettings['best']>;

/** What validations of a run measure with. */
export interface Measures {
  readonly targets: PromptTargets;
  readonly guard: GuardFolders | null;
  /** The configuration's objectives, in its order. */
  readonly scores: readonly ImageScore[];
  /** Model directory. */
  readonly directory: string;
}

/**
 * The metric that a configuration names, before the first validation is due.
 * @throws Error for one that no validation measures, or with the goal of the worst validation
 */
export function bestMetric(config: FinetuneConfig, measures: Measures): Best {
  const { every, best } = config.validation;
  if (every === 0) return best;
  const { metric, goal } = best;
  const known = metricGoals(config, measures);
  const better = known.get(metric.replace(/^(distance.*) (low|high)$/, '$1'));
  if (better === undefined) {
    throw new Error(
      `validation.best.metric: expected one of ${[...known.keys()].join(', ')}, received ${JSON.stringify(metric)}`,
    );
  }
  if (goal !== better) {
    throw new Error(
      `validation.best.goal: expected ${better} for ${JSON.stringify(metric)}, received ${goal}: it would keep the worst validation`,
    );
  }
  const measuredBy = guardOf(metric, measures);
  return measuredBy === null ? best : { ...best, measuredBy };
}

/** The metrics that validations measure, each with the goal by which it is better. */
function metricGoals(
  { objectives }: FinetuneConfig,
  { targets: { groups }, guard, scores }: Measures,
): Map<string, Best['goal']> {
  const distances = [
    'distance',
    ...groups.flatMap(({ name }) => (name === '' ? [] : [groupDistance(name)])),
    ...groups.flatMap(({ target }) =>
      target.attributes.flatMap(({ name }) => [`distance ${name}`, `bias ${name}`]),
    ),
  ];
  const guarding = (['clip', 'dino'] as const).filter((name) => guard !== null && guard[name] !== null);
  const similarities = [
    'faces',
    ...guarding.map((name) => `guard semantics ${name}`),
    ...(guard === null || guard.embedder === null ? [] : ['guard realism']),
  ];
  return new Map([
    ...distances.map((name) => [name, 'smallest'] as const),
    ...similarities.map((name) => [name, 'largest'] as const),
    ...scores.map(
      ({ name }, i) =>
        [`score ${name}`, objectives[i]!.direction === 'maximise' ? 'largest' : 'smallest'] as const,
    ),
  ]);
}

/** The models of the guard that measure a metric, as paths from the model directory; null where none does. */
function guardOf(metric: string, { guard, directory }: Measures): string[] | null {
  if (guard === null || !metric.startsWith('guard ')) return null;
  const { clip, dino, embedder, bank } = guard;
  const models = metric === 'guard realism' ? [embedder, bank] : [metric.endsWith(' clip') ? clip : dino];
  return models.map((file) => path.relative(directory, file!));
}
