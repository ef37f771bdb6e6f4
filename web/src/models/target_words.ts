/** Targets as a server gives them, in a line. */

import { groupName } from '../../../src/finetune/prompt_groups.ts';
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

function targetOfGroup({ for: _, name: __, ...target }: Group): Target {
  return target;
}

/** `gender: uniform; age: 75% young, 25% old`, of groups with the prompts in front: `sports: gender: 60/40`. */
export function targetInWords(target: JobTarget): string {
  if (typeof target === 'string') return target;
  if (isGroups(target)) {
    return target.map((group) => `${groupName(group)}: ${targetInWords(targetOfGroup(group))}`).join(' · ');
  }
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
