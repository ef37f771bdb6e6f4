import { expect, it } from 'vitest';
import { namedClasses, overriddenAttributes } from './overridden_attributes.ts';
import { createTarget, productTarget, uniformTarget } from './target_distribution.ts';

const GENDER = { name: 'gender', classes: ['male', 'female'] };
const AGE = { name: 'age', classes: ['young', 'old'] };
const GLASSES = { name: 'glasses', classes: ['with', 'without'] };
const even = productTarget([uniformTarget([GENDER]), uniformTarget([AGE])]);

it.each([
  ['a photo of a nurse', []],
  ['a photo of a male nurse', ['gender']],
  ['an old woman', ['gender', 'age']],
  ['a judge, not a man', ['gender']],
  ['an Asian chef', []],
])('%s says %j, which a target over gender and age would decide', (prompt, attributes) => {
  expect(overriddenAttributes(prompt, even)).toEqual(attributes);
});

it('a target that wants one class alone overrides nothing, nor does one over what prompts are not understood to name', () => {
  expect(overriddenAttributes('a male nurse', createTarget([GENDER], [1, 0]))).toEqual([]);
  expect(overriddenAttributes('a man with glasses', uniformTarget([GLASSES]))).toEqual([]);
});

it.each([
  ['a male nurse', { gender: 'male' }],
  ['an old woman', { gender: 'female', age: 'old' }],
  ['a nurse', null],
  ['an old man and a young woman', null],
  ['a judge, not a man', null],
  ['an Asian chef', null],
])('%s names %j among the classes of a classifier', (prompt, classes) => {
  expect(namedClasses(prompt, [GENDER, AGE])).toEqual(classes);
});
