import { describe, expect, it } from 'vitest';
import { namesAttributes } from './names_attributes.ts';
import { understand } from './understand.ts';

/** Groups as short texts: number, attribute values, occupation. */
function shortGroups(prompt: string): string[] {
  return understand(prompt).people.groups.map(({ count, attributes, occupation }) =>
    [
      `${count.least}${count.most === null ? '+' : ''}`,
      ...new Set(attributes.map(({ value }) => value)),
      ...(occupation === null ? [] : [occupation.value]),
    ].join(' '),
  );
}

describe('understand', () => {
  it('gives every finding its place and rule', () => {
    const prompt = 'two women and an old Indian man';
    const { people, tokens } = understand(prompt);
    expect(people.count).toEqual({ least: 3, most: 3, explicit: true });
    expect(people.groups.map(({ text }) => text)).toEqual(['two women', 'an old Indian man']);
    expect(people.groups[1]!.attributes).toEqual([
      { attribute: 'age', value: 'old', start: 17, end: 20, text: 'old', rule: 'word of age' },
      { attribute: 'race', value: 'indian', start: 21, end: 27, text: 'Indian', rule: 'word of race' },
      { attribute: 'gender', value: 'male', start: 28, end: 31, text: 'man', rule: 'noun of gender' },
    ]);
    expect(tokens.map(({ start, end }) => prompt.slice(start, end))).toEqual(prompt.split(' '));
    expect(tokens[1]).toMatchObject({ partOfSpeech: 'NOUN', lemma: 'woman' });
  });

  it.each([
    ['she is a dentist in Rome', ['1 female dentist']],
    ['a nurse in a blue uniform, she has dark skin', ['1 female unspecified nurse']],
    ['a CEO, an Asian man in his sixties, at a desk', ['1 asian male old ceo']],
    ['an Indian and a Pakistani cricketer', ['1 indian cricketer', '1 indian cricketer']],
    ['a barber cutting a boy’s hair', ['1 barber', '1 male young']],
    ['an old bookshop with an old owner', ['1 old owner']],
    ['a girl who is not a dancer', ['1 female young']],
    ['a couple of apples beside a couple of tourists', ['2']],
    ['a child psychologist and a child actor', ['1 child psychologist', '1 young child actor']],
    ['a woman of 45, a man over 60 and a boy', ['1 female old', '1 male old', '1 male young']],
    ['a ship and her captain', ['1 captain']],
    ['', []],
    ['!?', []],
  ])('reads %j', (prompt, groups) => {
    expect(shortGroups(prompt)).toEqual(groups);
  });

  it.each([
    ['a 39-year-old farmer', 'young'],
    ['a 40-year-old farmer', 'old'],
    ['a farmer in her thirties', 'young'],
    ['a farmer in his early 40s', 'old'],
    ['a farmer aged twenty-one', 'young'],
    ['a farmer aged 30 to 50', undefined],
    ['a farmer in the 1960s', undefined],
    ['a forty-something farmer', 'old'],
    ['a farmer, 71 y/o', 'old'],
    ['a farmer with a 60-year-old tractor', undefined],
  ])('reads the age in %j', (prompt, age) => {
    const [group] = understand(prompt).people.groups;
    expect(group!.attributes.find(({ attribute }) => attribute === 'age')?.value).toBe(age);
  });

  it('reports what is denied apart', () => {
    const { people } = understand('not a man but a woman in an empty street, no children');
    expect(people.groups.map(({ text }) => text)).toEqual(['a woman']);
    expect(people.negated.map(({ text, rule }) => `${text}: ${rule}`)).toEqual(
      expect.arrayContaining(['a man: negation', 'no children: negation']),
    );
    expect(understand('a quiet beach without any people').people.count).toEqual({
      least: 0,
      most: 0,
      explicit: true,
    });
    expect(understand('a quiet beach').people.count).toBeNull();
  });

  it('finds names, dates, places, activity and style', () => {
    const prompt = 'Marie Curie riding a bicycle in Paris on 3 May 1903, watercolor by Berthe Morisot';
    const { entities, people, styles } = understand(prompt);
    expect(entities.map(({ kind, value }) => `${kind} ${value}`)).toEqual([
      'person Marie Curie',
      'place Paris',
      'date 3 May 1903',
    ]);
    expect(people.groups).toHaveLength(1);
    expect(people.groups[0]!.activity?.value).toBe('riding bicycle');
    expect(styles.map(({ value }) => value)).toEqual(['watercolor', 'in the style of Berthe Morisot']);
    for (const { start, end, text } of [...entities, ...styles]) expect(prompt.slice(start, end)).toBe(text);
  });

  it.each([
    ['a photo of a doctor', 'draw', null],
    ['Please draw 4 pictures of two doctors', 'draw', 4],
    ['Can you paint me a nurse?', 'draw', null],
    ['give me three more portraits like this', 'vary', 3],
    ['another one', 'vary', null],
    ['make her hair longer', 'edit', null],
    ['remove the background', 'edit', null],
    ['How biased is the model about doctors?', 'ask', null],
    ['What is a LoRA?', 'ask', null],
    ['measure the gender bias of the model', 'measure', null],
    ['fine-tune the model so that doctors are balanced', 'finetune', null],
    ['help', 'help', null],
  ])('takes %j for the wish to %s', (prompt, kind, images) => {
    expect(understand(prompt).intent).toMatchObject({ kind, images });
  });
});

