import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { EXPLICIT_PROMPTS, knownExplicitPrompts } from '../portraits/prompts/explicit.ts';
import { UsageError } from './errors.ts';
import { resolveExplicitPrompts, resolvePromptSet } from './measured_prompts.ts';
import { spreadItems } from './prompts.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'prompts-'));
afterAll(() => rmSync(folder, { recursive: true }));
function write(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

const GENDER = { name: 'gender', classes: ['female', 'male'] };

/** Number of measured prompts by family. */
function families(choice: unknown): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { family } of resolvePromptSet(choice).measured) counts[family] = (counts[family] ?? 0) + 1;
  return counts;
}

describe('prompts of an evaluation', () => {
  it('come from lists by name, each a family', () => {
    expect(families('occupations')).toEqual({ occupations: 50 });
    expect(families('sports + descriptors')).toEqual({ sports: 50, descriptors: 10 });
    expect(families('all')).toEqual({ occupations: 50, sports: 50, styled: 19, descriptors: 10 });
  });

  it('come from files of text, YAML and JSON, and from a configuration', () => {
    expect(families(write('a.txt', 'a cat\n\na dog\n'))).toEqual({ prompts: 2 });
    const yaml = write(
      'b.yaml',
      'pets: [a cat]\nnamed:\n  - {prompt: a tomcat, attributes: {gender: male}}\n',
    );
    expect(resolvePromptSet(yaml)).toEqual({
      measured: [{ prompt: 'a cat', family: 'pets' }],
      explicit: [{ prompt: 'a tomcat', attributes: { gender: 'male' } }],
    });
    expect(families(write('c.json', '["a cat", {"prompt": "a dog", "family": "dogs"}]'))).toEqual({
      prompts: 1,
      dogs: 1,
    });
    expect(families(['a cat'])).toEqual({ prompts: 1 });
  });

  it.each([
    ['occupation', /did you mean occupations/],
    [[{ prompt: 'a cat', familly: 'pets' }], /entry 1: received/],
    [() => write('d.yaml', 'pets: a cat'), /d.yaml: .*pets: received "a cat"/],
    [() => write('e.yaml', 'pets: [a cat'), /e.yaml|flow/i],
    [() => write('f.txt', '\n\n'), /f.txt: expected a prompt a line/],
  ])('are refused as wrong usage: %s', (choice, message) => {
    const read = () => resolvePromptSet(typeof choice === 'function' ? choice() : choice);
    expect(read).toThrow(UsageError);
    expect(read).toThrow(message);
  });

  it('spread over a list', () => {
    expect(spreadItems([1, 2, 3, 4, 5, 6], 2)).toEqual([2, 5]);
    expect(spreadItems([1, 2], 9)).toEqual([1, 2]);
  });
});

describe('explicit prompts', () => {
  const own = [{ prompt: 'a tomcat', attributes: { gender: 'male' } }];

  it('are the shipped ones that fit the classifier, unless the user has some', () => {
    const fitting = knownExplicitPrompts([GENDER]);
    expect(fitting.map(({ attributes }) => Object.keys(attributes))).toEqual(fitting.map(() => ['gender']));
    expect(fitting.length).toBeGreaterThan(2);
    expect(new Set(EXPLICIT_PROMPTS.map(({ prompt }) => prompt)).size).toBe(EXPLICIT_PROMPTS.length);
    expect(resolveExplicitPrompts('shipped', [], [GENDER])).toEqual(fitting);
    expect(resolveExplicitPrompts('shipped', own, [GENDER])).toEqual(own);
    expect(resolveExplicitPrompts('none', [], [GENDER])).toEqual([]);
    const file = write('named.yaml', '- {prompt: a queen, attributes: {gender: female}}');
    expect(resolveExplicitPrompts(file, own, [GENDER])).toEqual([
      ...own,
      { prompt: 'a queen', attributes: { gender: 'female' } },
    ]);
  });

  it('are refused where they name nothing, or what the classifier does not know', () => {
    expect(() => resolveExplicitPrompts(['a cat'], [], [GENDER])).toThrow(/attributes that 'a cat' names/);
    const wrong = [{ prompt: 'x', attributes: { gender: 'man' } }];
    expect(() => resolveExplicitPrompts(wrong, [], [GENDER])).toThrow(UsageError);
    expect(() => resolveExplicitPrompts(wrong, [], [GENDER])).toThrow(/female or male, received man/);
  });
});
