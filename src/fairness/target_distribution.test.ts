import { describe, expect, it } from 'vitest';
import { closestName, editDistance } from './closest_name.ts';
import {
  cellOfClasses,
  classesOfCell,
  conditionalTarget,
  createTarget,
  marginalTarget,
  nameOfCell,
  productTarget,
  targetFromShares,
  uniformTarget,
} from './target_distribution.ts';

const gender = { name: 'gender', classes: ['male', 'female'] };
const race = { name: 'race', classes: ['WMELH', 'Asian', 'Black', 'Indian'] };
const age = { name: 'age', classes: ['young', 'old'] };

describe('targets', () => {
  it('reads shares by class name in any order', () => {
    const target = targetFromShares([gender], { female: 0.75, male: 0.25 });
    expect(target.shares).toEqual([0.25, 0.75]);
    expect(Object.isFrozen(target.shares)).toBe(true);
  });

  it('reads a nested joint table row-major, with absent classes at zero', () => {
    const target = targetFromShares([gender, race], {
      female: { Indian: 0.5 },
      male: { Asian: 0.25, Black: 0.25 },
    });
    expect(target.shares).toEqual([0, 0.25, 0.25, 0, 0, 0, 0, 0.5]);
    expect(marginalTarget(target, 'race').shares).toEqual([0, 0.25, 0.25, 0.5]);
    expect(marginalTarget(target, 'gender').shares).toEqual([0.5, 0.5]);
  });

  it.each([
    [
      'unknown class',
      () => targetFromShares([gender], { femal: 1 }),
      /no class 'femal'.*male, female.*'female'/,
    ],
    [
      'far class',
      () => targetFromShares([race], { Martian: 1 }),
      /no class 'Martian'; it has WMELH.*Indian\.$/,
    ],
    ['sum', () => createTarget([gender], [0.5, 0.4]), /gender: the shares must sum to 1.*0\.9/],
    ['negative', () => createTarget([gender], [1.5, -0.5]), /'female'.*-0\.5/],
    ['not a number', () => createTarget([gender], [Number.NaN, 1]), /'male'.*NaN/],
    [
      'length',
      () => createTarget([gender, race], [0.5, 0.5]),
      /gender x race: expected 8 shares, received 2/,
    ],
    ['repeated', () => createTarget([gender, gender], [1, 0, 0, 0]), /'gender' twice/],
    [
      'too flat',
      () => targetFromShares([gender, race], { male: 1 }),
      /expected shares over 'race', received 1/,
    ],
    ['too deep', () => targetFromShares([gender], { male: { Asian: 1 } }), /expected a share, received/],
    ['empty', () => createTarget([], []), /at least one attribute/],
  ])('refuses a wrong target: %s', (_, make, message) => {
    expect(make).toThrow(message);
  });

  it('converts cells and classes both ways', () => {
    const attributes = [gender, race, age];
    for (let cell = 0; cell < 16; cell++) {
      expect(cellOfClasses(attributes, classesOfCell(attributes, cell))).toBe(cell);
    }
    expect(nameOfCell(attributes, 11)).toBe('female, Asian, old');
  });

  it('conditions age on gender and race so that every cell keeps its ages', () => {
    const base = uniformTarget([gender, race]);
    const target = conditionalTarget(base, age, (cell) => (cell === 0 ? [1, 0] : [0.75, 0.25]));
    expect(target.shares[0]).toBeCloseTo(0.125, 12);
    expect(target.shares[1]).toBe(0);
    expect(target.shares[2]).toBeCloseTo(0.09375, 12);
    expect(marginalTarget(target, 'age').shares[1]).toBeCloseTo((7 / 8) * 0.25, 12);
  });

  it('multiplies independent targets', () => {
    const target = productTarget([createTarget([gender], [0.25, 0.75]), uniformTarget([race])]);
    expect(target.shares[0]).toBeCloseTo(0.0625, 12);
    expect(target.shares[7]).toBeCloseTo(0.1875, 12);
  });
});

describe('closestName', () => {
  it.each([
    ['kitten', 'sitting', 3],
    ['', 'abc', 3],
    ['same', 'same', 0],
  ])('distance of %s and %s', (a, b, distance) => expect(editDistance(a, b)).toBe(distance));

  it.each([
    ['Femal', 'female'],
    ['fem', 'female'],
    ['xyz', undefined],
    ['', undefined],
  ])('%s -> %s', (name, closest) => expect(closestName(name, ['male', 'female'])).toBe(closest));
});
