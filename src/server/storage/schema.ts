/** Tables of the server's database, as the newest migration leaves them. */

import type { ColumnType, Generated } from 'kysely';

/** A JSON value: read as it is, written as text. */
export type Json<Value = unknown> = ColumnType<Value, string, string>;
/** A nullable JSON value. */
export type NullableJson<Value = unknown> = ColumnType<Value | null, string | null, string | null>;

/** Jobs of every kind. */
export interface JobTable {
  /** Order of arrival. */
  sequence: Generated<number>;
  id: string;
  kind: string;
  /** Lane of the queue. */
  lane: string;
  status: string;
  request: Json;
  result: NullableJson;
  progress: NullableJson;
  error_code: string | null;
  error_message: string | null;
  /** Images that it draws, for quotas and batches. */
  images: number;
  /** Jobs with the same key can be computed together; null for never. */
  batch_key: string | null;
  /** API key that sent it; null without login. */
  api_key: string | null;
  idempotency_key: string | null;
  attempts: Generated<number>;
  /** Times that its worker process died, and that the server stopped under it. */
  crashes: Generated<number>;
  restarts: Generated<number>;
  cancel_requested: Generated<boolean>;
  /** Server that works on it, until when the others believe it. */
  owner: string | null;
  lease_until: Date | null;
  created_at: Generated<Date>;
  started_at: Date | null;
  finished_at: Date | null;
}

/** What jobs told on the way. */
export interface JobEventTable {
  id: Generated<number>;
  job: string;
  type: string;
  data: Json;
  created_at: Generated<Date>;
}

/** Fine-tuned adapters. */
export interface AdapterTable {
  id: string;
  name: string;
  model: string;
  job: string | null;
  origin: string;
  target: NullableJson;
  /** Path in the data folder. */
  file: string;
  bytes: number;
  sha256: string;
  /** `lora`, `softTokens` or `weights`; null for adapters that were kept before it was written down. */
  kind: string | null;
  created_at: Generated<Date>;
}

/** Targets under names. */
export interface TargetTable {
  name: string;
  description: string;
  target: Json;
  created_at: Generated<Date>;
}

/** API keys; the secret is kept as its SHA-256 alone. */
export interface ApiKeyTable {
  id: string;
  name: string;
  prefix: string;
  hash: string;
  /** Scopes joined by spaces. */
  scopes: string;
  jobs_per_minute: number | null;
  images_per_day: number | null;
  created_at: Generated<Date>;
  last_used_at: Date | null;
  expires_at: Date | null;
  revoked_at: Date | null;
}

/** The whole database. */
export interface Database {
  jobs: JobTable;
  job_events: JobEventTable;
  adapters: AdapterTable;
  targets: TargetTable;
  api_keys: ApiKeyTable;
}
