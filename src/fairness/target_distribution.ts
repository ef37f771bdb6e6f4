/** Target distributions: the shares that generated people should have over the classes of one or several attributes. */

import { closestName } from './closest_name.ts';

/** Largest distance of a sum of shares from one that still counts as written to a few decimals. */
const SHARE_SUM_TOLERANCE = 1e-6;

/** An attribute of a face and its classes, in the order of the classifier's outputs. */
export interface Attribute {
  /** Its name, for example 'gender'. */
  readonly name: string;
  /** Names of its classes; class k of the attribute is `classes[k]`. */
  readonly classes: readonly string[];
}

/** A target D of section 2 of the method: shares over the product of the attributes' classes. */
export interface TargetDistribution {
  /** One attribute, or several whose product forms the table. */
  readonly attributes: readonly Attribute[];
  /** Shares in row-major order, the last attribute varying fastest; they sum to one. */
  readonly shares: readonly number[];
}

/** Shares by class name: one level for one attribute, one nested level for each further attribute. */
export interface SharesByClass {
  readonly [className: string]: number | SharesByClass;
}

/** Number of cells of the product of the attributes' classes. */
export function numberOfCells(attributes: readonly Attribute[]): number {
  return attributes.reduce((product, attribute) => product * attribute.classes.length, 1);
}

/** Row-major cell of the table at one class index an attribute. */
export function cellOfClasses(attributes: readonly Attribute[], classes: readonly number[]): number {
  return attributes.reduce((cell, attribute, axis) => cell * attribute.classes.length + classes[axis]!, 0);
}

/** Class index of every attribute at a row-major cell: the inverse of {@link cellOfClasses}. */
export function classesOfCell(attributes: readonly Attribute[], cell: number): number[] {
  const classes = new Array<number>(attributes.length);
  for (let axis = attributes.length - 1; axis >= 0; axis--) {
    const size = attributes[axis]!.classes.length;
    classes[axis] = cell % size;
    cell = Math.floor(cell / size);
  }
  return classes;
}

/** Names of the classes at a cell, joined: 'female, Asian'. */
export function nameOfCell(attributes: readonly Attribute[], cell: number): string {
  return classesOfCell(attributes, cell)
    .map((k, axis) => attributes[axis]!.classes[k]!)
    .join(', ');
}

/**
 * Index of the class `className` of `attribute`.
 * @throws where there is no such class, naming the known ones and the closest
 */
export function indexOfClass(attribute: Attribute, className: string): number {
  const index = attribute.classes.indexOf(className);
  if (index >= 0) return index;
  const closest = closestName(className, attribute.classes);
  const hint = closest === undefined ? '' : ` Did you mean '${closest}'?`;
  const known = attribute.classes.join(', ');
  throw new Error(`Attribute '${attribute.name}' has no class '${className}'; it has ${known}.${hint}`);
}

/**
 * A target from its row-major table.
 * @param attributes at least one; names must differ, and class names within an attribute
 * @param shares one non-negative number a cell, summing to one within 1e-6 (then scaled to sum to one exactly)
 * @throws naming the attribute, cell or sum that is wrong
 */
export function createTarget(
  attributes: readonly Attribute[],
  shares: ArrayLike<number>,
): TargetDistribution {
  validateAttributes(attributes);
  const names = attributes.map((attribute) => attribute.name).join(' x ');
  const cells = numberOfCells(attributes);
  if (shares.length !== cells) {
    throw new Error(`Target over ${names}: expected ${cells} shares, received ${shares.length}`);
  }
  const table = Array.from(shares);
  table.forEach((share, cell) => {
    if (Number.isFinite(share) && share >= 0) return;
    const where = nameOfCell(attributes, cell);
    throw new Error(
      `Target over ${names}: the share of '${where}' must be a number from 0 to 1, received ${share}`,
    );
  });
  const sum = table.reduce((total, share) => total + share, 0);
  if (Math.abs(sum - 1) > SHARE_SUM_TOLERANCE) {
    const rounded = Number(sum.toPrecision(7));
    throw new Error(`Target over ${names}: the shares must sum to 1, received a sum of ${rounded}`);
  }
  return Object.freeze({
    attributes: Object.freeze(
      attributes.map(({ name, classes }) => Object.freeze({ name, classes: Object.freeze([...classes]) })),
    ),
    shares: Object.freeze(table.map((share) => share / sum)),
  });
}

