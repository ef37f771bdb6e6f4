/**
 * Similarities of images in pairs by whether the pair shows a person of the same group: apart from who is shown, has the rest
 * of the image stayed?
 */

import type { BootstrapInterval, BootstrapOptions, Groups } from './bootstrap.ts';
import type { Evaluation } from './evaluate.ts';
import { NO_FACE } from './metrics.ts';
import { arePaired } from './paired_change.ts';
import type { Similarities } from './similarity.ts';
import { summarizeSimilarities } from './similarity.ts';

/** Whether both images of a pair show a person of the same class in every attribute, or of another in some. */
export type PersonChange = 'same' | 'other';

/** One similarity over the pairs of one kind. */
export interface SimilarityByPerson {
  /** Name of the similarity: CLIP-T, CLIP-I, DINO. */
  readonly name: string;
  readonly person: PersonChange;
  /** Mean over prompts of the original's images; null for similarities to the original itself. */
  readonly before: number | null;
  /** Mean over prompts of the later images. */
  readonly after: number;
  /** Change in pairs; null where there is no mean before. */
  readonly change: BootstrapInterval | null;
  /** Prompts that have such pairs. */
  readonly prompts: number;
  /** Pairs over all prompts. */
  readonly images: number;
}

const KINDS: readonly PersonChange[] = Object.freeze(['same', 'other']);

/**
 * Positions of the pairs of each kind, prompt by prompt. Attributes are all that the classifier knows; pairs in which an image shows
 * no face belong to neither kind.
 * @throws Error where images don't come in pairs
 */
export function pairsByPerson(before: Evaluation, after: Evaluation): Record<PersonChange, number[][]> {
  if (!arePaired(before, after)) {
    throw new Error('Pairs by person: expected images of the same prompts from the same seeds');
  }
  const names = before.attributes.map(({ name }) => name);
  const kinds = before.prompts.map(({ classes, seeds }, p) => {
    const later = after.prompts[p]!.classes;
    return seeds.map((_, i): PersonChange | null => {
      const pairs = names.map((name) => [classes[name]![i]!, later[name]![i]!] as const);
      if (pairs.some((pair) => pair.includes(NO_FACE))) return null;
      return pairs.every(([one, other]) => one === other) ? 'same' : 'other';
    });
  });
  const of = (wanted: PersonChange) =>
    kinds.map((row) => row.flatMap((kind, i) => (kind === wanted ? [i] : [])));
  return { same: of('same'), other: of('other') };
}

/**
 * Each similarity of the later images, and its change from the original's from the same noise, over pairs that show the same person's
 * group and over those that don't: means over the prompts that have such pairs, intervals from pairs resampled within prompts.
 * CLIP-T measures who is shown as well as what: an encoder that finds some people less like a prompt than others rates a fair model
 * lower though nothing else has changed. The pairs with the same group tell the two apart.
 * @param similarities of `before` and of `after`, as `similarityTables` gives them; names that `before` lacks have no change
 * @throws Error where images don't come in pairs
 */
export function similaritiesByPerson(
  before: Evaluation,
  after: Evaluation,
  similarities: { readonly before: Similarities; readonly after: Similarities },
  bootstrap: BootstrapOptions,
): SimilarityByPerson[] {
  const pairs = pairsByPerson(before, after);
  return KINDS.flatMap((person) => {
    const shown = pairs[person].flatMap((images, prompt) => (images.length > 0 ? [{ prompt, images }] : []));
    if (shown.length === 0) return [];
    const select = (rows: Groups) =>
      shown.map(({ prompt, images }) => images.map((image) => rows[prompt]![image]!));
    return Object.entries(similarities.after).map(([name, rows]): SimilarityByPerson => {
      const original = similarities.before[name];
      const columns = {
        after: select(rows),
        ...(original === undefined ? {} : { before: select(original) }),
      };
      const summary = summarizeSimilarities(
        columns,
        original === undefined ? {} : { change: ['before', 'after'] },
        bootstrap,
      );
      return {
        name,
        person,
        before: summary.means.before?.mean ?? null,
        after: summary.means.after!.mean,
        change: summary.changes.change ?? null,
        prompts: shown.length,
        images: summary.means.after!.images,
      };
    });
  });
}
