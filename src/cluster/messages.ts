/** Messages between the process that hands out work and a worker process. */

/** To the worker. */
export type ToWorker =
  /** Carry out `task`; one at a time. */
  | { readonly kind: 'run'; readonly run: number; readonly task: string; readonly input: unknown }
  /** Stop at the next safe point. */
  | { readonly kind: 'cancel'; readonly run: number }
  /** Leave when nothing runs. */
  | { readonly kind: 'stop' };

/** From the worker. */
export type FromWorker =
  | { readonly kind: 'ready' }
  /** Sent every few seconds: the process still answers. */
  | { readonly kind: 'alive' }
  /** Something that a task tells on the way. */
  | { readonly kind: 'event'; readonly run: number; readonly event: unknown }
  | { readonly kind: 'done'; readonly run: number; readonly output: unknown }
  | {
      readonly kind: 'failed';
      readonly run: number;
      readonly message: string;
      /** Whether the task stopped because it was told to. */
      readonly cancelled: boolean;
    };

/** Milliseconds between signs of life. */
export const ALIVE_MILLISECONDS = 5000;
