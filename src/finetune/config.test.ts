import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  configuredGroupTargets,
  configuredJudges,
  configuredTarget,
  configuredWeights,
  type FinetuneConfig,
  finetuneConfigSchema,
  finetuneDigest,
} from './config.ts';

const ATTRIBUTES = [
  { name: 'gender', classes: ['male', 'female'] },
  { name: 'age', classes: ['young', 'old'] },
];

const parse = (fields: object = {}): FinetuneConfig =>
  finetuneConfigSchema.parse({ output: 'runs/a', target: { gender: 'uniform' }, ...fields });

/** Paths and messages of what is wrong. */
function faultsOf(fields: object): string[] {
  const { error } = finetuneConfigSchema.safeParse({
    output: 'runs/a',
    target: { gender: 'uniform' },
    ...fields,
  });
  return error!.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('face models in place of the judges', () => {
  it('are cards that come with Evenhand, or files', () => {
    const faces = {
      detector: 'blazeface',
      classifiers: ['faceres', 'configs/faces/gear.yaml'],
      embedder: null,
    };
    const found = configuredJudges(parse({ judges: { classifier: 'mine', clip: null }, faces }));
    const at = (name: string) => path.resolve('configs', 'faces', `${name}.yaml`);
    expect(found).toEqual({
      clip: null,
      detector: at('blazeface'),
      classifier: [at('faceres'), at('gear')],
      embedder: null,
    });
    expect(configuredJudges(parse({ judges: { classifier: 'mine' } }))).toEqual({ classifier: 'mine' });
    expect(() => configuredJudges(parse({ faces: { detector: 'nobody' } }))).toThrow(
      /nobody: expected a card \(\.yaml\), a model folder, or one of blazeface/,
    );
  });
});

describe('a learning rate of the text encoder', () => {
  const optimizer = { learningRate: 0.003, textEncoderLearningRate: 0.001 };

  it('stands beside that of the U-Net, and belongs to what ties checkpoints to a configuration', () => {
    const both = parse({ train: { part: 'text-encoder+unet' }, optimizer });
    expect(both.optimizer).toMatchObject(optimizer);
    expect(parse({ train: { part: 'layers', layers: ['to_q'] }, optimizer }).optimizer).toMatchObject(
      optimizer,
    );
    const one = parse({ train: { part: 'text-encoder+unet' }, optimizer: { learningRate: 0.003 } });
    expect(finetuneDigest(both)).not.toBe(finetuneDigest(one));
    expect('textEncoderLearningRate' in one.optimizer).toBe(false);
  });

  it.each(['prompt', 'text-encoder', 'unet'])('is refused where %s alone is trained', (part) => {
    expect(faultsOf({ train: { part }, optimizer })).toEqual([
      `optimizer.textEncoderLearningRate: expected none where train.part is ${part}: it has one learning rate, optimizer.learningRate`,
    ]);
  });
});

describe('a finetuning configuration', () => {
  it('has the constants of the method where nothing else is said', () => {
    expect(parse()).toEqual({
      output: 'runs/a',
      seed: 1,
      train: { part: 'text-encoder', rank: 50 },
      target: { gender: 'uniform' },
      prompts: { train: 'occupations', negative: '', imagesPerPrompt: 24 },
      sampler: { steps: [19, 23] },
      gradient: { mode: 'adjusted', branches: 'both' },
      loss: {
        confidence: 0.8,
        imageWeight: 8,
        faceWeight: 1,
        ratios: {},
        noTarget: 'asDisagree',
        faceTarget: 'nearest',
        targetSet: 'drawn',
      },
      objectives: [],
      optimizer: {
        iterations: 10_000,
        learningRate: 5e-5,
        schedule: 'constant',
        warmupSteps: 0,
        betas: [0.9, 0.999],
        weightDecay: 0.01,
        clipNorm: 1,
        averageDecay: 0.996,
      },
      validation: {
        every: 200,
        prompts: 4,
        imagesPerPrompt: 16,
        steps: 25,
        best: { metric: 'distance', goal: 'smallest' },
        level: 0.95,
      },
      checkpointEvery: 200,
    });
    expect(parse({ train: { part: 'prompt' } }).train).toEqual({ part: 'prompt', tokens: 5 });
  });

  it.each([
    ['an unknown field', { iterations: 5 }, /iterations/],
    ['an unknown field of a section', { optimizer: { learning_rate: 1 } }, /optimizer.*learning_rate/],
    ['fields of the other part', { train: { part: 'prompt', rank: 4 } }, /train.*rank/],
    ['an unknown part', { train: { part: 'vae' } }, /train\.part/],
    ['no dropout of everything', { train: { part: 'unet', dropout: 1 } }, /train\.dropout/],
    ['layers without names', { train: { part: 'layers' } }, /train\.layers/],
    [
      'a stop rule without validations',
      { stop: { distance: 0.1 }, validation: { every: 0 } },
      /stop: expected validation\.every above 0/,
    ],
    [
      'a guard with an embedder alone',
      { guard: { embedder: 'other' } },
      /guard\.bank: expected embedder and bank together/,
    ],
    ['too large a seed', { seed: 1024 }, /seed.*1023/],
    ['no guidance below 1', { sampler: { guidanceScale: 0.5 } }, /sampler\.guidanceScale/],
    ['an unknown gradient mode', { gradient: { mode: 'exact' } }, /gradient\.mode.*adjusted.*uncoupled/],
    [
      'a subset of timesteps of the exact gradient',
      { gradient: { mode: 'unadjusted', timesteps: 3 } },
      /gradient\.timesteps: expected no subset in the mode unadjusted/,
    ],
    ['a confidence that is no probability', { loss: { confidence: 80 } }, /loss\.confidence/],
    ['a target that is a number', { target: 5 }, /target/],
    ['a decay of 1', { optimizer: { averageDecay: 1 } }, /optimizer\.averageDecay/],
    ['a negative share', { target: { a: { x: -0.5, y: 0.5 } } }, /target/],
  ])('refuses %s', (_, fields, message) => {
    const faults = faultsOf(fields);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(message);
  });

  it('asks for an output folder and a target', () => {
    const { error } = finetuneConfigSchema.safeParse({});
    expect(error!.issues.map(({ path }) => path.join('.')).sort()).toEqual(['output', 'target']);
  });
});

describe('the target of a configuration', () => {
  const targetOf = (target: object | string) => configuredTarget(parse({ target }), ATTRIBUTES);

  it.each([
    [{ gender: 'uniform' }, [0.5, 0.5]],
    [{ gender: 'uniform', age: '75/25' }, [0.375, 0.125, 0.375, 0.125]],
    [{ age: { old: 0.25, young: '75%' } }, [0.75, 0.25]],
    [{ 'age x gender': { young: { male: 0.4, female: 0.35 }, old: { male: 0.25 } } }, [0.4, 0.35, 0.25, 0]],
    ['age=75/25', [0.75, 0.25]],
  ])('%j has the shares %j', (target, shares) => {
    expect(targetOf(target).shares).toEqual(shares);
  });

  it.each([
    [{ race: 'uniform' }, /attributes of the classifier \(gender, age\), received race/],
    [{ gender: { man: 0.5, female: 0.5 } }, /gender.*man.*male, female/],
    [{ gender: { male: 0.5, female: 0.4 } }, /must sum to 1, received a sum of 0\.9/],
    [{ gender: { male: { young: 0.5, old: 0.5 } } }, /male: expected a share/],
    [{ 'gender x age': { male: 1 } }, /male: expected shares over 'age'/],
    ['gender', /attribute=shares/],
  ])('%j is refused with the names', (target, message) => {
    expect(() => targetOf(target)).toThrow(message);
  });

  const named = (names: readonly string[]) => {
    const target = names.map((name, i) => ({ for: [`prompt ${i}`], name, gender: 'uniform' }));
    return configuredGroupTargets(parse({ target }), ATTRIBUTES)?.map(({ name }) => name);
  };

  it('takes the weight of a group for no attribute, and refuses one that is not above 0', () => {
    const target = [
      { for: 'occupations', gender: 'uniform' },
      { for: 'female occupations', gender: '0/100', weight: 0.2 },
    ];
    expect(configuredGroupTargets(parse({ target }), ATTRIBUTES)?.map((each) => each.target.shares)).toEqual([
      [0.5, 0.5],
      [0, 1],
    ]);
    expect(() => parse({ target: [{ ...target[0], weight: 0 }] })).toThrow(/weight/);
  });

  it.each([[['occupations', 'sports']], [['a+b', 'a b']], [['nurses', 'nurses!']]])(
    'has groups of the names %j',
    (names) => {
      expect(named(names)).toEqual(names);
    },
  );

  it.each([[['sports', 'sports']], [['sports', 'SPORTS']], [['a b', 'a.b']]])(
    'refuses groups of the names %j, whose reports would lie in one folder',
    (names) => {
      expect(() => named(names)).toThrow(`received "${names[0]}" and "${names[1]}"; give one another name`);
    },
  );
});

describe('the losses of a configuration', () => {
  it('have own ratios where they are given', () => {
    const config = parse({
      seed: 9,
      target: { gender: 'uniform', age: 'uniform' },
      loss: { ratios: { age: { face: 0.5 } }, imageWeight: 4, faceTarget: 'own', targetSet: 'even' },
    });
    expect(configuredWeights(config)).toEqual({
      threshold: 0.8,
      lambda1: 4,
      lambdaFace: 1,
      ratios: { gender: { ratio2: 0.2, ratio3: 0.2 }, age: { ratio2: 0.2, ratio3: 0.5 } },
      noTarget: 'asDisagree',
      faceTarget: 'own',
      targetSet: 'even',
      seed: 9,
    });
  });
});

describe('the digest of a configuration', () => {
  const digest = finetuneDigest(parse());

  it.each([
    { output: 'runs/b' },
    { optimizer: { iterations: 20 } },
    { validation: { every: 5 } },
    { checkpointEvery: 1 },
    { microBatch: 2 },
    { stop: { distance: 0.1 } },
    { guard: { clip: 'other' } },
    { guard: { dino: null } },
    { model: 'models/moved' },
    { judges: { classifier: 'moved/classifier' } },
    { faces: { detector: 'moved/yunet' } },
    { train: { part: 'text-encoder', rank: 50 } },
  ])('stays with %j', (fields) => {
    expect(finetuneDigest(parse(fields))).toBe(digest);
    expect(digest).toMatch(/^[0-9a-f]{16}$/);
  });

  it.each([
    { seed: 2 },
    { optimizer: { learningRate: 1e-4 } },
    { optimizer: { schedule: 'linear' } },
    { train: { part: 'text-encoder', rank: 8 } },
    { train: { part: 'text-encoder', targets: ['mlp.fc1'] } },
    { train: { part: 'unet' } },
    { target: { gender: { male: 0.5, female: 0.5 } } },
    { prompts: { imagesPerPrompt: 8 } },
    { sampler: { steps: [19, 24] } },
    { loss: { ratios: { gender: { face: 0.3 } } } },
    { gradient: { timesteps: 4 } },
  ])('changes with %j', (fields) => {
    expect(finetuneDigest(parse(fields))).not.toBe(digest);
  });
});
