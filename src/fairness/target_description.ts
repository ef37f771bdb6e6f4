/** Targets as people write them: one entry an attribute, in a file or on one line. */

import { closestName } from './closest_name.ts';
import type { Attribute, SharesByClass, TargetDistribution } from './target_distribution.ts';
import {
  classesOfCell,
  conditionalTarget,
  createTarget,
  indexOfClass,
  marginalTarget,
  productTarget,
  targetFromShares,
  uniformTarget,
} from './target_distribution.ts';

/** A share: a number from 0 to 1, or text such as `75%`. */
export type ShareText = number | string;

/**
 * Shares of one attribute: `uniform`, a ratio in the order of the classes such as `50/50` (adding up to 1 or 100), or
 * shares by class name. With `given`, each class of that earlier attribute has shares of its own.
 */
export type AttributeShares =
  | string
  | Readonly<Record<string, ShareText>>
  | { readonly given: string; readonly [className: string]: AttributeShares };

/**
 * A target by attribute, in the order of its table. An attribute without `given` has the same shares in every cell of
 * those before it: `{ gender: uniform, age: 75/25 }` makes each gender 75% young. A key such as `gender x race` holds a
 * joint table, nested in that order.
 */
export type TargetDescription = Readonly<Record<string, AttributeShares | SharesByClass>>;

/** Names of the attributes of a description, in the order of the target's table; also of one written on one line. */
export function describedAttributes(description: TargetDescription | string): string[] {
  return Object.keys(asDescription(description)).flatMap(namesOfKey);
}

/**
 * The target that a description names, over attributes of a classifier.
 * @param description by attribute, or one line as {@link parseTargetLine} reads it
 * @param known the classifier's attributes
 * @throws Error naming the attribute or class that the classifier does not know, the shares that don't add up to 1, or the
 * entry that can't be read, with what was expected
 */
export function describedTarget(
  description: TargetDescription | string,
  known: readonly Attribute[],
): TargetDistribution {
  const entries = Object.entries(asDescription(description));
  if (entries.length === 0)
    throw new Error(`Target: expected at least one attribute of ${namesOf(known)}, received none`);
  return entries.reduce<TargetDistribution | null>((base, [key, shares]) => {
    const names = namesOfKey(key);
    if (names.length === 1) return extend(base, findAttribute(names[0]!, known), shares as AttributeShares);
    const attributes = names.map((name) => findAttribute(name, known));
    const table =
      shares === 'uniform'
        ? uniformTarget(attributes)
        : targetFromShares(attributes, asTable(key, shares as SharesByClass));
    return multiply(base, table);
  }, null)!;
}

/**
 * Reads a target from one line: `gender=50/50, age=75/25`, `race=uniform` or `gender=female:60%+male:40%`.
 * @throws Error naming the part that can't be read
 */
