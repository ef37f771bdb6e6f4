/** Messages between a runtime and the worker thread that holds its ONNX Runtime sessions. */

import type { DataType, Shape, TensorData } from '../types.ts';

/** Element types of tensors that are fed and returned: bfloat16 is one of weights in files alone. */
export type FedDataType = Exclude<DataType, 'bfloat16'>;

/** A tensor as it crosses the thread boundary. */
export interface TensorMessage {
  readonly dtype: FedDataType;
  readonly shape: Shape;
  readonly data: TensorData;
}

/** Options of a session that change how ONNX Runtime compiles a model. */
export interface SessionSettings {
  /** `all` adds the blocked convolution layout (CPU): faster convolutions, a second copy of their weights. */
  readonly optimization: 'disabled' | 'basic' | 'extended' | 'all';
  /** Repack matrix weights into the kernel's own layout (a second copy of them). */
  readonly prepacking: boolean;
  /** Plan memory ahead from the first run: faster allocation, higher peak. */
  readonly memoryPattern: boolean;
  /** Compute what is constant once (a converted weight is held twice then), and equal expressions once (and hold them). */
  readonly folding: boolean;
  /** Use every thread for one run, where several runs could go side by side with fewer threads each. */
  readonly wide: boolean;
  /** File name prefix under which ONNX Runtime writes an operator profile, or `null` for none. */
  readonly profile: string | null;
}

/** What the runtime asks of its worker. */
export type Request =
  | {
      readonly kind: 'create';
      readonly id: number;
      readonly session: string;
      readonly bytes: Uint8Array;
      readonly externalRoot: string | null;
      readonly settings: SessionSettings;
      /** Estimate of what a run takes beside the weights; 0 for little. */
      readonly workingBytes: number;
      /** Bytes of weights that it reads from files. */
      readonly mappedBytes: number;
    }
  | {
      readonly kind: 'run';
      readonly id: number;
      readonly session: string;
      readonly feeds: Readonly<Record<string, TensorMessage>>;
    }
  | { readonly kind: 'release'; readonly id: number; readonly session: string };

/** What the worker answers. The buffers of a run's feeds come back with its outputs, to be filled again. */
export type Response =
  | {
      readonly id: number;
      readonly outputs: Readonly<Record<string, TensorMessage>>;
      readonly feeds: Readonly<Record<string, TensorMessage>>;
    }
  | { readonly id: number; readonly done: true; readonly profile?: string }
  | { readonly id: number; readonly error: string };

/** Buffers of `tensors`, to be handed over to the other thread instead of copied. */
export function buffersOf(...tensors: readonly Readonly<Record<string, TensorMessage>>[]): ArrayBuffer[] {
  return [
    ...new Set(
      tensors.flatMap((named) => Object.values(named)).map(({ data }) => data.buffer as ArrayBuffer),
    ),
  ];
}

/** How a worker is started. */
export interface WorkerSettings {
  /** Name of ONNX Runtime's execution provider. */
  readonly provider: string;
  /** Threads that one operator may use: of a wide session, and of others. */
  readonly wideThreads: number;
  readonly threads: number;
  /** Bytes of resident memory that the process is to stay within; null for whatever the machine has. */
  readonly memory: number | null;
}
