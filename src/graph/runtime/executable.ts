/** What runs graphs, wherever it runs them: on a worker thread of Node, or in a browser. */

import type { NamedTensorType } from '../onnx/encode.ts';
import type { TensorData } from '../types.ts';
import type { Value } from '../value.ts';
import type { SessionSettings } from './messages.ts';

/** Tensors by name, elements in row-major order. */
export type Tensors = Readonly<Record<string, TensorData>>;

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

/** What makes graphs ready to run. */
export interface GraphRuntime {
  /** Name of the execution provider that graphs are emitted for. */
  readonly device: string;
  /** How many runs go side by side; further ones wait. */
  readonly concurrency: number;
  /**
   * Compiles the graph of `outputs`, values by the name under which they leave it.
   * @param settings where they are to differ from those that suit the size of the graph's weights, on runtimes that have them
   * @throws Error when the device cannot run the graph
   */
  compile(outputs: Readonly<Record<string, Value>>, settings?: Partial<SessionSettings>): Promise<Executable>;
}
