import { describe, expect, it } from 'vitest';
import { describedTarget, sameTarget, targetsByGroup } from './index.ts';

const KNOWN = [
  { name: 'gender', classes: ['female', 'male'] },
  { name: 'age', classes: ['young', 'old'] },
];
const target = (line: string) => describedTarget(line, KNOWN);

describe('targets by group of prompts', () => {
  it('are found by prompt', () => {
    const groups = [
      { name: 'jobs', prompts: ['a nurse', 'a pilot'], target: target('gender=uniform') },
      { name: 'sports', prompts: ['playing chess'], target: target('gender=60/40') },
    ];
    const targets = targetsByGroup(groups);
    expect(targets.of('a pilot')).toMatchObject({ name: 'jobs', target: { shares: [0.5, 0.5] } });
    expect(targets.of('playing chess')).toMatchObject({ name: 'sports', target: { shares: [0.6, 0.4] } });
    expect(targets.groups.map(({ name }) => name)).toEqual(['jobs', 'sports']);
    expect(() => targets.of('a cook')).toThrow(/'a cook' is in none of the groups jobs, sports/);
    expect(sameTarget(groups[1]!.target).of('anything').target.shares).toEqual([0.6, 0.4]);
  });

  it.each([
    ['a', 'b', ['x'], ['y', 'x'], /'x' is in a and in b/],
    ['a', 'a', ['x'], ['y'], /'a' have two targets/],
  ])('refuse what is ambiguous', (first, second, some, others, expected) => {
    const uniform = target('gender=uniform');
    const groups = [
      { name: first, prompts: some, target: uniform },
      { name: second, prompts: others, target: uniform },
    ];
    expect(() => targetsByGroup(groups)).toThrow(expected);
  });
});
