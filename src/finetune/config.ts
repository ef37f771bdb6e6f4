/** Configuration of a finetuning run: every field with its default, checked before anything starts. */

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { TEXT_CONTEXTS } from '../diffusion/text_context.ts';
import type { AttributeHead } from '../faces/index.ts';
import { locateFaceModel } from '../faces/index.ts';
import type { JudgeFolders, LossWeights, TargetDescription, TargetDistribution } from '../fairness/index.ts';
import { describedAttributes, describedTarget } from '../fairness/index.ts';
import { gradientModes } from './gradient_coefficients.ts';
import { learningRateScheduleNames } from './learning_rate.ts';
import type { NamedPrompts } from './prompt_groups.ts';
import { groupName, groupTarget, sameFolder } from './prompt_groups.ts';

export { groupName, groupTarget } from './prompt_groups.ts';

/** A target for some prompts: attributes and shares as in {@link TargetDescription}, and `for`, the prompts. */
export interface TargetGroupDescription extends NamedPrompts {
  readonly weight?: number | undefined;
  readonly [attribute: string]: TargetDescription[string] | string | readonly string[] | number | undefined;
}

/** What a configuration says under `target`: one target for all prompts, or one for each group of them. */
export type ConfiguredTarget = string | TargetDescription | readonly TargetGroupDescription[];

const share = z.number().min(0).max(1);
const describedShares: z.ZodType<TargetDescription[string]> = z.lazy(() =>
  z.union([share, z.string(), z.record(z.string(), describedShares)]),
) as never;

const targetGroup = z
  .looseObject({
    /** Prompts that follow this target: lists by name, joined by +, a text file, or the prompts themselves. */
    for: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
    name: z.string().min(1).max(100).optional(),
    /** How often an iteration draws a prompt of this group, compared with the other groups: 1 when left out. */
    weight: z.number().positive().optional(),
  })
  .catchall(describedShares) as unknown as z.ZodType<TargetGroupDescription>;

const ratios = z.strictObject({
  /** lambda_2 / lambda_1: weight outside the face where target and original disagree. */
  outside: share.default(0.2),
  /** lambda_3 / lambda_2: further factor on the face. */
  face: share.default(0.2),
});

/** A score by a file of the user's, see `openScore`. */
export const objectiveSchema = z.strictObject({
  /** Module (.js, .mjs) or ONNX model, relative to the current folder. */
  file: z.string().min(1),
  weight: z.number().positive().default(1),
  direction: z.enum(['maximise', 'minimise']).default('maximise'),
  /** Of an ONNX model: the output that holds the score, side of its images, channels' mean and deviation. */
  output: z.string().optional(),
  side: z.int().min(1).optional(),
  mean: z.tuple([z.number(), z.number(), z.number()]).optional(),
  deviation: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]).optional(),
});

const loraFields = {
  rank: z.int().min(1).default(50),
  alpha: z.number().positive().optional(),
  /** Patterns of the linear layers that are adapted: `to_k`, `unet.mid_block.*`, `mlp.fc1`; all attention when left out. */
  targets: z.array(z.string().min(1)).min(1).optional(),
  /** Share of the updates' input features that each iteration leaves out. */
  dropout: z.number().min(0).lt(1).optional(),
};

