/** A target as the sliders hold it: whole percents by class for each attribute that is steered. */

import { percent } from './format.ts';
import { fieldsOf, numeric } from './read.ts';

/** An attribute and its classes, as a model's classifier names them. */
export interface AttributeClasses {
  readonly name: string;
  readonly classes: readonly string[];
}

/** Percents by class by attribute; attributes that aren't there aren't steered. */
export type TargetDraft = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Equal percents that add up to 100, as whole numbers as far as that goes. */
export function evenPercents(classes: readonly string[]): Record<string, number> {
  const base = Math.floor(100 / classes.length);
  const rest = 100 - base * classes.length;
  return Object.fromEntries(classes.map((name, k) => [name, base + (k < rest ? 1 : 0)]));
}

/** Whether percents are those of {@link evenPercents}: the target is then exactly uniform. */
export function isEven(percents: Readonly<Record<string, number>>, classes: readonly string[]): boolean {
  const even = evenPercents(classes);
  return classes.every((name) => percents[name] === even[name]);
}

/** Sum of an attribute's percents. */
export function sumOf(percents: Readonly<Record<string, number>>): number {
  return Object.values(percents).reduce((sum, value) => sum + value, 0);
}

/**
 * Percents with one of them changed. Of two classes the other takes the rest; of more the others stay, and the sum is
 * left to be judged.
 */
export function changePercent(
  percents: Readonly<Record<string, number>>,
  className: string,
  value: number,
): Record<string, number> {
  const others = Object.keys(percents).filter((name) => name !== className);
  const changed = { ...percents, [className]: value };
  return others.length === 1 ? { ...changed, [others[0]!]: 100 - value } : changed;
}

/** Percents in the same proportions that add up to 100 in whole numbers (largest remainders). */
export function scaleTo100(percents: Readonly<Record<string, number>>): Record<string, number> {
  const names = Object.keys(percents);
  const sum = sumOf(percents);
  if (sum === 0) return evenPercents(names);
  const exact = names.map((name) => (100 * percents[name]!) / sum);
  const floors = exact.map(Math.floor);
  const missing = 100 - floors.reduce((total, value) => total + value, 0);
  const byRemainder = names
    .map((_, k) => k)
    .sort((a, b) => exact[b]! - floors[b]! - (exact[a]! - floors[a]!));
  const raised = new Set(byRemainder.slice(0, missing));
  return Object.fromEntries(names.map((name, k) => [name, floors[k]! + (raised.has(k) ? 1 : 0)]));
}

/** What is wrong with one attribute's percents, or `null`. */
export function faultOf(percents: Readonly<Record<string, number>>): string | null {
  const sum = sumOf(percents);
  if (sum === 100) return null;
  return sum < 100
    ? `${100 - sum}% are missing: the shares add up to ${sum}%.`
    : `The shares add up to ${sum}%.`;
}

/** Shares 0..1 by class, or `uniform`, by attribute: the target as the server reads it. */
export function targetDescription(
  draft: TargetDraft,
  attributes: readonly AttributeClasses[],
): Record<string, string | Record<string, number>> {
  return Object.fromEntries(
    attributes.flatMap(({ name, classes }): [string, string | Record<string, number>][] => {
      const percents = draft[name];
      if (percents === undefined) return [];
      if (isEven(percents, classes)) return [[name, 'uniform']];
      return [[name, Object.fromEntries(classes.map((each) => [each, (percents[each] ?? 0) / 100]))]];
    }),
  );
}

/** A target in a line: `gender 50/50 · age 75/25`, in the order of the classes. */
export function targetInShort(draft: TargetDraft, attributes: readonly AttributeClasses[]): string {
  return attributes
    .filter(({ name }) => draft[name] !== undefined)
    .map(({ name, classes }) => `${name} ${classes.map((each) => draft[name]![each] ?? 0).join('/')}`)
    .join(' · ');
}

/** A draft from storage or a link: percents 0..100 by class by attribute. */
export function readTarget(stored: unknown): TargetDraft {
  return Object.fromEntries(
    Object.entries(fieldsOf(stored)).map(([name, percents]) => [
      name,
      Object.fromEntries(
        Object.entries(fieldsOf(percents)).map(([each, value]) => [each, numeric(value, 0, 0, 100)]),
      ),
    ]),
  );
}

/** A draft that fits the attributes of a model: unknown ones dropped, classes completed. */
export function fitTarget(draft: TargetDraft, attributes: readonly AttributeClasses[]): TargetDraft {
  return Object.fromEntries(
    attributes.flatMap(({ name, classes }) => {
      const percents = draft[name];
      if (percents === undefined) return [];
      const fits = classes.some((each) => percents[each] !== undefined);
      return [
        [
          name,
          fits
            ? Object.fromEntries(classes.map((each) => [each, percents[each] ?? 0]))
            : evenPercents(classes),
        ],
      ];
    }),
  );
}

/** Target shares of one attribute as rows want them, or `null` where it isn't steered. */
export function targetShare(
  draft: TargetDraft,
  { name, classes }: AttributeClasses,
  className: string,
): number | null {
  const percents = draft[name];
  if (percents === undefined) return null;
  return isEven(percents, classes) ? 1 / classes.length : (percents[className] ?? 0) / 100;
}

/** Shares of a class in words, for the sliders' text: `50%`. */
export function sliderText(value: number): string {
  return percent(value / 100);
}
