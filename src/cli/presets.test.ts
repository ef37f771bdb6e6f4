import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeTinyJudgedModel } from '../../test/tiny_judged_model.ts';
import { prepareFinetune } from '../finetune/assemble.ts';
import { finetuneConfigSchema } from '../finetune/config.ts';
import { DirectFinetuning } from '../finetune/direct_finetuning.ts';
import { computeIteration } from '../finetune/iteration.ts';
import { initialAdapter } from '../finetune/trained_part.ts';
import { validate } from '../finetune/validation.ts';
import { Runtime } from '../graph/index.ts';
import { loadConfig } from './config.ts';
import { promptsOf } from './finetuning.ts';
import { presetNames, resolveConfigFile } from './presets.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'presets-'));
const runtime = new Runtime({ threads: 1 });
afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});
writeTinyJudgedModel(folder);

function prepare(name: string, overrides: readonly string[] = []) {
  const config = loadConfig(finetuneConfigSchema, { file: resolveConfigFile(name), overrides });
  const prompts = promptsOf(config);
  return { config, ...prepareFinetune(config, { runtime, modelDirectory: folder, ...prompts }) };
}

describe('the presets', () => {
  /** Columns of METHOD's table: C, N, lambda_face, lambda_1, ratios lambda_2/lambda_1 and lambda_3/lambda_2. */
  const GENDER = { gender: { outside: 0.2, face: 0.2 } };
  const RACE = { race: { outside: 0.6, face: 0.3 } };
  it.each([
    ['gender', 0.8, 24, 1, 8, GENDER, [2]],
    ['race', 0.8, 32, 0.1, 6, RACE, [4]],
    ['gender-race', 0.6, 32, 0.1, 8, { ...GENDER, ...RACE }, [8]],
    ['gender-race-age', 0.6, 40, 0.1, 8, { ...GENDER, ...RACE, age: { outside: 0.6, face: 0.3 } }, [16]],
    ['many-concepts', 0.6, 40, 0.1, 8, { ...GENDER, ...RACE }, [8, 8, 8, 8]],
  ] as const)(
    '%s has the constants of the method and assembles',
    (name, confidence, images, face, image, ratios, cells) => {
      const { config, settings, targets } = prepare(name);
      expect(config.loss).toMatchObject({ confidence, faceWeight: face, imageWeight: image, ratios });
      expect(settings.imagesPerPrompt).toBe(images);
      expect(targets.groups.map(({ target }) => target.shares.length)).toEqual(cells);
      expect(settings.validation.prompts).toHaveLength(4);
      expect(settings.part).toMatchObject({ kind: 'text-encoder', rank: 50 });
    },
  );

  it('let prompts that name a gender follow it, in three iterations of thirteen', () => {
    const { settings, targets } = prepare('gender-explicit');
    expect(targets.groups.map(({ name, target }) => [name, ...target.shares])).toEqual([
      ['occupations', 0.5, 0.5],
      ['female occupations', 1, 0],
      ['male occupations', 0, 1],
    ]);
    expect(settings.groupWeights).toEqual([1, 0.15, 0.15]);
    // Two prompts of the list name one themselves.
    expect(settings.promptsApart).toEqual([
      'a photo of the face of a night watchman, a person',
      'a photo of the face of a site foreman, a person',
    ]);
  });

  it('let prompts that name a gender or a race follow it and share what they leave open', () => {
    const { settings, targets } = prepare('gender-race-explicit');
    const weights = settings.groupWeights!;
    expect(targets.groups.map(({ name }) => name)).toEqual(
      ['', 'female ', 'male ', 'White ', 'Asian ', 'Black ', 'Indian '].map((named) => `${named}occupations`),
    );
    for (const { name, target } of targets.groups) {
      // Cells in order: four races of women, then of men. Those that a group's words leave open share evenly.
      const open = target.shares.filter((share) => share > 0);
      const cells = name === 'occupations' ? 8 : /^(fe)?male/.test(name) ? 4 : 2;
      expect(open, name).toEqual(new Array(cells).fill(1 / cells));
      // Even sets of a prompt's images hold each cell equally often.
      expect(settings.imagesPerPrompt % cells).toBe(0);
    }
    expect(targets.groups[1]!.target.shares.slice(4)).toEqual([0, 0, 0, 0]);
    expect(targets.groups[5]!.target.shares[2]).toBe(0.5);
    const named = weights.slice(1).reduce((sum, weight) => sum + weight, 0);
    expect(named / (weights[0]! + named)).toBeCloseTo(0.3, 1);
    expect(settings.validation.prompts).toHaveLength(7);
  });

  it('ask for 25% old people in every gender and race', () => {
    const { shares } = prepare('gender-race-age').targets.groups[0]!.target;
    for (let cell = 0; cell < 16; cell += 2) {
      expect(shares[cell + 1]! / (shares[cell]! + shares[cell + 1]!)).toBeCloseTo(0.25, 12);
      expect(shares[cell]! + shares[cell + 1]!).toBeCloseTo(1 / 8, 12);
    }
  });

  it('are listed where a name is unknown, and are no files', () => {
    expect(presetNames()).toEqual([
      'gender',
      'gender-explicit',
      'gender-race',
      'gender-race-age',
      'gender-race-explicit',
      'many-concepts',
      'race',
    ]);
    expect(() => resolveConfigFile('gendre')).toThrow(/received gendre; did you mean gender\?/);
  });
});