const fields = z.strictObject({
  /** Model directory; the embedded model when left out. */
  model: z.string().optional(),
  /** Judges in other folders than the model directory's own; null leaves one out. */
  judges: z
    .strictObject({
      detector: z.string().optional(),
      classifier: z.string().optional(),
      embedder: z.string().nullable().optional(),
      bank: z.string().nullable().optional(),
      clip: z.string().nullable().optional(),
      dino: z.string().nullable().optional(),
    })
    .optional(),
  /**
   * Other people's face models in place of the judges' own: cards (.yaml) by file or by the name of a shipped card, or folders,
   * relative to the current folder. Several classifiers judge together, each its own attributes.
   */
  faces: z
    .strictObject({
      detector: z.string().optional(),
      classifiers: z.array(z.string()).min(1).optional(),
      /** Null leaves the face realism loss out; a bank holds the embeddings of one embedder. */
      embedder: z.string().nullable().optional(),
    })
    .optional(),
  /** Run folder. */
  output: z.string(),
  seed: z.int().min(0).max(1023).default(1),
  train: z
    .discriminatedUnion('part', [
      z.strictObject({ part: z.literal('prompt'), tokens: z.int().min(1).max(70).default(5) }),
      z.strictObject({ part: z.literal('text-encoder'), ...loraFields }),
      z.strictObject({ part: z.literal('unet'), ...loraFields }),
      z.strictObject({ part: z.literal('text-encoder+unet'), ...loraFields }),
      z.strictObject({
        part: z.literal('layers'),
        /** Patterns of whole weights: `unet.*.attn2.to_k.weight`, `text_encoder.*.mlp.*`; `*` stands for anything. */
        layers: z.array(z.string().min(1)).min(1),
      }),
    ])
    .prefault({ part: 'text-encoder' }),
  /**
   * Attributes of the classifier and their shares: `{ gender: uniform, age: 75/25 }`, shares by class, `given` another
   * attribute, a joint table under `gender x race`, or one line: `gender=50/50, age=75/25`. A list gives groups of prompts
   * targets of their own: `[{ for: occupations, gender: uniform }, { for: sports, gender: 60/40 }]`; each iteration draws a
   * group, then one of its prompts.
   */
  target: z.union([z.string().min(1), z.array(targetGroup).min(1), z.record(z.string(), describedShares)]),
  prompts: z
    .strictObject({
      /** A prompt list by name, or the prompts themselves; not read where the target is a list, whose groups name theirs. */
      train: z.union([z.string(), z.array(z.string()).min(1)]).default('occupations'),
      negative: z.string().default(''),
      /** Prompts of an iteration, whose gradients are averaged; 1 when left out. */
      perIteration: z.int().min(1).optional(),
      /** Images of each prompt of an iteration (N). */
      imagesPerPrompt: z.int().min(1).default(24),
    })
    .prefault({}),
  /**
   * Which tokens of a prompt the U-Net sees: `padded`, all places, as every program that will load the adapter does (when left
   * out); `masked`, the prompt's own alone.
   */
  textContext: z.enum(TEXT_CONTEXTS).optional(),
  /** Images in memory at once when drawing, judging and differentiating; all when left out. The gradient is the same. */
  microBatch: z.int().min(1).optional(),
  sampler: z
    .strictObject({
      /** Fewest and most steps; each iteration draws between them. */
      steps: z
        .tuple([z.int().min(1), z.int().min(1)])
        .refine(([fewest, most]) => fewest <= most, { message: 'expected the smaller number first' })
        .default([19, 23]),
      guidanceScale: z.number().min(1).optional(),
    })
    .prefault({}),
  /** `float16` computes the products of denoiser and decoder in it, for graphics cards; `float32` when left out. */
  precision: z.enum(['float32', 'float16']).optional(),
  gradient: z
    .strictObject({
      mode: z
        .enum(gradientModes as readonly [string, ...string[]] as typeof gradientModes)
        .default('adjusted'),
      branches: z.enum(['both', 'conditional']).default('both'),
      /** Timesteps an iteration takes its gradient from, drawn at random and rescaled; all when left out. */
      timesteps: z.int().min(1).optional(),
    })
    .refine(({ mode, timesteps }) => mode !== 'unadjusted' || timesteps === undefined, {
      path: ['timesteps'],
      message: 'expected no subset in the mode unadjusted, whose gradient walks through every step',
    })
    .prefault({}),
  loss: z
    .strictObject({
      /** C: least confidence of a target that counts. */
      confidence: share.default(0.8),
      imageWeight: z.number().min(0).default(8),
      faceWeight: z.number().min(0).default(1),
      ratios: z.record(z.string(), ratios).default({}),
      noTarget: z.enum(['asDisagree', 'asAgree']).default('asDisagree'),
      faceTarget: z.enum(['nearest', 'own']).default('nearest'),
      targetSet: z.enum(['drawn', 'even']).default('drawn'),
    })
    .prefault({}),
  /** Scores of images by files of the user's, minimised or maximised beside the fairness loss; see `openScore`. */
  objectives: z.array(objectiveSchema).default([]),
  optimizer: z
    .strictObject({
      iterations: z.int().min(1).default(10_000),
      learningRate: z.number().positive().default(5e-5),
      /** Learning rate of the text encoder where the U-Net is trained beside it; `learningRate` when left out. */
      textEncoderLearningRate: z.number().positive().optional(),
      /** How the learning rate changes over the iterations, by diffusers' names. */
      schedule: z.enum(learningRateScheduleNames).default('constant'),
      warmupSteps: z.int().min(0).default(0),
      betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.999]),
      weightDecay: z.number().min(0).default(0.01),
      clipNorm: z.number().positive().default(1),
      averageDecay: z.number().min(0).lt(1).default(0.996),
    })
    .refine(({ iterations, warmupSteps }) => iterations < 1 || warmupSteps <= iterations, {
      path: ['warmupSteps'],
      error: 'expected at most as many as iterations',
    })
    .prefault({}),
  validation: z
    .strictObject({
      every: z.int().min(0).default(200),
      prompts: z.int().min(1).default(4),
      imagesPerPrompt: z.int().min(1).default(16),
      steps: z.int().min(1).default(25),
      /** The validation whose weights are kept in `best.safetensors`; `distance` is the one to the whole target. */
      best: z
        .strictObject({
          metric: z.string().min(1).default('distance'),
          goal: z.enum(['smallest', 'largest']).default('smallest'),
        })
        .prefault({}),
      /** Confidence level of the intervals. */
      level: z.number().gt(0).lt(1).default(0.95),
    })
    .prefault({}),
  /** Ends the run once the interval of the validated distance to the target, less the noise floor, lies within `distance`. */
  stop: z.strictObject({ distance: share }).optional(),
  /**
   * Models that watch over validation without being in the loss, in the model directory or elsewhere: image encoders for the
   * semantics, a face embedder (folder or card) with its bank for the realism; and how far similarities may fall before a
   * warning. Of those left out, the model directory's own take part where the loss does not use them; null keeps one out.
   */
  guard: z
    .strictObject({
      clip: z.string().nullable().optional(),
      dino: z.string().nullable().optional(),
      embedder: z.string().nullable().optional(),
      bank: z.string().optional(),
      semanticsDrop: share.default(0.3),
      realismDrop: share.default(0.1),
    })
    .refine(({ embedder = null, bank }) => (embedder === null) === (bank === undefined), {
      path: ['bank'],
      message: 'expected embedder and bank together: a bank holds the embeddings of one embedder',
    })
    .optional(),
  checkpointEvery: z.int().min(1).default(200),
});

