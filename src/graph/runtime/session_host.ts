/** A worker thread that holds ONNX Runtime sessions, as its runtime talks to it: requests out, answers back. */

import type { Worker } from 'node:worker_threads';
import type { Request, Response, WorkerSettings } from './messages.ts';
import { startWorker } from './start_worker.ts';

/** What is asked of a worker; the host numbers it. */
export type SessionRequest = DistributiveOmit<Request, 'id'>;

type DistributiveOmit<T, Key extends keyof T> = T extends unknown ? Omit<T, Key> : never;

/** The worker thread and what it was asked and has not answered. */
export class SessionHost {
  readonly #worker: Worker;
  readonly #pending = new Map<number, { resolve(response: Response): void; reject(error: Error): void }>();
  #nextId = 0;
  #failure: Error | null = null;

  /**
   * Starts the thread; it does not keep the process alive while nothing is asked of it.
   * @param onFailure hears why the thread ended by itself, after what was pending was rejected for the same reason
   */
  constructor(settings: WorkerSettings, onFailure: (error: Error) => void) {
    this.#worker = startWorker('./session_worker', import.meta.url, settings);
    const fail = (error: Error) => {
      if (this.#failure !== null) return;
      this.fail(error);
      onFailure(error);
    };
    this.#worker.on('message', (response: Response) => this.#settle(response));
    this.#worker.on('error', fail);
    this.#worker.on('exit', (code) =>
      fail(new Error(`runtime: the ${settings.provider} worker stopped (code ${code})`)),
    );
    this.#worker.unref();
  }

  /**
   * Sends a request; requests are answered in their order.
   * @param moved buffers that are handed over instead of copied
   * @throws Error that the worker answers with, or why it is no longer there
   */
  ask(request: SessionRequest, moved: readonly ArrayBuffer[] = []): Promise<Response> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage({ ...request, id }, moved);
    });
  }

  /** Rejects what is pending, and what is asked from now on. */
  fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#failure);
    this.#pending.clear();
  }

  /** Stops the thread and with it every session. */
  async close(): Promise<void> {
    this.#failure ??= new Error('runtime: closed');
    await this.#worker.terminate();
    this.fail(this.#failure);
  }

  #settle(response: Response): void {
    const waiting = this.#pending.get(response.id);
    this.#pending.delete(response.id);
    if (this.#pending.size === 0) this.#worker.unref();
    if ('error' in response) waiting?.reject(new Error(response.error));
    else waiting?.resolve(response);
  }
}