export function parseTargetLine(line: string): TargetDescription {
  const parts = line
    .split(/[,;]/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const description: Record<string, AttributeShares> = {};
  for (const part of parts) {
    const [, name, value] = /^([^=]+)=(.+)$/.exec(part) ?? [];
    if (name === undefined || value === undefined)
      throw new Error(`Target: expected attribute=shares such as gender=50/50, received '${part}'`);
    if (description[name.trim()] !== undefined) throw new Error(`Target: '${name.trim()}' is given twice`);
    description[name.trim()] = value.includes(':') ? byClass(part, value) : value.trim();
  }
  return description;
}

function byClass(part: string, value: string): Record<string, ShareText> {
  return Object.fromEntries(
    value.split('+').map((item) => {
      const [, className, share] = /^([^:]+):([^:]+)$/.exec(item) ?? [];
      if (className === undefined || share === undefined)
        throw new Error(
          `Target: expected class:share joined by + such as female:60%+male:40%, received '${part}'`,
        );
      return [className.trim(), share.trim()];
    }),
  );
}

function asDescription(description: TargetDescription | string): TargetDescription {
  return typeof description === 'string' ? parseTargetLine(description) : description;
}

/** `gender x race` names both. */
function namesOfKey(key: string): string[] {
  return key.split(/ x | × /).map((name) => name.trim());
}

function namesOf(attributes: readonly Attribute[]): string {
  return attributes.map(({ name }) => name).join(', ');
}

function findAttribute(name: string, known: readonly Attribute[]): Attribute {
  const found = known.find((attribute) => attribute.name === name);
  if (found) return found;
  const closest = closestName(
    name,
    known.map((attribute) => attribute.name),
  );
  const hint = closest === undefined ? '' : `; did you mean ${closest}?`;
  throw new Error(
    `Target: expected attributes of the classifier (${namesOf(known)}), received ${name}${hint}`,
  );
}

/** The base's table with one more attribute, whose shares may depend on one before it. */
function extend(
  base: TargetDistribution | null,
  attribute: Attribute,
  shares: AttributeShares,
): TargetDistribution {
  if (typeof shares === 'string' || !('given' in shares))
    return multiply(base, createTarget([attribute], readShares(attribute, shares)));
  const { given, ...cases } = shares as { given: string; [className: string]: AttributeShares };
  const axis = base?.attributes.findIndex(({ name }) => name === given) ?? -1;
  if (base === null || axis < 0) {
    throw new Error(
      `Target, ${attribute.name}: expected 'given' to name an attribute above it ` +
        `(${base === null ? 'there is none' : namesOf(base.attributes)}), received ${given}`,
    );
  }
  const condition = base.attributes[axis]!;
  const tables = new Map(
    Object.entries(cases).map(([name, inner]) => [
      indexOfClass(condition, name),
      readShares(attribute, inner),
    ]),
  );
  const missing = condition.classes.filter((_, k) => !tables.has(k));
  if (missing.length > 0) {
    throw new Error(
      `Target, ${attribute.name} given ${given}: expected shares for every class, received none for ${missing.join(', ')}`,
    );
  }
  return conditionalTarget(
    base,
    attribute,
    (cell) => tables.get(classesOfCell(base.attributes, cell)[axis]!)!,
  );
}

function multiply(base: TargetDistribution | null, target: TargetDistribution): TargetDistribution {
  return base === null ? target : productTarget([base, target]);
}

/** One number a class of the attribute; their sum is left to {@link createTarget}. */
function readShares(attribute: Attribute, shares: AttributeShares): number[] {
  const { name, classes } = attribute;
  if (shares === 'uniform') return classes.map(() => 1 / classes.length);
  if (typeof shares === 'string') {
    const parts = shares.split('/').map((part) => Number(part.replace('%', '')));
    if (parts.length !== classes.length || parts.some((part) => !(part >= 0))) {
      throw new Error(
        `Target, ${name}: expected uniform, or ${classes.length} shares for ${classes.join('/')} ` +
          `such as ${classes.map(() => Math.round(100 / classes.length)).join('/')}, received '${shares}'`,
      );
    }
    // Whole numbers beyond 1 are percentages; their sum is checked as it is written.
    const percent = parts.some((part) => part > 1);
    return parts.map((part) => (percent ? part / 100 : part));
  }
  const table = classes.map(() => 0);
  for (const [className, share] of Object.entries(shares))
    table[indexOfClass(attribute, className)] = readShare(`${name} ${className}`, share);
  return table;
}

function readShare(where: string, share: unknown): number {
  const text = typeof share === 'string' ? share : String(typeof share === 'number' ? share : Number.NaN);
  const value = text.endsWith('%') ? Number(text.slice(0, -1)) / 100 : Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new Error(
    `Target, ${where}: expected a share such as 0.25 or 25%, received ${JSON.stringify(share)}`,
  );
}

/** A nested joint table with every share as a number. */
function asTable(where: string, shares: SharesByClass): SharesByClass {
  return Object.fromEntries(
    Object.entries(shares).map(([name, value]) => [
      name,
      typeof value === 'object' ? asTable(`${where} ${name}`, value) : readShare(`${where} ${name}`, value),
    ]),
  );
}

/**
 * A target in words: `gender: 50% female, 50% male`, one phrase an attribute (its marginal), and for dependent attributes
 * that the table is joint.
 */
export function targetInWords(target: TargetDistribution): string {
  const marginals = target.attributes.map(({ name }) => marginalTarget(target, name));
  const percent = (share: number) => `${Number((share * 100).toFixed(1))}%`;
  const phrases = target.attributes.map(
    ({ name, classes }, axis) =>
      `${name}: ${classes.map((className, k) => `${percent(marginals[axis]!.shares[k]!)} ${className}`).join(', ')}`,
  );
  const product = productTarget(marginals).shares;
  const independent = target.shares.every((share, cell) => Math.abs(share - product[cell]!) < 1e-9);
  return independent ? phrases.join('; ') : `${phrases.join('; ')} (a joint table: not independent)`;
}
