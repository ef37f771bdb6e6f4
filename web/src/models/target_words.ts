/** Targets as a server gives them, in a line. */

import { groupName, groupTarget } from '../../../src/finetune/prompt_groups.ts';
import type { JobTarget, Target } from '../api/types.ts';

/** Names of attributes are joined so for a joint target. */
const JOINT = ' x ';

function sharesInWords(shares: unknown): string {
  if (typeof shares === 'string') return shares;
  if (typeof shares !== 'object' || shares === null) return String(shares);
  return Object.entries(shares)
    .map(([name, share]) =>
      typeof share === 'number' ? `${Math.round(share * 100)}% ${name}` : `${name} ${sharesInWords(share)}`,
    )
    .join(', ');
}

function isGroups(target: JobTarget): target is Extract<JobTarget, readonly unknown[]> {
  return Array.isArray(target);
}

type Group = Extract<JobTarget, readonly unknown[]>[number];

function targetOfGroup(group: Group): Target {
  return groupTarget(group) as Target;
}

function groupInWords(group: Group): string {
  const { weight = 1 } = group;
  const drawn = weight === 1 ? '' : ` (weight ${weight})`;
  return `${groupName(group)}${drawn}: ${targetInWords(targetOfGroup(group))}`;
}

/** `gender: uniform; age: 75% young, 25% old`, of groups with the prompts in front: `sports (weight 0.2): gender: 60/40`. */
export function targetInWords(target: JobTarget): string {
  if (typeof target === 'string') return target;
  if (isGroups(target)) return target.map(groupInWords).join(' · ');
  return Object.entries(target)
    .map(([name, shares]) => `${name}: ${sharesInWords(shares)}`)
    .join('; ');
}

/** Names of the attributes that a target is about, over all its groups. */
export function attributesOf(target: JobTarget): string[] {
  if (isGroups(target)) return [...new Set(target.flatMap((group) => attributesOf(targetOfGroup(group))))];
  const keys =
    typeof target === 'string'
      ? target.split(/[,;]/).map((part) => part.split('=')[0]!.trim())
      : Object.keys(target);
  return keys.flatMap((key) => key.split(JOINT));
}
