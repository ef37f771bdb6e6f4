/** Jobs of the native API: what is asked for, how a job stands, its events and its files. */

import { z } from '@hono/zod-openapi';
import { LARGEST_ADAPTER_SCALE } from '../../diffusion/adapter_scale.ts';
import type { SchedulerName } from '../../diffusion/schedulers/scheduler_config.ts';
import { schedulerNames } from '../../diffusion/schedulers/scheduler_config.ts';
import { finetuneConfigSchema } from '../../finetune/config.ts';
import { nameSchema, timeSchema } from './common.ts';

/** Most characters of a prompt; the models read 77 tokens of it. */
export const LONGEST_PROMPT = 4000;
/** Most prompts of a generation, and images of it in all. */
export const MOST_PROMPTS = 64;
/** Most images of one generation. */
export const MOST_IMAGES = 256;
/** Longest side of an image in pixels. */
export const LONGEST_SIDE = 2048;

const promptSchema = z
  .string()
  .min(1)
  .max(LONGEST_PROMPT)
  .openapi({ example: 'a photo of the face of a doctor, a person' });
const seedSchema = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Model by the name that `/api/v1/models` lists; the server's first when left out. */
const modelField = nameSchema.optional().openapi({ example: 'portraits' });
/** Adapter by the id or name that `/api/v1/adapters` lists. */
const adapterField = nameSchema.optional();
/** How strongly the adapter's low-rank updates count: 0 for not at all; 1, as trained, when left out. */
const adapterScaleField = z
  .number()
  .min(-LARGEST_ADAPTER_SCALE)
  .max(LARGEST_ADAPTER_SCALE)
  .optional()
  .openapi({ example: 0.8 });

/**
 * Shares by attribute: `{ gender: 'uniform', age: '75/25' }`, or one line `gender=50/50, age=75/25`. Checked against the
 * model's classifier when the job is sent.
 */
export const targetSchema = z
  .union([z.string().min(1).max(2000), z.record(z.string(), z.unknown())])
  .openapi('Target', { example: { gender: 'uniform' } });

/**
 * A target for some prompts, as in the configuration files: `{ for: 'occupations', gender: 'uniform' }`. Besides `for`, `name` and
 * `weight` its fields are the attributes and their shares.
 */
export const targetGroupSchema = z
  .looseObject({
    /** A prompt set by name, several joined by `+`, or the prompts themselves. */
    for: z.union([z.string().min(1).max(200), z.array(promptSchema).min(1).max(5000)]),
    /** What the group is called in reports; the names of its sets or its first prompt when left out. */
    name: z.string().min(1).max(100).optional(),
    /** How often a fine-tuning draws this group, compared with the others; 1 when left out. */
    weight: z.number().positive().optional(),
  })
  .openapi('TargetGroup', { example: { for: 'occupations', gender: 'uniform' } });

/** What a job aims at: one target for all prompts, or one for each group of them. */
export const jobTargetSchema = z
  .union([targetSchema, z.array(targetGroupSchema).min(1).max(50)])
  .openapi('JobTarget');

/** Images from prompts. */
export const generateRequestSchema = z
  .strictObject({
    kind: z.literal('generate'),
    model: modelField,
    adapter: adapterField,
    adapterScale: adapterScaleField,
    prompts: z.array(promptSchema).min(1).max(MOST_PROMPTS),
    negativePrompt: z.string().max(LONGEST_PROMPT).default(''),
    imagesPerPrompt: z.int().min(1).max(MOST_IMAGES).default(1),
    /** Seed of each prompt's first image; the others count on. Drawn at random when left out. */
    seed: seedSchema.optional(),
    steps: z.int().min(1).max(1000).default(20),
    /** 1 for no guidance; the model's own when left out. */
    guidanceScale: z.number().min(1).max(100).optional(),
    scheduler: z.enum(schedulerNames as [SchedulerName, ...SchedulerName[]]).default('dpmsolver++'),
    /** Noise levels spaced as Karras et al.; `euler` and `dpmsolver++` only. */
    karras: z.boolean().default(false),
    /** Pixels; the model's own side when left out. */
    width: z.int().min(8).max(LONGEST_SIDE).optional(),
    height: z.int().min(8).max(LONGEST_SIDE).optional(),
    /** Previews of each image that are sent as `preview` events while it is drawn. */
    previews: z.int().min(0).max(10).default(0),
  })
  .openapi('GenerateRequest');