describe('groups of prompts with targets of their own', () => {
  const small = [
    'prompts.imagesPerPrompt=3',
    'microBatch=2',
    'train.rank=2',
    'sampler.steps=[2, 2]',
    'sampler.guidanceScale=2',
    'gradient.timesteps=1',
    'validation={every: 1, prompts: 3, imagesPerPrompt: 3, steps: 2}',
    'stop.distance=0.1',
  ];
  const target = (text: string) => [...small, `target=${text}`];
  const TWO =
    '[{for: [a nurse, a pilot], gender: uniform}, {for: [playing chess], gender: 60/40, age: 75/25}]';

  it('take turns, are validated each against its own target, and must all be met to stop', async () => {
    const prepared = prepare('gender', target(TWO));
    const { settings, pipeline, objective, model } = prepared;
    expect(settings.promptGroups).toEqual([['a nurse', 'a pilot'], ['playing chess']]);
    expect(settings.validation.prompts).toEqual(['a nurse', 'a pilot', 'playing chess']);
    expect(settings.stop).toEqual({
      distance: 0.1,
      groups: ['a nurse and 1 more', 'playing chess'],
    });
    const adapter = initialAdapter(model, settings.part, 1);
    const context = { pipeline, objective, settings, differentiate: new DirectFinetuning(pipeline) };
    const drawn: string[] = [];
    for (let iteration = 0; iteration < 6; iteration++) {
      const { prompts, metrics } = await computeIteration(context, iteration, adapter);
      const [prompt] = prompts;
      drawn.push(prompt!);
      expect('bias age' in metrics, prompt).toBe(prompt === 'playing chess');
    }
    expect(drawn).toContain('playing chess');
    expect(drawn.some((prompt) => prompt !== 'playing chess')).toBe(true);
    const { numbers } = await validate({ pipeline, objective, settings, guard: null }, adapter);
    const jobs = numbers['distance of a nurse and 1 more']!;
    const sports = numbers['distance of playing chess']!;
    if (!Number.isNaN(jobs) && !Number.isNaN(sports)) {
      expect(numbers.distance).toBeCloseTo((2 * jobs + sports) / 3, 9);
    }
    expect(Object.keys(numbers)).toContain('distance age high');
  });

  it.each([
    ['an unknown class', '[{for: sports, gender: {man: 1}}]', /target for sports: .*no class 'man'/],
    ['an unknown attribute', '[{for: sports, hat: uniform}]', /target for sports: .*received hat/],
    ['shares that do not add up', '[{for: sports, gender: 60/50}]', /target for sports: .*sum of 1\.1/],
    ['a group without a target', '[{for: sports}]', /target for sports: .*at least one attribute/],
    [
      'a prompt with two targets',
      '[{for: sports, gender: 60/40}, {for: sports, name: again, gender: uniform}]',
      /expected one target a prompt; .* is in sports and in again/,
    ],
    [
      'two groups of one name',
      '[{for: sports, gender: 60/40}, {for: sports, gender: uniform}]',
      /names differ .*"sports" and "sports"/,
    ],
    ['an unknown list', '[{for: sport, gender: uniform}]', /did you mean sports\?/],
    [
      'fewer validation prompts than groups',
      '[{for: [a], age: 75/25}, {for: [b], age: 75/25}, {for: [c], age: 75/25}, {for: [d], age: 75/25}]',
      /validation\.prompts: expected at least 4, one for each group/,
    ],
  ])('refuse %s', (_, text, expected) => {
    expect(() => prepare('gender', target(text))).toThrow(expected);
  });
});
