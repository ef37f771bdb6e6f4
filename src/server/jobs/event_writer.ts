/** Writes the events of running jobs in their order, progress and measurements no more often than anyone can see. */

import type { z } from 'zod';
import type { JobStore } from '../../cluster/job_store.ts';
import type { LiveMeasurement } from '../../evaluate/live_measurement.ts';
import type { progressSchema } from '../schemas/jobs.ts';

/** Milliseconds between two stored events of one kind of one job. */
const EVENT_MILLISECONDS = 500;

/** Takes events as they come; writing happens behind, one after the other. */
export interface EventWriter {
  progress(job: string, progress: z.infer<typeof progressSchema>): void;
  /** A measurement so far; the whole one is always written. */
  measured(job: string, soFar: LiveMeasurement): void;
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
  const isDue = (stream: string) => {
    const due = now() - (shown.get(stream) ?? Number.NEGATIVE_INFINITY) >= EVENT_MILLISECONDS;
    if (due) shown.set(stream, now());
    return due;
  };
  return {
    progress(job, progress) {
      if (isDue(job) || progress.step >= progress.steps) write(() => store.progress(job, progress));
    },
    measured(job, soFar) {
      const { label, group, images, all } = soFar;
      if (isDue(`${job} ${group} ${label}`) || images >= all) {
        write(() => store.event(job, 'measured', soFar));
      }
    },
    event: (job, type, data) => write(() => store.event(job, type, data)),
    flush: () => last,
  };
}
