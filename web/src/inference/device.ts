/** This device as a place to draw: its worker, how far that is, and the drawings of this visit. */

import { useMemo, useSyncExternalStore } from 'react';
import { getBrowserModel, serverUrl } from '../api/client.ts';
import { type JobState, UNKNOWN_JOB } from '../api/job_state.ts';
import type { Adapter, BrowserModel, GenerateRequest } from '../api/types.ts';
import { useJob } from '../api/use_job.ts';
import { DeviceJob, isDeviceJob, newDeviceJobId } from './device_job.ts';
import type { DeviceAdapter, FromWorker, Processor, ToWorker } from './messages.ts';

/** How far the device is. */
export type DeviceStatus =
  | { readonly phase: 'idle' }
  | { readonly phase: 'loading'; readonly loaded: number; readonly bytes: number }
  | {
      readonly phase: 'ready';
      readonly processor: Processor;
      readonly threads: number;
      /** Why the graphics processor that this device has is not used; `null` where it has none, or uses it. */
      readonly instead: string | null;
    };

const IDLE: DeviceStatus = Object.freeze({ phase: 'idle' });

/** The device, from the first drawing on it. */
class Device {
  readonly #jobs = new Map<string, DeviceJob>();
  readonly #models = new Map<string, Promise<BrowserModel>>();
  /** Adapters on their way by hash, and whom to tell how that ended. */
  readonly #fetching = new Map<string, (fault: string | null) => void>();
  readonly #listeners = new Set<() => void>();
  #status = IDLE;
  #worker: Worker | null = null;

  readonly status = (): DeviceStatus => this.#status;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /**
   * Begins to draw a generation's first prompt.
   * @returns id of the drawing
   * @throws ApiError where the server does not give the model out
   */
  async draw(model: string, adapter: Adapter | null, request: GenerateRequest): Promise<string> {
    const sent = await this.#modelNamed(model);
    const { weights } = sent;
    const id = newDeviceJobId();
    this.#jobs.set(id, new DeviceJob(id, request));
    this.#ask({
      kind: 'draw',
      id,
      model: { ...sent, weights: { ...weights, url: serverUrl(weights.url) } },
      adapter: adapter && shownToWorker(adapter),
      request: {
        prompt: request.prompts[0]!,
        negativePrompt: request.negativePrompt ?? '',
        images: request.imagesPerPrompt ?? 1,
        seed: request.seed ?? 0,
        steps: request.steps ?? 20,
        guidanceScale: request.guidanceScale ?? null,
        adapterScale: request.adapterScale ?? 1,
        previews: request.previews ?? 0,
      },
    });
    return id;
  }

  /** Fetches an adapter ahead of its use, so that the browser has it. @throws Error when it does not come */
  fetchAhead(adapter: Adapter): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#fetching.set(adapter.sha256, (fault) => (fault === null ? resolve() : reject(new Error(fault))));
      this.#ask({ kind: 'fetch', adapter: shownToWorker(adapter) });
    });
  }

  /** Stops a drawing before its next step. */
  cancel(id: string): void {
    this.#ask({ kind: 'cancel', id });
  }

  /** Lets go of a drawing and its images. */
  forget(id: string): void {
    this.cancel(id);
    this.job(id).forget();
    this.#jobs.delete(id);
  }

  /** A drawing of this visit or an earlier one. */
  job(id: string): DeviceJob {
    const job = this.#jobs.get(id) ?? new DeviceJob(id, null);
    this.#jobs.set(id, job);
    return job;
  }

  /** Fetched anew where it failed, and when the page is loaded again. */
  #modelNamed(name: string): Promise<BrowserModel> {
    const model = this.#models.get(name) ?? getBrowserModel(name);
    this.#models.set(name, model);
    model.catch(() => this.#models.delete(name));
    return model;
  }

  #ask(message: ToWorker): void {
    if (this.#worker === null) {
      if (message.kind === 'cancel') return;
      this.#worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
      this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#take(data);
      this.#worker.onerror = (event) => this.#fail(event.message);
    }
    this.#worker.postMessage(message);
  }

  #take(message: FromWorker): void {
    if (message.kind === 'loading') {
      const { loaded, bytes } = message;
      this.#setStatus({ phase: 'loading', loaded, bytes });
    } else if (message.kind === 'ready') {
      const { processor, threads, instead } = message;
      this.#setStatus({ phase: 'ready', processor, threads, instead });
    } else if (message.kind === 'fetched') {
      this.#fetching.get(message.sha256)?.(message.fault);
      this.#fetching.delete(message.sha256);
    } else {
      this.#jobs.get(message.id)?.take(message);
      if (message.kind !== 'end' || message.status !== 'failed') return;
      // The server may have another model under the name by now.
      this.#models.clear();
      if (this.#status.phase !== 'ready') this.#setStatus(IDLE);
    }
  }

  /** A worker that broke takes its drawings with it; the next one starts afresh. */
  #fail(message: string): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#setStatus(IDLE);
    const fault = message || 'This device could not start the model.';
    for (const job of this.#jobs.values()) job.end('failed', fault);
    for (const end of this.#fetching.values()) end(fault);
    this.#fetching.clear();
  }

  #setStatus(status: DeviceStatus): void {
    this.#status = status;
    for (const listener of this.#listeners) listener();
  }
}

function shownToWorker({ name, sha256, url }: Adapter): DeviceAdapter {
  return { name, sha256, url: serverUrl(url) };
}

/** The one device of this page. */
export const device = new Device();

/** How far the device is. */
export function useDeviceStatus(): DeviceStatus {
  return useSyncExternalStore(device.subscribe, device.status);
}

const NO_JOB = Object.freeze({ read: () => UNKNOWN_JOB, subscribe: () => () => undefined });
const nothing = () => undefined;

/**
 * Follows a drawing, whether the server or this device makes it.
 * @returns its state, and a function that starts following anew
 */
export function useDrawing(id: string | null): readonly [JobState, () => void] {
  const isHere = isDeviceJob(id);
  const onServer = useJob(isHere ? null : id);
  const feed = useMemo(() => (isHere && id !== null ? device.job(id) : NO_JOB), [id, isHere]);
  const here = useSyncExternalStore(feed.subscribe, feed.read);
  return isHere ? [here, nothing] : onServer;
}
