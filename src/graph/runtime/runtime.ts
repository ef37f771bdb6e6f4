/** Runs graphs: compiles each once to an ONNX Runtime session, caches it, and executes it on a worker thread. */

import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import type { EncodedModel, NamedTensorType } from '../onnx/encode.ts';
import { encodeModel } from '../onnx/encode.ts';
import type { TensorData } from '../types.ts';
import { describeType, elementCount } from '../types.ts';
import type { Value } from '../value.ts';
import { toTensorData } from '../value.ts';
import type { Request, Response, SessionSettings, TensorMessage, WorkerSettings } from './messages.ts';
import { buffersOf } from './messages.ts';
import { startWorker } from './start_worker.ts';

/** Devices by the names that users give them. `auto` is the first that works. */
export type DeviceName = 'cpu' | 'webgpu' | 'cuda' | 'dml' | 'coreml' | 'auto';

/** Tensors by name, elements in row-major order. */
export type Tensors = Readonly<Record<string, TensorData>>;

/** How to start a runtime. */
export interface RuntimeOptions {
  /** Where graphs run; `cpu` when left out. */
  readonly device?: Exclude<DeviceName, 'auto'>;
  /** Threads that one operator may use; all cores when left out. */
  readonly threads?: number;
}

const DEFAULT_SETTINGS: SessionSettings = Object.freeze({
  optimization: 'all',
  prepacking: true,
  memoryPattern: true,
  profile: null,
});

/** A graph that is ready to run. */
export interface Executable {
  readonly inputs: readonly NamedTensorType[];
  readonly outputs: readonly NamedTensorType[];
  /**
   * Computes all outputs.
   * @param feeds one tensor for each input, elements in row-major order
   * @throws Error naming the input when one is missing, unknown or of the wrong length
   */
  run(feeds: Tensors): Promise<Record<string, TensorData>>;
  /**
   * Gives the session's memory back once every holder has released it.
   * @returns file of the profile, when one was asked for and this was the last holder; see `summarizeProfile`
   */
  release(): Promise<string | null>;
}

interface CachedSession {
  readonly ready: Promise<void>;
  holders: number;
}

/** Worker thread, sessions and their cache on one device. */
export class Runtime {
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
    const settings: WorkerSettings = { provider: this.device, threads: this.threads };
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
   * @throws Error from ONNX Runtime when the device cannot run the graph
   */
  async compile(
    outputs: Readonly<Record<string, Value>>,
    settings: Partial<SessionSettings> = {},
  ): Promise<Executable> {
    return this.load(encodeModel(outputs, this.device), settings);
  }

  /** Like {@link compile}, for a model that is encoded already. */
  async load(model: EncodedModel, settings: Partial<SessionSettings> = {}): Promise<Executable> {
    if (this.#failure !== null) throw this.#failure;
    const full: SessionSettings = { ...DEFAULT_SETTINGS, ...settings };
    const key = createHash('sha256').update(model.bytes).update(JSON.stringify(full)).digest('hex');
    let cached = this.#sessions.get(key);
    if (cached === undefined) {
      const { bytes, externalRoot } = model;
      const request = { kind: 'create', session: key, bytes, externalRoot, settings: full } as const;
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
    const idle: Staged[] = [];
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

type DistributiveOmit<T, Key extends keyof T> = T extends unknown ? Omit<T, Key> : never;

type Staged = Readonly<Record<string, TensorMessage>>;

/** Copies feeds into `buffers` of an earlier run, or into new ones, after checking them against the inputs. */
function stageFeeds(inputs: readonly NamedTensorType[], feeds: Tensors, buffers: Staged | undefined): Staged {
  for (const name of Object.keys(feeds)) {
    if (!inputs.some((input) => input.name === name)) {
      throw new Error(
        `runtime: expected inputs ${inputs.map((input) => input.name).join(', ')}, received ${name}`,
      );
    }
  }
  const messages: Record<string, TensorMessage> = {};
  for (const input of inputs) {
    const data = feeds[input.name];
    if (data === undefined)
      throw new Error(`runtime: expected input ${input.name} (${describeType(input)}), received none`);
    const typed = toTensorData(data, input.dtype);
    if (typed.length !== elementCount(input.shape)) {
      throw new Error(
        `runtime: expected ${describeType(input)} for ${input.name}, received ${typed.length} elements`,
      );
    }
    messages[input.name] = {
      dtype: input.dtype,
      shape: input.shape,
      data: copyInto(typed, buffers?.[input.name]?.data),
    };
  }
  return messages;
}

function copyInto(source: TensorData, target: TensorData | undefined): TensorData {
  if (target === undefined) return source.slice() as TensorData;
  target.set(source as never);
  return target;
}
