/** What a fine-tuning or audit aims at: one target for all its prompts, or one for each group of them. */

import { groupName, sameFolder } from '../../../src/finetune/prompt_groups.ts';
import type { PromptSource } from './prompt_source.ts';
import { linesOf, readPromptSource } from './prompt_source.ts';
import { fieldsOf, flag, numeric, text } from './read.ts';
import type { AttributeClasses, TargetDraft } from './target.ts';
import { evenPercents, faultOf, fitTarget, readTarget, targetDescription } from './target.ts';

/** Prompts with a target of their own. */
export interface PromptGroup {
  /** Tells the groups of a draft apart. */
  readonly id: number;
  /** What it is called in reports; empty for the name of its set, or its first prompt. */
  readonly name: string;
  readonly source: PromptSource;
  readonly target: TargetDraft;
  /** How often a fine-tuning draws it, compared with the other groups. */
  readonly weight: number;
}

/** Least and most that a group may weigh. */
export const GROUP_WEIGHTS = Object.freeze([0.01, 1000] as const);

/** Both ways to aim, with what the other needs kept, so that changing between them loses nothing. */
export interface Aim {
  readonly target: TargetDraft;
  readonly source: PromptSource;
  /** Whether each group of prompts has a target of its own. */
  readonly byGroup: boolean;
  readonly groups: readonly PromptGroup[];
}

/** Groups that the server takes. */
export const MOST_GROUPS = 50;

/** A group as the server reads it. */
export interface GroupDescription {
  readonly for: string | string[];
  readonly name?: string;
  readonly weight?: number;
  readonly [attribute: string]: unknown;
}

/** An aim from the fields of a stored draft. @param count how many prompts of a set are taken at first */
export function readAim(fields: Readonly<Record<string, unknown>>, count: number): Aim {
  const groups = Array.isArray(fields.groups) ? fields.groups.slice(0, MOST_GROUPS) : [];
  return {
    target:
      fields.target === undefined ? { gender: evenPercents(['female', 'male']) } : readTarget(fields.target),
    source: readPromptSource(fields.source, count),
    byGroup: flag(fields.byGroup, false) && groups.length > 0,
    groups: groups.map((stored, id) => {
      const { name, source, target, weight } = fieldsOf(stored);
      return {
        id,
        name: text(name, ''),
        source: readPromptSource(source, count),
        target: readTarget(target),
        weight: numeric(weight, 1, ...GROUP_WEIGHTS),
      };
    }),
  };
}

/** Settings whose targets fit the attributes of a model. */
export function fitAim<Settings extends Aim>(
  settings: Settings,
  attributes: readonly AttributeClasses[],
): Settings {
  return {
    ...settings,
    target: fitTarget(settings.target, attributes),
    groups: settings.groups.map((group) => ({ ...group, target: fitTarget(group.target, attributes) })),
  };
}

function promptsOf({ name, source, weight }: PromptGroup): Pick<GroupDescription, 'for' | 'name' | 'weight'> {
  const prompts = source.from === 'own' ? linesOf(source) : source.set;
  return {
    for: prompts,
    ...(name.trim() === '' ? {} : { name: name.trim() }),
    ...(weight === 1 ? {} : { weight }),
  };
}

/** What a group of a draft is called. */
export function groupTitle(group: PromptGroup): string {
  const prompts = promptsOf(group);
  return prompts.for.length === 0 && prompts.name === undefined ? 'no prompts yet' : groupName(prompts);
}

/**
 * Groups with one more behind: a set that no other has, if there is one, and the target of the last one.
 * @param sets names of the server's sets
 */
export function withNewGroup({ groups, source, target }: Aim, sets: readonly string[]): PromptGroup[] {
  const last = groups.at(-1);
  if (last === undefined) return [{ id: 0, name: '', source, target, weight: 1 }];
  const id = Math.max(...groups.map((group) => group.id)) + 1;
  const used = groups.flatMap((group) => (group.source.from === 'set' ? [group.source.set] : []));
  const set = sets.find((name) => !used.includes(name));
  const own = { ...last.source, from: 'own' as const, lines: '' };
  const next = set === undefined ? own : { ...own, from: 'set' as const, set };
  return [...groups, { id, name: '', source: next, target: last.target, weight: 1 }];
}

/** What is wrong with prompts and target, or `null`. */
function faultOfPart(
  { source, target }: Pick<PromptGroup, 'source' | 'target'>,
  attributes: readonly AttributeClasses[],
): string | null {
  const steered = attributes.filter(({ name }) => target[name] !== undefined);
  if (steered.length === 0) return 'Switch on at least one attribute of the target.';
  for (const { name } of steered) {
    const fault = faultOf(target[name]!);
    if (fault !== null) return `Target, ${name}: ${fault}`;
  }
  return source.from === 'own' && linesOf(source).length === 0 ? 'Write at least one prompt.' : null;
}

/** What is wrong with the title of a group beside those before it, or `null`. */
export function titleFault(group: PromptGroup, groups: readonly PromptGroup[]): string | null {
  const title = groupTitle(group);
  const twin = groups
    .filter(({ id }) => id < group.id)
    .map(groupTitle)
    .find((other) => sameFolder([other, title]) !== null);
  return twin === undefined ? null : `Another group is called “${twin}”: give this one another name.`;
}

/** What keeps something with this aim from being started, or `null`. */
export function aimFault(aim: Aim, attributes: readonly AttributeClasses[]): string | null {
  if (!aim.byGroup) return faultOfPart(aim, attributes);
  for (const group of aim.groups) {
    const fault = titleFault(group, aim.groups) ?? faultOfPart(group, attributes);
    if (fault !== null) return `Group ${groupTitle(group)}: ${fault}`;
  }
  return null;
}

/** The targets of an aim with the groups' titles; `null` as title of the one for all. */
export function targetsOf(
  aim: Aim,
): readonly { readonly title: string | null; readonly target: TargetDraft }[] {
  if (!aim.byGroup) return [{ title: null, target: aim.target }];
  return aim.groups.map((group) => ({ title: groupTitle(group), target: group.target }));
}

/** The aim as the server reads it under `target`. */
export function describedAim(
  aim: Aim,
  attributes: readonly AttributeClasses[],
): Record<string, unknown> | GroupDescription[] {
  if (!aim.byGroup) return targetDescription(aim.target, attributes);
  return aim.groups.map((group) => ({ ...promptsOf(group), ...targetDescription(group.target, attributes) }));
}
