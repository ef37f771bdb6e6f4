/** Writes the events of running jobs in their order, progress no more often than anyone can see. */

import type { z } from 'zod';
import type { JobStore } from '../../cluster/job_store.ts';
import type { progressSchema } from '../schemas/jobs.ts';

/** Milliseconds between two stored progress events of one job. */
const PROGRESS_MILLISECONDS = 500;

/** Takes events as they come; writing happens behind, one after the other. */
export interface EventWriter {
  progress(job: string, progress: z.infer<typeof progressSchema>): void;
  event(job: string, type: string, data: unknown): void;
  /** Waits until everything is written. */
  flush(): Promise<void>;
}

/** Makes a writer of events. */
export function eventWriter(
  store: Pick<JobStore, 'progress' | 'event'>,
  onFault: (error: unknown) => void,
  now: () => number = () => performance.now(),
): EventWriter {
  const shown = new Map<string, number>();
  let last = Promise.resolve();
  const write = (work: () => Promise<void>) => {
    last = last.then(work).catch(onFault);
  };
  return {
    progress(job, progress) {
      const due = now() - (shown.get(job) ?? Number.NEGATIVE_INFINITY) >= PROGRESS_MILLISECONDS;
      if (!due && progress.step < progress.steps) return;
      shown.set(job, now());
      write(() => store.progress(job, progress));
    },
    event: (job, type, data) => write(() => store.event(job, type, data)),
    flush: () => last,
  };
}
