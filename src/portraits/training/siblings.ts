/** Groups of scenes that share a prompt and differ in what their captions name: near misses for contrastive batches. */

import { createGenerator, permutation } from '../../diffusion/noise.ts';
import type { Dataset } from '../dataset.ts';

/** How many groups of siblings a batch holds, and how many scenes each group has. */
export interface SiblingGroups {
  readonly groups: number;
  readonly size: number;
}

/** Indices of scenes whose captions name attributes, by prompt; scenes without a prompt form one family together. */
export function explicitFamilies(data: Dataset): readonly (readonly number[])[] {
  const families = new Map<string, number[]>();
  for (let index = 0; index < data.count; index++) {
    const { explicit, prompt, faces } = data.record(index);
    if (faces.length !== 1 || !(explicit.gender || explicit.race || explicit.age)) continue;
    const family = families.get(prompt ?? '') ?? [];
    if (family.length === 0) families.set(prompt ?? '', family);
    family.push(index);
  }
  return [...families.values()];
}

/**
 * A function from step to indices of `groups * size` scenes, group after group, every group from one family.
 * @param families what groups are drawn from; those with fewer than `size` scenes are left out
 * @throws Error when fewer than `groups` families are large enough
 */
export function siblingSampler(
  seed: number,
  stream: string,
  families: readonly (readonly number[])[],
  { groups, size }: SiblingGroups,
): (step: number) => number[] {
  const large = families.filter(({ length }) => length >= size);
  if (large.length < groups) {
    throw new Error(
      `${stream}: expected ${groups} prompts with ${size} scenes whose captions name attributes, ` +
        `received ${large.length}; draw more scenes or ask for smaller groups`,
    );
  }
  return (step) => {
    const chosen = permutation({ seed, index: step, stream }, large.length).subarray(0, groups);
    const random = createGenerator({ seed, index: step, stream: `${stream} members` });
    return [...chosen].flatMap((family) => {
      const rest = [...large[family]!];
      return Array.from({ length: size }, () => rest.splice(random.integer(rest.length), 1)[0]!);
    });
  };
}
