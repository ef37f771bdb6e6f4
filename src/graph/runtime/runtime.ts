/** Runs graphs: compiles each once to an ONNX Runtime session, caches it, and executes it on a worker thread. */

import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { LARGE_WEIGHTS, peakActivations } from '../memory.ts';
import { assertWeightsThere } from '../onnx/check_weights.ts';
import type { EncodedModel } from '../onnx/encode.ts';
import { encodeModel } from '../onnx/encode.ts';
import type { TensorData } from '../types.ts';
import type { Value } from '../value.ts';
import type { Executable, GraphRuntime, Tensors } from './executable.ts';
import type { StagedFeeds } from './feeds.ts';
import { stageFeeds } from './feeds.ts';
import type { SessionSettings, WorkerSettings } from './messages.ts';
import { buffersOf } from './messages.ts';
import type { SessionRequest } from './session_host.ts';
import { SessionHost } from './session_host.ts';

/** Devices by the names that users give them. `auto` is the first that works. */
export type DeviceName = 'cpu' | 'webgpu' | 'cuda' | 'dml' | 'coreml' | 'auto';

/** How to start a runtime. */
export interface RuntimeOptions {
  /** Where graphs run; `cpu` when left out. */
  readonly device?: Exclude<DeviceName, 'auto'>;
  /** Threads in all, for one operator or for several graphs side by side; all cores when left out. */
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
  wide: false,
  profile: null,
});

/** For other graphs: weights stay mapped from their files, and values are held no longer than needed. */
const LARGE_GRAPH: SessionSettings = Object.freeze({
  optimization: 'extended',
  prepacking: false,
  memoryPattern: false,
  folding: false,
  wide: true,
  profile: null,
});

interface CachedSession {
  readonly request: SessionRequest;
  /** Whether it runs on the first worker alone. */
  readonly pinned: boolean;
  /** When a worker has it, by worker. */
  readonly ready: Map<number, Promise<void>>;
  holders: number;
}

/** A run that waits for a worker. */
interface Waiting {
  readonly pinned: boolean;
  start(worker: number): void;
  reject(error: Error): void;
}

/** Most workers of a runtime: each holds sessions, and with them memory, of its own. */
const MOST_WORKERS = 4;

/**
 * Worker threads, sessions and their cache on one device. On the processor several graphs run side by side, each on few threads:
 * the operators of small graphs are too short to be shared out among many (`npm run bench` times both). Sessions of large graphs
 * are wide and run alone, so that their weights and values are held once.
 */
export class Runtime implements GraphRuntime {
  readonly device: Exclude<DeviceName, 'auto'>;
  readonly threads: number;
  readonly concurrency: number;
  readonly #settings: WorkerSettings;
  readonly #hosts: SessionHost[] = [];
  readonly #busy = new Set<number>();
  readonly #waiting: Waiting[] = [];
  readonly #sessions = new Map<string, CachedSession>();
  #failure: Error | null = null;

  /** Worker threads start when first needed; sessions are made by {@link compile}. */
  constructor(options: RuntimeOptions = {}) {
    this.device = options.device ?? 'cpu';
    this.threads = options.threads ?? availableParallelism();
    this.concurrency = this.device === 'cpu' ? Math.min(this.threads, MOST_WORKERS) : 1;
    this.#settings = {
      provider: this.device,
      wideThreads: this.threads,
      threads: Math.floor(this.threads / this.concurrency),
      memory: options.memory ?? null,
    };
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
      // A profile is of one session.
      cached = { request, pinned: full.wide || full.profile !== null, ready: new Map(), holders: 0 };
      this.#sessions.set(key, cached);
    }
    cached.holders++;
    try {
      await this.#make(cached, 0);
    } catch (error) {
      this.#sessions.delete(key);
      throw new Error(`runtime: ${this.device} could not compile the graph: ${(error as Error).message}`, {
        cause: error,
      });
    }
    return this.#executable(key, cached, model);
  }

  /** Number of graphs that are compiled and not yet released. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Stops the workers and with them every session. */
  async close(): Promise<void> {
    this.#fail(new Error('runtime: closed'));
    await Promise.all(this.#hosts.map((host) => host.close()));
  }

  #executable(key: string, cached: CachedSession, model: EncodedModel): Executable {
    let released = false;
    const { inputs, outputs } = model;
    // Feeds are copied into buffers that travel to the worker and back: large tensors cost no fresh memory at each run.
    const idle: StagedFeeds[] = [];
    const run = async (feeds: Tensors): Promise<Record<string, TensorData>> => {
      if (released) throw new Error('runtime: this graph was released');
      const staged = stageFeeds(inputs, feeds, idle.pop());
      const response = await this.#onWorker(cached, (host) =>
        host.ask({ kind: 'run', session: key, feeds: staged }, buffersOf(staged)),
      );
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
      const responses = await Promise.all(
        [...cached.ready.keys()].map((worker) => this.#host(worker).ask({ kind: 'release', session: key })),
      );
      const profiles = responses.flatMap((response) => ('profile' in response ? [response.profile] : []));
      return profiles[0] ?? null;
    };
    return { inputs, outputs, run, release };
  }

  #host(worker: number): SessionHost {
    this.#hosts[worker] ??= new SessionHost(this.#settings, (error) => this.#fail(error));
    return this.#hosts[worker];
  }

  /** Resolves when a worker has a session. */
  #make({ request, ready }: CachedSession, worker: number): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    let made = ready.get(worker);
    if (made === undefined) {
      made = this.#host(worker)
        .ask(request)
        .then(() => undefined);
      ready.set(worker, made);
      made.catch(() => ready.delete(worker));
    }
    return made;
  }

  /** Does `work` on a worker that does nothing else meanwhile and has the session. */
  async #onWorker<T>(cached: CachedSession, work: (host: SessionHost) => Promise<T>): Promise<T> {
    const worker = await this.#takeWorker(cached);
    try {
      await this.#make(cached, worker);
      return await work(this.#host(worker));
    } finally {
      this.#giveBack(worker);
    }
  }

  /** A free worker, one with the session if there is one; or the next that becomes free. */
  #takeWorker({ pinned, ready }: CachedSession): Promise<number> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const usable = Array.from({ length: pinned ? 1 : this.concurrency }, (_, worker) => worker);
    const free = usable.filter((worker) => !this.#busy.has(worker));
    const chosen = free.find((worker) => ready.has(worker)) ?? free[0];
    if (chosen !== undefined) {
      this.#busy.add(chosen);
      return Promise.resolve(chosen);
    }
    return new Promise((resolve, reject) => this.#waiting.push({ pinned, start: resolve, reject }));
  }

  #giveBack(worker: number): void {
    const next = this.#waiting.findIndex(({ pinned }) => !pinned || worker === 0);
    if (next < 0) this.#busy.delete(worker);
    else this.#waiting.splice(next, 1)[0]!.start(worker);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const host of this.#hosts) host.fail(this.#failure);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}

/** Bytes that weights take in their files; one that a graph reads twice, in two shapes, counts once. */
function externalBytes({ weights }: EncodedModel): number {
  const regions = new Map(weights.map(({ region }) => [`${region.file}@${region.offset}`, region.length]));
  return [...regions.values()].reduce((sum, length) => sum + length, 0);
}