const fields = finetuneConfigSchema.shape;

/** Fine-tuning towards a target; fields as in the configuration of `evenhand finetune`, without files of the server's disk. */
export const finetuneRequestSchema = z
  .strictObject({
    kind: z.literal('finetune'),
    /** Name of the adapter that comes out; the job's id when left out. */
    name: nameSchema.optional(),
    model: modelField,
    seed: fields.seed,
    train: fields.train,
    /** `prompts.train` is not read where it is a list, whose groups name their prompts. */
    target: jobTargetSchema,
    prompts: z
      .strictObject({
        /** A prompt set by name, several joined by `+`, or the prompts themselves. */
        train: z.union([z.string().max(200), z.array(promptSchema).min(1).max(5000)]).default('occupations'),
        negative: z.string().max(LONGEST_PROMPT).default(''),
        imagesPerPrompt: z.int().min(1).max(1024).default(24),
      })
      .prefault({}),
    microBatch: fields.microBatch,
    sampler: fields.sampler,
    gradient: fields.gradient,
    loss: fields.loss,
    optimizer: fields.optimizer,
    validation: fields.validation,
    stop: fields.stop,
    checkpointEvery: fields.checkpointEvery,
  })
  .openapi('FinetuneRequest');

const measuredPromptSchema = z.union([
  promptSchema,
  z.strictObject({
    prompt: promptSchema,
    family: z.string().min(1).max(100).optional(),
    /** Classes by attribute that the prompt names: its images are measured for obedience alone. */
    attributes: z.record(z.string(), z.string()).optional(),
  }),
]);

/** Measuring who a model draws, with or without an adapter. */
export const evaluateRequestSchema = z
  .strictObject({
    kind: z.literal('evaluate'),
    model: modelField,
    adapter: adapterField,
    adapterScale: adapterScaleField,
    /** A list is measured group by group, each with a report of its own; `prompts.test` is not read then. */
    target: jobTargetSchema.prefault({ gender: 'uniform' }),
    seed: seedSchema.default(1000),
    prompts: z
      .strictObject({
        /** A prompt set by name (its held-out part), several joined by `+`, `all`, or the prompts themselves. */
        test: z
          .union([z.string().max(200), z.array(measuredPromptSchema).min(1).max(5000)])
          .default('occupations'),
        /** How many of them, spread over the list; all when left out. */
        count: z.int().min(1).optional(),
        negative: z.string().max(LONGEST_PROMPT).default(''),
        imagesPerPrompt: z.int().min(1).max(1024).optional(),
      })
      .prefault({}),
    sampler: z
      .strictObject({
        steps: z.int().min(1).max(1000).default(30),
        guidanceScale: z.number().min(1).max(100).optional(),
      })
      .prefault({}),
    explicit: z
      .strictObject({
        prompts: z
          .union([z.enum(['shipped', 'none']), z.array(measuredPromptSchema).min(1).max(1000)])
          .default('shipped'),
        imagesPerPrompt: z.int().min(1).max(1024).optional(),
        seed: seedSchema.default(50_000),
      })
      .prefault({}),
    sheet: z
      .strictObject({ prompts: z.int().min(1).max(50).default(6), images: z.int().min(1).max(50).default(8) })
      .prefault({}),
  })
  .openapi('EvaluateRequest');

/** What `POST /api/v1/jobs` takes. */
export const jobRequestSchema = z
  .discriminatedUnion('kind', [generateRequestSchema, finetuneRequestSchema, evaluateRequestSchema])
  .openapi('JobRequest');

