/**
 * What changed between two evaluations from the same noise, image by image in pairs: bias, distance to the target, and
 * the distribution of an attribute, trained or not.
 */

import type { TargetDistribution } from '../fairness/index.ts';
import { nameOfCell } from '../fairness/index.ts';
import type { BootstrapInterval, BootstrapOptions, Groups } from './bootstrap.ts';
import { bootstrapIntervals } from './bootstrap.ts';
import type { AttributeChange } from './comparison.ts';
import { withinChange } from './comparison.ts';
import type { Evaluation } from './evaluate.ts';
import { predictionsFor } from './evaluate.ts';
import { withinRange } from './intervals.ts';
import { largestBias, largestTotalVariation, NO_FACE, pairwiseBias, totalVariation } from './metrics.ts';

/** Drawn exchanges of before and after, for the shift that remains where nothing changed. */
const EXCHANGES = 400;

/** Whether two evaluations show the same prompts from the same seeds, so that their images come in pairs. */
export function arePaired(before: Evaluation, after: Evaluation): boolean {
  const same = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    a.length === b.length && Array.from(a).every((value, i) => value === b[i]);
  return (
    before.prompts.length === after.prompts.length &&
    before.prompts.every(
      ({ prompt, seeds }, p) => prompt === after.prompts[p]!.prompt && same(seeds, after.prompts[p]!.seeds),
    )
  );
}

/**
 * Change of one attribute (or joint table). Pairs are resampled together within each prompt, those with a face in both
 * images and those with a face in only one of them apart, so that the numbers of faces stay.
 * @param before evaluation of the original model
 * @param after evaluation of the same prompts from the same seeds
 * @param trained whether the attribute was trained; of others, a change is drift
 * @throws where images don't come in pairs, or no prompt has a face in both evaluations
 */
export function comparePairs(
  before: Evaluation,
  after: Evaluation,
  target: TargetDistribution,
  trained: boolean,
  bootstrap: BootstrapOptions,
): AttributeChange {
  const attribute = target.attributes.map(({ name }) => name).join(' x ');
  if (!arePaired(before, after)) {
    throw new Error(`Comparison of '${attribute}': expected images of the same prompts from the same seeds`);
  }
  const size = target.shares.length;
  const [first, second] = [predictionsFor(before, target), predictionsFor(after, target)];
  const groups: number[][] = [];
  const promptOfGroup: number[] = [];
  let prompts = 0;
  first.forEach(({ classes }, p) => {
    const partners = second[p]!.classes;
    const hasFace = (found: ArrayLike<number>) => Array.from(found).some((k) => k !== NO_FACE);
    if (!hasFace(classes) || !hasFace(partners)) return;
    const pairs = Array.from(classes, (k, i) => [k, partners[i]!] as const);
    for (const [one, other] of [
      [true, true],
      [true, false],
      [false, true],
    ]) {
      const part = pairs.filter(([k, j]) => (k !== NO_FACE) === one && (j !== NO_FACE) === other);
      if (part.length === 0) continue;
      groups.push(part.map((pair) => codeOf(pair, size)));
      promptOfGroup.push(prompts);
    }
    prompts++;
  });
  if (prompts === 0) {
    throw new Error(`Comparison of '${attribute}': the evaluations share no prompt with faces`);
  }
  const measure = (sample: Groups) => {
    const { before: ours, after: theirs } = frequenciesOf(sample, promptOfGroup, prompts, size);
    const change = (value: (frequencies: readonly number[]) => number) =>
      theirs.reduce((sum, row, p) => sum + value(row) - value(ours[p]!), 0) / prompts;
    const shares = target.shares.map((_, k) => change((row) => row[k]!));
    return [
      change(pairwiseBias),
      change((row) => totalVariation(row, target.shares)),
      shiftOf(shares),
      ...shares,
    ];
  };
  const [bias, distance, shift, ...shares] = bootstrapIntervals(groups, measure, bootstrap) as [
    BootstrapInterval,
    BootstrapInterval,
    BootstrapInterval,
    ...BootstrapInterval[],
  ];
  const exchanged = exchangedShifts(groups, (sample) => measure(sample)[2]!, size, bootstrap.random);
  return {
    attribute,
    bias: withinChange(bias, largestBias(size)),
    totalVariation: withinChange(distance, largestTotalVariation(target.shares)),
    prompts,
    trained,
    classes: target.shares.map((_, cell) => nameOfCell(target.attributes, cell)),
    shares: shares.map((each) => withinChange(each, 1)),
    shift: {
      ...withinRange(shift, 0, 1),
      floor: exchanged.reduce((sum, value) => sum + value, 0) / EXCHANGES,
      // The small allowance counts sums of the same shares in another order as equal.
      pValue: (1 + exchanged.filter((value) => value >= shift.estimate - 1e-12).length) / (1 + EXCHANGES),
    },
  };
}

/** A pair of classes, each from -1 (no face), as one number. */
function codeOf([before, after]: readonly [number, number], classes: number): number {
  return (before + 1) * (classes + 1) + after + 1;
}

function pairOf(code: number, classes: number): [number, number] {
  return [Math.floor(code / (classes + 1)) - 1, (code % (classes + 1)) - 1];
}

/** Frequencies before and after [prompts][classes] of pairs in groups; every prompt has a face on both sides. */
function frequenciesOf(
  groups: Groups,
  promptOfGroup: readonly number[],
  prompts: number,
  classes: number,
): { readonly before: readonly number[][]; readonly after: readonly number[][] } {
  const zeros = () => Array.from({ length: prompts }, () => new Array<number>(classes).fill(0));
  const [before, after] = [zeros(), zeros()];
  groups.forEach((group, g) => {
    const prompt = promptOfGroup[g]!;
    for (const code of group) {
      const [one, other] = pairOf(code, classes);
      if (one !== NO_FACE) before[prompt]![one]!++;
      if (other !== NO_FACE) after[prompt]![other]!++;
    }
  });
  const share = (counts: number[]) => {
    const faces = counts.reduce((sum, count) => sum + count, 0);
    return counts.map((count) => count / faces);
  };
  return { before: before.map(share), after: after.map(share) };
}

/** Total variation between the mean shares before and after: half the sum of the absolute changes. */
function shiftOf(changes: readonly number[]): number {
  return changes.reduce((sum, change) => sum + Math.abs(change), 0) / 2;
}

/**
 * Shifts where before and after are exchanged at random, pair by pair: what would be measured if the two models drew the
 * same distribution (a randomisation test of paired samples). Only pairs with both faces are exchanged, so that the
 * numbers of faces stay.
 */
function exchangedShifts(
  groups: Groups,
  shift: (sample: Groups) => number,
  classes: number,
  random: () => number,
): number[] {
  return Array.from({ length: EXCHANGES }, () =>
    shift(
      groups.map((group) =>
        group.map((code) => {
          const [one, other] = pairOf(code, classes);
          if (one === NO_FACE || other === NO_FACE || random() < 0.5) return code;
          return codeOf([other, one], classes);
        }),
      ),
    ),
  );
}
