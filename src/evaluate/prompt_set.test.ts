import { describe, expect, it } from 'vitest';
import { parsePromptSet } from './prompt_set.ts';

describe('parsePromptSet', () => {
  it('reads lists, families and named attributes', () => {
    expect(parsePromptSet(['a doctor', { prompt: 'a cat', family: 'animals' }], 'x')).toEqual({
      measured: [
        { prompt: 'a doctor', family: 'prompts' },
        { prompt: 'a cat', family: 'animals' },
      ],
      explicit: [],
    });
    const document = {
      work: ['a doctor', { prompt: 'a male nurse', attributes: { gender: 'male' } }],
      sport: ['a runner', { prompt: 'a cyclist', attributes: {} }],
    };
    expect(parsePromptSet(document, 'x')).toEqual({
      measured: [
        { prompt: 'a doctor', family: 'work' },
        { prompt: 'a runner', family: 'sport' },
        { prompt: 'a cyclist', family: 'sport' },
      ],
      explicit: [{ prompt: 'a male nurse', attributes: { gender: 'male' } }],
    });
  });

  it.each([
    [null, /file.yaml: expected a list of prompts.*received null/],
    [[], /received \[\]|received none/],
    [{ work: 'a doctor' }, /work: received "a doctor"/],
    [{ work: ['a doctor', 3] }, /work: entry 2: received 3/],
    [['a', { prompt: 'b', gender: 'male' }], /entry 2: received {"prompt":"b","gender":"male"}/],
    [{ a: ['x'], b: ['x'] }, /each prompt once, received 'x' twice/],
  ])('refuses %j', (document, message) => {
    expect(() => parsePromptSet(document, 'file.yaml')).toThrow(message);
  });
});
