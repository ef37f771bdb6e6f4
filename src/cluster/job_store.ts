/** What a queue keeps its jobs in: durable, leased to the process that works on them. */

/** A job that was claimed. */
export interface ClaimedJob {
  readonly id: string;
  readonly kind: string;
  /** What was asked for, as the store keeps it. */
  readonly request: unknown;
  /** Times that it was claimed, this one included. */
  readonly attempts: number;
}

/** How a job ended. */
export type JobOutcome =
  | { readonly status: 'succeeded'; readonly result: unknown }
  | { readonly status: 'failed'; readonly code: string; readonly message: string }
  | { readonly status: 'cancelled' };

/** Jobs in a database. */
export interface JobStore {
  /**
   * Takes the oldest queued job of a lane, and others that can be computed together with it.
   * @param mostImages images of all of them together at most; the first job may have more
   */
  claim(lane: string, mostImages: number): Promise<readonly ClaimedJob[]>;
  /** Prolongs the leases; returns those of the jobs that are to be cancelled. */
  heartbeat(ids: readonly string[]): Promise<readonly string[]>;
  /** Ends a job that this process has leased. */
  finish(id: string, outcome: JobOutcome): Promise<void>;
  /** Gives a job back to the queue, to its old place, without counting the attempt. */
  release(id: string): Promise<void>;
  /** A worker process died on the job: queued once more, or failed. */
  crashed(id: string, message: string): Promise<'queued' | 'failed'>;
  /** Where the job stands. */
  progress(id: string, progress: unknown): Promise<void>;
  /** Something to tell whoever watches the job. */
  event(id: string, type: string, data: unknown): Promise<void>;
}