/** Fields of a configuration file; sections follow METHOD. */
export const finetuneConfigSchema = fields
  .refine(({ stop, validation }) => stop === undefined || validation.every > 0, {
    path: ['stop'],
    message: 'expected validation.every above 0: the stop rule reads validations',
  })
  .refine(
    ({ train, optimizer }) => optimizer.textEncoderLearningRate === undefined || trainsBothParts(train),
    {
      path: ['optimizer', 'textEncoderLearningRate'],
      error: ({ input }) =>
        `expected none where train.part is ${(input as z.output<typeof fields>).train.part}: it has one learning rate, optimizer.learningRate`,
    },
  );

/** Whether text encoder and U-Net may both be trained; whole layers are chosen by name and may lie in both. */
function trainsBothParts({ part }: { readonly part: string }): boolean {
  return part === 'text-encoder+unet' || part === 'layers';
}

/** A checked configuration. */
export type FinetuneConfig = Readonly<z.output<typeof finetuneConfigSchema>>;

/**
 * Digest that ties checkpoints to a configuration; run folder, number of iterations, micro-batches, validation, stop rule,
 * guard and checkpoint interval are left out, so that a run can be extended. So are the folders of model and judges, which may
 * be moved: `weightsOfRun` ties checkpoints to what lies in them.
 */
