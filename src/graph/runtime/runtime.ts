/** Runs graphs: compiles each once to an ONNX Runtime session, caches it, and executes it on a worker thread. */

import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { LARGE_WEIGHTS, peakActivations } from '../memory.ts';
import { assertWeightsThere } from '../onnx/check_weights.ts';
import type { EncodedModel } from '../onnx/encode.ts';
import { encodeModel } from '../onnx/encode.ts';
import type { TensorData } from '../types.ts';
import type { Value } from '../value.ts';
import type { Executable, GraphRuntime, Tensors } from './executable.ts';
import type { StagedFeeds } from './feeds.ts';
import { stageFeeds } from './feeds.ts';
import type { Request, Response, SessionSettings, WorkerSettings } from './messages.ts';
import { buffersOf } from './messages.ts';
import { startWorker } from './start_worker.ts';

/** Devices by the names that users give them. `auto` is the first that works. */
export type DeviceName = 'cpu' | 'webgpu' | 'cuda' | 'dml' | 'coreml' | 'auto';

/** How to start a runtime. */
export interface RuntimeOptions {
  /** Where graphs run; `cpu` when left out. */
  readonly device?: Exclude<DeviceName, 'auto'>;
  /** Threads that one operator may use; all cores when left out. */
  readonly threads?: number;
  /**
   * Bytes of resident memory that the process is to stay within, in which large graphs give way to each other; whatever the
   * machine has when left out. A graph that needs more by itself runs all the same.
   */
  readonly memory?: number;
}

/** For graphs whose weights take less than {@link LARGE_WEIGHTS}: whatever is fast. */
const SMALL_GRAPH: SessionSettings = Object.freeze({
  optimization: 'all',
  prepacking: true,
  memoryPattern: true,
  folding: true,
  profile: null,
});

/** For other graphs: weights stay mapped from their files, and values are held no longer than needed. */
const LARGE_GRAPH: SessionSettings = Object.freeze({
  optimization: 'extended',
  prepacking: false,
  memoryPattern: false,
  folding: false,
  profile: null,
});

interface CachedSession {
  readonly ready: Promise<void>;
  holders: number;
}

/** Worker thread, sessions and their cache on one device. */
export class Runtime implements GraphRuntime {
  readonly device: Exclude<DeviceName, 'auto'>;
  readonly threads: number;
  readonly #worker: Worker;
  readonly #pending = new Map<number, { resolve(response: Response): void; reject(error: Error): void }>();
  readonly #sessions = new Map<string, CachedSession>();
  #nextId = 0;
  #failure: Error | null = null;

  /** Starts the worker thread; sessions are made by {@link compile}. */
  constructor(options: RuntimeOptions = {}) {
    this.device = options.device ?? 'cpu';
    this.threads = options.threads ?? availableParallelism();
    const { memory = null } = options;
    const settings: WorkerSettings = { provider: this.device, threads: this.threads, memory };
    this.#worker = startWorker('./session_worker', import.meta.url, settings);
    this.#worker.on('message', (response: Response) => this.#settle(response));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', (code) =>
      this.#fail(new Error(`runtime: the ${this.device} worker stopped (code ${code})`)),
    );
    this.#worker.unref();
  }

  /**
   * Compiles the graph of `outputs`, or takes the session of an equal graph from the cache.
   * @param settings where they are to differ from those that suit the size of the graph's weights
   * @throws Error from ONNX Runtime when the device cannot run the graph
   */
  async compile(
    outputs: Readonly<Record<string, Value>>,
    settings: Partial<SessionSettings> = {},
  ): Promise<Executable> {
    return this.#open(encodeModel(outputs, this.device), settings, () => peakActivations(outputs));
  }

  /** Like {@link compile}, for a model that is encoded already. */
  load(model: EncodedModel, settings: Partial<SessionSettings> = {}): Promise<Executable> {
    return this.#open(model, settings, () => 0);
  }

  async #open(
    model: EncodedModel,
    settings: Partial<SessionSettings>,
    workingBytes: () => number,
  ): Promise<Executable> {
    if (this.#failure !== null) throw this.#failure;
    assertWeightsThere(model.weights);
    const mappedBytes = externalBytes(model);
    const isLarge = mappedBytes >= LARGE_WEIGHTS;
    const full: SessionSettings = { ...(isLarge ? LARGE_GRAPH : SMALL_GRAPH), ...settings };
    const key = createHash('sha256').update(model.bytes).update(JSON.stringify(full)).digest('hex');
    let cached = this.#sessions.get(key);
    if (cached === undefined) {
      const { bytes, externalRoot } = model;
      const request = {
        kind: 'create',
        session: key,
        bytes,
        externalRoot,
        settings: full,
        workingBytes: isLarge ? workingBytes() : 0,
        mappedBytes,
      } as const;
      cached = { ready: this.#ask(request).then(() => undefined), holders: 0 };
      this.#sessions.set(key, cached);
    }
    cached.holders++;
    try {
      await cached.ready;
    } catch (error) {
      this.#sessions.delete(key);
      throw new Error(`runtime: ${this.device} could not compile the graph: ${(error as Error).message}`, {
        cause: error,
      });
    }
    return this.#executable(key, cached, model);
  }

  /** Number of sessions that the worker holds: one for each graph compiled and not yet released. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Stops the worker and with it every session. */
  async close(): Promise<void> {
    this.#failure ??= new Error('runtime: closed');
    await this.#worker.terminate();
  }

  #executable(key: string, cached: CachedSession, model: EncodedModel): Executable {
    let released = false;
    const { inputs, outputs } = model;
    // Feeds are copied into buffers that travel to the worker and back: large tensors cost no fresh memory at each run.
    const idle: StagedFeeds[] = [];
    const run = async (feeds: Tensors): Promise<Record<string, TensorData>> => {
      if (released) throw new Error('runtime: this graph was released');
      const staged = stageFeeds(inputs, feeds, idle.pop());
      const response = await this.#ask({ kind: 'run', session: key, feeds: staged }, buffersOf(staged));
      const results: Record<string, TensorData> = {};
      if ('outputs' in response) {
        idle.push(response.feeds);
        for (const [name, tensor] of Object.entries(response.outputs)) results[name] = tensor.data;
      }
      return results;
    };
    const release = async (): Promise<string | null> => {
      if (released) return null;
      released = true;
      idle.length = 0;
      cached.holders--;
      if (cached.holders > 0) return null;
      this.#sessions.delete(key);
      const response = await this.#ask({ kind: 'release', session: key });
      return ('profile' in response && response.profile) || null;
    };
    return { inputs, outputs, run, release };
  }

  #ask(request: DistributiveOmit<Request, 'id'>, moved: readonly ArrayBuffer[] = []): Promise<Response> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage({ ...request, id }, moved);
    });
  }

  #settle(response: Response): void {
    const waiting = this.#pending.get(response.id);
    this.#pending.delete(response.id);
    if (this.#pending.size === 0) this.#worker.unref();
    if ('error' in response) waiting?.reject(new Error(response.error));
    else waiting?.resolve(response);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#failure);
    this.#pending.clear();
  }
}

/** Bytes that weights take in their files; one that a graph reads twice, in two shapes, counts once. */
function externalBytes({ weights }: EncodedModel): number {
  const regions = new Map(weights.map(({ region }) => [`${region.file}@${region.offset}`, region.length]));
  return [...regions.values()].reduce((sum, length) => sum + length, 0);
}

type DistributiveOmit<T, Key extends keyof T> = T extends unknown ? Omit<T, Key> : never;
