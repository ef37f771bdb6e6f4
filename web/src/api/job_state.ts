/** What is known of a job: its state from the server and everything its events have told since. */

import type { GeneratedImage, Job, JobEvent, JobStatus, Measured, Progress } from './types.ts';

/** A preview of an image that is being drawn. */
export interface Preview {
  readonly step: number;
  readonly steps: number;
  /** Address of its pixels. */
  readonly url: string;
}

/** A job as a page shows it. */
export interface JobState {
  readonly job: Job | null;
  readonly images: ReadonlyMap<number, GeneratedImage>;
  readonly previews: ReadonlyMap<number, Preview>;
  readonly notes: readonly string[];
  readonly progress: Progress | null;
  /** Newest measurement of each model that an audit measures, on each group of prompts. */
  readonly measured: readonly Measured[];
  readonly connected: boolean;
  /** Why nothing more is heard of the job, or `null`. */
  readonly error: unknown;
}

/** Nothing known yet. */
export const UNKNOWN_JOB: JobState = Object.freeze({
  job: null,
  images: new Map(),
  previews: new Map(),
  notes: [],
  progress: null,
  measured: [],
  connected: true,
  error: null,
});

/** Whether a job will not change any more. */
export function isFinal(status: JobStatus): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled';
}

/** The state with the job as the server gave it. */
export function withJob(state: JobState, job: Job): JobState {
  const images = new Map(state.images);
  addResult(images, job);
  return { ...state, job, images, progress: job.progress ?? state.progress };
}

function addResult(images: Map<number, GeneratedImage>, job: Job): void {
  if (job.kind === 'generate') for (const image of job.result?.images ?? []) images.set(image.index, image);
}

/** The state after further events, in the order in which they came; events of unknown types change nothing. */
export function applyEvents(state: JobState, events: readonly JobEvent[]): JobState {
  const images = new Map(state.images);
  const previews = new Map(state.previews);
  const notes = [...state.notes];
  let { job, progress, measured } = state;
  for (const event of events) {
    if (event.type === 'status') job = job && ({ ...job, status: event.data.status } as Job);
    else if (event.type === 'note') notes.push(event.data.text);
    else if (event.type === 'image') {
      images.set(event.data.index, event.data);
      previews.delete(event.data.index);
    } else if (event.type === 'preview') {
      const { index, step, steps, png } = event.data;
      if (!images.has(index)) previews.set(index, { step, steps, url: `data:image/png;base64,${png}` });
    } else if (event.type === 'progress') progress = event.data;
    else if (event.type === 'measured') measured = withMeasured(measured, event.data);
    else if (event.type === 'end') {
      job = event.data;
      progress = job.progress ?? progress;
      addResult(images, job);
    }
  }
  return { ...state, job, images, previews, notes, progress, measured };
}

function withMeasured(all: readonly Measured[], one: Measured): readonly Measured[] {
  const isSame = ({ label, group }: Measured) => label === one.label && group === one.group;
  return all.some(isSame) ? all.map((each) => (isSame(each) ? one : each)) : [...all, one];
}