function validateAttributes(attributes: readonly Attribute[]): void {
  if (attributes.length === 0) throw new Error('A target needs at least one attribute');
  const names = new Set<string>();
  for (const { name, classes } of attributes) {
    if (names.has(name)) throw new Error(`A target names the attribute '${name}' twice`);
    names.add(name);
    if (classes.length < 2) {
      throw new Error(`Attribute '${name}': expected at least two classes, received ${classes.length}`);
    }
    if (new Set(classes).size !== classes.length) {
      throw new Error(`Attribute '${name}' has a class twice: ${classes.join(', ')}`);
    }
  }
}

/**
 * A target from shares by class name, as a configuration file writes it: `{ female: 0.5, male: 0.5 }`, or nested in the
 * order of the attributes: `{ female: { Asian: 0.1, ... }, ... }`. A class that isn't named has share 0.
 * @throws where a class is unknown (with the known ones and a suggestion) or the shares don't sum to one
 */
export function targetFromShares(
  attributes: readonly Attribute[],
  sharesByClass: SharesByClass,
): TargetDistribution {
  validateAttributes(attributes);
  const table = new Array<number>(numberOfCells(attributes)).fill(0);
  const fill = (shares: SharesByClass, axis: number, row: number) => {
    const attribute = attributes[axis]!;
    const last = axis === attributes.length - 1;
    for (const [className, value] of Object.entries(shares)) {
      const cell = row * attribute.classes.length + indexOfClass(attribute, className);
      if (last && typeof value === 'number') table[cell] = value;
      else if (!last && typeof value === 'object' && value !== null) fill(value, axis + 1, cell);
      else {
        const expected = last ? 'a share' : `shares over '${attributes[axis + 1]!.name}'`;
        throw new Error(
          `Target, '${attribute.name}' ${className}: expected ${expected}, received ${JSON.stringify(value)}`,
        );
      }
    }
  };
  fill(sharesByClass, 0, 0);
  return createTarget(attributes, table);
}

/** The target in which every cell of the attributes' product has the same share. */
export function uniformTarget(attributes: readonly Attribute[]): TargetDistribution {
  const cells = numberOfCells(attributes);
  return createTarget(attributes, new Array<number>(cells).fill(1 / cells));
}

/** The joint target in which the given targets, over different attributes, are independent of each other. */
export function productTarget(targets: readonly TargetDistribution[]): TargetDistribution {
  const attributes = targets.flatMap((target) => target.attributes);
  const shares = targets.reduce<readonly number[]>(
    (table, target) => table.flatMap((outer) => target.shares.map((inner) => outer * inner)),
    [1],
  );
  return createTarget(attributes, shares);
}

/**
 * Extends `base` by an attribute whose shares are given cell by cell of `base`, such as 75% young and 25% old within
 * each gender and race, so that the old people can't all come from one group.
 * @param sharesOfCell shares over the classes of `attribute` for a cell of `base`; each must sum to one
 */
export function conditionalTarget(
  base: TargetDistribution,
  attribute: Attribute,
  sharesOfCell: (cell: number) => readonly number[],
): TargetDistribution {
  const shares = base.shares.flatMap((outer, cell) => {
    const inner = createTarget([attribute], sharesOfCell(cell));
    return inner.shares.map((share) => outer * share);
  });
  return createTarget([...base.attributes, attribute], shares);
}

/** Whether one class alone is wanted, as of prompts that name it. @param shares of one attribute's classes, adding up to 1 */
export function wantsOneClass(shares: ArrayLike<number>): boolean {
  return Array.from(shares).filter((share) => share > 0).length === 1;
}

/**
 * The target's marginal over one of its attributes.
 * @throws where the target has no attribute of that name
 */
export function marginalTarget(target: TargetDistribution, attributeName: string): TargetDistribution {
  const axis = target.attributes.findIndex((attribute) => attribute.name === attributeName);
  if (axis < 0) {
    const known = target.attributes.map((attribute) => attribute.name).join(', ');
    throw new Error(`The target has no attribute '${attributeName}'; it has ${known}`);
  }
  const attribute = target.attributes[axis]!;
  const marginal = new Array<number>(attribute.classes.length).fill(0);
  target.shares.forEach((share, cell) => {
    marginal[classesOfCell(target.attributes, cell)[axis]!]! += share;
  });
  return createTarget([attribute], marginal);
}