describe('understanding structured commands', () => {
  it('reads number, prompt and options, and keeps places of the input', () => {
    const input = '/generate 4 "old doctor" --seed 7 --guidance-scale=2.5 --karras';
    const { command, prompt, people, intent } = understand(input);
    expect(command).toEqual({
      name: 'generate',
      count: 4,
      prompt: 'old doctor',
      options: { seed: 7, guidanceScale: 2.5, karras: true },
    });
    expect(prompt).toBe('old doctor');
    expect(intent).toEqual({ kind: 'draw', images: 4, rule: 'structured command' });
    const [age] = people.groups[0]!.attributes;
    expect(input.slice(age!.start, age!.end)).toBe('old');
    expect(
      understand('/generate a nurse --seed 3 and a doctor').people.groups.map(({ text }) => text.trim()),
    ).toEqual(['a nurse', 'a doctor']);
  });

  it.each([
    [
      '/generat doctor',
      /expected a command out of \/generate, .* received \/generat; did you mean \/generate\?/,
      '/generat',
    ],
    ['/generate doctor --seeed 7', /received --seeed; did you mean --seed\?/, '--seeed'],
    ['/generate doctor --qqqqqq 7', /received --qqqqqq$/, '--qqqqqq'],
    ['/generate doctor --seed', /--seed: expected an integer of at least 0, received nothing/, '--seed'],
    [
      '/generate doctor --seed --steps 3',
      /--seed: expected an integer of at least 0, received --steps/,
      '--seed',
    ],
    ['/generate doctor --seed 1.5', /--seed: expected an integer of at least 0, received 1.5/, '1.5'],
    ['/generate doctor --steps 0', /--steps: expected an integer of at least 1, received 0/, '0'],
    ['/generate doctor --scheduler eular', /received eular; did you mean euler\?/, 'eular'],
    ['/generate doctor --karras=yes', /--karras: expected no value, received yes/, '--karras=yes'],
    ['/generate 0 doctor', /count: expected at least 1 image, received 0/, '0'],
    ['/generate --seed 7', /\/generate: expected a prompt, received none/, ' --seed 7'],
  ])('refuses %j', (input, message, place) => {
    expect(() => understand(input)).toThrow(message);
    try {
      understand(input);
    } catch (error) {
      const { start, end } = error as { start: number; end: number };
      expect(input.slice(start, end)).toBe(place);
    }
  });
});

describe('namesAttributes', () => {
  it.each([
    ['a photo of the face of a doctor, a person', ''],
    ['a surgeon washing her hands', 'gender'],
    ['a Black doctor in a white coat', 'race'],
    ['a 63-year-old doctor', 'age'],
    ['three doctors', 'people'],
    ['doctors', 'people'],
    ['a doctor alone in a room', 'people'],
    ['a doctor, not a man', 'gender'],
    ['two old Indian women', 'gender race age people'],
    ['a black suit in an old castle on the Indian Ocean', ''],
  ])('says which %j names', (prompt, names) => {
    const named = Object.entries(namesAttributes(prompt)).flatMap(([name, is]) => (is ? [name] : []));
    expect(named.join(' ')).toBe(names);
  });
});
