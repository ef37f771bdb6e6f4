/** Targets by group of prompts: which distribution the images of a prompt are to follow. */

import type { TargetDistribution } from './target_distribution.ts';

/** Prompts that share a target. */
export interface PromptGroup {
  /** What the group is called in numbers and errors, such as `sports`. */
  readonly name: string;
  /** Its prompts. */
  readonly prompts: readonly string[];
  readonly target: TargetDistribution;
}

/** The targets of all prompts. */
export interface PromptTargets {
  /** Distinct targets in order, each with its group's name; '' where all prompts have one target. */
  readonly groups: readonly { readonly name: string; readonly target: TargetDistribution }[];
  /**
   * The group of a prompt.
   * @throws Error when the prompt is in none
   */
  of(prompt: string): { readonly name: string; readonly target: TargetDistribution };
}

/** One target for every prompt. */
export function sameTarget(target: TargetDistribution): PromptTargets {
  const group = Object.freeze({ name: '', target });
  return Object.freeze({ groups: Object.freeze([group]), of: () => group });
}

/**
 * The targets of several groups of prompts.
 * @throws Error when there is no group, two have one name, or a prompt is in two groups
 */
export function targetsByGroup(groups: readonly PromptGroup[]): PromptTargets {
  if (groups.length === 0) throw new Error('Target: expected at least one group of prompts, received none');
  const known = new Map<string, PromptGroup>();
  const names = new Set<string>();
  for (const group of groups) {
    if (names.has(group.name)) throw new Error(`Target: the prompts '${group.name}' have two targets`);
    names.add(group.name);
    for (const prompt of group.prompts) {
      const other = known.get(prompt);
      if (other !== undefined && other !== group) {
        throw new Error(
          `Target: expected one target a prompt; '${prompt}' is in ${other.name} and in ${group.name}`,
        );
      }
      known.set(prompt, group);
    }
  }
  return Object.freeze({
    groups: Object.freeze(groups.map(({ name, target }) => Object.freeze({ name, target }))),
    of(prompt: string) {
      const found = known.get(prompt);
      if (found !== undefined) return found;
      throw new Error(`Target: '${prompt}' is in none of the groups ${[...names].join(', ')}`);
    },
  });
}
