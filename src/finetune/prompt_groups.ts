/**
 * Groups of prompts that have targets of their own: what they are called and what they aim at; nothing here reads files, so that a
 * browser can load it.
 */

/** The prompts of a group, and what it is called. */
export interface NamedPrompts {
  /** Prompt lists by name, a text file, or the prompts themselves. */
  readonly for: string | readonly string[];
  /** The names of its lists or its first prompt when left out. */
  readonly name?: string | undefined;
}

/** A group's target: everything that it says besides its prompts, its name and its weight. */
export function groupTarget<Group extends NamedPrompts & { readonly weight?: number | undefined }>(
  group: Group,
): Omit<Group, 'for' | 'name' | 'weight'> {
  const { for: _, name: __, weight: ___, ...target } = group;
  return target;
}

/** What a group of prompts is called: its name, the names of its lists, or its first prompt. */
export function groupName({ for: prompts, name }: NamedPrompts): string {
  if (name !== undefined) return name;
  if (typeof prompts === 'string') return prompts;
  return prompts.length === 1 ? prompts[0]! : `${prompts[0]} and ${prompts.length - 1} more`;
}

/** What the folder of a group's report is called: letters and digits of its name. */
export function groupFolder(name: string): string {
  return name.replaceAll(/[^\p{L}\p{N}+-]+/gu, '-').slice(0, 60);
}

/** The first of some names whose folder an earlier one has, with that one; null where all differ, also on disks that ignore case. */
export function sameFolder(names: readonly string[]): readonly [string, string] | null {
  const seen = new Map<string, string>();
  for (const name of names) {
    const folder = groupFolder(name).toLowerCase();
    const earlier = seen.get(folder);
    if (earlier !== undefined) return [earlier, name];
    seen.set(folder, name);
  }
  return null;
}
