import { expect, it } from 'vitest';
import { evenTargetFault } from './even_target.ts';
import { createTarget, productTarget, uniformTarget } from './target_distribution.ts';

const GENDER = { name: 'gender', classes: ['female', 'male'] };
const RACE = { name: 'race', classes: ['wmelh', 'asian', 'black', 'indian'] };
const AGE = { name: 'age', classes: ['young', 'old'] };
const three = productTarget([uniformTarget([GENDER, RACE]), createTarget([AGE], [0.75, 0.25])]);

it.each([
  [20, uniformTarget([GENDER, RACE])],
  [7, uniformTarget([GENDER])],
  [32, three],
  [16, three],
])('%i images can be as the target has it, or are so on the average', (images, target) => {
  expect(evenTargetFault(target, images)).toBeNull();
});

it.each([
  [20, three, /^the even sets of 20 images ask for gender: 50% female, .*age: 80% young, 20% old/],
  [
    5,
    createTarget([AGE], [0.75, 0.25]),
    /ask for age: 80% young, 20% old, in place of age: 75% young, 25% old/,
  ],
])('%i images cannot, and it is said what they ask for', (images, target, words) => {
  expect(evenTargetFault(target, images)).toMatch(words);
});
