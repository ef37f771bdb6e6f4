/** What the routes share: one server's parts, and who asks. */

import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Kysely } from 'kysely';
import type { Logger } from 'pino';
import type { z } from 'zod';
import type { LiveMeasurement } from '../evaluate/live_measurement.ts';
import type { Catalogue, PromptSets } from './catalogue.ts';
import type {
  CheckAdapterInput,
  CheckAdapterOutput,
  EstimateInput,
  ExportInput,
  ExportOutput,
  JudgeInput,
} from './jobs/tasks.ts';
import type { Metrics } from './operations/metrics.ts';
import type { statusSchema } from './schemas/operations.ts';
import type { estimateSchema } from './schemas/resources.ts';
import type { DataFolder } from './storage/data_folder.ts';
import type { JobWatch } from './storage/events.ts';
import type { FileStore } from './storage/file_store.ts';
import type { KeyRow, Scope } from './storage/keys.ts';
import type { Database } from './storage/schema.ts';

/** The queue as routes see it. */
export interface Queue {
  /** Says that a lane has a new job. */
  wake(lane: string): void;
  /** Cancels a job that runs in this process. */
  cancel(id: string): Promise<void>;
  estimate(input: EstimateInput): Promise<z.infer<typeof estimateSchema>>;
  /** Reads an adapter and sees whether it fits a model. @throws ApiFault `does_not_fit` saying why it doesn't */
  checkAdapter(input: CheckAdapterInput): Promise<CheckAdapterOutput>;
  /** Says who is in images. @throws ApiFault `does_not_fit` naming the image that cannot be read */
  judge(input: JudgeInput): Promise<LiveMeasurement>;
  /** Writes an adapter in another format. @throws ApiFault `cancelled` after `signal` */
  exportAdapter(input: ExportInput, signal: AbortSignal): Promise<ExportOutput>;
  /** Worker processes by lane. */
  workers(): readonly Pick<z.infer<typeof statusSchema>['lanes'][number], 'name' | 'worker' | 'crashes'>[];
}

/** Parts of a running server. */
export interface ServerContext {
  readonly version: string;
  readonly db: Kysely<Database>;
  readonly data: DataFolder;
  /** Where what jobs leave is kept. */
  readonly files: FileStore;
  readonly catalogue: Catalogue;
  readonly promptSets: PromptSets;
  readonly watch: JobWatch;
  readonly queue: Queue;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Whether keys are asked for. */
  readonly login: boolean;
  /** Whether the server speaks TLS, so that cookies may be marked so. */
  readonly secure: boolean;
  /** Values of the header Host that are answered without login; a page of another site cannot forge it. */
  readonly hosts: readonly string[];
  /** Jobs that may wait, of all lanes together. */
  readonly mostQueued: number;
  /** Bytes of the largest adapter that is taken. */
  readonly largestUpload: number;
  /** Folder of the built terminal; it need not exist. */
  readonly terminal: string;
  readonly startedAt: number;
  /** Whether the server is shutting down. */
  draining: boolean;
}

/** Who asks: a key, or whoever is at this machine where no login is asked for. */
export interface Caller {
  readonly key: KeyRow | null;
  readonly scopes: readonly Scope[];
}

/** Variables of a request. */
export interface Variables {
  requestId: string;
  caller: Caller;
}

/** Types of the app for hono. */
export interface AppEnv {
  Variables: Variables;
}

/** The app that routes are added to. */
export type App = OpenAPIHono<AppEnv>;
