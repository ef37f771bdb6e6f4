/** One lane of the queue: claims jobs of its kinds, has a worker process carry them out, and leaves none behind. */

import type { ClaimedJob, JobOutcome, JobStore } from './job_store.ts';
import type { WorkerLink } from './worker_link.ts';
import { TaskCancelled, WorkerCrash } from './worker_link.ts';

/** A task for claimed jobs, and what its events and its output mean for each of them. */
export interface LaneWork {
  readonly task: string;
  readonly input: unknown;
  /** Hears what the task tells on the way. */
  onEvent(event: unknown): void;
  /** The result of one job. */
  resultOf(output: unknown, job: ClaimedJob): Promise<unknown>;
  /**
   * Keeps what the work has left so far of a job that did not succeed, before it is ended or given back: another process may go on
   * with it at once. Its faults do not change what becomes of the job.
   */
  leave?(job: ClaimedJob): Promise<void>;
}

/** How a lane works. */
export interface LaneOptions {
  readonly name: string;
  readonly store: JobStore;
  readonly link: WorkerLink;
  /** Makes the task of jobs that were claimed together. */
  readonly prepare: (jobs: readonly ClaimedJob[]) => Promise<LaneWork> | LaneWork;
  /** Images that are worth computing together. */
  readonly mostImages: number;
  /** Whether work that is interrupted can go on where it was, so that shutting down need not wait for it. */
  readonly resumable: boolean;
  readonly heartbeatMilliseconds: number;
  /** Milliseconds between looks at the store when nothing woke the lane. */
  readonly pollMilliseconds: number;
  /** Is told of faults of the lane itself. */
  readonly onFault: (error: unknown) => void;
}

interface Running {
  readonly jobs: ReadonlyMap<string, ClaimedJob>;
  /** Jobs of the batch that still count. */
  readonly open: Set<string>;
  readonly controller: AbortController;
}

/** A lane of the queue with its worker process. */
export class Lane {
  readonly name: string;
  readonly #options: LaneOptions;
  #running: Running | null = null;
  #draining = false;
  #wake: () => void = () => {};
  #woken = false;
  #loop: Promise<void> | null = null;

  /** Claims nothing before {@link start}. */
  constructor(options: LaneOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** The worker process. */
  get link(): WorkerLink {
    return this.#options.link;
  }

  /** Jobs that are being carried out. */
  get running(): readonly string[] {
    return [...(this.#running?.open ?? [])];
  }

  /** Begins to claim jobs. */
  start(): void {
    this.#loop ??= this.#work();
  }

  /** Says that there may be something to claim. */
  wake(): void {
    this.#woken = true;
    this.#wake();
  }

  /** Cancels a running job at its next safe point; false when this lane does not run it. */
  async cancel(id: string): Promise<boolean> {
    const running = this.#running;
    if (running === null || !running.open.has(id)) return false;
    if (running.open.size === 1) {
      running.controller.abort();
    } else {
      // The others of the batch go on.
      running.open.delete(id);
      await this.#options.store.finish(id, { status: 'cancelled' });
    }
    return true;
  }

  /**
   * Stops claiming, waits up to `graceMilliseconds` for work that cannot be resumed, gives the rest back to the queue, and ends
   * the worker process.
   */
  async drain(graceMilliseconds: number): Promise<void> {
    this.#draining = true;
    this.wake();
    if (this.#options.resumable) this.#running?.controller.abort();
    const timer = setTimeout(() => this.#running?.controller.abort(), graceMilliseconds);
    // A task that reaches no safe point in time is cut off; its jobs go back to the queue all the same.
    const last = setTimeout(() => this.link.kill(), graceMilliseconds + this.#options.heartbeatMilliseconds);
    await this.#loop;
    clearTimeout(timer);
    clearTimeout(last);
    await this.link.stop();
  }

  async #work(): Promise<void> {
    while (!this.#draining) {
      try {
        const jobs = await this.#options.store.claim(this.name, this.#options.mostImages);
        if (jobs.length > 0) await this.#carryOut(jobs);
        else await this.#sleep();
      } catch (error) {
        this.#options.onFault(error);
        await this.#sleep();
      }
    }
  }

  async #sleep(): Promise<void> {
    if (this.#woken || this.#draining) {
      this.#woken = false;
      return;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#options.pollMilliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#woken = false;
  }

  async #carryOut(claimed: readonly ClaimedJob[]): Promise<void> {
    const { store, link, prepare, heartbeatMilliseconds } = this.#options;
    const running: Running = {
      jobs: new Map(claimed.map((job) => [job.id, job])),
      open: new Set(claimed.map(({ id }) => id)),
      controller: new AbortController(),
    };
    this.#running = running;
    const heart = setInterval(() => {
      store.heartbeat([...running.open]).then(
        (cancelled) => {
          for (const id of cancelled) void this.cancel(id);
        },
        (error) => this.#options.onFault(error),
      );
    }, heartbeatMilliseconds);
    let work: LaneWork | null = null;
    try {
      work = await prepare(claimed);
      const output = await link.run(
        work.task,
        work.input,
        (event) => work!.onEvent(event),
        running.controller.signal,
      );
      for (const id of running.open) {
        const result = await work.resultOf(output, running.jobs.get(id)!);
        await this.#finish(id, { status: 'succeeded', result });
      }
    } catch (error) {
      for (const id of running.open) {
        await work?.leave?.(running.jobs.get(id)!).catch((fault: unknown) => this.#options.onFault(fault));
        await this.#fail(id, error as Error);
      }
    } finally {
      clearInterval(heart);
      this.#running = null;
    }
  }

  async #fail(id: string, error: Error): Promise<void> {
    const { store } = this.#options;
    const stopped = error instanceof TaskCancelled || error instanceof WorkerCrash;
    if (this.#draining && stopped) return store.release(id);
    if (error instanceof WorkerCrash) {
      await store.crashed(id, error.message);
      return;
    }
    if (error instanceof TaskCancelled) return this.#finish(id, { status: 'cancelled' });
    return this.#finish(id, { status: 'failed', code: 'job_failed', message: error.message });
  }

  #finish(id: string, outcome: JobOutcome): Promise<void> {
    return this.#options.store.finish(id, outcome);
  }
}
