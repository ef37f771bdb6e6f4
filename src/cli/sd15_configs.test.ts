/** The configurations of the method's runs on Stable Diffusion 1.5: they validate, and have the constants of the method. */

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { readCardOf } from '../faces/cards/card.ts';
import { readHead } from '../faces/cards/heads.ts';
import { locateFaceModel } from '../faces/cards/locate.ts';
import { configuredGroupTargets, configuredTarget, finetuneConfigSchema } from '../finetune/config.ts';
import { loadConfig } from './config.ts';
import { promptsOf } from './finetuning.ts';
import { packagePath } from './package.ts';

const FOLDER = packagePath('configs/sd15');
const GENDER = { gender: { outside: 0.2, face: 0.2 } };
const RACE = { race: { outside: 0.6, face: 0.3 } };
const AGE = { age: { outside: 0.6, face: 0.3 } };

/** Columns: C, N, lambda_face, lambda_1, ratios lambda_2/lambda_1 and lambda_3/lambda_2, iterations, cells of each target. */
const RUNS = [
  ['gender', 0.8, 24, 1, 8, GENDER, 10_000, [2]],
  ['race', 0.8, 32, 0.1, 6, RACE, 12_000, [4]],
  ['gender-race', 0.6, 32, 0.1, 8, { ...GENDER, ...RACE }, 14_000, [8]],
  ['gender-race-age', 0.6, 40, 0.1, 8, { ...GENDER, ...RACE, ...AGE }, 14_000, [16]],
  ['many-concepts', 0.6, 40, 0.1, 8, { ...GENDER, ...RACE }, 14_000, [8, 8, 8, 8]],
] as const;

it.each(RUNS)('%s', (name, confidence, images, faceWeight, imageWeight, ratios, iterations, cells) => {
  const config = loadConfig(finetuneConfigSchema, { file: path.join(FOLDER, `${name}.yaml`), overrides: [] });
  expect(config.loss).toMatchObject({ confidence, faceWeight, imageWeight, ratios });
  expect(config.prompts.imagesPerPrompt).toBe(images);
  expect(config.optimizer).toMatchObject({
    iterations,
    learningRate: 5e-5,
    betas: [0.9, 0.999],
    weightDecay: 0.01,
    averageDecay: 0.996,
    schedule: 'constant',
  });
  expect(config.sampler).toEqual({ steps: [19, 23], guidanceScale: 7.5 });
  expect(config.gradient).toEqual({ mode: 'adjusted', branches: 'both' });
  expect(config.validation).toMatchObject({ every: 200, steps: 25 });
  expect(config.train).toEqual({ part: 'text-encoder', rank: 50 });
  const { detector, classifiers, embedder } = config.faces!;
  for (const card of [detector!, ...classifiers!, embedder!])
    expect(locateFaceModel(card, FOLDER)).toContain(card);
  const heads = classifiers!.flatMap((card) => {
    const { card: read } = readCardOf('classifier', locateFaceModel(card, FOLDER));
    return Object.entries(read.outputs).map(([attribute, head]) => readHead(attribute, head));
  });
  const targets = configuredGroupTargets(config, heads)?.map(({ target }) => target) ?? [
    configuredTarget(config, heads),
  ];
  expect(targets.map(({ shares }) => shares.length)).toEqual(cells);
  expect(promptsOf(config).trainPrompts.length).toBeGreaterThan(100);
  if (name !== 'gender-race-age') return;
  const age = targets[0]!.attributes.find((attribute) => attribute.name === 'age')!;
  const old = age.classes.indexOf('old');
  const stride = age.classes.length;
  expect(targets[0]!.attributes.at(-1)!.name).toBe('age');
  targets[0]!.shares.forEach((share, cell) => {
    expect(share).toBeCloseTo((cell % stride === old ? 0.25 : 0.75) / 8, 12);
  });
});

it('is every one that ships', () => {
  expect(readdirSync(FOLDER).sort()).toEqual(RUNS.map(([name]) => `${name}.yaml`).sort());
});
