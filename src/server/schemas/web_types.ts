/** The API's data as types, for a browser: `import type` this module alone, nothing of it is left after compilation. */

import type { z } from 'zod';
import type * as accounts from './accounts.ts';
import type * as browserModels from './browser_models.ts';
import type * as common from './common.ts';
import type * as exports from './exports.ts';
import type * as events from './job_events.ts';
import type * as jobs from './jobs.ts';
import type * as operations from './operations.ts';
import type * as resources from './resources.ts';

/** Body of every error of `/api/v1`. */
export type ApiError = z.infer<typeof common.errorSchema>;
/** Body of `GET /api/v1/session`. */
export type Session = z.infer<typeof accounts.sessionSchema>;
/** An API key without its secret. */
export type Key = z.infer<typeof accounts.keySchema>;
/** Body of `POST /api/v1/keys`, as sent. */
export type CreateKey = z.input<typeof accounts.createKeySchema>;
/** A new API key with its secret. */
export type CreatedKey = z.infer<typeof accounts.createdKeySchema>;
/** A generation, as sent: fields with defaults may be left out. */
export type GenerateRequest = z.input<typeof jobs.generateRequestSchema>;
/** A fine-tuning, as sent. */
export type FinetuneRequest = z.input<typeof jobs.finetuneRequestSchema>;
/** An evaluation, as sent. */
export type EvaluateRequest = z.input<typeof jobs.evaluateRequestSchema>;
/** Body of `POST /api/v1/jobs`, as sent. */
export type JobRequest = z.input<typeof jobs.jobRequestSchema>;
/** A job; `kind` tells the types of `request` and `result`. */
export type Job = z.infer<typeof jobs.jobSchema>;
/** Kind of a job. */
export type JobKind = Job['kind'];
/** How a job stands. */
export type JobStatus = Job['status'];
/** Body of `GET /api/v1/jobs`. */
export type JobList = z.infer<typeof jobs.jobListSchema>;
/** An event of `GET /api/v1/jobs/{id}/events`: `type` is the SSE field `event`, `data` its JSON. */
export type JobEvent = z.infer<typeof events.jobEventSchema>;
/** What an evaluation has measured of one model so far. */
export type Measured = z.infer<typeof events.measuredSchema>;
/** Where running work stands. */
export type Progress = z.infer<typeof jobs.progressSchema>;
/** A generated image. */
export type GeneratedImage = z.infer<typeof jobs.imageSchema>;
/** A file of a job. */
export type JobFile = z.infer<typeof jobs.jobFileSchema>;
/** Shares by attribute, or one line of text. */
export type Target = z.infer<typeof jobs.targetSchema>;
/** A target of a job: one for all prompts, or one for each group. */
export type JobTarget = z.infer<typeof jobs.jobTargetSchema>;
/** A model. */
export type Model = z.infer<typeof resources.modelSchema>;
/** A model as a browser runs it. */
export type BrowserModel = z.infer<typeof browserModels.browserModelSchema>;
/** An adapter. */
export type Adapter = z.infer<typeof resources.adapterSchema>;
/** An export that is ready. */
export type AdapterExport = z.infer<typeof exports.adapterExportSchema>;
/** A prompt set. */
export type PromptSet = z.infer<typeof resources.promptSetSchema>;
/** The prompts of one part of a set. */
export type PromptSetContent = z.infer<typeof resources.promptSetContentSchema>;
/** A target under a name. */
export type SavedTarget = z.infer<typeof resources.savedTargetSchema>;
/** What a prompt says. */
export type Understanding = z.infer<typeof resources.understandingSchema>;
/** What a fine-tuning will cost. */
export type Estimate = z.infer<typeof resources.estimateSchema>;
/** Queue and workers. */
export type ServerStatus = z.infer<typeof operations.statusSchema>;