/** Kinds of jobs. */
export const jobKinds = Object.freeze(['generate', 'finetune', 'evaluate'] as const);
/** How a job stands; the last three are final. */
export const jobStatuses = Object.freeze(['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const);

/** Where running work stands. */
export const progressSchema = z
  .object({
    /** What is being done: `draw`, `finetune`, `measure model` ... */
    task: z.string(),
    step: z.number(),
    steps: z.number(),
    /** Numbers to show: loss and bias of a fine-tuning. */
    numbers: z.record(z.string(), z.number().nullable()).optional(),
    secondsLeft: z.number().optional(),
  })
  .openapi('Progress');

/** One generated image. */
export const imageSchema = z
  .object({
    /** Position among the job's images: prompt by prompt. */
    index: z.int(),
    prompt: z.string(),
    seed: z.number(),
    width: z.int(),
    height: z.int(),
    /** Address of the PNG file. */
    url: z.string(),
  })
  .openapi('GeneratedImage');

/** One file of a job. */
export const jobFileSchema = z
  .object({
    /** Path in the job's folder, with `/`. */
    name: z.string(),
    mediaType: z.string(),
    bytes: z.int(),
    url: z.string(),
  })
  .openapi('JobFile');

/** What is left of a generation. */
export const generateResultSchema = z
  .object({ seed: z.number(), seconds: z.number(), images: z.array(imageSchema) })
  .openapi('GenerateResult');

/** What is left of a fine-tuning. */
export const finetuneResultSchema = z
  .object({
    iterations: z.int(),
    seconds: z.number(),
    /** Id of the adapter with averaged weights. */
    adapter: z.string(),
    /** Id of the adapter at the best validation; null without validations. */
    best: z.string().nullable(),
    /** Why the run ended before its last iteration; null where it did not. */
    stopped: z.string().nullable(),
    /** Address of the page with curves and samples. */
    page: z.string(),
    /** Address of the log, one JSON object an iteration. */
    log: z.string(),
  })
  .openapi('FinetuneResult');

/** What is left of an evaluation. */
export const evaluateResultSchema = z
  .object({
    seconds: z.number(),
    /** Addresses of the report for people and of every number of it. */
    report: z.string(),
    data: z.string(),
    /** Bias, similarity, obedience and distances by label, as `evenhand evaluate --json` gives them. */
    summary: z.record(z.string(), z.unknown()),
    /** The same of each group where the target is a list, and above of the first; null elsewhere. */
    groups: z
      .array(
        z.object({
          name: z.string(),
          report: z.string(),
          data: z.string(),
          summary: z.record(z.string(), z.unknown()),
        }),
      )
      .nullable(),
  })
  .openapi('EvaluateResult');

const jobFields = {
  id: z.string(),
  status: z.enum(jobStatuses),
  progress: progressSchema.nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  /** Jobs that will start before this one, while it is queued. */
  ahead: z.int().nullable(),
  attempts: z.int(),
  createdAt: timeSchema,
  startedAt: timeSchema.nullable(),
  finishedAt: timeSchema.nullable(),
};

/** A job. */
export const jobSchema = z
  .discriminatedUnion('kind', [
    z
      .object({
        kind: z.literal('generate'),
        request: generateRequestSchema,
        result: generateResultSchema.nullable(),
        ...jobFields,
      })
      .openapi('GenerateJob'),
    z
      .object({
        kind: z.literal('finetune'),
        request: finetuneRequestSchema,
        result: finetuneResultSchema.nullable(),
        ...jobFields,
      })
      .openapi('FinetuneJob'),
    z
      .object({
        kind: z.literal('evaluate'),
        request: evaluateRequestSchema,
        result: evaluateResultSchema.nullable(),
        ...jobFields,
      })
      .openapi('EvaluateJob'),
  ])
  .openapi('Job');

/** Jobs, newest first. */
export const jobListSchema = z
  .object({
    jobs: z.array(jobSchema),
    /** Give it as `before` for the next page; null on the last. */
    next: z.string().nullable(),
  })
  .openapi('JobList');

/** Which jobs to list. */
export const jobListQuery = z.object({
  kind: z.enum(jobKinds).optional(),
  status: z.enum(jobStatuses).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  before: z.string().optional(),
});
