/** The settings of Fine-tune: kept as a draft and sent as a request. */

import type { FinetuneRequest } from '../api/types.ts';
import { ADAPTER_NAME, ADAPTER_NAME_FAULT } from '../lib/adapter_name.ts';
import type { Aim } from '../lib/aim.ts';
import { aimFault, describedAim, readAim, targetsOf } from '../lib/aim.ts';
import { linesOf } from '../lib/prompt_source.ts';
import { fieldsOf, flag, numeric, oneOf, text } from '../lib/read.ts';
import type { AttributeClasses, TargetDraft } from '../lib/target.ts';

/** What can be trained, with what that means for people. */
export const PARTS = Object.freeze({
  'text-encoder': 'LoRA on the text encoder',
  unet: 'LoRA on the U-Net',
  'text-encoder+unet': 'LoRA on both',
  prompt: 'five soft tokens before the prompt',
} as const);

/** Name of a trained part. */
export type PartName = keyof typeof PARTS;

/** Everything that decides a run, as far as the page offers it. */
export interface FinetuneSettings extends Aim {
  /** Name of a model; empty for the server's default. */
  readonly model: string;
  /** Name of the adapter that comes out; empty for the job's id. */
  readonly name: string;
  readonly part: PartName;
  readonly rank: number;
  readonly iterations: number;
  readonly imagesPerPrompt: number;
  readonly steps: number;
  readonly learningRate: number;
  /** Learning rate of the text encoder where the U-Net is trained beside it; 0 for the same. */
  readonly textEncoderLearningRate: number;
  /** Timesteps an iteration takes its gradient from; 0 for all. */
  readonly timesteps: number;
  /** Weight of the loss that keeps the rest of the image. */
  readonly imageWeight: number;
  readonly validateEvery: number;
  readonly checkpointEvery: number;
  /** Whether the run ends once it is on target. */
  readonly stopsEarly: boolean;
  /** Distance to the target, less the noise floor, that counts as on target. */
  readonly stopDistance: number;
  readonly seed: number;
}

/** Settings from storage; what doesn't fit has its first value. */
export function readFinetuneSettings(stored: unknown): FinetuneSettings {
  const fields = fieldsOf(stored);
  const whole = (name: string, first: number, least: number, most: number) =>
    Math.round(numeric(fields[name], first, least, most));
  return {
    model: text(fields.model, ''),
    name: text(fields.name, ''),
    ...readAim(fields, 1),
    part: oneOf(fields.part, Object.keys(PARTS) as PartName[], 'text-encoder'),
    rank: whole('rank', 50, 1, 1024),
    iterations: whole('iterations', 100, 1, 1_000_000),
    imagesPerPrompt: whole('imagesPerPrompt', 16, 1, 1024),
    steps: whole('steps', 8, 1, 1000),
    learningRate: numeric(fields.learningRate, 0.001, 1e-9, 1),
    textEncoderLearningRate: numeric(fields.textEncoderLearningRate, 0, 0, 1),
    timesteps: whole('timesteps', 4, 0, 1000),
    imageWeight: numeric(fields.imageWeight, 4, 0, 1000),
    validateEvery: whole('validateEvery', 20, 0, 1_000_000),
    checkpointEvery: whole('checkpointEvery', 10, 1, 1_000_000),
    stopsEarly: flag(fields.stopsEarly, false),
    stopDistance: numeric(fields.stopDistance, 0.05, 0, 1),
    seed: whole('seed', 1, 0, 1023),
  };
}

/** What keeps a run from being started, or `null`. */
export function finetuneFault(
  settings: FinetuneSettings,
  attributes: readonly AttributeClasses[],
): string | null {
  const fault = aimFault(settings, attributes);
  if (fault !== null) return fault;
  if (settings.name !== '' && !ADAPTER_NAME.test(settings.name)) return ADAPTER_NAME_FAULT;
  if (settings.stopsEarly && settings.validateEvery === 0)
    return 'Ending on target needs validations: set them to at least 1.';
  return null;
}

/**
 * Classes whose share of `images` images is less than one: a batch can't show them, so an iteration can't aim at them.
 * Each in words.
 */
export function unreachable(aim: Aim, attributes: readonly AttributeClasses[], images: number): string[] {
  return targetsOf(aim).flatMap(({ title, target }) =>
    attributes.flatMap(({ name, classes }) => {
      const percents = target[name];
      if (percents === undefined) return [];
      return classes
        .filter((each) => percents[each]! > 0 && (percents[each]! / 100) * images < 1)
        .map(
          (each) =>
            `${title === null ? '' : `${title}: `}${name}, ${each}: ${percents[each]}% of ${images} images is less than one ` +
            `image; take at least ${Math.ceil(100 / percents[each]!)} images a prompt.`,
        );
    }),
  );
}

/** Most cells of a joint target: a batch should hold several images of each. */
export function cellsOf(aim: Aim, attributes: readonly AttributeClasses[]): number {
  const cells = (target: TargetDraft) =>
    attributes
      .filter(({ name }) => target[name] !== undefined)
      .reduce((product, { classes }) => product * classes.length, 1);
  return Math.max(...targetsOf(aim).map(({ target }) => cells(target)));
}

/** The request for these settings. */
export function finetuneRequest(
  settings: FinetuneSettings,
  attributes: readonly AttributeClasses[],
): FinetuneRequest {
  const { model, name, source, byGroup, groups, part, rank } = settings;
  const { imagesPerPrompt, steps, timesteps, validateEvery, textEncoderLearningRate } = settings;
  const own = source.from === 'own' ? linesOf(source) : source.set;
  return {
    kind: 'finetune',
    ...(model === '' ? {} : { model }),
    ...(name === '' ? {} : { name }),
    seed: settings.seed,
    train: part === 'prompt' ? { part } : { part, rank },
    target: describedAim(settings, attributes),
    // Groups name their prompts themselves.
    prompts: { ...(byGroup ? {} : { train: own }), imagesPerPrompt },
    sampler: { steps: [steps, steps] },
    gradient: timesteps === 0 || timesteps >= steps ? {} : { timesteps },
    loss: { imageWeight: settings.imageWeight },
    optimizer: {
      iterations: settings.iterations,
      learningRate: settings.learningRate,
      ...(part === 'text-encoder+unet' && textEncoderLearningRate > 0 ? { textEncoderLearningRate } : {}),
      // The average looks back over the last fifth of the run at most, as short runs need it.
      averageDecay: Math.min(0.996, Math.max(0, 1 - 5 / settings.iterations)),
    },
    // Each group is validated.
    validation: {
      every: validateEvery,
      imagesPerPrompt,
      steps,
      ...(byGroup ? { prompts: Math.max(4, groups.length) } : {}),
    },
    ...(settings.stopsEarly ? { stop: { distance: settings.stopDistance } } : {}),
    checkpointEvery: settings.checkpointEvery,
  };
}
