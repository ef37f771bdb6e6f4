/** Resources of the native API: models, adapters, prompt sets, targets, understanding, estimates. */

import { z } from '@hono/zod-openapi';
import { nameSchema, timeSchema } from './common.ts';
import { jobTargetSchema, LONGEST_PROMPT, targetSchema } from './jobs.ts';

/** A model that the server can use. */
export const modelSchema = z
  .object({
    name: z.string(),
    /** Whether requests that name no model use it. */
    isDefault: z.boolean(),
    /** Class in its `model_index.json`. */
    pipeline: z.string(),
    /** Side of its images in pixels, and pixels a side must be a multiple of. */
    side: z.int(),
    sideMultiple: z.int(),
    guidanceScale: z.number(),
    /** Trained numbers of U-Net, decoder and text encoder together. */
    parameters: z.number(),
    /** What its classifier tells apart: targets are over these. Empty without a classifier. */
    attributes: z.array(z.object({ name: z.string(), classes: z.array(z.string()) })),
    /** Whether everything that fine-tuning and evaluation need lies in its folder. */
    canFinetune: z.boolean(),
    canEvaluate: z.boolean(),
    /** Licences as the model's own files tell them: first the model's (part null), then those of parts that have another. */
    licences: z.array(
      z.object({
        part: z.string().nullable(),
        /** SPDX identifier or name; null where no file says. */
        name: z.string().nullable(),
        /** File in the model's folder, or address, where it stands. */
        source: z.string().nullable(),
      }),
    ),
  })
  .openapi('Model');

/** All models. */
export const modelListSchema = z.object({ models: z.array(modelSchema) }).openapi('ModelList');

/** A fine-tuned adapter. */
export const adapterSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    model: z.string(),
    /** The fine-tuning that it came from; null for one that was uploaded. */
    job: z.string().nullable(),
    /** `average`: the averaged weights at the end; `best`: those of the best validation; `upload`. */
    origin: z.enum(['average', 'best', 'upload']),
    target: jobTargetSchema.nullable(),
    /** What it holds: low-rank updates (they alone can have a strength), soft tokens or whole weights; null where it is not known. */
    kind: z.enum(['lora', 'softTokens', 'weights']).nullable(),
    bytes: z.int(),
    sha256: z.string(),
    createdAt: timeSchema,
    /** Address of the `.safetensors` file. */
    url: z.string(),
  })
  .openapi('Adapter');

/** A file as a body. */
export const fileSchema = z.string().openapi({ format: 'binary' });

/** What `POST /api/v1/adapters` takes beside the file. */
export const uploadQuery = z.object({
  /** Name that no other adapter has. */
  name: nameSchema,
  /** Model that the adapter belongs to; the server's first when left out. */
  model: nameSchema.optional(),
});

/** Adapters, newest first. */
export const adapterListSchema = z.object({ adapters: z.array(adapterSchema) }).openapi('AdapterList');

/** A prompt set. */
export const promptSetSchema = z
  .object({
    name: z.string(),
    /** Number of prompts to train on, and of those held out for measuring. */
    train: z.int(),
    test: z.int(),
    example: z.string(),
  })
  .openapi('PromptSet');

/** All prompt sets. */
export const promptSetListSchema = z
  .object({ promptSets: z.array(promptSetSchema) })
  .openapi('PromptSetList');

/** Which part of a prompt set. */
export const promptSetQuery = z.object({ split: z.enum(['train', 'test']).default('test') });

/** The prompts of one part of a set. */
export const promptSetContentSchema = z
  .object({ name: z.string(), split: z.enum(['train', 'test']), prompts: z.array(z.string()) })
  .openapi('PromptSetContent');

/** A target under a name. */
export const savedTargetSchema = z
  .object({
    name: z.string(),
    description: z.string(),
    target: targetSchema,
    /** Ships with the server and cannot be changed. */
    builtIn: z.boolean(),
  })
  .openapi('SavedTarget');

/** All targets. */
export const savedTargetListSchema = z
  .object({ targets: z.array(savedTargetSchema) })
  .openapi('SavedTargetList');

/** What `PUT /api/v1/targets/{name}` takes; the target is checked against `model`. */
export const saveTargetSchema = z
  .strictObject({
    target: targetSchema,
    description: z.string().max(500).default(''),
    model: nameSchema.optional(),
  })
  .openapi('SaveTarget');

/** A prompt to understand. */
export const understandRequestSchema = z
  .strictObject({ prompt: z.string().min(1).max(LONGEST_PROMPT) })
  .openapi('UnderstandRequest');

const finding = {
  start: z.int(),
  end: z.int(),
  text: z.string(),
  value: z.string(),
  rule: z.string(),
};
const findingSchema = z.object(finding).openapi('Finding');
const countSchema = z
  .object({ least: z.int(), most: z.int().nullable(), explicit: z.boolean() })
  .openapi('PeopleCount');
const groupSchema = z
  .object({
    start: z.int(),
    end: z.int(),
    text: z.string(),
    count: countSchema,
    attributes: z.array(z.object({ ...finding, attribute: z.enum(['gender', 'race', 'age']) })),
    occupation: findingSchema.nullable(),
    activity: findingSchema.nullable(),
    name: findingSchema.nullable(),
  })
  .openapi('PersonGroup');

/** What a prompt says; places are characters of the prompt that was sent. */
export const understandingSchema = z
  .object({
    prompt: z.string(),
    tokens: z.array(
      z.object({
        start: z.int(),
        end: z.int(),
        text: z.string(),
        partOfSpeech: z.string(),
        lemma: z.string(),
      }),
    ),
    entities: z.array(z.object({ ...finding, kind: z.enum(['person', 'date', 'place']) })),
    people: z.object({
      groups: z.array(groupSchema),
      count: countSchema.nullable(),
      negated: z.array(findingSchema),
    }),
    styles: z.array(findingSchema),
    intent: z.object({
      kind: z.enum(['draw', 'edit', 'vary', 'ask', 'measure', 'finetune', 'help']),
      images: z.int().nullable(),
      rule: z.string(),
    }),
    command: z
      .object({
        name: z.string(),
        count: z.int().nullable(),
        prompt: z.string(),
        options: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
      })
      .nullable(),
    /** Attributes that the prompt decides itself: fairness is not measured over these. */
    named: z.object({ gender: z.boolean(), race: z.boolean(), age: z.boolean(), people: z.boolean() }),
  })
  .openapi('Understanding');

/** What a fine-tuning will cost. */
export const estimateSchema = z
  .object({
    iterations: z.int(),
    imagesPerIteration: z.int(),
    /** U-Net evaluations of one image, an iteration. */
    unitsPerIteration: z.number(),
    /** Trained numbers. */
    parameters: z.number(),
    peakBytes: z.number(),
    /** From the pace of one sampling step on this machine. */
    secondsPerIteration: z.number(),
    seconds: z.number(),
  })
  .openapi('Estimate');
