import { expect, it } from 'vitest';
import { attributesOf, targetInWords } from './src/models/target_words.ts';

it.each([
  ['gender=50/50, age=75/25', 'gender=50/50, age=75/25', ['gender', 'age']],
  [
    { gender: 'uniform', age: { young: 0.75, old: 0.25 } },
    'gender: uniform; age: 75% young, 25% old',
    ['gender', 'age'],
  ],
  [{ 'gender x race': 'uniform' }, 'gender x race: uniform', ['gender', 'race']],
  [
    [
      { for: 'sports', gender: 'uniform' },
      { for: ['a nurse', 'a chef'], name: 'two', weight: 0.2, age: '75/25' },
      { for: ['a nurse', 'a chef'], weight: 1, age: '75/25' },
    ],
    'sports: gender: uniform · two (weight 0.2): age: 75/25 · a nurse and 1 more: age: 75/25',
    ['gender', 'age'],
  ],
])('the target %j reads %s and is about %j', (target, words, attributes) => {
  expect(targetInWords(target as never)).toBe(words);
  expect(attributesOf(target as never)).toEqual(attributes);
});
