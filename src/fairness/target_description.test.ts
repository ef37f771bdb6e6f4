import { describe, expect, it } from 'vitest';
import {
  describedTarget,
  parseTargetLine,
  type TargetDescription,
  targetInWords,
} from './target_description.ts';
import { marginalTarget } from './target_distribution.ts';

const known = [
  { name: 'gender', classes: ['female', 'male'] },
  { name: 'race', classes: ['wmelh', 'asian', 'black', 'indian'] },
  { name: 'age', classes: ['young', 'old'] },
];

const sharesOf = (description: TargetDescription) => describedTarget(description, known).shares;

describe('described targets', () => {
  it.each([
    ['a word', { gender: 'uniform' }, [0.5, 0.5]],
    ['percentages in the order of the classes', { age: '75/25' }, [0.75, 0.25]],
    ['fractions in the order of the classes', { age: '.75/.25' }, [0.75, 0.25]],
    ['all of one class', { age: '1/0' }, [1, 0]],
    ['shares by name in any order', { age: { old: '25%', young: 0.75 } }, [0.75, 0.25]],
    ['independent attributes', { gender: '40/60', age: '75/25' }, [0.3, 0.1, 0.45, 0.15]],
    [
      'an attribute given another',
      { gender: '40/60', age: { given: 'gender', female: '50/50', male: { young: 0.9, old: 0.1 } } },
      [0.2, 0.2, 0.54, 0.06],
    ],
    [
      'a joint table',
      { 'gender x age': { female: { young: 0.5 }, male: { young: '20%', old: 0.3 } } },
      [0.5, 0, 0.2, 0.3],
    ],
  ] as const)('read %s', (_, description, expected) => {
    const shares = sharesOf(description as unknown as TargetDescription);
    expect(shares).toHaveLength(expected.length);
    expected.forEach((share, cell) => {
      expect(shares[cell]).toBeCloseTo(share, 12);
    });
  });

  it('keep every cell of gender and race at the age shares that one line asks for', () => {
    const target = describedTarget(parseTargetLine('gender=uniform, race=uniform; age=75/25'), known);
    expect(target.attributes.map(({ name }) => name)).toEqual(['gender', 'race', 'age']);
    target.shares.forEach((share, cell) => {
      expect(share).toBeCloseTo((cell % 2 === 0 ? 0.75 : 0.25) / 8, 12);
    });
    expect(marginalTarget(target, 'age').shares[1]).toBeCloseTo(0.25, 12);
    expect(sharesOf(parseTargetLine('gender=male:40%+female:0.6'))).toEqual([0.6, 0.4]);
  });

  it('say in words what they ask for', () => {
    const words = (line: string) => targetInWords(describedTarget(parseTargetLine(line), known));
    expect(words('gender=50/50, age=75/25')).toBe('gender: 50% female, 50% male; age: 75% young, 25% old');
    const joint = { 'gender x age': { female: { young: 0.5 }, male: { old: 0.5 } } };
    expect(targetInWords(describedTarget(joint, known))).toMatch(/joint table/);
  });

  it.each([
    [{}, /at least one attribute of gender, race, age/],
    [{ gendr: 'uniform' }, /received gendr; did you mean gender/],
    [{ gender: '60/50' }, /sum to 1.*1\.1/],
    [{ gender: '50' }, /2 shares for female\/male such as 50\/50, received '50'/],
    [{ gender: 'fair' }, /expected uniform, or 2 shares/],
    [{ gender: { woman: 1 } }, /no class 'woman'/],
    [{ gender: { female: 'half' } }, /gender female: expected a share such as 0.25 or 25%, received "half"/],
    [{ age: { given: 'gender', female: '1/0' } }, /'given' to name an attribute above it \(there is none\)/],
    [
      { gender: 'uniform', age: { given: 'gender', female: '1/0' } },
      /age given gender: .* received none for male/,
    ],
    [{ gender: 'uniform', 'gender x age': 'uniform' }, /'gender' twice/],
  ] as const)('refuse %j with the reason', (description, message) => {
    expect(() => sharesOf(description as unknown as TargetDescription)).toThrow(message);
  });

  it.each([
    ['gender', /attribute=shares such as gender=50\/50, received 'gender'/],
    ['gender=uniform,gender=50/50', /'gender' is given twice/],
    ['gender=female:', /class:share/],
  ])('refuse the line %s', (line, message) => {
    expect(() => parseTargetLine(line)).toThrow(message);
  });
});
