/** Checks a request against the models, adapters and prompt sets that there are, before it is queued. */

import type { z } from 'zod';
import { scaleFault } from '../../diffusion/adapter_scale.ts';
import { supportsKarrasSigmas } from '../../diffusion/schedulers/scheduler_config.ts';
import { describedTarget } from '../../fairness/index.ts';
import type { ConfiguredTarget, TargetGroupDescription } from '../../finetune/config.ts';
import { configuredGroups, configuredGroupTargets, groupName } from '../../finetune/config.ts';
import type { CataloguedModel } from '../catalogue.ts';
import type { ServerContext } from '../context.ts';
import { ApiFault } from '../errors.ts';
import type { jobRequestSchema, jobTargetSchema } from '../schemas/jobs.ts';
import { MOST_IMAGES } from '../schemas/jobs.ts';
import type { AdapterRow } from '../storage/adapters.ts';
import { findAdapter, kindOfAdapter } from '../storage/adapters.ts';
import type { EvaluatedPrompt } from './tasks.ts';

/** A request as its schema leaves it. */
export type JobRequest = z.output<typeof jobRequestSchema>;
type JobTarget = z.output<typeof jobTargetSchema>;

/** A request that can be carried out, with everything that was left open chosen. */
export interface CheckedRequest {
  readonly request: JobRequest & { readonly model: string };
  readonly lane: 'draw' | 'train';
  /** Images that it draws; 0 for those whose images nobody keeps. */
  readonly images: number;
  /** Generations with the same key can be computed together. */
  readonly batchKey: string | null;
}

/** Random seeds are short enough to be typed again. */
const LARGEST_RANDOM_SEED = 2 ** 32;
const ALL_SETS = 'all';

/**
 * Checks a request and fills in what it leaves open.
 * @throws ApiFault naming the field that does not fit and what would
 */
export async function checkRequest(context: ServerContext, request: JobRequest): Promise<CheckedRequest> {
  const model = context.catalogue.model(request.model);
  if (request.kind === 'generate') return checkGenerate(context, request, model);
  checkJobTarget(context, request, model);
  if (request.kind === 'finetune') {
    if (!model.canFinetune) throw lacksJudges(model, 'fine-tuning', 'face_detector and classifier');
    trainPrompts(context, request.prompts.train);
    const checked = { ...request, model: model.name };
    return { request: checked, lane: 'train', images: 0, batchKey: null };
  }
  if (!model.canEvaluate) throw lacksJudges(model, 'evaluation', 'face_detector and classifier_evaluation');
  testPrompts(context, request.prompts.test);
  const checked = { ...request, model: model.name, ...(await adapterFields(context, request, model)) };
  return { request: checked, lane: 'train', images: 0, batchKey: null };
}

async function checkGenerate(
  context: ServerContext,
  request: Extract<JobRequest, { kind: 'generate' }>,
  model: CataloguedModel,
): Promise<CheckedRequest> {
  const images = request.prompts.length * request.imagesPerPrompt;
  if (images > MOST_IMAGES) {
    throw doesNotFit('imagesPerPrompt', `expected at most ${MOST_IMAGES} images in all, received ${images}`);
  }
  const { width = model.side, height = model.side } = request;
  for (const [name, side] of Object.entries({ width, height })) {
    if (side % model.sideMultiple !== 0) {
      throw doesNotFit(name, `expected a multiple of ${model.sideMultiple} pixels, received ${side}`);
    }
  }
  if (request.karras && !supportsKarrasSigmas(request.scheduler)) {
    throw doesNotFit('karras', `expected the scheduler euler or dpmsolver++, received ${request.scheduler}`);
  }
  const adapted = await adapterFields(context, request, model);
  const guidanceScale = request.guidanceScale ?? model.guidanceScale;
  const checked = {
    ...request,
    ...adapted,
    model: model.name,
    seed: request.seed ?? Math.floor(Math.random() * LARGEST_RANDOM_SEED),
    guidanceScale,
    width,
    height,
  };
  const { scheduler, karras, steps, adapter = '', adapterScale = 1 } = checked;
  const adapterKey = `${adapter} ${adapterScale}`;
  const batchKey = [model.name, adapterKey, scheduler, karras, steps, guidanceScale, width, height].join(' ');
  return { request: checked, lane: 'draw', images, batchKey };
}

/**
 * Checks a target against a model's classifier.
 * @throws ApiFault naming the attribute or class that the model does not know
 */
export function checkTarget(target: unknown, model: CataloguedModel): void {
  if (model.attributes.length === 0) throw lacksJudges(model, 'a target', 'classifier');
  try {
    describedTarget(target as string, model.attributes);
  } catch (error) {
    throw doesNotFit('target', (error as Error).message);
  }
}

