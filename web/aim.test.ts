import { describe, expect, it } from 'vitest';
import { jobRequestSchema } from '../src/server/schemas/jobs.ts';
import { auditPrompts, evaluateRequest, readAuditSettings } from './src/audit/settings.ts';
import { cellsOf, finetuneFault, finetuneRequest, readFinetuneSettings } from './src/finetune/settings.ts';
import type { Aim, PromptGroup } from './src/lib/aim.ts';
import { aimFault, fitAim, groupTitle, readAim, titleFault, withNewGroup } from './src/lib/aim.ts';

const ATTRIBUTES = [
  { name: 'gender', classes: ['female', 'male'] },
  { name: 'age', classes: ['young', 'old'] },
];
const gender = { female: 30, male: 70 };
const group = (id: number, part: Partial<PromptGroup> = {}): PromptGroup => ({
  ...{ id, name: '', target: { gender }, weight: 1 },
  source: { from: 'set', set: 'sports', count: 6, lines: '' },
  ...part,
});
const own = (lines: string): PromptGroup['source'] => ({ from: 'own', set: 'sports', count: 6, lines });
const stored = (groups: readonly unknown[], more: object = {}) => ({ byGroup: true, groups, ...more });

describe('an aim', () => {
  it.each<[string, unknown, Partial<Aim>]>([
    ['nothing', {}, { byGroup: false, groups: [], target: { gender: { female: 50, male: 50 } } }],
    ['groups that are none', stored('x' as never), { byGroup: false, groups: [] }],
    ['no group', stored([]), { byGroup: false }],
    [
      'a group with holes',
      stored([{ id: 'x', target: { gender: { female: 'many' } }, weight: -1 }]),
      {
        byGroup: true,
        groups: [
          expect.objectContaining({ id: 0, name: '', target: { gender: { female: 0 } }, weight: 1 }),
        ] as never,
      },
    ],
  ])('is read from a draft with %s', (_, draft, expected) => {
    expect(readAim(draft as Record<string, unknown>, 6)).toMatchObject(expected);
  });

  it('begins its groups with what it aims at, then takes sets that no group has, then own prompts', () => {
    const first = withNewGroup(readAim({}, 6), ['occupations', 'sports']);
    expect(first.map(groupTitle)).toEqual(['occupations']);
    const aim = (groups: readonly PromptGroup[]) => ({ ...readAim({}, 6), byGroup: true, groups });
    const second = withNewGroup(aim(first), ['occupations', 'sports']);
    const third = withNewGroup(aim([second[1]!]), ['occupations', 'sports']);
    expect(third.map(groupTitle)).toEqual(['sports', 'occupations']);
    expect(new Set(third.map(({ id }) => id)).size).toBe(2);
    const last = withNewGroup(aim(second), ['occupations', 'sports']).at(-1)!;
    expect(last).toMatchObject({ source: { from: 'own', lines: '' }, target: second[1]!.target });
  });

  it.each<[string, readonly PromptGroup[], RegExp | null]>([
    ['that is whole', [group(0), group(1, { source: own('a cat') })], null],
    [
      'without prompts',
      [group(0), group(1, { source: own(' \n') })],
      /^Group no prompts yet: Write at least/,
    ],
    ['without a target', [group(0, { target: {} })], /^Group sports: Switch on at least one/],
    [
      'that does not add up',
      [group(0, { target: { gender: { female: 1, male: 2 } } })],
      /sports: Target, gender: 97%/,
    ],
    [
      'with one name twice',
      [group(0), group(1, { name: ' SPORTS ' })],
      /^Group SPORTS: Another group is called “sports”/,
    ],
  ])('%s is judged', (_, groups, fault) => {
    const found = aimFault({ ...readAim({}, 6), byGroup: true, groups }, ATTRIBUTES);
    if (fault === null) expect(found).toBeNull();
    else expect(found).toMatch(fault);
  });

  it('calls two groups the same only where their reports would lie in one folder', () => {
    const groups = [group(0, { name: 'a b' }), group(1, { name: 'A-B' }), group(2, { name: 'a+b' })];
    expect(groups.map((each) => titleFault(each, groups) !== null)).toEqual([false, true, false]);
  });

  it('fits every target to a model', () => {
    const aim = { ...readAim({}, 6), groups: [group(0, { target: { gender, mood: { merry: 100 } } })] };
    expect(fitAim(aim, ATTRIBUTES).groups[0]!.target).toEqual({ gender });
  });
});

describe('a learning rate of the text encoder', () => {
  const rates = { learningRate: 0.003, textEncoderLearningRate: 0.001 };
  const requested = (fields: object) =>
    jobRequestSchema.parse(
      finetuneRequest(readFinetuneSettings({ ...stored([group(0)]), ...rates, ...fields }), ATTRIBUTES),
    );

  it('is sent where the U-Net is trained beside it and it is another', () => {
    const part = 'text-encoder+unet';
    expect(requested({ part })).toMatchObject({ train: { part }, optimizer: rates });
    for (const fields of [{ part: 'unet' }, { part: 'prompt' }, { part, textEncoderLearningRate: 0 }]) {
      const { optimizer } = requested(fields) as { optimizer: object };
      expect(optimizer).toMatchObject({ learningRate: 0.003 });
      expect(optimizer).not.toHaveProperty('textEncoderLearningRate');
    }
  });
});

describe('a request by group', () => {
  const groups = [
    group(0),
    group(1, {
      name: 'riders',
      source: own('a person on a horse\n'),
      target: { gender, age: { young: 50, old: 50 } },
      weight: 0.25,
    }),
  ];
  const target = [
    { for: 'sports', gender: { female: 0.3, male: 0.7 } },
    {
      ...{ for: ['a person on a horse'], name: 'riders', weight: 0.25 },
      ...{ gender: { female: 0.3, male: 0.7 }, age: 'uniform' },
    },
  ];

  it('of a fine-tuning is one that the server takes, with validations for every group', () => {
    const many = Array.from({ length: 6 }, (_, id) => group(id, { name: `group ${id}` }));
    for (const each of [groups, many]) {
      const settings = readFinetuneSettings(stored(each));
      expect(finetuneFault(settings, ATTRIBUTES)).toBeNull();
      const request = jobRequestSchema.parse(finetuneRequest(settings, ATTRIBUTES));
      if (each === groups) expect(request).toMatchObject({ target, validation: { prompts: 4 } });
      else expect(request).toMatchObject({ validation: { prompts: 6 } });
    }
    expect(cellsOf(readFinetuneSettings(stored(groups)), ATTRIBUTES)).toBe(4);
  });

  it('of an audit is one that the server takes, with as many prompts of each group', () => {
    const settings = readAuditSettings(stored(groups, { source: { count: 4 } }));
    const request = jobRequestSchema.parse(evaluateRequest(settings, ATTRIBUTES));
    expect(request).toMatchObject({ target, prompts: { count: 4, imagesPerPrompt: 16 } });
    expect(auditPrompts(settings, new Map([['sports', 3]]))).toBe(3 + 1);
    expect(auditPrompts({ ...settings, byGroup: false }, new Map([['occupations', 20]]))).toBe(4);
  });
});
