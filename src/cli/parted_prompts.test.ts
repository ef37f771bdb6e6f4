import { expect, it } from 'vitest';
import { uniformTarget } from '../fairness/index.ts';
import { partPrompts } from './parted_prompts.ts';

const GENDER = { name: 'gender', classes: ['male', 'female'] };
const set = (...prompts: string[]) => ({
  measured: prompts.map((prompt) => ({ prompt, family: 'prompts' })),
  explicit: [],
});

it('measures prompts that name the attribute for obedience, and leaves out what no class stands for', () => {
  const parted = partPrompts(
    set('a nurse', 'a male nurse', 'a nonbinary pilot', 'an old cook'),
    uniformTarget([GENDER]),
    [GENDER],
  );
  expect(parted.measured.map(({ prompt }) => prompt)).toEqual(['a nurse', 'an old cook']);
  expect(parted.explicit).toEqual([{ prompt: 'a male nurse', attributes: { gender: 'male' } }]);
  expect(parted.notes).toEqual([
    "measured for obedience, for they name what the target would decide: 'a male nurse'",
    "left out, for they name what the target would decide: 'a nonbinary pilot'",
  ]);
});

it('changes nothing about prompts that leave it open, and refuses a set without any', () => {
  const open = set('a nurse', 'a pilot');
  expect(partPrompts(open, uniformTarget([GENDER]), [GENDER])).toEqual({ ...open, notes: [] });
  expect(() => partPrompts(set('a woman'), uniformTarget([GENDER]), [GENDER])).toThrow(
    "prompts: expected some that leave gender open, received only such as 'a woman'",
  );
});