/** Checks what a job aims at, group by group. */
function checkJobTarget(
  context: ServerContext,
  request: Extract<JobRequest, { kind: 'finetune' | 'evaluate' }>,
  model: CataloguedModel,
): void {
  const groups = configuredGroups(request.target as ConfiguredTarget);
  if (groups === null) {
    checkTarget(request.target, model);
    return;
  }
  if (model.attributes.length === 0) throw lacksJudges(model, 'a target', 'classifier');
  for (const [i, group] of groups.entries()) groupPrompts(context, group, 'train', `target.${i}.for`);
  try {
    configuredGroupTargets({ target: groups }, model.attributes);
  } catch (error) {
    throw doesNotFit('target', (error as Error).message);
  }
  if (request.kind === 'finetune' && request.validation.prompts < groups.length) {
    throw doesNotFit(
      'validation.prompts',
      `expected at least ${groups.length}, one for each group of the target, received ${request.validation.prompts}`,
    );
  }
}

/** A job's target with the prompts of its groups in place of the names of sets; one target for all stays as it is. */
export function resolvedTarget(
  context: ServerContext,
  target: JobTarget,
  split: 'train' | 'test',
): JobTarget {
  const groups = configuredGroups(target as ConfiguredTarget);
  if (groups === null) return target;
  return groups.map((group, i) => ({
    ...group,
    name: groupName(group),
    for: [...groupPrompts(context, group, split, `target.${i}.for`)],
  }));
}

function groupPrompts(
  context: ServerContext,
  { for: choice }: TargetGroupDescription,
  split: 'train' | 'test',
  field: string,
): readonly string[] {
  if (typeof choice !== 'string') return choice;
  return setNames(context, choice, field).flatMap((name) => context.promptSets.promptsOf(name, split));
}

/**
 * The prompts that a fine-tuning names.
 * @throws ApiFault when there is no such prompt set
 */
export function trainPrompts(context: ServerContext, choice: string | readonly string[]): readonly string[] {
  if (typeof choice !== 'string') return choice;
  return setNames(context, choice, 'prompts.train').flatMap((name) =>
    context.promptSets.promptsOf(name, 'train'),
  );
}

/**
 * The prompts that an evaluation names, with their sets as families.
 * @throws ApiFault when there is no such prompt set
 */
export function testPrompts(
  context: ServerContext,
  choice: string | readonly EvaluatedPrompt[],
): readonly EvaluatedPrompt[] {
  if (typeof choice !== 'string') return choice;
  const names = choice === ALL_SETS ? context.promptSets.names : setNames(context, choice, 'prompts.test');
  return names.flatMap((family) =>
    context.promptSets.promptsOf(family, 'test').map((prompt) => ({ prompt, family })),
  );
}

function setNames({ promptSets }: ServerContext, choice: string, field: string): string[] {
  const names = choice.split('+').map((name) => name.trim());
  const unknown = names.find((name) => !promptSets.names.includes(name));
  if (unknown === undefined) return names;
  throw doesNotFit(
    field,
    `expected ${promptSets.names.join(', ')} or a list of prompts, received ${unknown}`,
  );
}

/** The id of a request's adapter, checked against the model and the scale that is asked for; nothing without an adapter. */
async function adapterFields(
  context: ServerContext,
  { adapter: named, adapterScale = 1 }: { readonly adapter?: string; readonly adapterScale?: number },
  model: CataloguedModel,
): Promise<{ readonly adapter?: string }> {
  if (named === undefined) {
    if (adapterScale === 1) return {};
    throw doesNotFit('adapterScale', `expected an adapter beside it, received ${adapterScale} alone`);
  }
  const adapter = await findAdapter(context.db, named);
  if (adapter === undefined) {
    throw doesNotFit('adapter', `expected the id or name of an adapter, received ${named}`);
  }
  if (adapter.model !== model.name) {
    throw doesNotFit('adapter', `${named} belongs to the model ${adapter.model}, not to ${model.name}`);
  }
  if (adapterScale !== 1) await checkScale(context, adapter, adapterScale);
  return { adapter: adapter.id };
}

/** Checks by what an adapter holds that it can have a scale. */
async function checkScale({ files }: ServerContext, adapter: AdapterRow, scale: number): Promise<void> {
  const kind = await kindOfAdapter(files, adapter);
  if (kind === null) throw doesNotFit('adapter', `the file of ${adapter.name} is gone`);
  const fault = scaleFault([kind], scale);
  if (fault !== null) throw doesNotFit('adapterScale', fault);
}

function doesNotFit(field: string, message: string): ApiFault {
  return new ApiFault('does_not_fit', message.startsWith(field) ? message : `${field}: ${message}`, {
    field,
  });
}

function lacksJudges(model: CataloguedModel, what: string, folders: string): ApiFault {
  return doesNotFit('model', `${model.name} has no ${folders}, which ${what} needs`);
}
