/** Runs graphs in a browser: the same graphs as on a server, compiled to sessions of ONNX Runtime Web. */

import type { InferenceSession, Tensor } from 'onnxruntime-web';
import type { Executable, GraphRuntime, TensorData, Tensors, Value } from '../../../src/graph/building.ts';
import { encodeModel, stageFeeds } from '../../../src/graph/building.ts';
import type { Processor } from './messages.ts';

/** The part of ONNX Runtime Web that is used here. */
export interface OrtModule {
  readonly InferenceSession: {
    create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: new (type: Tensor.Type, data: Tensor.DataType, dims: readonly number[]) => Tensor;
}

/** Bytes of a safetensors file under the absolute path by which graphs refer to them. */
export interface MountedWeights {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Sessions over the weights of one model. One graph runs at a time. */
export class WebRuntime implements GraphRuntime {
  readonly device: string;
  readonly concurrency = 1;
  readonly #ort: OrtModule;
  readonly #processor: Processor;
  readonly #weights: MountedWeights;
  readonly #sessions = new Set<InferenceSession>();
  #queue: Promise<unknown> = Promise.resolve();

  /** Sessions are made by {@link compile}. */
  constructor(ort: OrtModule, processor: Processor, weights: MountedWeights) {
    this.device = processor === 'webgpu' ? 'webgpu' : 'cpu';
    this.#ort = ort;
    this.#processor = processor;
    this.#weights = weights;
  }

  /**
   * Compiles the graph of `outputs`.
   * @throws Error from ONNX Runtime when this device cannot run the graph
   */
  async compile(outputs: Readonly<Record<string, Value>>): Promise<Executable> {
    const model = encodeModel(outputs, this.device);
    const { path, bytes } = this.#weights;
    const session = await this.#inTurn(() =>
      this.#ort.InferenceSession.create(model.bytes, {
        executionProviders: [this.#processor],
        graphOptimizationLevel: 'all',
        logSeverityLevel: 3,
        // Locations of weights are relative to the root.
        ...(model.weights.length === 0 ? {} : { externalData: [{ path: path.slice(1), data: bytes }] }),
      }),
    );
    this.#sessions.add(session);
    const { inputs, outputs: results } = model;
    return {
      inputs,
      outputs: results,
      run: (feeds) => this.#inTurn(() => this.#run(session, stageFeeds(inputs, feeds))),
      release: async () => {
        if (this.#sessions.delete(session)) await this.#inTurn(() => session.release());
        return null;
      },
    };
  }

  /** Gives every session's memory back. */
  async close(): Promise<void> {
    const open = [...this.#sessions];
    this.#sessions.clear();
    for (const session of open) await this.#inTurn(() => session.release());
  }

  async #run(
    session: InferenceSession,
    staged: ReturnType<typeof stageFeeds>,
  ): Promise<Record<string, TensorData>> {
    // A session may compute without giving way; messages such as a cancellation come in before it.
    await nextTask();
    const { Tensor } = this.#ort;
    const feeds = Object.entries(staged).map(([name, { dtype, data, shape }]) => [
      name,
      new Tensor(dtype as Tensor.Type, data as Tensor.DataType, shape),
    ]);
    const results = await session.run(Object.fromEntries(feeds));
    return Object.fromEntries(
      Object.entries(results).map(([name, tensor]) => [name, tensor.data as Tensors[string]]),
    );
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }
}

function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