export function finetuneDigest(config: FinetuneConfig): string {
  const { output: _output, validation: _validation, checkpointEvery: _every, ...more } = config;
  const { model: _model, judges: _judges, faces: _faces, ...settings } = more;
  const { microBatch: _microBatch, stop: _stop, guard: _guard, optimizer, ...rest } = settings;
  const { iterations: _iterations, ...optimization } = optimizer;
  return createHash('sha256')
    .update(JSON.stringify({ ...rest, optimization }))
    .digest('hex')
    .slice(0, 16);
}

/** The groups of a target that is a list; null for one target. */
export function configuredGroups(target: ConfiguredTarget): readonly TargetGroupDescription[] | null {
  return Array.isArray(target) ? (target as readonly TargetGroupDescription[]) : null;
}

function targetOfGroup(group: TargetGroupDescription): TargetDescription {
  return groupTarget(group) as TargetDescription;
}

/** Attributes that a target names, over all its groups, in the order in which they are first named. */
export function configuredAttributes(target: ConfiguredTarget): string[] {
  const groups = configuredGroups(target);
  if (groups === null) return describedAttributes(target as string | TargetDescription);
  return [...new Set(groups.flatMap((group) => describedAttributes(targetOfGroup(group))))];
}

/**
 * The target distribution that a configuration names, over attributes of the loss's classifier.
 * @throws Error naming an attribute or class that the classifier does not know, or shares that do not add up to 1; or saying
 * that there are several targets where one is expected
 */
export function configuredTarget(
  config: { readonly target: ConfiguredTarget },
  known: readonly AttributeHead[],
): TargetDistribution {
  const groups = configuredGroups(config.target);
  if (groups === null) return describedTarget(config.target as string | TargetDescription, known);
  throw new Error(`target: expected one target for all prompts, received ${groups.length} groups`);
}

/**
 * The target of each group of a configuration, in order; null where all prompts have one.
 * @throws Error as {@link configuredTarget}, with the group's name in front; or naming two groups whose reports and metrics could not
 * be told apart
 */
export function configuredGroupTargets(
  config: { readonly target: ConfiguredTarget },
  known: readonly AttributeHead[],
): { readonly name: string; readonly target: TargetDistribution }[] | null {
  const groups = configuredGroups(config.target);
  if (groups === null) return null;
  const same = sameFolder(groups.map(groupName));
  if (same !== null) {
    throw new Error(
      `target: expected groups whose names differ in letters or digits, received "${same[0]}" and "${same[1]}"; give one another name`,
    );
  }
  return groups.map((group) => {
    const name = groupName(group);
    try {
      return { name, target: describedTarget(targetOfGroup(group), known) };
    } catch (error) {
      throw new Error(`target for ${name}: ${(error as Error).message}`, { cause: error });
    }
  });
}

/** Judges that a configuration names: those of `judges`, and in their place the face models of `faces`. */
export function configuredJudges({
  judges = {},
  faces,
}: Pick<FinetuneConfig, 'judges' | 'faces'>): JudgeFolders {
  const at = (name: string) => locateFaceModel(name, '.');
  const { detector, classifiers, embedder } = faces ?? {};
  return {
    ...(judges as JudgeFolders),
    ...(detector === undefined ? {} : { detector: at(detector) }),
    ...(classifiers === undefined ? {} : { classifier: classifiers.map(at) }),
    ...(embedder === undefined ? {} : { embedder: embedder === null ? null : at(embedder) }),
  };
}

/** The constants of the losses that a configuration names; attributes without own ratios have the defaults. */
export function configuredWeights(config: FinetuneConfig): LossWeights {
  const { loss, target, seed } = config;
  const pairs = configuredAttributes(target).map((name) => {
    const { outside, face } = ratios.parse(loss.ratios[name] ?? {});
    return [name, { ratio2: outside, ratio3: face }] as const;
  });
  return {
    threshold: loss.confidence,
    lambda1: loss.imageWeight,
    lambdaFace: loss.faceWeight,
    ratios: Object.fromEntries(pairs),
    noTarget: loss.noTarget,
    faceTarget: loss.faceTarget,
    targetSet: loss.targetSet,
    seed,
  };
}
