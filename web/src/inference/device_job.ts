/** A drawing that this device makes, told in the words of the server's jobs, so that pages show both alike. */

import type { JobState } from '../api/job_state.ts';
import { isFinal, UNKNOWN_JOB } from '../api/job_state.ts';
import type { GeneratedImage, GenerateRequest, Job, JobStatus } from '../api/types.ts';
import { forgetImages, keepImage, keptImages } from './kept_images.ts';
import type { FromWorker } from './messages.ts';

const PREFIX = 'device_';

/** Whether a job's id is that of a drawing of this device. */
export function isDeviceJob(id: string | null): boolean {
  return id?.startsWith(PREFIX) ?? false;
}

/** A new id. */
export function newDeviceJobId(): string {
  const random = crypto.getRandomValues(new Uint32Array(2));
  return PREFIX + [...random].map((word) => word.toString(36)).join('');
}

/** One drawing from its request to its images, and after a reload its images alone. */
export class DeviceJob {
  readonly id: string;
  readonly #listeners = new Set<() => void>();
  #state: JobState;

  /** @param request `null` for a drawing of an earlier visit, whose images are looked for among the kept ones */
  constructor(id: string, request: GenerateRequest | null) {
    this.id = id;
    this.#state = { ...UNKNOWN_JOB, job: jobOf(id, request, request === null ? 'running' : 'queued') };
    if (request === null) void this.#restore();
  }

  readonly read = (): JobState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Takes up what the worker tells of this drawing. */
  take(message: Extract<FromWorker, { readonly id: string }>): void {
    if (message.kind === 'progress') {
      const { step, steps, secondsLeft } = message;
      const left = secondsLeft === null ? {} : { secondsLeft };
      this.#set({ progress: { task: 'draw', step, steps, ...left } }, 'running');
    } else if (message.kind === 'preview') {
      const { index, step, steps } = message;
      const previews = new Map(this.#state.previews);
      const last = previews.get(index);
      if (last !== undefined) URL.revokeObjectURL(last.url);
      previews.set(index, { step, steps, url: URL.createObjectURL(pngOf(message.png)) });
      this.#set({ previews });
    } else if (message.kind === 'image') {
      this.#addImage(message);
    } else {
      this.end(message.status, message.message);
    }
  }

  /** Ends the drawing; what is drawn by now stays. */
  end(status: 'succeeded' | 'cancelled' | 'failed', message: string | null = null): void {
    const { job } = this.#state;
    if (job !== null && isFinal(job.status)) return;
    this.#set({}, status, message);
  }

  /** Lets go of the images. */
  forget(): void {
    for (const { url } of this.#state.images.values()) URL.revokeObjectURL(url);
    void forgetImages(this.id);
  }

  #addImage(message: Extract<FromWorker, { readonly kind: 'image' }>): void {
    const { job } = this.#state;
    const prompt = job?.kind === 'generate' ? job.request.prompts[0]! : '';
    const { index, seed, width, height } = message;
    const png = pngOf(message.png);
    const image = { index, prompt, seed, width, height, url: URL.createObjectURL(png) };
    const previews = new Map(this.#state.previews);
    previews.delete(index);
    this.#set({ images: new Map(this.#state.images).set(index, image), previews });
    void keepImage(this.id, image, png);
  }

  async #restore(): Promise<void> {
    const images = await keptImages(this.id).catch((): readonly GeneratedImage[] => []);
    this.#set({ images: new Map(images.map((image) => [image.index, image])) }, 'succeeded');
  }

  #set(part: Partial<JobState>, status?: JobStatus, message: string | null = null): void {
    const { job } = this.#state;
    const error = message === null ? null : { code: 'device_failed', message };
    const told = status === undefined ? job : job && ({ ...job, status, error } as Job);
    this.#state = { ...this.#state, ...part, job: told };
    for (const listener of this.#listeners) listener();
  }
}

function pngOf(bytes: Uint8Array<ArrayBuffer>): Blob {
  return new Blob([bytes], { type: 'image/png' });
}

function jobOf(id: string, request: GenerateRequest | null, status: JobStatus): Job {
  return {
    kind: 'generate',
    id,
    status,
    request: request ?? { kind: 'generate', prompts: [''] },
    result: null,
    progress: null,
    error: null,
    ahead: null,
    attempts: 1,
    createdAt: new Date().toISOString(),
    startedAt: null,
    finishedAt: null,
  } as unknown as Job;
}
